// Charts: one way to draw them, with readable axes, a tooltip, and the numbers for those who cannot see it.
import { compact } from '../core/format.js';
import { html, useEffect, useRef, useState } from '../core/html.js';
import { useStore } from '../core/store.js';
import { colourOf, themeChanges } from './theme.js';

// Whole numbers only: nothing that is drawn here comes in halves.
const STEPS = Array.from({ length: 13 }, (_, power) => [1, 2, 5].map((step) => step * 10 ** power)).flat();
// Of time: no label names less than a second.
const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, ...[1, 2, 3, 7, 14, 30, 60, 90, 180, 365].map((days) => days * 86400)];
const DAY_SECONDS = 86400;
/** An axis of time that is longer than this names days, and no times. */
export const DAYS_ALONE_SECONDS = 2 * DAY_SECONDS;
const DAYS = SECONDS.filter((step) => step >= DAY_SECONDS);
const COLOURS = { first: '--chart-1', second: '--chart-2', warn: '--chart-warn', bad: '--bad' };
const FONT = '12px system-ui, sans-serif';

/**
 * Draw series over a common axis.
 *
 * `series` are `{name, values, kind: 'bars'|'area'|'dashed', tone}`; `axis` gives what
 * stands under a place, `splits` the places themselves by the width; `tip` names a place in the tooltip; `format` writes a value,
 * and `exact` one where there is room for all of it. The table names its rows by `row`, and has the series as its
 * columns unless others are given as `{name, cell, isText}`.
 */
export function Chart({ label, xs, series, axis, tip, format = compact, exact = format, height = 240, time = false, splits, legend, table = true, row, columns }) {
  const place = useRef(null);
  const [pointed, setPointed] = useState(null);
  const theme = useStore(themeChanges);
  const shape = series.map((one) => one.kind + one.name).join() + time + height + theme;
  const plot = useRef(null);
  const texts = useRef({});
  texts.current = { axis, format, splits };

  useEffect(() => {
    const box = place.current;
    const options = optionsOf(series, texts, time, height, box.clientWidth, setPointed, Boolean(splits));
    plot.current = new window.uPlot(options, dataOf(xs, series), box);
    const watcher = new ResizeObserver(() => plot.current?.setSize({ width: box.clientWidth, height }));
    watcher.observe(box);
    return () => {
      watcher.disconnect();
      plot.current.destroy();
      plot.current = null;
    };
  }, [shape]);
  useEffect(() => {
    const drawn = plot.current;
    drawn?.setData(dataOf(xs, series), true);
  }, [xs, ...series.map((one) => one.values)]);

  return html`<figure class="chart" aria-label=${label}>
    <div class="chart-box" style=${{ height: `${height}px` }}>
      <div ref=${place} role="img" aria-label=${label}></div>
      ${pointed && html`<${Tip} pointed=${pointed} title=${(tip ?? axis)(pointed.index)} series=${series} format=${exact} />`}
    </div>
    ${legend}
    ${table && html`<${Numbers} label=${label} xs=${xs} name=${row ?? tip ?? axis} columns=${columns ?? series.map((one) => ({ name: one.name, cell: (index) => exact(one.values[index]) }))} />`}
  </figure>`;
}

function Numbers({ label, xs, name, columns }) {
  return html`<details class="numbers"><summary>Show the numbers</summary>
    <div class="table-scroll" tabindex="0" role="region" aria-label="Numbers: ${label}"><table>
      <thead><tr><th scope="col">Period</th>${columns.map((one) => html`<th scope="col" class=${one.isText ? '' : 'num'} key=${one.name}>${one.name}</th>`)}</tr></thead>
      <tbody>${xs.map((x, index) => html`<tr key=${x}><th scope="row">${name(index)}</th>
        ${columns.map((one) => html`<td class=${one.isText ? '' : 'num'} key=${one.name}>${one.cell(index)}</td>`)}</tr>`)}</tbody></table></div>
  </details>`;
}

const dataOf = (xs, series) => [xs, ...series.map((one) => one.values)];

function Tip({ pointed, title, series, format }) {
  const side = pointed.left > pointed.width / 2 ? { right: `${pointed.width - pointed.left + 14}px` } : { left: `${pointed.left + 14}px` };
  return html`<div class="tip" style=${{ ...side, top: '8px' }}>
    <b>${title}</b>
    ${series.map((one) => html`<span key=${one.name} class="tip-row"><i class="swatch ${one.tone} ${one.kind}"></i>${one.name}<em>${format(one.values[pointed.index])}</em></span>`)}
  </div>`;
}

function optionsOf(series, texts, time, height, width, setPointed, fixed) {
  const grid = { stroke: colourOf('--grid'), width: 1 };
  const ink = colourOf('--ink-3');
  const text = (value) => texts.current.format(value);
  return {
    width,
    height,
    // A time of day is wide, and drawn around its moment.
    padding: [10, time ? 44 : 20, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    scales: {
      x: { time, range: (_, low, high) => (time ? [low, high] : [low - 0.6, high + 0.6]) },
      y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.08 : 1] },
    },
    axes: [
      {
        stroke: ink, font: FONT, grid: { show: false }, ticks: { show: false }, size: 30, gap: 6, space: time ? 90 : 64,
        ...(time ? {} : { incrs: [1, 2, 3, 5, 7, 10, 14, 30, 60, 90, 180, 365], values: (_, places) => places.map((at) => (Number.isInteger(at) ? texts.current.axis(at) ?? '' : '')) }),
        ...(fixed ? { splits: (plot) => texts.current.splits(plot.width) } : {}),
        ...(time ? { incrs: (plot, axis, low, high) => (high - low > DAYS_ALONE_SECONDS ? DAYS : SECONDS), values: (_, places) => places.map((at) => texts.current.axis(null, at)) } : {}),
      },
      { stroke: ink, font: FONT, grid, ticks: { show: false }, size: widthOf, gap: 8, space: 44, incrs: STEPS, values: (_, found) => found.map(text) },
    ],
    series: [{}, ...series.map((one) => seriesOf(one, time))],
    hooks: {
      setCursor: [
        (plot) => {
          const { idx, left } = plot.cursor;
          const offset = plot.bbox.left / devicePixelRatio;
          setPointed(idx == null || left < 0 ? null : { index: idx, left: left + offset, width: plot.width });
        },
      ],
    },
  };
}

function widthOf(plot, values) {
  const longest = Math.max(0, ...(values ?? []).map((value) => value.length));
  return longest * 7 + 14;
}

function seriesOf({ kind, tone }, time) {
  const stroke = colourOf(COLOURS[tone]);
  if (kind === 'bars') {
    return { stroke, width: 0, fill: tone === 'first' ? colourOf('--chart-1-soft') : stroke, paths: window.uPlot.paths.bars({ size: [0.68, 36], radius: 0.15 }), points: { show: false } };
  }
  if (kind === 'area') {
    return { stroke, width: 1.75, fill: colourOf('--accent-soft'), paths: window.uPlot.paths.stepped({ align: 1 }), points: { show: false } };
  }
  const paths = time ? window.uPlot.paths.stepped({ align: 1 }) : undefined;
  return { stroke, width: 1.5, dash: [5, 4], paths, points: { show: false } };
}
