// What was submitted from here, and how it ends: told by its event, and looked for if none comes.
import { call, newWish, Problem, read } from './api.js';
import { useLayoutEffect, useRef } from './html.js';
import { follow } from './live.js';
import { session } from './session.js';
import { createStore, useStore } from './store.js';

const LOOK_MILLISECONDS = 4000;
// Ends that may come before the answer to what they end.
const REMEMBERED = 200;

const ends = new Map();
const waiting = new Map();
let stop = null;

/** Begin to hear of ends; again after a sign-in. */
function listen() {
  stop?.();
  stop = follow('operations', null, ({ event }) => event && event.finishedAt && ended(event.operationId, event));
}

function ended(id, event) {
  ends.set(id, event);
  if (ends.size > REMEMBERED) ends.delete(ends.keys().next().value);
  waiting.get(id)?.(event);
}

/** Nobody is told any more of what was submitted with a key that is left. */
function leave() {
  stop?.();
  stop = null;
  ends.clear();
  for (const tell of waiting.values()) tell(null);
}
session.listen(() => session.get().phase === 'in' || leave());

const GONE = { status: 'gone', error: { detail: 'Nothing is known of this operation any more.' } };

/** The end of an operation: `{status, result, error}`; null if one has signed out before it. */
export function endOf(id) {
  if (ends.has(id)) return Promise.resolve(ends.get(id));
  return new Promise((resolve) => {
    const timer = setInterval(async () => {
      const found = await read(`/api/operations/${id}`).catch((problem) => (problem.status === 404 ? GONE : null));
      if (found === GONE) waiting.get(id)?.(GONE);
      else if (found?.finishedAt) ended(id, found);
    }, LOOK_MILLISECONDS);
    waiting.set(id, (event) => {
      clearInterval(timer);
      waiting.delete(id);
      resolve(event);
    });
  });
}

/** Something to submit, and how it stands; `useSubmission` of whoever keeps it goes on with it. */
export function newSubmission() {
  return { state: createStore({ phase: 'idle' }), wish: null, shown: 0 };
}

/** Whether leaving a submission would lose it: it is on its way, or nobody knows whether it was accepted. */
export function isUnheard({ state }) {
  return ['sending', 'unheard'].includes(state.get().phase);
}

/**
 * Submit an operation and say how it stands.
 *
 * `state.phase`: idle, sending, pending, succeeded, failed, dead, gone, unsent, or unheard when nobody
 * knows whether it was accepted; with `problem` when it went wrong and `operation` once it was accepted.
 * `send` gives the operation's end. Who has left what shows it has `left` called with how it ended.
 * `kept` is a submission that outlives what shows it: who comes back finds it as it stands.
 */
export function useSubmission(left = () => {}, kept) {
  const own = useRef(null);
  own.current ??= kept ?? newSubmission();
  const one = own.current;
  const state = useStore(one.state);
  useLayoutEffect(() => {
    one.shown += 1;
    return () => {
      one.shown -= 1;
    };
  }, []);
  const close = (by, next) => {
    one.state.set(next);
    // What went wrong is no news for whoever signs in next.
    if (!one.shown && session.get().key?.id === by) left(next);
  };
  const send = async (method, path, body) => {
    listen();
    const by = session.get().key?.id;
    // Sent again after a lost answer, it is the operation that was accepted then, and no second one.
    const asked = JSON.stringify([method, path, body]);
    if (one.wish?.asked !== asked) one.wish = newWish(asked);
    const { wish } = one;
    one.state.set({ phase: 'sending' });
    try {
      const { data: operation } = await call(method, path, { body, headers: { 'Idempotency-Key': wish.key }, unheard: wish.unheard });
      if (one.wish === wish) one.wish = null;
      one.state.set({ phase: 'pending', operation });
      const end = operation.finishedAt ? operation : await endOf(operation.id);
      if (!end) {
        one.state.set({ phase: 'gone', operation });
        return { status: 'gone', operation };
      }
      close(by, { phase: end.status, operation, result: end.result, problem: end.error });
      return { ...end, operation };
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      wish.unheard ||= problem.unheard;
      const phase = problem.unheard ? 'unheard' : 'unsent';
      close(by, { phase, problem });
      return { status: phase, error: problem };
    }
  };
  return { state, send };
}
