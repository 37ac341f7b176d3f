// The health of the parts: a quiet row that is loud when something is wrong.
import { duration, number, plural } from '../core/format.js';
import { html, useEffect } from '../core/html.js';
import { connection } from '../core/live.js';
import { useResource } from '../core/resource.js';
import { createStore, useStore } from '../core/store.js';

const EVERY_MILLISECONDS = 5000;
// It reports what it knows, at once; a process that takes longer has stopped.
const PATIENCE_MILLISECONDS = 3000;
const PARTS = [
  ['database', 'Database', 'Nothing can be read or accepted until it is back.'],
  ['redis', 'Redis', 'Everything is accepted and kept; it is told later than usual.'],
  ['workers', 'Workers', 'Operations are accepted and wait in line.'],
  ['beat', 'Beat', 'What runs by the clock waits: alerts, sweeps, rollups.'],
];

/** What `/health` said last, `{data, error}`: read by the row in the rail, for all who show it. */
export const health = createStore({ data: null, error: null });

/** `{name, text, healthy, figure, consequence}` of each part. */
function partsOf(report) {
  return PARTS.map(([name, text, consequence]) => {
    const check = report.checks[name];
    const age = check.lastSeenSeconds;
    const figure = check.latency != null ? duration(check.latency) : age != null ? `seen ${number(Math.round(age))} s ago` : 'away';
    return { name, text, healthy: check.healthy, figure, consequence };
  });
}

/** One line in the rail. */
export function HealthRow() {
  const { data, error } = useResource('/health', undefined, { every: EVERY_MILLISECONDS, patience: PATIENCE_MILLISECONDS, tries: 1 });
  useEffect(() => health.set({ data, error }), [data, error]);
  useEffect(() => () => health.set({ data: null, error: null }), []);
  const { phase } = useStore(connection);
  if (phase === 'offline') return html`<p class="health-line"><span class="dot" aria-hidden="true"></span>Not known while offline</p>`;
  if (error && !data) return html`<p class="health-line bad"><span class="dot" aria-hidden="true"></span>No answer from the service</p>`;
  if (!data) return html`<p class="health-line"><span class="dot" aria-hidden="true"></span>Looking…</p>`;
  const away = partsOf(data).filter((part) => !part.healthy);
  const bad = error || away.length;
  const text = error ? 'No answer' : away.length ? `${away.map((part) => part.text).join(', ')} away` : 'All parts well';
  return html`<p class="health-line ${bad ? 'bad' : 'good'}" role="status"><span class="dot" aria-hidden="true"></span>${text}</p>`;
}

/** Above every other page: connected is not yet live while a part is away. */
export function AwayBanner() {
  const { data } = useStore(health);
  const { phase } = useStore(connection);
  const away = data && phase === 'connected' ? partsOf(data).filter((part) => !part.healthy) : [];
  if (!away.length) return null;
  return html`<div class="banner warn" role="status"><strong>${away.map((part) => part.text).join(', ')} away</strong>
    <span>${away[0].consequence}</span></div>`;
}

/** All parts, on the overview. */
export function HealthCard() {
  const { data, error } = useStore(health);
  const { phase } = useStore(connection);
  if (!data) return error ? html`<div class="health loud" role="alert"><strong>The service does not answer.</strong></div>` : null;
  const parts = partsOf(data);
  const away = parts.filter((part) => !part.healthy);
  const { queue, websocket } = data.checks;
  return html`<section class="health ${away.length || error ? 'loud' : ''}" aria-label="Health">
    <ul>
      ${parts.map((part) => html`<li key=${part.name} class=${part.healthy ? 'good' : 'bad'}>
        <span class="dot" aria-hidden="true"></span><b>${part.text}</b>
        <span>${part.healthy ? part.figure : 'away'}</span></li>`)}
      <li><b>Waiting</b><span>${number(queue.depth)}${queue.oldestSeconds > 1 ? `, oldest ${duration(queue.oldestSeconds * 1000)}` : ''}</span></li>
      <li><b>Connections</b><span>${number(Math.max(websocket.connections, phase === 'connected' ? 1 : 0))}</span></li>
      ${queue.dead > 0 && html`<li class="bad"><span class="dot" aria-hidden="true"></span><b>Given up</b>
        <a href="#/operations?status=dead">${plural(queue.dead, 'operation')}</a></li>`}
    </ul>
    ${away.map((part) => html`<p role="alert" key=${part.name}><b>${part.text} ${part.name === 'workers' ? 'are' : 'is'} away.</b> ${part.consequence}</p>`)}
  </section>`;
}
