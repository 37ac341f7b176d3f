// An order: what is in it, how far it has come, and only the steps that it can go.
import { dateTime, money, number, words } from '../core/format.js';
import { html, useEffect, useState } from '../core/html.js';
import { follow } from '../core/live.js';
import { useSubmission } from '../core/operations.js';
import { useResource } from '../core/resource.js';
import { go, href } from '../core/router.js';
import { may } from '../core/session.js';
import { StepBadge } from '../parts/adjust.js';
import { tellOf } from '../parts/asking.js';
import { Ago, Badge, Card, Copy, Facts, PageHead, Skeleton, Trouble } from '../parts/basics.js';
import { Confirm } from '../parts/forms.js';
import { isMissing, Missing } from '../parts/missing.js';
import { draftFrom, isStarted, useOrderDraft } from '../parts/order-draft.js';
import { OrderLine } from '../parts/order-line.js';

const ACTIONS = { confirmed: 'Confirm', processing: 'Begin processing', shipped: 'Ship', delivered: 'Mark as delivered', cancelled: 'Cancel order' };
// Ended without a change.
const REFUSED = ['failed', 'dead', 'unsent'];

export function OrderPage({ id }) {
  const resource = useResource(`/api/pms/orders/${encodeURIComponent(id)}`);
  const order = resource.data;
  const [told, setTold] = useState(null);
  useEffect(() => follow('order', id, ({ snapshot, event }) => setTold((old) => (event ?? snapshot)?.status ?? old)), [id]);
  // Also when it went on between being read and being followed, as a new one does.
  useEffect(() => {
    if (order && told && told !== order.status) resource.reload();
  }, [told, order?.status]);
  const back = { href: href('orders'), text: 'Orders' };
  if (!order) {
    if (isMissing(resource.error)) return html`<${Missing} what="order" />`;
    return html`<${PageHead} title="Order" back=${back} />
      ${resource.error ? html`<${Trouble} error=${resource.error} retry=${resource.reload} />` : html`<${Skeleton} rows=${8} />`}`;
  }
  return html`
    <${PageHead} title="Order of ${order.customerId}" back=${back} badge=${html`<${Badge} status=${order.status} />`} />
    ${resource.error && html`<${Trouble} error=${resource.error} retry=${resource.reload} stale=${true} />`}
    ${order.reason && html`<${Rejected} order=${order} />`}
    <${Card} label="Progress"><${OrderLine} order=${order} />${may('write') && html`<${Steps} order=${order} onEnd=${resource.reload} />`}<//>
    <div class="columns wide-left">
      <${Card} title="Items"><${Items} order=${order} /><//>
      <div class="stack">
        <${Card} title="Details"><${Facts} of=${[
          ['Customer', html`<a href=${href('orders', { customerId: order.customerId })}>${order.customerId}</a>`],
          ['Accepted', dateTime(order.createdAt, 'short')], ['Changed', html`<${Ago} at=${order.updatedAt} />`],
        ]} />
        <h3>Ships to</h3><p class="prose lines">${order.shippingAddress}</p>
        <p class="fine id-line"><code>${order.id}</code><${Copy} text=${order.id} label="Copy id" /></p><//>
        <${Card} title="Transitions"><ol class="plain-list">${order.transitions.map((step) => html`<li key=${step.operationId + step.to}>
          <a class="grow" href=${href('operations', step.operationId)}>${words(step.from)} → ${words(step.to)}</a>
          <span class="fine when"><${Ago} at=${step.at} /></span></li>`)}
          ${!order.transitions.length && html`<li class="fine">None yet: it waits for its turn.</li>`}</ol><//>
      </div>
    </div>`;
}

