// Who is signed in: an API key, kept as long as the browser's tab, and what it may do.
import { apiKey, Problem, read, useApiKey } from './api.js';
import { connect, disconnect } from './live.js';
import { createStore } from './store.js';

const KEPT_AS = 'pms.key';
const AGAIN_MILLISECONDS = 4000;
const ENDED = 'This key is no longer valid. Sign in with another one.';

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

async function enter(secret) {
  useApiKey(secret, () => signOut(ENDED));
  const key = await read('/api/keys/current');
  // Signed out meanwhile, or in by another try.
  if (apiKey() !== secret || session.get().phase === 'in') return;
  keep(secret);
  session.set({ phase: 'in', key, refusal: null });
  connect(secret, () => signOut(ENDED));
}

const isFinal = (problem) => problem.status === 401 || problem.status === 403;

function sentence(problem) {
  if (problem.status === 401) return UNKNOWN;
  if (problem.status === 403) return 'This key may not read, which is the least that the dashboard needs.';
  return problem.message;
}

/** Go on with a new secret of the same key. */
export function adopt(secret) {
  disconnect();
  useApiKey(secret);
  keep(secret);
  connect(secret, () => signOut(ENDED));
}

/** Sign out. */
export function signOut(refusal = null) {
  clearTimeout(later);
  forget();
  disconnect();
  useApiKey(null);
  session.set({ phase: 'out', key: null, refusal });
}

let later = null;

/** Sign in with the key of this tab, if it has one; while the service is away again and again. */
export async function resume() {
  clearTimeout(later);
  const secret = sessionStorage.getItem(KEPT_AS);
  if (!secret) return;
  session.set(({ refusal }) => ({ phase: 'resuming', key: null, refusal }));
  try {
    await enter(secret);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (isFinal(problem)) {
      signOut(sentence(problem));
    } else if (apiKey() === secret) {
      session.set({ phase: 'resuming', key: null, refusal: sentence(problem) });
      later = setTimeout(resume, AGAIN_MILLISECONDS);
    }
  }
}

function keep(secret) {
  sessionStorage.setItem(KEPT_AS, secret);
}

function forget() {
  sessionStorage.removeItem(KEPT_AS);
}
