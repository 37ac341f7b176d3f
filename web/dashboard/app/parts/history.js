// A product's stock over time, drawn from its ledger: as far back as one chooses, and it says how far that is.
import { clock, dateTime, number, plural } from '../core/format.js';
import { html, useEffect, useMemo, useState } from '../core/html.js';
import { useNow } from '../core/store.js';
import { Card, Choice, Empty, Loaded } from './basics.js';
import { Chart, DAYS_ALONE_SECONDS } from './chart.js';

const DAY_SECONDS = 86400;
const DAY = new Intl.DateTimeFormat(navigator.languages, { day: 'numeric', month: 'short' });
const SPANS = [['', 'Newest'], ['1', 'Day'], ['7', 'Week'], ['30', 'Month']];
const NAMES = { 1: 'the last 24 hours', 7: 'the last 7 days', 30: 'the last 30 days' };
// What a chart can show; a span with more of them is drawn as far back as these go.
const MOST = 500;
// What all happened at one moment still has a before and an after.
const LEAST_MARGIN_SECONDS = 5;
const MARGIN = 0.02;
const EDGE_MILLISECONDS = 30000;

const isMidnight = (moment) => moment.getHours() + moment.getMinutes() + moment.getSeconds() === 0;

const secondsOf = (item) => new Date(item.createdAt).getTime() / 1000;

export function History({ ledger, resource }) {
  const [span, setSpan] = useState('');
  const { items, done, loading, error, more } = ledger;
  const now = useNow(EDGE_MILLISECONDS) / 1000;
  const from = span ? now - Number(span) * DAY_SECONDS : null;
  const reaches = done || from === null || (items.length > 0 && secondsOf(items.at(-1)) <= from);
  const lacks = !loading && !error && !reaches && items.length < MOST;
  useEffect(() => {
    if (lacks) more();
  }, [lacks, items.length]);
  const choice = html`<${Choice} label="How far back" value=${span} onChange=${setSpan} options=${SPANS} />`;
  return html`<${Card} title="History" aside=${choice}><${Loaded} resource=${resource} rows=${6}>${() => (items.length
    ? html`<${Drawn} items=${items} from=${reaches ? from : null} now=${now} note=${noteOf(items, done, span, from, reaches)} />`
    : html`<${Empty} title="No history yet">It is drawn from the first movement on.<//>`)}<//><//>`;
}

/** What is drawn, in words: nothing is left out without being said. */
function noteOf(items, done, span, from, reaches) {
  if (!span) return done ? `All ${plural(items.length, 'movement')}` : `The newest ${number(items.length)} movements`;
  if (!reaches) return `The newest ${number(items.length)} movements; ${NAMES[span]} hold more`;
  const count = items.filter((item) => secondsOf(item) >= from).length;
  return count ? `${plural(count, 'movement')} in ${NAMES[span]}` : `Nothing moved in ${NAMES[span]}`;
}

function Drawn({ items, from, now, note }) {
  const { xs, series } = useMemo(() => drawn(items, from, now), [items, from, now]);
  const width = xs.at(-1) - xs[0];
  const axis = (index, at) => {
    const moment = new Date((at ?? xs[index]) * 1000);
    return width > DAYS_ALONE_SECONDS || isMidnight(moment) ? DAY.format(moment) : clock(moment, width < 600 ? 'medium' : 'short');
  };
  return html`<${Chart} label="Stock over time" xs=${xs} series=${series} time=${true} height=${200} axis=${axis} table=${false}
      tip=${(index) => dateTime(xs[index] * 1000)} format=${(value) => number(value)} />
    <p class="legend"><span><i class="swatch first area"></i>Can be sold</span><span><i class="swatch second dashed"></i>In the house</span>
      <span class="fine" data-testid="drawn">${note}</span></p>`;
}

/** The levels from the one before the first movement to the one that holds at the end. */
function drawn(items, from, now) {
  const rows = items.filter((item) => from === null || secondsOf(item) >= from).reverse();
  const [first, last] = [rows[0] ?? items[0], rows.at(-1) ?? items[0]];
  const margin = Math.max(LEAST_MARGIN_SECONDS, (secondsOf(last) - secondsOf(first)) * MARGIN);
  const before = rows.length ? { onHand: first.onHand - first.onHandChange, reserved: first.reserved - first.reservedChange } : first;
  const points = new Map();
  // An axis of time goes forward: of the movements of one moment, the last one counts.
  points.set(from ?? secondsOf(first) - margin, before);
  for (const row of rows) points.set(secondsOf(row), row);
  // A clock that is behind the service's must not turn the axis around.
  const present = Math.max(now, secondsOf(last) + 1);
  points.set(from === null ? Math.min(secondsOf(last) + margin, present) : present, last);
  const levels = [...points.values()];
  return {
    xs: [...points.keys()],
    series: [
      { name: 'Can be sold', values: levels.map((level) => level.onHand - level.reserved), kind: 'area', tone: 'first' },
      { name: 'In the house', values: levels.map((level) => level.onHand), kind: 'dashed', tone: 'second' },
    ],
  };
}
