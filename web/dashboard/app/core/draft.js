// What is typed into a form and not sent yet, or sent and not answered: it is there again for whoever
// has looked at another page.
import { useEffect, useReducer } from './html.js';
import { session } from './session.js';
import { createStore } from './store.js';

const drafts = new Map();
let owner = null;

/** A key that ends takes nothing with it: whoever signs in with one of the same name goes on. */
function follow() {
  const { phase, key, refusal } = session.get();
  const leaves = phase === 'out' && refusal === null;
  const isElses = phase === 'in' && owner !== null && owner !== key.name;
  if (leaves || isElses) drafts.clear();
  if (phase === 'in') owner = key.name;
}
session.listen(follow);

const isOther = (value, blank) => JSON.stringify(value) !== JSON.stringify(blank);

// Kept in memory only: what is closed or loaded anew is gone, so one is asked.
addEventListener('beforeunload', (event) => {
  if ([...drafts.values()].some(({ store, blank, isTyped, once }) => isTyped(store.get(), blank, once.current))) event.preventDefault();
});

function draftOf(name, blank, isTyped) {
  if (!drafts.has(name)) drafts.set(name, { store: createStore(blank), blank, isTyped, once: { current: null } });
  return drafts.get(name);
}

/**
 * `{value, now, change, forget, once}` of a form, by its name; `blank` is what it begins with, and `now`
 * gives the value of this moment. `isTyped` tells whether something would be lost with a value, what the
 * form begins with, and the wish that was sent and not answered.
 *
 * `forget(sent)` empties it, unless something else than what was sent is in it by now; without an
 * argument always, and then who types the same again means it anew. `once` is for `useAsking`: also who
 * comes back sends the same wish again.
 */
export function useDraft(name, blank, isTyped = isOther) {
  const { store, once } = draftOf(name, blank, isTyped);
  const [, redraw] = useReducer((count) => count + 1, 0);
  // At once, not once a frame: two fields may be filled within one.
  useEffect(() => store.listen(redraw), [store]);
  const value = store.get();
  const forget = (sent) => {
    if (sent === undefined) once.current = null;
    if (sent === undefined || sent === store.get()) store.set(blank);
  };
  return { value, now: store.get, change: store.set, forget, once };
}
