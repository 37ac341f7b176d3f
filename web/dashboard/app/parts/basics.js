// Small pieces that every page is made of.
import { Problem } from '../core/api.js';
import { dateTime, number, relative, words } from '../core/format.js';
import { Component, html, useEffect, useRef, useState } from '../core/html.js';
import { useNow } from '../core/store.js';
import { Icon } from './icons.js';

const TONES = {
  queued: 'plain', pending: 'info', confirmed: 'info', processing: 'info', shipped: 'info',
  delivered: 'done', cancelled: 'plain', rejected: 'bad',
  succeeded: 'done', failed: 'warn', dead: 'bad', sending: 'plain',
  draft: 'info', published: 'done',
  low_stock: 'warn', out_of_stock: 'bad', resolved: 'plain', open: 'warn', active: 'done', revoked: 'plain', expired: 'plain',
};
const WORDS = { failed: 'Refused', dead: 'Given up', succeeded: 'Done', low_stock: 'Low stock', out_of_stock: 'Out of stock' };

/** The state of something, in a word. */
export function Badge({ status, tone, children }) {
  return html`<span class="badge ${tone ?? TONES[status] ?? 'plain'}">${children ?? statusWord(status)}</span>`;
}

/**
 * The state of an operation: one that was only tried is not done, one that was tried again no worry,
 * and one of many rows is neither waiting while it goes on nor all well when some were refused.
 */
export function OperationBadge({ status, progress, result, retriedBy }) {
  if (status === 'queued' && progress?.done > 0) return html`<${Badge} tone="info">Running<//>`;
  if (status === 'succeeded' && result?.dryRun) return html`<${Badge} tone="info">Only tried<//>`;
  if (status === 'succeeded' && result?.refused > 0) return html`<${Badge} tone="warn">Done, ${number(result.refused)} refused<//>`;
  if (status === 'dead' && retriedBy) return html`<${Badge} status="dead" tone="plain" />`;
  return html`<${Badge} status=${status} />`;
}

/** How a status is called on the screen. */
export function statusWord(status) {
  return WORDS[status] ?? words(status);
}

/** How long ago something was; the exact time on demand. */
export function Ago({ at }) {
  const age = Date.now() - new Date(at).getTime();
  const now = useNow(age < 90000 ? 1000 : 15000);
  if (!at) return html`<span>–</span>`;
  return html`<time datetime=${at} title=${dateTime(at)}>${relative(at, now)}</time>`;
}

/** The top of a page: where one is, and what can be done. */
export function PageHead({ title, back, children, badge, note }) {
  const heading = useRef(null);
  useEffect(() => {
    if (title) document.title = `${title} · Backend PMS`;
  }, [title]);
  // Whoever cannot see that the page has changed is taken to its heading.
  useEffect(() => {
    if (PageHead.moved) heading.current?.focus({ preventScroll: true });
    PageHead.moved = true;
  }, []);
  return html`<header class="page-head">
    ${back && html`<a class="back" href=${back.href}><${Icon} name="back" size="16" />${back.text}</a>`}
    <div class="page-title">
      <h1 ref=${heading} tabindex="-1">${title}</h1>
      ${badge}
      <div class="actions">${children}</div>
    </div>
    ${note && html`<p class="note">${note}</p>`}
  </header>`;
}

/** A part of a page with its own heading. */
export function Card({ title, aside, children, tone = '', label }) {
  return html`<section class="card ${tone}" aria-label=${label ?? title}>
    ${title && html`<header class="card-head"><h2>${title}</h2>${aside && html`<div class="aside">${aside}</div>`}</header>`}
    ${children}
  </section>`;
}

/** Grey bars where something will be. */
export function Skeleton({ rows = 3, label = 'Loading' }) {
  return html`<div class="skeleton" role="status"><span class="visually-hidden">${label}</span>
    ${Array.from({ length: rows }, (_, row) => html`<i key=${row} aria-hidden="true"></i>`)}
  </div>`;
}

