// Adjusting or counting a product's stock: pending at once, then done or refused, by its own event.
import { tooLate } from '../core/api.js';
import { useDraft } from '../core/draft.js';
import { number, plural, signed, words } from '../core/format.js';
import { html, useEffect } from '../core/html.js';
import { isUnheard, newSubmission, useSubmission } from '../core/operations.js';
import { href } from '../core/router.js';
import { session } from '../core/session.js';
import { useNow } from '../core/store.js';
import { tellOf } from './asking.js';
import { Badge, Choice } from './basics.js';
import { Field } from './forms.js';
import { TryAgain } from './waiting.js';

const MINUTE_MILLISECONDS = 60000;
const TEXTS = { increment: 'Add', decrement: 'Take out', count: 'Set counted' };

// More than blanks: those around a reason are not sent.
const NEEDED = { required: true, pattern: '.*\\S.*', placeholder: 'A count needs one', title: 'Why it was counted' };

const BLANK = { type: 'increment', quantity: '', reason: '' };
// What to do is soon chosen again.
const isTyped = ({ quantity, reason }) => quantity !== '' || reason !== '';
// Ended without a change: there is something to mend.
const REFUSED = ['failed', 'dead', 'unsent'];

const NO_STEPS = [];
// How many are shown; those that are not over are, however many.
const SHOWN = 5;
const OVER = ['succeeded', 'gone', ...REFUSED];
const isOver = ({ submission }) => OVER.includes(submission.state.get().phase);
const isMine = (step) => step.by === session.get().key?.id;
const isLost = (steps) => steps.some((step) => isMine(step) && isUnheard(step.submission));

/**
 * What was done to a product here: whoever comes back finds what is not over, and can try it again
 * as the same wish, or put it away; with another API key it would be another one.
 */
function useSteps(productId) {
  const { value, change } = useDraft(`steps ${productId}`, NO_STEPS, isLost);
  useEffect(() => change((found) => found.filter((step) => !isOver(step) && isMine(step))), []);
  const add = (step) => change((found) => [{ ...step, id: Date.now(), by: session.get().key?.id, submission: newSubmission() }, ...found]
    .filter((one, place) => place < SHOWN || !isOver(one)));
  const putAway = (step) => change((found) => found.filter((one) => one !== step));
  return [value, add, putAway];
}

export function Adjust({ productId, name, stock }) {
  const { value: typed, change } = useDraft(`adjust ${productId}`, BLANK, isTyped);
  const { type, quantity, reason } = typed;
  const [steps, addStep, putAway] = useSteps(productId);
  const set = (part) => change((now) => ({ ...now, ...part }));
  const submit = (event) => {
    event.preventDefault();
    addStep({ typed, type, quantity: Number(quantity), reason: reason.trim() || null });
    // The reason was of this one only.
    set({ quantity: '', reason: '' });
  };
  // What was refused is there again, unless something else is typed by now.
  const ended = (step, status) => change((now) => {
    if (REFUSED.includes(status) && now.type === step.type && !now.quantity && !now.reason) return step.typed;
    return status === 'succeeded' && now === step.typed ? { ...BLANK, type: now.type } : now;
  });
  return html`<form class="adjust" onSubmit=${submit} aria-label="Adjust stock">
    <${Choice} label="What to do" value=${type} onChange=${(next) => set({ type: next })} options=${Object.entries(TEXTS)} />
    <div class="adjust-line">
      <${Field} label=${type === 'count' ? 'Counted in the house' : 'Quantity'}>
        ${(given) => html`<input ...${given} name="quantity" type="number" inputmode="numeric" required step="1" min=${type === 'count' ? 0 : 1} max="1000000000"
          value=${quantity} onInput=${(event) => set({ quantity: event.target.value })} />`}<//>
      <${Field} label="Reason" optional=${type !== 'count'}>
        ${(given) => html`<input ...${given} name="reason" maxlength="500" ...${type === 'count' ? NEEDED : {}} value=${reason} onInput=${(event) => set({ reason: event.target.value })} />`}<//>
      <button class="button primary">${TEXTS[type]}</button>
    </div>
    ${type !== 'increment' && stock && html`<p class="hint">${type === 'count' ? `${number(stock.onHand)} are in the house, ${number(stock.reserved)} of them held by orders.` : `${number(stock.stock)} can be taken out.`}</p>`}
    <ol class="steps" aria-label="What you did here" aria-live="polite">
      ${steps.map((step) => html`<${Step} key=${step.id} step=${step} productId=${productId} name=${name} onEnd=${ended} onPutAway=${() => putAway(step)} />`)}
    </ol>
  </form>`;
}

function Step({ step, productId, name, onEnd, onPutAway }) {
  const what = `${step.type === 'count' ? 'The count' : 'The adjustment'} of ${name}`;
  const { state, send } = useSubmission(tellOf(what, href('products', productId)), step.submission);
  useNow(MINUTE_MILLISECONDS);
  const isOpen = state.phase === 'unheard';
  const late = isOpen && tooLate(step.submission.wish);
  const start = async () => {
    const { status } = await (step.type === 'count'
      ? send('POST', '/api/inventory/counts', { productId, counted: step.quantity, reason: step.reason })
      : send('POST', '/api/inventory/adjust', { productId, quantity: step.quantity, type: step.type, reason: step.reason }));
    onEnd(step, status);
  };
  if (state.phase === 'idle') queueMicrotask(() => step.sent || ((step.sent = true), start()));
  const text = step.type === 'count' ? `Count ${number(step.quantity)}` : signed(step.type === 'increment' ? step.quantity : -step.quantity);
  return html`<li class="step ${state.phase}" data-phase=${state.phase}>
    <b>${text}</b><${StepBadge} phase=${state.phase} />
    <span class="grow">${outcome(late ? { ...state, problem: late } : state)}</span>
    ${(isOpen ? !late : state.phase === 'unsent') && html`<${TryAgain} onClick=${start} />`}
    ${isOpen && html`<button class="button small" type="button" onClick=${onPutAway}>Put away</button>`}
    ${state.operation && html`<a class="fine" href=${href('operations', state.operation.id)}>Operation</a>`}
  </li>`;
}

/** How far a submission is. */
export function StepBadge({ phase }) {
  if (phase === 'idle' || phase === 'sending') return html`<${Badge} tone="plain">Sending…<//>`;
  if (phase === 'pending') return html`<${Badge} tone="info">Pending…<//>`;
  if (phase === 'unheard') return html`<${Badge} tone="warn">No answer<//>`;
  if (phase === 'unsent') return html`<${Badge} tone="bad">Not accepted<//>`;
  return html`<${Badge} status=${phase} />`;
}

function outcome({ phase, result, problem }) {
  if (phase === 'succeeded') return result?.stock != null ? `${number(result.stock)} can be sold now` : 'Done';
  if (problem?.type?.endsWith('insufficient-stock')) return `Only ${plural(problem.available, 'unit')} can be taken out.`;
  if (problem) return (problem.errors ?? []).map((one) => `${words(one.pointer.slice(1))} ${one.detail}`).join('; ') || problem.detail || problem.message;
  return phase === 'pending' ? 'Accepted; waiting for its turn' : '';
}
