// The last minute of operations: how many, how fast, and second by second.
import { duration, number } from '../core/format.js';
import { html, useMemo } from '../core/html.js';
import { Chart } from './chart.js';

export function Pulse({ activity }) {
  const { xs, done, wrong, end } = useMemo(() => seconds(activity), [activity]);
  const { ended, perSecond, latency } = activity.operations;
  const series = [
    { name: 'Ended', values: done, kind: 'area', tone: 'first' },
    { name: 'Refused or given up', values: wrong, kind: 'bars', tone: 'bad' },
  ];
  const ago = (at) => (at === end ? 'now' : `${number(end - at)} s ago`);
  return html`<dl class="figures">
      <div><dt>Ended in the last minute</dt><dd>${number(ended)}</dd></div>
      <div><dt>Per second</dt><dd>${number(perSecond, { maximumFractionDigits: 1 })}</dd></div>
      <div><dt>Half within</dt><dd>${latency ? duration(latency.p50) : '–'}</dd></div>
      <div><dt>99 % within</dt><dd>${latency ? duration(latency.p99) : '–'}</dd></div>
    </dl>
    <${Chart} label="Operations ended per second, last minute" xs=${xs} series=${series} height=${150} time=${true} splits=${(width) => (width < 480 ? [40, 20, 0] : [50, 40, 30, 20, 10, 0]).map((age) => end - age)} table=${false}
      axis=${(index, at) => ago(at ?? xs[index])} format=${(value) => number(value)} />`;
}

function seconds({ asOf, operations }) {
  const end = Math.floor(new Date(asOf).getTime() / 1000);
  const found = new Map(operations.series.map((one) => [Math.floor(new Date(one.at).getTime() / 1000), one]));
  const xs = Array.from({ length: operations.seconds }, (_, index) => end - operations.seconds + 1 + index);
  const of = (pick) => xs.map((at) => (found.has(at) ? pick(found.get(at)) : 0));
  return { end, xs, done: of((one) => one.ended), wrong: of((one) => one.failed + one.dead) };
}
