// Asking for a change: once, however often it is pressed, and with an eye on who has gone on meanwhile.
import { call, newIdempotencyKey, Problem } from '../core/api.js';
import { useEffect, useRef, useState } from '../core/html.js';
import { go, href } from '../core/router.js';
import { statusWord } from './basics.js';
import { notify } from './forms.js';

const same = (one, other) => one.every((part, place) => part === other?.[place]);

/**
 * Ask the API for a change.
 *
 * `ask` takes what `call` takes and gives the answer's data, or null when it went wrong: `problem`
 * says why, until `forget`, but where `instead` has something to do for its status. Asked again after a lost answer it carries the same idempotency key,
 * and so happens once. `arrive(text, ...place)` goes where the change leads; whoever has left what
 * asked is not fetched away from other work, and is told instead, with the way back. `what` names it
 * then. `kept` is where a draft keeps what it asked, for whoever comes back to it.
 */
export function useAsking(what, kept) {
  const [state, setState] = useState({ busy: false, problem: null });
  const here = useRef(true);
  const own = useRef(null);
  const once = kept ?? own;
  useEffect(() => () => {
    here.current = false;
  }, []);
  const show = (next) => here.current && setState(next);
  const ask = async (method, path, { headers, instead = {}, ...options } = {}) => {
    const { query, body } = options;
    const asked = [method, path, JSON.stringify(query), body instanceof Blob ? body : JSON.stringify(body)];
    if (!same(asked, once.current?.asked)) once.current = { asked, key: newIdempotencyKey(), unheard: false };
    const wish = once.current;
    const back = { href: location.hash, text: 'Show' };
    show({ busy: true, problem: null });
    try {
      const { data } = await call(method, path, { ...options, headers: { ...headers, 'Idempotency-Key': wish.key }, unheard: wish.unheard });
      if (once.current === wish) once.current = null;
      show({ busy: false, problem: null });
      return data;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      wish.unheard ||= problem.unheard;
      if (instead[problem.status]) {
        await instead[problem.status](problem);
        show({ busy: false, problem: null });
        return null;
      }
      show({ busy: false, problem });
      if (!here.current) notify(`${what}: ${problem.message}`, 'bad', back);
      return null;
    }
  };
  const arrive = (text, ...place) => {
    if (!here.current) return notify(text, 'good', { href: href(...place), text: 'Show' });
    notify(text, 'good');
    return go(...place);
  };
  const forget = () => show({ busy: false, problem: null });
  return { ...state, ask, arrive, forget };
}

/** What `useSubmission` calls for whoever has left: `what` went wrong, and where that can be read or, never accepted, asked again. */
export function tellOf(what, place) {
  return ({ phase, operation, problem }) => {
    if (phase === 'succeeded') return;
    const why = problem?.message ?? problem?.detail ?? statusWord(phase);
    notify(`${what}: ${why}`, 'bad', { href: operation ? href('operations', operation.id) : place, text: 'Show' });
  };
}
