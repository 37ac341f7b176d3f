// Asking for a change: once, however often it is pressed, and with an eye on who has gone on meanwhile.
import { call, newWish, notKnown, Problem, tooLate } from '../core/api.js';
import { clock } from '../core/format.js';
import { useEffect, useRef, useState } from '../core/html.js';
import { go, href } from '../core/router.js';
import { statusWord } from './basics.js';
import { notify } from './forms.js';

const same = (one, other) => one.every((part, place) => part === other?.[place]);

/**
 * Ask the API for a change.
 *
 * `ask` takes what `call` takes and gives the answer's data, or null when it went wrong: `problem`
 * says why, until `forget`, but where `instead` has something to do for its status. Asked again after
 * a lost answer it carries the same idempotency key, and so happens once; asked again long after, one
 * is told to look first, and then it is a new one. `arrive(said, ...place)` goes where the change leads,
 * and tells when it is what an earlier try had led to already; whoever has left what asked is not fetched
 * away from other work, and is told instead, with the way back. `what` names it then. `kept` is where a
 * draft keeps what it asked, for whoever comes back to it.
 */
export function useAsking(what, kept) {
  const [state, setState] = useState({ busy: false, problem: null });
  const here = useRef(true);
  const own = useRef(null);
  const once = kept ?? own;
  // When it was asked for first, if that is what was accepted.
  const first = useRef(null);
  useEffect(() => () => {
    here.current = false;
  }, []);
  const show = (next) => here.current && setState(next);
  const ask = async (method, path, { headers, instead = {}, ...options } = {}) => {
    const { query, body } = options;
    const asked = [method, path, JSON.stringify(query), body instanceof Blob ? body : JSON.stringify(body)];
    const problem = same(asked, once.current?.asked) && tooLate(once.current);
    if (problem) {
      once.current = null;
      show({ busy: false, problem });
      return null;
    }
    if (!same(asked, once.current?.asked)) once.current = newWish(asked);
    const wish = once.current;
    wish.asking = true;
    const wasUnheard = wish.unheard;
    const back = { href: location.hash, text: 'Show' };
    show({ busy: true, problem: null });
    try {
      const { data, headers: answered } = await call(method, path, { ...options, headers: { ...headers, 'Idempotency-Key': wish.key }, unheard: wish.unheard });
      if (once.current === wish) once.current = null;
      first.current = wasUnheard && answered.get('Idempotent-Replayed') === 'true' ? wish.at : null;
      show({ busy: false, problem: null });
      return data;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      wish.unheard ||= problem.unheard;
      wish.asking = false;
      if (instead[problem.status]) {
        await instead[problem.status](problem);
        show({ busy: false, problem: null });
        return null;
      }
      // Given up meanwhile, nobody holds its key any more.
      const told = problem.unheard && once.current !== wish ? notKnown(false) : problem;
      show({ busy: false, problem: told });
      if (!here.current) notify(`${what}: ${told.message}`, 'bad', back);
      return null;
    }
  };
  const arrive = (said, ...place) => {
    const text = first.current ? `${said} It has been since ${clock(first.current, 'short')}, and nothing was made this time. For another one, ask once more.` : said;
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
