// Sales over time, beside the period before.
import { calendar, money, number, percent, plural, roundMoney, shopZone } from '../core/format.js';
import { html, useMemo, useState } from '../core/html.js';
import { useResource } from '../core/resource.js';
import { href } from '../core/router.js';
import { Ago, Card, Choice, Empty, Loaded } from './basics.js';
import { Chart } from './chart.js';
import { useAfter } from './after.js';
import { Money } from './money.js';

// By what the bars stand for: how many there are, the one that is not over included.
const COUNTS = { day: 30, week: 12, month: 12 };
const EVERY_MILLISECONDS = 10000;
// What is over changes only when an order of then is cancelled.
const SELDOM_MILLISECONDS = 300000;
const MOST_IN_FULL = 1e6;

const dayOf = (moment) => moment.toISOString().slice(0, 10);

/** The first day of the day, week or month that lies so many of them before another. */
function firstDay(day, groupBy, before) {
  const moment = new Date(day);
  if (groupBy === 'week') moment.setUTCDate(moment.getUTCDate() - ((moment.getUTCDay() + 6) % 7));
  if (groupBy === 'month') {
    moment.setUTCDate(1);
    moment.setUTCMonth(moment.getUTCMonth() - before);
  } else {
    moment.setUTCDate(moment.getUTCDate() - before * (groupBy === 'week' ? 7 : 1));
  }
  return dayOf(moment);
}

/**
 * The shop's days up to its today, which may be another one than where one looks; and those before
 * them, so that each bar has a whole day, week or month beside it.
 */
function rangesOf(groupBy) {
  const endDate = new Intl.DateTimeFormat('en-CA', { timeZone: shopZone }).format(new Date());
  const startDate = firstDay(endDate, groupBy, COUNTS[groupBy] - 1);
  const lastBefore = new Date(startDate);
  lastBefore.setUTCDate(lastBefore.getUTCDate() - 1);
  return [{ startDate, endDate, groupBy }, { startDate: firstDay(startDate, groupBy, COUNTS[groupBy]), endDate: dayOf(lastBefore), groupBy }];
}

export function SalesCard() {
  const [groupBy, setGroupBy] = useState('day');
  // Anew each time that it is drawn: a window that stays open goes on to the next day.
  const [now, before] = rangesOf(groupBy);
  const resource = useResource('/api/analytics/sales', { ...now, compareTo: 'previous' }, { every: EVERY_MILLISECONDS });
  const previous = useResource('/api/analytics/sales', before, { every: SELDOM_MILLISECONDS });
  useAfter('operations', null, 3000, resource.reload, (event) => event.orderId);
  const choice = html`<${Choice} label="Sales by" value=${groupBy} onChange=${setGroupBy}
    options=${[['day', 'Day'], ['week', 'Week'], ['month', 'Month']]} />`;
  return html`<${Card} title="Sales" aside=${choice}>
    <${Loaded} resource=${resource} rows=${7}>${(sales) => html`<${Sales} sales=${sales} previous=${previous.data} lacking=${Boolean(previous.error) && !previous.data} />`}<//>
  <//>`;
}

function Sales({ sales, previous, lacking }) {
  const { series, totals, currency, groupBy } = sales;
  const xs = useMemo(() => series.map((_, index) => index), [series]);
  const lines = useMemo(() => [
    { name: 'Revenue', values: series.map((one) => one.revenue), kind: 'bars', tone: 'first' },
    ...(previous ? [{ name: 'Period before', values: xs.map((index) => previous.series[index]?.revenue ?? null), kind: 'dashed', tone: 'second' }] : []),
  ], [series, previous]);
  const name = (index) => series[index] && calendar(series[index].period, AXIS[groupBy]);
  const of = (one) => `${groupBy === 'week' ? 'Week of ' : ''}${calendar(one.period, TIP)}`;
  const row = (index) => `${of(series[index])}${series[index].complete ? '' : ', so far'}`;
  const title = (index) => {
    const other = previous?.series[index];
    return `${row(index)} · ${plural(series[index].orders, 'order')}${other ? ` · before: ${of(other)}` : ''}`;
  };
  return html`<dl class="figures">
      <${Total} name="Revenue" value=${html`<${Money} value=${totals.revenue} code=${currency} most=${MOST_IN_FULL} />`} change=${sales.change?.revenue} />
      <${Total} name="Orders" value=${number(totals.orders)} change=${sales.change?.orders} />
      <${Total} name="Units" value=${number(totals.units)} change=${sales.change?.units} />
      <${Total} name="Average order" value=${html`<${Money} value=${totals.averageOrderValue} code=${currency} most=${MOST_IN_FULL} />`} change=${sales.change?.averageOrderValue} />
    </dl>
    ${!totals.orders && !previous?.totals.orders ? html`<${Empty} title="No sale in this time">Each day is drawn here from the first order on.<//>` : html`<${Chart} label="Revenue by ${groupBy}" xs=${xs} series=${lines} axis=${name} tip=${title} row=${row} columns=${columnsOf(sales, previous, of)} height=${230} format=${(value) => (value == null ? '–' : roundMoney(value, currency))} exact=${(value) => money(value, currency)} legend=${html`<p class="legend"><span><i class="swatch first bars"></i>Revenue</span>${previous && html`<span><i class="swatch second dashed"></i>Period before</span>`}
      ${lacking && html`<span class="fine" role="status">The period before cannot be read now</span>`}
      <span class="fine">Days of ${sales.timezone}, as of <${Ago} at=${sales.asOf} /></span></p>`} />`}
    ${sales.topProducts.length > 0 && html`<${TopProducts} sales=${sales} />`}`;
}

/** The chart's numbers as a table: each period with its orders, and the one that it is compared with. */
function columnsOf({ series, currency }, previous, of) {
  const before = (index, cell) => (previous?.series[index] ? cell(previous.series[index]) : '–');
  const now = [
    { name: 'Revenue', cell: (index) => money(series[index].revenue, currency) },
    { name: 'Orders', cell: (index) => number(series[index].orders) },
  ];
  return previous ? [
    ...now,
    { name: 'Compared with', cell: (index) => before(index, of), isText: true },
    { name: 'Its revenue', cell: (index) => before(index, (one) => money(one.revenue, currency)) },
    { name: 'Its orders', cell: (index) => before(index, (one) => number(one.orders)) },
  ] : now;
}

const AXIS = { day: { day: 'numeric', month: 'short' }, week: { day: 'numeric', month: 'short' }, month: {} };
const TIP = { weekday: 'short', day: 'numeric', month: 'long' };

function Total({ name, value, change }) {
  const moved = change?.percent;
  return html`<div><dt>${name}</dt><dd>${value}
    ${moved != null && html`<span class="change ${moved > 0 ? 'up' : moved < 0 ? 'down' : ''}"><span class="visually-hidden">compared with the period before: </span>${percent(moved)}</span>`}</dd></div>`;
}

function TopProducts({ sales }) {
  return html`<details class="numbers" open><summary>Best sellers</summary><ol class="plain-list">
    ${sales.topProducts.slice(0, 5).map((one) => html`<li key=${one.productId}><a class="grow" href=${href('products', one.productId)}>${one.name}</a>
      <span class="fine">${number(one.units)} sold</span><b><${Money} value=${one.revenue} code=${sales.currency} most=${MOST_IN_FULL} /></b></li>`)}
  </ol></details>`;
}
