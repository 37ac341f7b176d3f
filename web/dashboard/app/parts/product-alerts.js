// The alerts of one product.
import { number } from '../core/format.js';
import { html } from '../core/html.js';
import { useResource } from '../core/resource.js';
import { Ago, Badge, Card, Loaded } from './basics.js';
import { useAfter } from './after.js';

export function ProductAlerts({ product }) {
  const resource = useResource('/api/inventory/alerts', { productId: product.id, limit: 10 });
  useAfter('system', null, 600, resource.reload);
  return html`<${Card} title="Alerts"><${Loaded} resource=${resource} rows=${2}>${({ items }) => (items.length
    ? html`<ul class="plain-list">${items.map((alert) => html`<li key=${alert.id}><${Badge} status=${alert.severity} />
        <span class="grow fine">${number(alert.stock)} left, threshold ${number(alert.threshold)}</span><span class="fine when"><${Ago} at=${alert.raisedAt} /></span></li>`)}</ul>`
    : html`<p class="fine">None is open.</p>`)}<//><//>`;
}
