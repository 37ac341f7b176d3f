// One operation: what was asked, how it ended, and another try if it was given up.
import { dateTime, duration, number, shortId, words } from '../core/format.js';
import { html, useEffect, useState } from '../core/html.js';
import { follow } from '../core/live.js';
import { useResource } from '../core/resource.js';
import { href } from '../core/router.js';
import { may } from '../core/session.js';
import { About } from '../parts/about.js';
import { useAsking } from '../parts/asking.js';
import { Ago, Card, Copy, Facts, OperationBadge, PageHead, Skeleton, Trouble } from '../parts/basics.js';
import { notify } from '../parts/forms.js';
import { isMissing, Missing } from '../parts/missing.js';
import { Progress } from '../parts/progress.js';
import { Refused } from '../parts/refused.js';

const BULK = 'adjust-many';
// Its events tell how it is; only the product's own operations have none.
const WAITING_MILLISECONDS = 4000;
// Nothing tells that somebody else has tried it again.
const RETRIABLE_MILLISECONDS = 10000;

export function OperationPage({ id }) {
  const [live, setLive] = useState(null);
  const [every, setEvery] = useState(WAITING_MILLISECONDS);
  const resource = useResource(`/api/operations/${encodeURIComponent(id)}`, undefined, { every });
  useEffect(() => follow('operation', id, ({ snapshot, event }) => {
    if (snapshot || event) setLive(event ?? snapshot);
    // The rest of what there is to say of it.
    if (event?.finishedAt) resource.reload();
  }), [id]);
  const found = resource.data && newest(resource.data, live);
  const again = found && retryOf(found);
  useEffect(() => {
    if (found?.finishedAt) setEvery(again ? RETRIABLE_MILLISECONDS : undefined);
  }, [found?.finishedAt, again?.path]);
  const back = { href: href('operations'), text: 'Operations' };
  if (!found) {
    if (isMissing(resource.error)) return html`<${Missing} what="operation" />`;
    return html`<${PageHead} title="Operation" back=${back} />
      ${resource.error ? html`<${Trouble} error=${resource.error} retry=${resource.reload} />` : html`<${Skeleton} rows=${8} />`}`;
  }
  const { dryRun } = found.payload;
  return html`
    <${PageHead} title=${words(found.kind)} back=${back} badge=${html`<${OperationBadge} ...${found} />`} note=${dryRun && 'Only a try: it says what would happen, and changes nothing.'}>
      ${again && html`<${Again} ...${again} onTaken=${resource.reload} />`}
      ${may('write') && found.kind === BULK && dryRun && found.finishedAt && html`<a class="button primary" href=${href('operations', 'upload')}>Upload for real</a>`}
    <//>
    ${found.error && html`<${Failure} error=${found.error} dead=${found.status === 'dead'} />`}
    ${found.progress && html`<${Card} title="Progress"><${Progress} progress=${found.progress} result=${found.result} /><//>`}
    <div class="columns">
      <${Card} title="What happened"><${Facts} of=${facts(found)} />
        <p class="fine id-line"><code>${found.id}</code><${Copy} text=${found.id} label="Copy id" /></p><//>
      <div class="stack">
        <${Json} title="What was asked" value=${found.payload} />
        ${found.result && html`<${Json} title="What came of it" value=${found.result} />`}
      </div>
    </div>
    ${found.kind === BULK && found.finishedAt && html`<${Refused} id=${id} form=${found.payload.form} tried=${dryRun} />`}`;
}

/** What was read, or what the event says if that is further. */
function newest(read, live) {
  if (!live || read.finishedAt) return read;
  return { ...read, ...live, id: read.id };
}

/** How this key may try it again, `{path, text}`; null where it may not, or nothing is left to try. */
function retryOf({ id, kind, status, result, finishedAt, payload, retriedBy }) {
  if (retriedBy || !finishedAt) return null;
  if (status === 'dead') return may('admin') ? { path: `/api/operations/${id}/retry`, text: 'Try again' } : null;
  const refused = kind === BULK && result?.refused > 0 && !payload.atomic && !payload.dryRun;
  return refused && may('write') ? { path: `/api/operations/${id}/retry-refused`, text: 'Retry the refused rows' } : null;
}

function facts(one) {
  const took = one.finishedAt && new Date(one.finishedAt) - new Date(one.createdAt);
  return [
    one.resource && ['About', html`<${About} operation=${one} />`],
    ['Accepted', html`${dateTime(one.createdAt)} <span class="fine">(<${Ago} at=${one.createdAt} />)</span>`],
    ['Ended', one.finishedAt ? dateTime(one.finishedAt) : 'not yet'],
    took != null && took !== '' && ['Took', duration(took)],
    ['Tries', number(one.attempts)],
    one.retriedBy && ['Tried again as', html`<a href=${href('operations', one.retriedBy)}><code>${shortId(one.retriedBy)}</code></a>`],
    one.retryOf && ['Tries again', html`<a href=${href('operations', one.retryOf)}><code>${shortId(one.retryOf)}</code></a>`],
    ['Request', one.requestId ? html`<code>${one.requestId}</code>` : '–'],
  ];
}

// What stands elsewhere on the page, or as the list of refused rows.
const SAID = ['type', 'title', 'status', 'detail', 'instance', 'requestId', 'orderId', 'productId', 'refused'];

function Failure({ error, dead }) {
  const more = Object.entries(error).filter(([name]) => !SAID.includes(name));
  const text = (value) => (Array.isArray(value) && value.every((one) => typeof one !== 'object') ? value.join(', ') : typeof value === 'object' ? JSON.stringify(value) : typeof value === 'number' ? number(value) : value);
  return html`<div class="trouble ${dead ? '' : 'mild'}" role="note"><div>
    <strong>${error.title}</strong><p>${error.detail}</p>
    ${more.length > 0 && html`<p class="fine">${more.map(([name, value]) => `${name}: ${text(value)}`).join(' · ')}</p>`}
    <p class="fine"><a href=${error.type}>What this means and what to do</a></p></div></div>`;
}

function Again({ path, text, onTaken }) {
  const { busy, problem, ask, arrive } = useAsking('Another try');
  const taken = (found) => {
    notify(found.code === 'already-retried' ? 'Somebody has tried it again already; “Tried again as” below leads there.' : found.message);
    onTaken();
  };
  const send = async () => {
    const operation = await ask('POST', path, { instead: { 409: taken } });
    if (operation) arrive('Accepted, as a new operation at the end of the line.', 'operations', operation.id);
  };
  useEffect(() => {
    if (problem) notify(problem.message, 'bad');
  }, [problem]);
  return html`<button class="button primary" type="button" disabled=${busy} onClick=${send}>${text}</button>`;
}

function Json({ title, value }) {
  const text = JSON.stringify(value, null, 2);
  return html`<${Card} title=${title} aside=${html`<${Copy} text=${text} />`}><pre class="json" tabindex="0" aria-label=${title}>${text}</pre><//>`;
}
