// Sales over time, beside the period before.
import { calendar, number, percent, plural, roundMoney, shopZone } from '../core/format.js';
import { html, useMemo, useState } from '../core/html.js';
import { useResource } from '../core/resource.js';
import { href } from '../core/router.js';
import { Card, Choice, Empty, Loaded } from './basics.js';
import { Chart } from './chart.js';
import { useAfter } from './after.js';
import { Money } from './money.js';

// By what the bars stand for: how many days they go back.
const SPANS = { day: 30, week: 84, month: 365 };
const EVERY_MILLISECONDS = 30000;
const MOST_IN_FULL = 1e6;

/** The shop's days up to its today, which may be another one than where one looks. */
function range(groupBy) {
  const endDate = new Intl.DateTimeFormat('en-CA', { timeZone: shopZone }).format(new Date());
  const start = new Date(endDate);
  start.setUTCDate(start.getUTCDate() - SPANS[groupBy] + 1);
  if (groupBy === 'month') start.setUTCDate(1);
  return { startDate: start.toISOString().slice(0, 10), endDate };
}

export function SalesCard() {
  const [groupBy, setGroupBy] = useState('day');
  // Anew each time that it is drawn: a window that stays open goes on to the next day.
  const query = { ...range(groupBy), groupBy, compareTo: 'previous' };
  const resource = useResource('/api/analytics/sales', query, { every: EVERY_MILLISECONDS });
  useAfter('operations', null, 3000, resource.reload, (event) => event.orderId);
  const choice = html`<${Choice} label="Sales by" value=${groupBy} onChange=${setGroupBy}
    options=${[['day', 'Day'], ['week', 'Week'], ['month', 'Month']]} />`;
  return html`<${Card} title="Sales" aside=${choice}>
    <${Loaded} resource=${resource} rows=${7}>${(sales) => html`<${Sales} sales=${sales} />`}<//>
  <//>`;
}

function Sales({ sales }) {
  const { series, previous, totals, currency, groupBy } = sales;
  const xs = useMemo(() => series.map((_, index) => index), [series]);
  const lines = useMemo(() => [
    { name: 'Revenue', values: series.map((one) => one.revenue), kind: 'bars', tone: 'first' },
    ...(previous ? [{ name: 'Period before', values: xs.map((index) => previous.series[index]?.revenue ?? null), kind: 'dashed', tone: 'second' }] : []),
  ], [series, previous]);
  const name = (index) => series[index] && calendar(series[index].period, AXIS[groupBy]);
  const title = (index) => `${groupBy === 'week' ? 'Week of ' : ''}${calendar(series[index].period, TIP)} · ${plural(series[index].orders, 'order')}`;
  return html`<dl class="figures">
      <${Total} name="Revenue" value=${html`<${Money} value=${totals.revenue} code=${currency} most=${MOST_IN_FULL} />`} change=${sales.change?.revenue} />
      <${Total} name="Orders" value=${number(totals.orders)} change=${sales.change?.orders} />
      <${Total} name="Units" value=${number(totals.units)} change=${sales.change?.units} />
      <${Total} name="Average order" value=${html`<${Money} value=${totals.averageOrderValue} code=${currency} most=${MOST_IN_FULL} />`} change=${sales.change?.averageOrderValue} />
    </dl>
    ${!totals.orders && !previous?.totals.orders ? html`<${Empty} title="No sale in this time">Each day is drawn here from the first order on.<//>` : html`<${Chart} label="Revenue by ${groupBy}" xs=${xs} series=${lines} axis=${name} tip=${title} height=${230} format=${(value) => (value == null ? '–' : roundMoney(value, currency))} legend=${html`<p class="legend"><span><i class="swatch first bars"></i>Revenue</span><span><i class="swatch second dashed"></i>Period before</span>
      <span class="fine">Days of ${sales.timezone}</span></p>`} />`}
    ${sales.topProducts.length > 0 && html`<${TopProducts} sales=${sales} />`}`;
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
