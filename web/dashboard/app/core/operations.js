// What was submitted from here, and how it ends: told by its event, and looked for if none comes.
import { call, isPassing, newIdempotencyKey, Problem, read } from './api.js';
import { useEffect, useRef, useState } from './html.js';
import { follow } from './live.js';

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

/** The end of an operation: `{status, result, error}`. */
export function endOf(id) {
  if (ends.has(id)) return Promise.resolve(ends.get(id));
  return new Promise((resolve) => {
    const timer = setInterval(async () => {
      const found = await read(`/api/operations/${id}`).catch(() => null);
      if (found?.finishedAt) ended(id, found);
    }, LOOK_MILLISECONDS);
    waiting.set(id, (event) => {
      clearInterval(timer);
      waiting.delete(id);
      resolve(event);
    });
  });
}

/**
 * Submit an operation and say how it stands.
 *
 * `state.phase`: idle, sending, pending, succeeded, failed, dead, unsent, or unheard when nobody knows
 * whether it was accepted; with `problem` when it went wrong and `operation` once it was accepted.
 * `send` gives the operation's end.
 */
export function useSubmission() {
  const [state, setState] = useState({ phase: 'idle' });
  const mounted = useRef(true);
  useEffect(() => () => {
    mounted.current = false;
  }, []);
  const once = useRef(null);
  const show = (next) => mounted.current && setState(next);
  const send = async (method, path, body) => {
    listen();
    // Sent again after a lost answer, it is the operation that was accepted then, and no second one.
    const asked = JSON.stringify([method, path, body]);
    if (once.current?.asked !== asked) once.current = { asked, key: newIdempotencyKey() };
    show({ phase: 'sending' });
    try {
      const { data: operation } = await call(method, path, { body, headers: { 'Idempotency-Key': once.current.key } });
      once.current = null;
      show({ phase: 'pending', operation });
      const end = operation.finishedAt ? operation : await endOf(operation.id);
      show({ phase: end.status, operation, result: end.result, problem: end.error });
      return { ...end, operation };
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      once.current.unheard ||= problem.status === 0;
      const phase = once.current.unheard && isPassing(problem) ? 'unheard' : 'unsent';
      show({ phase, problem });
      return { status: phase, error: problem };
    }
  };
  return { state, send, reset: () => show({ phase: 'idle' }) };
}
