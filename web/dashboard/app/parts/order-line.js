// An order's way, as a line with the times when it got there.
import { dateTime, words } from '../core/format.js';
import { html } from '../core/html.js';
import { Ago } from './basics.js';

const WAY = ['queued', 'pending', 'confirmed', 'processing', 'shipped', 'delivered'];

export function OrderLine({ order }) {
  const reached = new Map([['queued', order.createdAt], ...order.transitions.map((step) => [step.to, step.at])]);
  const ended = order.status === 'cancelled' || order.status === 'rejected';
  const stops = ended ? [...WAY.filter((status) => reached.has(status)), order.status] : WAY;
  return html`<ol class="line" aria-label="The way of this order">
    ${stops.map((status) => {
      const at = reached.get(status);
      const state = status === order.status ? (ended ? 'here ended' : 'here') : at ? 'past' : 'ahead';
      return html`<li key=${status} class=${state} aria-current=${status === order.status ? 'step' : undefined} title=${at ? dateTime(at) : undefined}>
        <i aria-hidden="true"></i><b>${words(status)}</b>
        <span class="fine">${at ? html`<${Ago} at=${at} />` : state === 'ahead' ? html`<span class="visually-hidden">not yet</span>` : ''}</span></li>`;
    })}
  </ol>`;
}
