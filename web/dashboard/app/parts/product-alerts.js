// The alerts of one product: the open one, and those that are over.
import { duration, number } from '../core/format.js';
import { html } from '../core/html.js';
import { usePages } from '../core/pages.js';
import { Ago, Badge, Card, Loaded } from './basics.js';
import { useAfter } from './after.js';

/** `product` and `stock` are what is known of it now: an alert says it as of when it was last looked at. */
export function ProductAlerts({ product, stock }) {
  const pages = usePages('/api/inventory/alerts', { productId: product.id, status: 'all' }, { limit: 10 });
  useAfter('system', null, 600, pages.reload, (event) => event.productId === product.id);
  const resource = { data: pages.loading ? null : pages.items, error: pages.error, loading: pages.loading, reload: pages.reload };
  return html`<${Card} title="Alerts"><${Loaded} resource=${resource} rows=${2}>${(items) => html`<${Found} items=${items} pages=${pages} now=${{ stock: stock?.stock, threshold: product.lowStockThreshold }} />`}<//><//>`;
}

function Found({ items, pages, now }) {
  const open = items.filter((alert) => !alert.resolvedAt);
  const past = items.filter((alert) => alert.resolvedAt);
  return html`${open.length ? html`<ul class="plain-list">${open.map((alert) => html`<${Row} key=${alert.id} alert=${alert} now=${now} />`)}</ul>` : html`<p class="fine">None is open.</p>`}
    ${past.length > 0 && html`<h3>Past</h3><ul class="plain-list">${past.map((alert) => html`<${Row} key=${alert.id} alert=${alert} />`)}</ul>`}
    ${!pages.done && html`<p class="more"><button class="button small" type="button" onClick=${pages.more}>Show older ones</button></p>`}`;
}

function Row({ alert, now = {} }) {
  const { severity, stock, threshold, raisedAt, resolvedAt } = alert;
  const lasts = resolvedAt && new Date(resolvedAt) - new Date(raisedAt);
  return html`<li><${Badge} status=${severity} tone=${resolvedAt ? 'plain' : undefined} />
    <span class="grow fine">${resolvedAt ? (lasts < 1000 ? 'over at once' : `over after ${duration(lasts)}`) : `${number(now.stock ?? stock)} left, threshold ${number(now.threshold ?? threshold)}`}</span>
    <span class="fine when"><${Ago} at=${resolvedAt ?? raisedAt} /></span></li>`;
}
