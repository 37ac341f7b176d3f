// An order that is being put together: what is in it, at the prices and the stock of this moment.
import { useDraft } from '../core/draft.js';
import { money, number } from '../core/format.js';
import { html, useEffect, useState } from '../core/html.js';
import { follow } from '../core/live.js';
import { useResource } from '../core/resource.js';
import { useAfter } from './after.js';
import { Icon } from './icons.js';

const BLANK = { items: [], customerId: '', shippingAddress: '' };

/** The draft of the next order: `{items: [{product, quantity, was}], customerId, shippingAddress}`. */
export function useOrderDraft() {
  return useDraft('order', BLANK);
}

/** Whether somebody has put something into it. */
export function isStarted(draft) {
  return draft.items.length > 0 || Boolean(draft.customerId.trim() || draft.shippingAddress.trim());
}

/** A draft of the same order once more; its prices are read anew where it is shown. */
export function draftFrom(order) {
  const items = order.items.map(({ productId, name, unitPrice, quantity }) => ({ product: { id: productId, name, price: unitPrice }, quantity }));
  return { items, customerId: order.customerId, shippingAddress: order.shippingAddress };
}

/** The product as it is now; `was` is the price at which somebody put it in, if it is another. */
function renewed(item, product) {
  const first = item.was ?? item.product.price;
  return { ...item, product, was: first === product.price ? undefined : first };
}

/** A line of the order: `change` gets how its item changes, or null for one that is taken out. */
export function OrderItem({ item, change }) {
  const { product, quantity, was } = item;
  const { data, reload } = useResource(`/api/products/${product.id}`);
  useAfter('product', product.id, 100, reload);
  useEffect(() => {
    if (data) change((now) => renewed(now, data));
  }, [data]);
  const stock = useStock(product.id);
  const short = stock && Number(quantity) > stock.stock;
  return html`<li>
    <span class="grow">${product.name}<span class="fine"> ${money(product.price)}</span>
      <span role="status">${was !== undefined && html`<br /><span class="fine changed-price">The price has changed: it was ${money(was)}</span>`}
      ${short && html`<br /><span class="fine too-many">Only ${number(stock.stock)} can be sold</span>`}</span></span>
    <input type="number" min="1" max="1000000000" step="1" required inputmode="numeric" aria-label="Units of ${product.name}" value=${quantity}
      onInput=${(event) => change((now) => ({ ...now, quantity: event.target.value }))} />
    <button class="button quiet icon" type="button" aria-label="Remove ${product.name}" onClick=${() => change(() => null)}><${Icon} name="close" size="16" /></button></li>`;
}

/** What is known of a product's stock, live. */
function useStock(id) {
  const [stock, setStock] = useState(null);
  useEffect(() => follow('inventory', id, ({ snapshot, event }) => setStock((old) => snapshot ?? (event ? { ...old, ...event } : old))), [id]);
  return stock;
}
