// The small figures in the rail: what somebody should look at, part of the link that leads there.
import { number } from '../core/format.js';
import { html } from '../core/html.js';
import { useResource } from '../core/resource.js';
import { useStore } from '../core/store.js';
import { useAfter } from './after.js';
import { health } from './health.js';

// More than that are many, however many.
const MOST = 99;
const EVERY_MILLISECONDS = 30000;

/** How many operations were given up. */
export function GivenUp() {
  const count = useStore(health).data?.checks.queue.dead;
  return count > 0 ? html`<b class="rail-count bad">${number(count)}<span class="visually-hidden"> given up</span></b>` : null;
}

/** How many alerts of stock are open; no more than the link says it, so that nobody is interrupted. */
export function OpenAlertsCount() {
  const { data, reload } = useResource('/api/inventory/alerts', { limit: MOST }, { every: EVERY_MILLISECONDS });
  useAfter('system', null, 800, reload);
  const count = data?.items.length;
  if (!count) return null;
  return html`<b class="rail-count">${number(count)}${data.nextCursor ? '+' : ''}<span class="visually-hidden"> open</span></b>`;
}
