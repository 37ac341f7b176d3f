// The health of the parts: a quiet row that is loud when something is wrong.
import { duration, number, plural, relative } from '../core/format.js';
import { html, useEffect, useRef, useState } from '../core/html.js';
import { connection } from '../core/live.js';
import { useResource } from '../core/resource.js';
import { createStore, useStore } from '../core/store.js';
import { Ago } from './basics.js';

const EVERY_MILLISECONDS = 5000;
// What is away may be back in a moment, or was only not heard of by a process that had been stopped.
const SOON_MILLISECONDS = 1500;
// It reports what it knows, at once; a process that takes longer has stopped.
const PATIENCE_MILLISECONDS = 3000;
// What it is called, what is wrong with it when it is not well, and what that means.
const PARTS = [
  ['database', 'Database', 'away', 'Nothing can be read or accepted until it is back.'],
  ['redis', 'Redis', 'away', 'Everything is accepted and kept; it is told later than usual.'],
  ['workers', 'Workers', 'away', 'Operations are accepted and wait in line.'],
  ['beat', 'Beat', 'away', 'What runs by the clock waits: alerts, sweeps, rollups.'],
];
// These have no figure that anybody would look for: they are told of when something is wrong.
const SILENT = [
  ['memory', 'Memory', 'short', 'A web process has nearly used up what it may have.'],
  ['websocket', 'Sockets', 'slow', 'What happens may be told later than usual.'],
];
const MANY = ['workers', 'websocket'];

const UNREAD = { data: null, error: null, readAt: null };

/** What `/health` said last and when, `{data, error, readAt}`: read by the row in the rail, for all who show it. */
export const health = createStore(UNREAD);

/** `{name, text, healthy, figure, wrong, consequence}` of each part that is looked for, or not well. */
function partsOf(report) {
  return [...PARTS, ...SILENT.filter(([name]) => !report.checks[name].healthy)].map(([name, text, wrong, consequence]) => {
    const check = report.checks[name];
    const age = check.lastSeenSeconds;
    const figure = check.latency != null ? duration(check.latency) : age != null ? `seen ${relative(Date.now() - age * 1000)}` : wrong;
    return { name, text, healthy: check.healthy, figure, wrong, consequence };
  });
}

/** "Redis, Beat away, Memory short". */
function namesOf(unwell) {
  const states = [...new Set(unwell.map((part) => part.wrong))];
  return states.map((state) => `${unwell.filter((part) => part.wrong === state).map((part) => part.text).join(', ')} ${state}`).join(', ');
}

/** One line in the rail. */
export function HealthRow() {
  const [every, setEvery] = useState(EVERY_MILLISECONDS);
  const { data, error } = useResource('/health', undefined, { every, patience: PATIENCE_MILLISECONDS, tries: 1 });
  const isWell = !data || data.status === 'ok';
  useEffect(() => setEvery(isWell ? EVERY_MILLISECONDS : SOON_MILLISECONDS), [isWell]);
  const readAt = useRef(null);
  useEffect(() => {
    if (data) readAt.current = new Date().toISOString();
  }, [data]);
  useEffect(() => health.set({ data, error, readAt: readAt.current }), [data, error]);
  useEffect(() => () => health.set(UNREAD), []);
  const { phase } = useStore(connection);
  if (phase === 'offline') return html`<p class="health-line"><span class="dot" aria-hidden="true"></span>Not known while offline</p>`;
  if (error && !data) return html`<p class="health-line bad"><span class="dot" aria-hidden="true"></span>No answer from the service</p>`;
  if (!data) return html`<p class="health-line"><span class="dot" aria-hidden="true"></span>Looking…</p>`;
  const away = partsOf(data).filter((part) => !part.healthy);
  const bad = error || away.length;
  const text = error ? 'No answer' : away.length ? namesOf(away) : 'All parts well';
  return html`<p class="health-line ${bad ? 'bad' : 'good'}" role="status"><span class="dot" aria-hidden="true"></span>${text}</p>`;
}

/** Above every other page: connected is not yet live while a part is away. */
export function AwayBanner() {
  const { data, error } = useStore(health);
  const { phase } = useStore(connection);
  const away = data && !error && phase === 'connected' ? partsOf(data).filter((part) => !part.healthy) : [];
  if (!away.length) return null;
  return html`<div class="banner warn" role="status"><strong>${namesOf(away)}</strong>
    <span>${away.map((part) => part.consequence).join(' ')}</span></div>`;
}

/** All parts, on the overview. */
export function HealthCard() {
  const { data, error, readAt } = useStore(health);
  const { phase } = useStore(connection);
  if (!data) return error ? html`<div class="health loud" role="alert"><strong>The service does not answer.</strong></div>` : null;
  const parts = partsOf(data);
  // What was known before says nothing about parts that nobody answers for.
  const away = error ? [] : parts.filter((part) => !part.healthy);
  const tone = (isHealthy) => (error ? 'unknown' : isHealthy ? 'good' : 'bad');
  const { queue, websocket } = data.checks;
  return html`<section class="health ${away.length || error ? 'loud' : ''}" aria-label="Health">
    ${error && html`<p role="alert"><b>${phase === 'offline' ? 'This device is offline.' : 'The service does not answer.'}</b> How its parts are is not known; the figures are those of before.</p>`}
    <ul>
      ${parts.map((part) => html`<li key=${part.name} class=${tone(part.healthy)}>
        <span class="dot" aria-hidden="true"></span><b>${part.text}</b>
        <span>${error ? 'not known' : part.healthy ? part.figure : part.wrong}</span></li>`)}
      <li><b>Waiting</b><span>${number(queue.depth)}${queue.oldestSeconds > 1 ? `, oldest ${duration(queue.oldestSeconds * 1000)}` : ''}</span></li>
      <li><b>Connections</b><span>${number(Math.max(websocket.connections, phase === 'connected' ? 1 : 0))}</span></li>
      ${error && readAt && html`<li class="fine">read <${Ago} at=${readAt} /></li>`}
      ${queue.dead > 0 && html`<li class=${tone(false)}><span class="dot" aria-hidden="true"></span><b>Given up</b>
        <a href="#/operations?status=dead">${plural(queue.dead, 'operation')}</a></li>`}
    </ul>
    ${away.map((part) => html`<p role="alert" key=${part.name}><b>${part.text} ${MANY.includes(part.name) ? 'are' : 'is'} ${part.wrong}.</b> ${part.consequence}</p>`)}
  </section>`;
}
