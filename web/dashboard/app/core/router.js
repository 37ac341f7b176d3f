// Where one is: the part of the address behind the hash, so that any server can send the page;
// and how far down one was at each step of the history.
import { createStore, useStore } from './store.js';

/** A step of the path; one that is badly written stays as it is, and leads nowhere. */
function decoded(step) {
  try {
    return decodeURIComponent(step);
  } catch {
    return step;
  }
}

let entries = 0;

/** What names this step of the history: going back to it finds the same name. */
function entryOf() {
  const name = history.state?.entry ?? `${performance.timeOrigin}/${(entries += 1)}`;
  if (!history.state?.entry) history.replaceState({ entry: name }, '');
  return name;
}

function parse() {
  const [path, search = ''] = location.hash.replace(/^#/, '').split('?');
  const steps = path.split('/').filter(Boolean).map(decoded);
  return { steps, query: Object.fromEntries(new URLSearchParams(search)), entry: entryOf() };
}

const route = createStore(parse());
const scrolled = new Map();
// The browser would scroll before there is something to scroll to.
history.scrollRestoration = 'manual';
addEventListener('hashchange', () => {
  scrolled.set(route.get().entry, scrollY);
  route.set(parse());
});

/** How far down one was when this step of the history was left; the top of a new one. */
export function scrolledAt(entry) {
  return scrolled.get(entry) ?? 0;
}

/** The step of the history where one is. */
export function currentEntry() {
  return route.get().entry;
}

/** `{steps, query, entry}`: the address, and the step of the history. */
export function useRoute() {
  return useStore(route);
}

/** The address of a place: `href('products', id)`; a last object is the query. */
export function href(...parts) {
  const last = parts.at(-1);
  const query = typeof last === 'object' ? parts.pop() : {};
  const found = Object.entries(query).filter(([, value]) => value != null && value !== '');
  const search = found.length ? `?${new URLSearchParams(found)}` : '';
  return `#/${parts.map(encodeURIComponent).join('/')}${search}`;
}

/** Go somewhere. */
export function go(...parts) {
  location.hash = href(...parts);
}

/** A word of an address that anybody may have written: one of those known, or none. */
export function oneOf(known, word) {
  return known.includes(word) ? word : '';
}

/** Change the query of the place where one is, without a new step in the history. */
export function setQuery(change) {
  const { steps, query } = route.get();
  history.replaceState(history.state, '', href(...steps, { ...query, ...change }));
  route.set(parse());
}
