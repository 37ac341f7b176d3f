// A new order: products found by name, their units, and whom it is for.
import { money, number } from '../core/format.js';
import { html, useMemo, useRef, useState } from '../core/html.js';
import { useResource } from '../core/resource.js';
import { href } from '../core/router.js';
import { useAsking } from '../parts/asking.js';
import { Badge, Card, Empty, PageHead, Trouble } from '../parts/basics.js';
import { Field, useTyped } from '../parts/forms.js';
import { Icon } from '../parts/icons.js';
import { OrderItem, useOrderDraft } from '../parts/order-draft.js';
import { StockFigure } from '../parts/stock-figure.js';
import { useStocks } from '../parts/stocks.js';

const SHOWN = 8;
const EVERY_MILLISECONDS = 4000;

const orderOf = ({ items, customerId, shippingAddress }) => ({
  items: items.map(({ product, quantity }) => ({ productId: product.id, quantity: Number(quantity) })), customerId: customerId.trim(), shippingAddress,
});

export function NewOrderPage() {
  const { value: draft, now, change: setDraft, forget, once } = useOrderDraft();
  const { items, customerId, shippingAddress } = draft;
  const setItems = (next) => setDraft({ ...draft, items: next });
  const bind = (name) => ({ name, value: draft[name], onInput: (event) => setDraft({ ...draft, [name]: event.target.value }) });
  const [stocks, onSight] = useStocks();
  const { busy, problem, ask, arrive } = useAsking('The order', once);
  const add = (product) => {
    const known = items.find((item) => item.product.id === product.id);
    setItems(known ? items.map((item) => (item === known ? { ...item, quantity: Number(item.quantity) + 1 } : item)) : [...items, { product, quantity: 1 }]);
  };
  const order = useRef(null);
  const show = () => {
    order.current.scrollIntoView({ block: 'start' });
    order.current.focus({ preventScroll: true });
  };
  // Of the draft as it is by then: two lines may be read anew within one frame.
  const changing = (id) => (step) => setDraft((now) => ({ ...now, items: now.items.map((item) => (item.product.id === id ? step(item) : item)).filter(Boolean) }));
  const submit = async (event) => {
    event.preventDefault();
    const body = orderOf(draft);
    const operation = await ask('POST', '/api/pms/orders', { body });
    if (!operation) return;
    // Prices that were read anew meanwhile make no other order of it.
    if (JSON.stringify(orderOf(now())) === JSON.stringify(body)) forget();
    // It is there, in line: its page tells the rest, also when its turn is a while off.
    arrive('The order is accepted.', 'orders', operation.orderId);
  };
  const total = items.reduce((sum, { product, quantity }) => sum + product.price * Number(quantity || 0), 0);
  return html`
    <${PageHead} title="New order" back=${{ href: href('orders'), text: 'Orders' }} />
    <div class="columns">
      <${Card} title="Add products" aside=${items.length > 0 && html`<button class="button small stacked-only" type="button" onClick=${show}>See the order (${number(items.length)})</button>`}>
        <${Finder} onAdd=${add} items=${items} stocks=${stocks} onSight=${onSight} /><//>
      <form class="card form" onSubmit=${submit} aria-label="Order">
        <h2 tabindex="-1" ref=${order}>Order</h2>
        ${problem && html`<${Trouble} error=${problem} />`}
        ${items.length ? html`<ul class="order-items">${items.map((item) => html`<${OrderItem} key=${item.product.id} item=${item} change=${changing(item.product.id)} />`)}</ul>
          <p class="order-total"><span>Total</span><b>${money(total)}</b></p>`
        : html`<${Empty} title="Nothing in it yet">Add products from the list.<//>`}
        <${Field} label="Customer">${(given) => html`<input ...${given} ...${bind('customerId')} required maxlength="200" />`}<//>
        <${Field} label="Ships to">${(given) => html`<textarea ...${given} ...${bind('shippingAddress')} class="short" required maxlength="2000"></textarea>`}<//>
        <footer class="form-foot"><a class="button" href=${href('orders')} onClick=${() => forget()}>Cancel</a>
          <button class="button primary" disabled=${busy || !items.length}>${busy ? 'Sending…' : 'Place order'}</button></footer>
      </form>
    </div>`;
}

function Finder({ onAdd, items, stocks, onSight }) {
  const [q, setQ] = useState('');
  const [text, setText] = useTyped(q, 250, setQ);
  const query = useMemo(() => ({ q, limit: SHOWN, sort: 'name' }), [q]);
  const resource = useResource('/api/products', query, { every: EVERY_MILLISECONDS });
  const found = resource.data?.items ?? [];
  const [told, setTold] = useState('');
  const units = (product) => Number(items.find((item) => item.product.id === product.id)?.quantity ?? 0);
  const press = (product) => {
    onAdd(product);
    setTold(`${product.name}: ${number(units(product) + 1)} in the order`);
  };
  useMemo(() => found.length && onSight(found), [found.map((one) => one.id).join()]);
  return html`<label class="search"><span class="visually-hidden">Find a product</span><${Icon} name="search" size="18" />
      <input type="search" placeholder="Find by name or SKU" maxlength="200" value=${text} onInput=${(event) => setText(event.target.value)} /></label>
    <p class="visually-hidden" role="status">${told}</p>
    ${resource.error && html`<${Trouble} error=${resource.error} retry=${resource.reload} />`}
    <ul class="plain-list finder">${found.map((product) => html`<li key=${product.id}>
      <span class="grow"><b>${product.name}</b> ${product.status === 'draft' && html`<${Badge} status="draft" />`} ${units(product) > 0 && html`<${Badge} tone="good">${number(units(product))} in the order<//>`}<br />
        <span class="fine">${product.sku ?? 'no SKU'} · ${money(product.price)} · <${StockFigure} stock=${stocks.get(product.id)} product=${product} /> can be sold</span></span>
      <button class="button small" type="button" aria-label="Add ${product.name}" onClick=${() => press(product)}><${Icon} name="plus" size="16" />Add</button></li>`)}</ul>
    ${resource.data && !found.length && html`<${Empty} title=${q ? 'No product is called that' : 'No products yet'}>${!q && html`<a href=${href('products', 'new')}>Create the first one</a>`}<//>`}
    ${resource.data?.nextCursor && html`<p class="fine">The first ${number(SHOWN)} are shown; type to find others.</p>`}`;
}