/** Nothing is there, and what to do about it. */
export function Empty({ title, children }) {
  return html`<div class="empty"><p class="empty-title">${title}</p>${children && html`<div>${children}</div>`}</div>`;
}

/** What went wrong, in the words of the problem, and another try. */
export function Trouble({ error, retry, stale = false }) {
  const problem = error instanceof Problem ? error : null;
  return html`<div class="trouble" role="alert">
    <div>
      <strong>${problem?.title ?? 'Something went wrong'}</strong>
      <p>${error.message ?? error.detail}${stale ? ' What you see was read before.' : ''}</p>
      ${problem?.requestId && html`<p class="fine">Request <code>${problem.requestId}</code></p>`}
    </div>
    ${retry && html`<button class="button small" type="button" onClick=${retry}>Try again</button>`}
  </div>`;
}

/** Shows what was read, or that it is on its way, or why it is not there. */
export function Loaded({ resource, rows, children }) {
  if (resource.loading) return html`<${Skeleton} rows=${rows} />`;
  return html`
    ${resource.error && html`<${Trouble} error=${resource.error} retry=${resource.reload} stale=${Boolean(resource.data)} />`}
    ${resource.data && children(resource.data)}`;
}

/** Drawn again only when one of the values `of` which it is made is another: `draw` gets them. */
export class Kept extends Component {
  shouldComponentUpdate({ of }) {
    return of.some((value, place) => value !== this.props.of[place]);
  }

  render({ of, draw }) {
    return draw(...of);
  }
}

/** Names and values. */
export function Facts({ of }) {
  return html`<dl class="facts">
    ${of.filter(Boolean).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
  </dl>`;
}

const SAID_MILLISECONDS = { done: 1500, failed: 6000 };

/** Some text to be taken elsewhere. */
export function Copy({ text, label = 'Copy', autofocus }) {
  const [phase, setPhase] = useState('idle');
  const timer = useRef(null);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async ({ currentTarget }) => {
    const next = (await copied(text, currentTarget)) ? 'done' : 'failed';
    setPhase(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setPhase('idle'), SAID_MILLISECONDS[next]);
  };
  return html`<button class="button small quiet" type="button" autofocus=${autofocus} onClick=${copy} title=${phase === 'failed' ? 'Mark the text and copy it by hand' : undefined}>
    <${Icon} name=${phase === 'done' ? 'check' : 'copy'} size="16" /><span aria-live="polite">${{ idle: label, done: 'Copied', failed: 'Not copied' }[phase]}</span>
  </button>`;
}

/** Copy a text; whether it worked. */
async function copied(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without https there is no clipboard but the old way: from a field, beside the button since
    // what is outside of an open dialog cannot be marked.
    const field = document.createElement('textarea');
    field.value = text;
    field.className = 'visually-hidden';
    button.after(field);
    field.select();
    const worked = document.execCommand('copy');
    field.remove();
    button.focus();
    return worked;
  }
}

const FEW = 5;

/** One of several, as chips: `options` are `[value, text, count, tone of the count]`. */
export function Choice({ label, value, options, onChange }) {
  const row = useRef(null);
  // Where they are more than fit, the chosen one is in sight.
  useEffect(() => {
    const chosen = row.current.querySelector('[aria-pressed="true"]');
    if (chosen) row.current.scrollLeft = chosen.offsetLeft + chosen.offsetWidth / 2 - row.current.clientWidth / 2;
  }, [value]);
  return html`<div class="choice ${options.length > FEW ? '' : 'few'}" role="group" aria-label=${label} ref=${row}>
    ${options.map(([option, text, count, tone = '']) => html`<button type="button" key=${option}
      class="chip" aria-pressed=${String((value ?? '') === option)} onClick=${() => onChange(option)}>
      ${text}${count != null && html` <span class="count ${tone}">${count}</span>`}
    </button>`)}
  </div>`;
}
