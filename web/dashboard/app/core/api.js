// The public REST API: one way to call it, and its problems as errors.
import { clock, dateTime } from './format.js';
import { faultsOf } from './pointer.js';
import { createStore } from './store.js';

const RETRIES = 3;
const WAIT_MILLISECONDS = 700;
const LONGEST_WAIT_SECONDS = 20;
// A process that has stopped keeps its connections open: without an end one would wait for ever.
const PATIENCE_MILLISECONDS = 15000;

let key = null;
let refused = () => {};
let remaining = Infinity;

/** Until when (in milliseconds) the key may not ask, after too many requests. */
export const waiting = createStore(0);

/** From now on calls carry this key; `onRefused` is told when it is not good any more. */
export function useApiKey(secret, onRefused) {
  key = secret;
  refused = onRefused ?? refused;
  remaining = Infinity;
  waiting.set(0);
}

/** The key that calls carry. */
export function apiKey() {
  return key;
}

/** How much slower than usual to ask by oneself: the rest of the key's rate is for people. */
export function restraint() {
  if (remaining > 50) return 1;
  return remaining > 20 ? 2 : 5;
}

/** A problem document, or no answer at all (status 0); its `message` is for people. */
export class Problem extends Error {
  constructor(body) {
    super((body.errors?.length && faultsOf(body.errors)) || body.detail || body.title || 'Something went wrong.');
    Object.assign(this, body);
    this.code = (body.type ?? '').split('/').pop();
  }

  /** What is said about one field of the form. */
  fieldErrors() {
    return Object.fromEntries((this.errors ?? []).map((one) => [one.pointer.split('/')[1], one.detail]));
  }
}

const NO_ANSWER = { status: 0, title: 'No answer', detail: 'The service did not answer. Try again.' };

/**
 * What was asked for may well have happened, and only the answer be lost. Who holds the idempotency
 * key can have it once all the same; who does not must not be told so.
 */
export const notKnown = (isHeld, when = '') => new Problem({
  status: 0, title: 'No answer', unheard: true,
  detail: `The service did not answer${when}, so it is not known whether this was accepted. ${isHeld ? 'Try again: it happens only once.' : 'Look whether it was done before you do it again.'}`,
});

/** The rate as the service names it says nothing to people; a time of day stays true. */
const tooMany = (seconds) => ({ detail: `The rate of requests is used up: try again after ${clock(Date.now() + seconds * 1000)}.` });

// What a balancer answers in the place of a service that is away, or that did not answer it.
const IN_ITS_PLACE = [502, 503, 504];
const isStranger = ({ type }, status) => IN_ITS_PLACE.includes(status) && !String(type).startsWith('/docs/problems/');

/** Whether it is not known what came of a change: no answer, or one that says so. */
const isUnknown = (problem) => problem.status === 0 || problem.outcome === 'unknown';

/** Whether a problem may be over by itself: no answer, too many requests, or something away. */
export const isPassing = (problem) => [0, 429, 503].includes(problem.status);

// For a request that is to happen once, also if it has to be sent again.
function newIdempotencyKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `dashboard-${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

// The service forgets a key after a day, or as it is set; nobody relies on it for nearly as long.
const RELIABLE_MILLISECONDS = 3600000;

/** Something that is to happen once: `asked` tells it from others, and its key goes with every try. */
export function newWish(asked) {
  return { asked, key: newIdempotencyKey(), unheard: false, at: Date.now() };
}

/** What is said in the place of another try of a wish, unheard for so long that its key may be forgotten; else null. */
export function tooLate(wish) {
  const isLate = wish?.unheard && Date.now() - wish.at > RELIABLE_MILLISECONDS;
  return isLate ? notKnown(false, ` on ${dateTime(wish.at, 'short')}`) : null;
}

function address(path, query) {
  const found = Object.entries(query ?? {}).filter(([, value]) => value != null && value !== '');
  return found.length ? `${path}?${new URLSearchParams(found)}` : path;
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * Call the API.
 *
 * What may be sent again (everything that reads, and everything with an idempotency key) is, when
 * no answer came within `patience` (milliseconds, 0 is for ever), when the service says that it is
 * away, and when there were too many requests.
 * Gives `{data, headers, status}`; throws a Problem, or what an aborted signal throws. A change of
 * which one try left it unknown what came of it, and that then was only put off, is a Problem without
 * an answer (status 0); by `unheard` each tells whether there was such a try. `unheard` says that
 * the same change, with the idempotency key in `headers`, was left so before.
 */
export async function call(method, path, { query, body, headers, signal, patience = PATIENCE_MILLISECONDS, tries = RETRIES, unheard = false } = {}) {
  const sent = { Accept: 'application/json', ...headers };
  if (key) sent['X-API-Key'] = key;
  if (method !== 'GET' && method !== 'DELETE') sent['Idempotency-Key'] ??= newIdempotencyKey();
  const raw = body instanceof Blob;
  if (body !== undefined && !raw) sent['Content-Type'] = 'application/json';
  const options = { method, headers: sent, cache: 'no-store', credentials: 'omit' };
  if (body !== undefined) options.body = raw ? body : JSON.stringify(body);
  for (let attempt = 1; ; attempt += 1) {
    const ends = [signal, patience && !raw && AbortSignal.timeout(patience)].filter(Boolean);
    const problem = await answered(address(path, query), { ...options, signal: AbortSignal.any(ends) });
    if (!(problem instanceof Problem)) return problem;
    const waits = problem.retryAfter ?? 0;
    const passing = isPassing(problem);
    if (problem.status === 429) waiting.set(Date.now() + waits * 1000);
    unheard ||= isUnknown(problem) && method !== 'GET';
    if (!passing || waits > LONGEST_WAIT_SECONDS || attempt >= tries) {
      // One that was sent with the secret before says nothing of this one.
      if (problem.status === 401 && key && sent['X-API-Key'] === key) refused(problem);
      throw passing && unheard ? notKnown(headers?.['Idempotency-Key']) : Object.assign(problem, { unheard });
    }
    await pause(Math.max(waits * 1000, WAIT_MILLISECONDS * attempt));
    signal?.throwIfAborted();
  }
}

async function answered(url, options) {
  let response;
  let text;
  try {
    response = await fetch(url, options);
    text = await response.text();
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    return new Problem(NO_ANSWER);
  }
  const left = response.headers.get('RateLimit-Remaining');
  if (left !== null && url.startsWith('/api/')) remaining = Number(left);
  let data = null;
  try {
    data = text && /json/.test(response.headers.get('Content-Type') ?? '') ? JSON.parse(text) : text;
  } catch {
    return new Problem(NO_ANSWER);
  }
  if (response.ok || response.status === 304) return { data, headers: response.headers, status: response.status };
  // Health answers 503 with its own body.
  if (data?.checks) return { data, headers: response.headers, status: response.status };
  const wait = Number(response.headers.get('Retry-After')) || undefined;
  const known = data && typeof data === 'object' ? data : { title: response.statusText };
  if (isStranger(known, response.status)) return new Problem({ ...NO_ANSWER, retryAfter: wait });
  const said = response.status === 429 ? tooMany(wait ?? 1) : {};
  return new Problem({ ...known, ...said, status: response.status, retryAfter: wait });
}

/** Read something. */
export async function read(path, query, options) {
  return (await call('GET', path, { query, ...options })).data;
}
