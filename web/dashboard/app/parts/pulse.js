// The last minute of operations: how many, how fast, how they ended, and second by second.
import { duration, number, relative } from '../core/format.js';
import { html, useMemo } from '../core/html.js';
import { statusWord } from './basics.js';
import { Chart } from './chart.js';
import { Spark } from './spark.js';

const ENDS = ['succeeded', 'failed', 'dead'];

/** `wide`: the figures stand beside the chart where there is room. */
export function Pulse({ activity, wide = false }) {
  const { xs, ended, failed, dead, slow, end, counts } = useMemo(() => seconds(activity), [activity]);
  const { latency, perSecond } = activity.operations;
  // Of very many a service looks at the newest only.
  const span = activity.operations.seconds >= 60 ? 'last minute' : `last ${duration(activity.operations.seconds * 1000)}`;
  const series = [
    { name: 'Ended', values: ended, kind: 'area', tone: 'first' },
    { name: statusWord('failed'), values: failed, kind: 'bars', tone: 'warn' },
    { name: statusWord('dead'), values: dead, kind: 'bars', tone: 'bad' },
  ];
  const ago = (at) => (at === end ? 'now' : relative(at * 1000, end * 1000));
  return html`<div class="pulse ${wide ? 'wide' : ''}"><div>
      <dl class="figures">
        <div><dt>L${span.slice(1)}</dt><dd>${number(activity.operations.ended)}</dd></div>
        <div><dt>Per second</dt><dd>${number(perSecond, { maximumFractionDigits: 1 })}</dd></div>
        <div><dt>Half within</dt><dd>${latency ? duration(latency.p50) : '–'}</dd></div>
        <div><dt>99 % within</dt><dd>${latency ? duration(latency.p99) : '–'}</dd></div>
        <div class="wide" title="Of each second, how long 95 in 100 took at most"><dt>Time taken, by the second</dt>
          <dd>${latency ? html`<${Spark} values=${slow} label="95 in 100 within ${duration(Math.max(...slow))} in every second" /> <span class="fine">up to ${duration(Math.max(...slow))}</span>` : '–'}</dd></div>
      </dl>
      <${Ends} counts=${counts} />
    </div>
    <${Chart} label="Operations ended per second, ${span}" xs=${xs} series=${series} height=${150} time=${true} splits=${(width) => (width < 480 ? [40, 20, 0] : [50, 40, 30, 20, 10, 0]).filter((age) => age < activity.operations.seconds).map((age) => end - age)} table=${false}
      axis=${(index, at) => ago(at ?? xs[index])} format=${(value) => number(value)} /></div>`;
}

/** How they ended, as shares of a bar and in figures. */
function Ends({ counts }) {
  return html`<div class="ends">
    <div class="ends-bar" aria-hidden="true">${counts.map((count, place) => count > 0 && html`<i key=${ENDS[place]} class=${ENDS[place]} style=${{ flexGrow: count }}></i>`)}</div>
    <p class="legend">${counts.map((count, place) => html`<span key=${ENDS[place]}><i class="swatch ${ENDS[place]}"></i>${statusWord(ENDS[place])} <b>${number(count)}</b></span>`)}</p>
  </div>`;
}

function seconds({ asOf, operations }) {
  // The second that is not over yet would always look like a decline.
  const end = Math.floor(new Date(asOf).getTime() / 1000) - 1;
  const found = new Map(operations.series.map((one) => [Math.floor(new Date(one.at).getTime() / 1000), one]));
  const xs = Array.from({ length: operations.seconds - 1 }, (_, index) => end - operations.seconds + 2 + index);
  const of = (name, otherwise = 0) => xs.map((at) => found.get(at)?.[name] ?? otherwise);
  const sum = (name) => operations.series.reduce((total, one) => total + one[name], 0);
  const counts = [operations.ended - sum('failed') - sum('dead'), sum('failed'), sum('dead')];
  return { end, xs, counts, ended: of('ended'), failed: of('failed'), dead: of('dead'), slow: of('p95', null) };
}
