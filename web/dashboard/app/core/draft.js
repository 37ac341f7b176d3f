// What is typed into a form and not sent yet: it is there again for whoever has looked at another page.
import { useEffect, useReducer } from './html.js';
import { session } from './session.js';
import { createStore } from './store.js';

const drafts = new Map();
let owner = null;

/** A key that ends takes nothing with it: whoever signs in with one of the same name goes on. */
function follow() {
  const { phase, key, refusal } = session.get();
  const leaves = phase === 'out' && refusal === null;
  const isOther = phase === 'in' && owner !== null && owner !== key.name;
  if (leaves || isOther) drafts.clear();
  if (phase === 'in') owner = key.name;
}
session.listen(follow);

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const isTyped = ({ store, blank }) => !same(store.get(), blank);

// Kept in memory only: what is closed or loaded anew is gone, so one is asked.
addEventListener('beforeunload', (event) => {
  if ([...drafts.values()].some(isTyped)) event.preventDefault();
});

function draftOf(name, blank) {
  if (!drafts.has(name)) drafts.set(name, { store: createStore(blank), blank, once: { current: null } });
  return drafts.get(name);
}

/**
 * `{value, now, change, forget, once}` of a form, by its name; `blank` is what it begins with, and `now`
 * gives the value of this moment.
 *
 * `forget(sent)` empties it, unless something else than what was sent is in it by now; without an
 * argument always. `once` is for `useAsking`: also who comes back sends the same wish again.
 */
export function useDraft(name, blank) {
  const { store, once } = draftOf(name, blank);
  const [, redraw] = useReducer((count) => count + 1, 0);
  // At once, not once a frame: two fields may be filled within one.
  useEffect(() => store.listen(redraw), [store]);
  const value = store.get();
  const forget = (sent = store.get()) => sent === store.get() && store.set(blank);
  return { value, now: store.get, change: store.set, forget, once };
}