/** Why it was rejected, which of its items was short, and the way on: the same once more, to be mended. */
function Rejected({ order }) {
  const { reason } = order;
  const short = order.items.find((item) => item.productId === reason.productId);
  const detail = short && reason.available != null
    ? html`<a href=${href('products', short.productId)}>${short.name}</a>: ${number(short.quantity)} asked for, and only ${number(reason.available)} could be sold.`
    : reason.detail;
  return html`<div class="trouble" role="note"><div><strong>${reason.title ?? 'This order was rejected'}</strong><p>${detail}</p></div>
    ${may('write') && html`<${OrderAgain} order=${order} />`}</div>`;
}

function OrderAgain({ order }) {
  const { value: draft, change } = useOrderDraft();
  const [asking, setAsking] = useState(false);
  const again = () => {
    change(draftFrom(order));
    go('orders', 'new');
  };
  return html`<button class="button" type="button" onClick=${() => (isStarted(draft) ? setAsking(true) : again())}>Order again</button>
    ${asking && html`<${Confirm} title="Replace the order you began?" action="Replace it" keep="Keep it" onConfirm=${again} onClose=${() => setAsking(false)}>
      <p>A new order is begun and not placed yet. This one would take its place.</p><//>`}`;
}

function Items({ order }) {
  return html`<div class="table-scroll" tabindex="0" role="region" aria-label="Table of items"><table>
    <thead><tr><th scope="col">Product</th><th scope="col" class="num">Price</th><th scope="col" class="num">Units</th><th scope="col" class="num">Amount</th></tr></thead>
    <tbody>${order.items.map((item) => html`<tr key=${item.productId}>
      <th scope="row"><a href=${href('products', item.productId)}>${item.name}</a></th>
      <td class="num">${money(item.unitPrice, order.currency)}</td><td class="num">${number(item.quantity)}</td><td class="num">${money(item.lineTotal, order.currency)}</td></tr>`)}</tbody>
    <tfoot><tr><th scope="row" colspan="3">Total</th><td class="num"><b>${money(order.total, order.currency)}</b></td></tr></tfoot>
  </table></div>`;
}

function Steps({ order, onEnd }) {
  const { state, send } = useSubmission(tellOf(`The order of ${order.customerId}`, href('orders', order.id)));
  const [asking, setAsking] = useState(false);
  const [move, setMove] = useState({});
  const busy = state.phase === 'sending' || state.phase === 'pending';
  const step = async (status) => {
    setAsking(false);
    setMove({ from: order.status, to: status });
    await send('PATCH', `/api/pms/orders/${order.id}/status`, { status });
    onEnd();
  };
  const next = order.allowedTransitions.filter((status) => status !== 'cancelled');
  // What is said of a step is over with the next one, whoever made it; but that it was refused, which
  // the step of somebody else may be the reason of, only with the next one from here, or once it was made.
  const isRefused = REFUSED.includes(state.phase);
  const isMade = order.transitions.some(({ to }) => to === move.to);
  const isOfNow = order.status === (state.phase === 'succeeded' ? move.to : move.from);
  const shown = state.phase !== 'idle' && (isRefused ? !isMade : isOfNow);
  return html`<div class="order-steps">
    <div class="actions start">
      ${next.map((status) => html`<button key=${status} type="button" class="button primary" disabled=${busy} onClick=${() => step(status)}>${ACTIONS[status]}</button>`)}
      ${order.allowedTransitions.includes('cancelled') && html`<button type="button" class="button danger" disabled=${busy} onClick=${() => setAsking(true)}>${ACTIONS.cancelled}</button>`}
      ${shown && html`<span class="step-state" role="status">${isRefused && html`<b>${ACTIONS[move.to]}</b> `}<${StepBadge} phase=${state.phase} /> ${state.problem ? state.problem.message ?? state.problem.detail : ''}</span>`}
      ${order.status === 'queued' && html`<span class="fine">It waits for its turn; its items are reserved then.</span>`}
    </div>
    ${asking && html`<${Confirm} title="Cancel this order?" action="Cancel order" onClose=${() => setAsking(false)} onConfirm=${() => step('cancelled')}>
      <p>Its units go back into what can be sold. A cancelled order stays cancelled.</p><//>`}
  </div>`;
}
