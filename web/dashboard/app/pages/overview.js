// The overview: how the shop and its machinery are, at a glance.
import { compact, money, number, plural, roundMoney, words } from '../core/format.js';
import { html } from '../core/html.js';
import { useResource } from '../core/resource.js';
import { href } from '../core/router.js';
import { may } from '../core/session.js';
import { Ago, Card, Empty, Loaded, PageHead, Skeleton, Trouble } from '../parts/basics.js';
import { HealthCard } from '../parts/health.js';
import { Pulse } from '../parts/pulse.js';
import { SalesCard } from '../parts/sales.js';
import { useActivity, useAfter, useOpenAlerts } from '../parts/after.js';

const METRICS_MILLISECONDS = 10000;
const IN_HAND = ['queued', 'pending', 'confirmed', 'processing', 'shipped'];
const CLOSED = ['delivered', 'cancelled', 'rejected'];

export function OverviewPage() {
  const activity = useActivity();
  const metrics = useResource('/api/analytics/inventory/metrics', undefined, { every: METRICS_MILLISECONDS });
  // Alerts come to the card beside at once; the figures are not to contradict it.
  useAfter('system', null, 600, metrics.reload);
  return html`
    <${PageHead} title="Overview">${metrics.data && html`<p class="fine">Stock as of <${Ago} at=${metrics.data.asOf} /></p>`}<//>
    <${HealthCard} />
    ${metrics.data?.totalProducts === 0 && may('write') && html`<${Beginning} />`}
    <div class="tiles">
      <${Tiles} metrics=${metrics} />
    </div>
    <div class="columns wide-left">
      <div class="stack"><${SalesCard} />
        <${Card} title="Operations" aside=${html`<a href=${href('operations')}>Live stream</a>`}>
          <${Loaded} resource=${activity} rows=${5}>${(data) => html`<${Pulse} activity=${data} />`}<//>
        <//></div>
      <div class="stack"><${Card} title="Orders" aside=${html`<a href=${href('orders')}>All orders</a>`}>
        <${Loaded} resource=${activity} rows=${8}>${(data) => html`<${OrdersByStatus} counts=${data.orders} />`}<//>
        <//>
        <${OpenAlerts} /></div>
    </div>`;
}

/** What to do in a shop in which nothing is yet. */
function Beginning() {
  return html`<section class="card beginning" aria-label="To begin">
    <div class="grow"><h2>An empty shop</h2><p class="prose">Create its first product, or see a month of a believable shop go by: run <code>pms demo</code> in a terminal.</p></div>
    <a class="button primary" href=${href('products', 'new')}>Create a product</a></section>`;
}

/** In full, as long as it fits a tile. */
const large = (count) => (count < 1000000 ? number(count) : compact(count));

function Tiles({ metrics }) {
  const found = metrics.data;
  const value = (show) => (found ? show(found) : metrics.loading ? null : '–');
  return html`
    <${Tile} name="Stock value" value=${value((m) => roundMoney(m.stockValue))} title=${found && money(found.stockValue)}
      note=${value((m) => plural(m.totalProducts, 'product'))} />
    <${Tile} name="Units in house" title=${found && number(found.totalUnits)} value=${value((m) => large(m.totalUnits))} note=${value((m) => `${number(m.reservedUnits)} held by orders`)} />
    <${Tile} name="Days of cover" value=${value((m) => large(m.daysOfCover))} note=${value((m) => (m.turnover30d == null ? 'no sale in 30 days' : `turned ${number(m.turnover30d, { maximumFractionDigits: 2 })} times in 30 days`))} />
    <${Tile} name="Low or out" value=${value((m) => number(m.lowStock + m.outOfStock))} note=${value((m) => `${number(m.outOfStock)} out, ${number(m.lowStock)} low`)}
      href=${href('alerts')} tone=${found?.outOfStock ? 'bad' : found?.lowStock ? 'warn' : ''} />
    ${metrics.error && html`<${Trouble} error=${metrics.error} retry=${metrics.reload} stale=${Boolean(found)} />`}`;
}

function Tile({ name, value, note, title, href: target, tone = '' }) {
  const inside = html`<span class="tile-name">${name}</span>${value === null ? html`<${Skeleton} rows=${2} />`
    : html`<strong title=${title}>${value}</strong><span class="tile-note">${note}</span>`}`;
  return target ? html`<a class="tile ${tone}" href=${target}>${inside}</a>` : html`<div class="tile ${tone}">${inside}</div>`;
}

function OrdersByStatus({ counts }) {
  const most = Math.max(1, ...Object.values(counts));
  const bar = (status) => html`<li key=${status}><a href=${href('orders', { status })}>
    <span>${words(status)}</span><i aria-hidden="true" data-none=${counts[status] ? undefined : true} style=${{ width: `${(counts[status] / most) * 100}%` }}></i><b>${number(counts[status])}</b></a></li>`;
  const open = IN_HAND.reduce((sum, status) => sum + counts[status], 0);
  return html`<p class="lead"><b>${number(open)}</b> in hand</p>
    <ul class="bars">${IN_HAND.map(bar)}</ul>
    <h3 class="split">Closed</h3>
    <ul class="bars closed">${CLOSED.map(bar)}</ul>`;
}

function OpenAlerts() {
  const resource = useOpenAlerts(8);
  return html`<${Card} title="Open alerts" aside=${html`<a href=${href('alerts')}>All alerts</a>`}>
    <${Loaded} resource=${resource} rows=${5}>${({ items }) => (items.length
      ? html`<ul class="plain-list alerts-open">${items.map((alert) => html`<li key=${alert.id}>
          <a class="grow" href=${href('products', alert.productId)}>${alert.name}</a>
          <span class="fine stock ${alert.severity === 'out_of_stock' ? 'bad' : 'warn'}">${number(alert.stock)} left</span>
          <span class="fine when"><${Ago} at=${alert.raisedAt} /></span></li>`)}</ul>`
      : html`<${Empty} title="No open alerts">Every product has more than its threshold.<//>`)}<//>
  <//>`;
}
