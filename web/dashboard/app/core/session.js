// Who is signed in: an API key, kept as long as a tab of the dashboard is open, and what it may do.
import { apiKey, isPassing, Problem, read, useApiKey } from './api.js';
import { connect, disconnect, reconnect } from './live.js';
import { createStore } from './store.js';
import { borrowed, share, signedIn, tellLeft, wasLeft } from './tabs.js';

const KEPT_AS = 'pms.key';
// Beside it: its id, and how often it was signed out before.
const SINCE_AS = 'pms.since';
const AGAIN_MILLISECONDS = 4000;
const ENDED = 'This key is no longer valid. Sign in with another one.';
const LOST = 'Your key was rotated, but the answer with its new secret got lost on the way. Sign in with another admin key, or make one where the service runs: pms keys create.';
const LEFT = 'You signed out in another tab.';
// Kept in the place of a key: this tab was signed out, and borrows none.
const NONE = '';

/**
 * `{phase: 'out'|'entering'|'resuming'|'in', key, refusal}`; `key` is what `/api/keys/current` says.
 * Who comes back to a service that is away is resuming, and `refusal` says why it takes so long.
 */
export const session = createStore({ phase: 'out', key: null, refusal: null });

/** Whether the key may do what needs this scope. */
export function may(scope) {
  const held = session.get().key?.scopes ?? [];
  return held.includes(scope) || held.includes('admin') || (scope === 'read' && held.includes('write'));
}

const UNKNOWN = 'This key is not known, has expired or was revoked.';
// No other letters can be sent, so no key has them.
const isPossible = (secret) => /^[\x21-\x7e]+$/.test(secret);

/** Sign in; a refusal is in the session. */
export async function signIn(secret) {
  if (!isPossible(secret)) return session.set({ phase: 'out', key: null, refusal: UNKNOWN });
  session.set({ phase: 'entering', key: null, refusal: null });
  try {
    await enter(secret);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (isFinal(problem)) forget();
    session.set({ phase: 'out', key: null, refusal: sentence(problem) });
  }
  return undefined;
}

async function enter(secret, since) {
  useApiKey(secret, ended);
  const key = await read('/api/keys/current');
  // Signed out meanwhile, or in by another try.
  if (apiKey() !== secret || session.get().phase === 'in') return;
  // Another try may have failed just before.
  clearTimeout(later);
  keep(secret, since ?? signedIn(key.id));
  session.set({ phase: 'in', key, refusal: null });
  connect(secret, ended);
}

const isFinal = (problem) => problem.status === 401 || problem.status === 403;

function sentence(problem) {
  if (problem.status === 401) return UNKNOWN;
  if (problem.status === 403) return 'This key may not read, which is the least that the dashboard needs.';
  return problem.message;
}

let rotating = false;
// The own key may have been rotated, and nobody heard of it.
let doubtful = false;

function ended() {
  // The old secret may be refused before the new one has arrived, and nobody could show that again.
  if (!rotating) signOut(doubtful ? LOST : ENDED);
}

/** Look whether the secret is still good, after a rotation without an answer. */
async function look() {
  try {
    await read('/api/keys/current');
    doubtful = false;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (isPassing(problem)) setTimeout(() => doubtful && look(), AGAIN_MILLISECONDS);
  }
}

/** Have the own key rotated by `step`, which gives what the API answered, and go on with its new secret. */
export async function rotateOwn(step) {
  rotating = true;
  try {
    const data = await step();
    // Who was signed out meanwhile stays so.
    if (data.secret && session.get().phase === 'in') {
      useApiKey(data.secret);
      keep(data.secret, held()?.since);
      reconnect(data.secret);
    }
    return data;
  } catch (problem) {
    // Sent again after a lost answer it carries the secret that ended with the first time.
    if (problem.status === 401) signOut(problem.unheard ? LOST : ENDED);
    if (problem.status === 0 && session.get().phase === 'in') {
      doubtful = true;
      look();
    }
    throw problem;
  } finally {
    rotating = false;
  }
}

/** Sign out; without a refusal in the other tabs of this key too. */
export function signOut(refusal = null) {
  if (refusal === null) tellLeft({ ...held(), secret: apiKey() });
  clearTimeout(later);
  doubtful = false;
  forget();
  disconnect();
  useApiKey(null);
  session.set({ phase: 'out', key: null, refusal });
}

let later = null;

/** Sign in with the key of this tab or, if it is new, of another; while the service is away again and again. */
export async function resume() {
  clearTimeout(later);
  // Let in meanwhile by another try.
  if (session.get().phase === 'in') return undefined;
  session.set(({ refusal }) => ({ phase: 'resuming', key: null, refusal }));
  const { secret, since } = held() ?? (await borrowed()) ?? {};
  // Signed out meanwhile.
  if (session.get().phase !== 'resuming') return undefined;
  if (!secret) return session.set({ phase: 'out', key: null, refusal: null });
  if (wasLeft(since)) return signOut(LEFT);
  keep(secret, since);
  try {
    await enter(secret, since);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (isFinal(problem)) {
      signOut(sentence(problem));
    } else if (apiKey() === secret && session.get().phase !== 'in') {
      session.set({ phase: 'resuming', key: null, refusal: sentence(problem) });
      clearTimeout(later);
      later = setTimeout(resume, AGAIN_MILLISECONDS);
    }
  }
  return undefined;
}

share(
  () => (['in', 'resuming'].includes(session.get().phase) && apiKey() ? { ...held(), secret: apiKey() } : null),
  () => signOut(LEFT),
);

// A page that the browser had put away as it stood was told nothing meanwhile.
addEventListener('pageshow', ({ persisted }) => persisted && wasLeft(held()?.since) && signOut(LEFT));

/** What this tab keeps, `{secret, since}`; null if it is new. */
function held() {
  const secret = sessionStorage.getItem(KEPT_AS);
  return secret === null ? null : { secret, since: JSON.parse(sessionStorage.getItem(SINCE_AS) ?? 'null') };
}

function keep(secret, since) {
  sessionStorage.setItem(KEPT_AS, secret);
  if (since) sessionStorage.setItem(SINCE_AS, JSON.stringify(since));
}

function forget() {
  sessionStorage.setItem(KEPT_AS, NONE);
  sessionStorage.removeItem(SINCE_AS);
}
