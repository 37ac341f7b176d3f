// Names that have been seen in a list, to be chosen where one has to be written exactly.
import { html, useMemo } from '../core/html.js';
import { session } from '../core/session.js';

const MOST = 200;
const seen = new Map();
session.listen(() => session.get().phase === 'in' || seen.clear());

function add(id, items, nameOf) {
  if (!seen.has(id)) seen.set(id, new Set());
  const known = seen.get(id);
  for (const item of items) if (known.size < MOST) known.add(nameOf(item));
  return [...known].sort((one, other) => one.localeCompare(other));
}

const NONE = [];

/** Suggestions for an input whose `list` is `id`: all that has been seen under this `id`, also in other lists. */
export function Known({ id, items = NONE, nameOf }) {
  const names = useMemo(() => add(id, items, nameOf), [id, items]);
  return html`<datalist id=${id}>${names.map((name) => html`<option key=${name} value=${name} />`)}</datalist>`;
}
