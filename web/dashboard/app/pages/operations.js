// Operations: everything that was submitted, as it comes and as it ends.
import { call, Problem } from '../core/api.js';
import { duration, number, plural, shortId, words } from '../core/format.js';
import { html, useEffect, useState } from '../core/html.js';
import { follow } from '../core/live.js';
import { usePages } from '../core/pages.js';
import { href, oneOf, setQuery, useRoute } from '../core/router.js';
import { may } from '../core/session.js';
import { useStore } from '../core/store.js';
import { Ago, Card, Choice, Empty, Loaded, OperationBadge, PageHead, statusWord } from '../parts/basics.js';
import { About, aboutOf } from '../parts/about.js';
import { useActivity } from '../parts/after.js';
import { Confirm, notify } from '../parts/forms.js';
import { health } from '../parts/health.js';
import { Icon } from '../parts/icons.js';
import { Cell, EndlessList, Fresh } from '../parts/list.js';
import { outcomeOf, Progress } from '../parts/progress.js';
import { Pulse } from '../parts/pulse.js';

const STATUSES = ['queued', 'succeeded', 'failed', 'dead'];
const NONE = { queued: 'Nothing is waiting', failed: 'Nothing was refused', dead: 'Nothing was given up' };
const KINDS = ['adjust-stock', 'count-stock', 'adjust-many', 'create-order', 'change-order-status', 'check-alerts', 'rebuild-rollups', 'repair-stock', 'repair-stream'];
// Those of other keys are told to nobody else: they are looked for.
const EVERY_MILLISECONDS = 2500;
const COLUMNS = [['Operation'], ['About', 'wide-only'], ['Status'], ['Took', 'num wide-only'], ['Accepted', 'num']];

/** A list that one's own operations change the moment they end. */
function useOperations(query) {
  const pages = usePages('/api/operations', query, { every: EVERY_MILLISECONDS });
  useEffect(() => follow('operations', null, ({ event }) => event && pages.change((items) => {
    const place = items.findIndex((item) => item.id === event.operationId);
    if (place === -1) return items;
    const next = [...items];
    next[place] = { ...items[place], ...event, id: event.operationId };
    return next;
  })), [JSON.stringify(query)]);
  return pages;
}

export function OperationsPage() {
  const { query } = useRoute();
  const status = oneOf(STATUSES, query.status);
  const kind = oneOf(KINDS, query.kind);
  const pages = useOperations({ status, kind });
  const activity = useActivity();
  const empty = status || kind
    ? html`<${Empty} title=${(!kind && NONE[status]) || 'No operation is like that'}><button class="button" type="button" onClick=${() => setQuery({ status: '', kind: '' })}>Clear the filters</button><//>`
    : html`<${Empty} title="No operations yet">Every change of stock and of orders is one.<//>`;
  return html`
    <${PageHead} title="Operations">
      ${may('admin') && status === 'dead' && kindsLeft(pages, kind).map((one) => html`<${RetryAll} key=${one} kind=${one} onDone=${pages.reload} />`)}
      ${may('write') && html`<a class="button" href=${href('operations', 'upload')}><${Icon} name="upload" size="18" />Upload stock</a>`}
    <//>
    <${Card} label="The last minute"><${Loaded} resource=${activity} rows=${3}>${(data) => html`<${Pulse} activity=${data} wide />`}<//><//>
    <${Filters} status=${status} kind=${kind} pages=${pages} />
    <${EndlessList} label="Operations" pages=${pages} columns=${COLUMNS} empty=${empty} row=${(operation) => html`
      <${Cell} kind="main"><a href=${href('operations', operation.id)}>${words(operation.kind)}</a><span class="fine"><${AboutFirst} operation=${operation} />${why(operation)}</span><//>
      <${Cell} kind="wide-only" name="About"><${About} operation=${operation} /><//>
      <${Cell} kind="state">${operation.progress && operation.status === 'queued' ? html`<${Progress} progress=${operation.progress} slim />` : html`<${OperationBadge} ...${operation} />`}<//>
      <${Cell} kind="num fine wide-only" name="Took">${operation.finishedAt ? duration(new Date(operation.finishedAt) - new Date(operation.createdAt)) : '–'}<//>
      <${Cell} kind="num fine" name="Accepted"><${Ago} at=${operation.createdAt} /><//>`} />`;
}

function Filters({ status, kind, pages }) {
  const { depth, dead } = useStore(health).data?.checks.queue ?? {};
  const counts = { queued: depth, dead };
  return html`<form class="filters" role="search" aria-label="Filter operations" onSubmit=${(event) => event.preventDefault()}>
    <${Choice} label="Status" value=${status} onChange=${(next) => setQuery({ status: next })}
      options=${[['', 'All'], ...STATUSES.map((one) => [one, statusWord(one), counts[one] > 0 ? number(counts[one]) : null, one === 'dead' ? 'bad' : ''])]} />
    <label class="narrow"><span class="visually-hidden">Kind</span>
      <select value=${kind ?? ''} onChange=${(event) => setQuery({ kind: event.target.value })}>
        <option value="">Every kind</option>${KINDS.map((one) => html`<option key=${one} value=${one}>${words(one)}</option>`)}
      </select></label>
    <${Fresh} pages=${pages} title="Yours change here the moment they end; those of other keys are looked for again and again." />
  </form>`;
}

/** The kinds of which there is, or below may be, a given-up one that nobody has tried again. */
function kindsLeft({ items, done }, kind) {
  if (kind && !done) return [kind];
  const left = items.filter((one) => one.status === 'dead' && !one.retriedBy).map((one) => one.kind);
  return [...new Set(left)].sort();
}

function why(operation) {
  const text = outcome(operation);
  return operation.retriedBy ? html`Tried again. ${text}` : text;
}

function outcome(operation) {
  const { error, attempts, kind, progress, result } = operation;
  if (error) return error.detail;
  if (kind === 'adjust-many' && result) return outcomeOf(result);
  if (result?.dryRun) return 'nothing is changed';
  if (attempts > 1) return plural(attempts, 'try', 'tries');
  if (progress) return plural(progress.total, 'row');
  if (result?.stock != null) return `stock after it: ${number(result.stock)}`;
  if (result?.orderId && result.status) return `order is ${result.status}`;
  return html`<code>${shortId(operation.id)}</code>`;
}

/** Where there is no room for a column of it. */
function AboutFirst({ operation }) {
  const about = aboutOf(operation);
  return about && html`<span class="stacked-only">${about} · </span>`;
}

function RetryAll({ kind, onDone }) {
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const retry = async () => {
    setBusy(true);
    try {
      const { data } = await call('POST', '/api/operations/retry', { body: { kind } });
      const { items: { length }, leftOut } = data;
      if (leftOut.length) notify(`${plural(leftOut.length, 'operation')} cannot be tried again: ${leftOut[0].detail}`, 'bad');
      if (length) notify(`${plural(length, 'operation')} tried again, as new ones at the end of the line.`, 'good');
      else if (!leftOut.length) notify('All of them were tried again already.', 'plain');
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      notify(error.message, 'bad');
    }
    setBusy(false);
    setAsking(false);
    onDone();
  };
  return html`<button class="button" type="button" onClick=${() => setAsking(true)}>Retry all: ${words(kind)}</button>
    ${asking && html`<${Confirm} title="Try these again?" action="Try again" danger=${false} busy=${busy} onConfirm=${retry} onClose=${() => setAsking(false)}>
      <p>Each given-up operation of the kind “${words(kind)}” that nobody has tried again becomes a new one at the end of the line; up to 500 at once.</p><//>`}`;
}
