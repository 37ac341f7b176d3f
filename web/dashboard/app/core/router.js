// Where one is: the part of the address behind the hash, so that any server can send the page.
import { createStore, useStore } from './store.js';

/** A step of the path; one that is badly written stays as it is, and leads nowhere. */
function decoded(step) {
  try {
    return decodeURIComponent(step);
  } catch {
    return step;
  }
}

function parse() {
  const [path, search = ''] = location.hash.replace(/^#/, '').split('?');
  const steps = path.split('/').filter(Boolean).map(decoded);
  return { steps, query: Object.fromEntries(new URLSearchParams(search)) };
}

const route = createStore(parse());
addEventListener('hashchange', () => route.set(parse()));

/** `{steps, query}` of the address. */
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

/** Change the query of the place where one is, without a new step in the history. */
export function setQuery(change) {
  const { steps, query } = route.get();
  history.replaceState(null, '', href(...steps, { ...query, ...change }));
  route.set(parse());
}
