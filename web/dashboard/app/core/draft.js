// What is typed into a form and not sent yet: it is there again for whoever has looked at another page.
import { useEffect, useReducer } from './html.js';
import { session } from './session.js';
import { createStore } from './store.js';

const drafts = new Map();
session.listen(() => session.get().phase === 'in' || drafts.clear());

function draftOf(name, blank) {
  if (!drafts.has(name)) drafts.set(name, { store: createStore(blank), once: { current: null } });
  return drafts.get(name);
}

/**
 * `{value, change, forget, once}` of a form, by its name; `blank` is what it begins with.
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
  return { value, change: store.set, forget, once };
}
