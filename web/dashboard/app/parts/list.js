// An endless list: only the rows in sight are there, pages are read as they are needed.
import { number } from '../core/format.js';
import { html, useEffect, useRef, useState } from '../core/html.js';
import { oncePerFrame } from '../core/store.js';
import { Ago, Empty, Kept, Skeleton, Trouble } from './basics.js';

const BEYOND = 8;
const AHEAD = 25;
// Rows are of one height in all lists; it is known again before the first one is drawn.
let lastHeight = 56;

/**
 * A table whose rows are all of one height.
 *
 * `columns` are `[name, class, hidden]`; `row(item)` gives the cells, and again only when the item is
 * another object or `stampOf(item)` another value; `onSight` is told which items are in sight; `pages`
 * is what `usePages` gives.
 */
export function EndlessList({ label, pages, columns, row, keyOf = (item) => item.id, stampOf, empty, onSight }) {
  const { items, done, error, loading, more, reload, look } = pages;
  const body = useRef(null);
  const [range, setRange] = useState(pages.sight[1] ? pages.sight : [0, 30]);
  const height = useRef(lastHeight);

  useEffect(() => {
    const look = oncePerFrame(() => {
      const place = body.current;
      if (!place) return;
      lastHeight = place.querySelector('.row')?.offsetHeight || height.current;
      height.current = lastHeight;
      const top = -place.getBoundingClientRect().top;
      const first = Math.max(0, Math.floor(top / height.current) - BEYOND);
      const last = Math.ceil((top + innerHeight) / height.current) + BEYOND;
      setRange((old) => (old[0] === first && old[1] === last ? old : [first, last]));
    });
    look();
    addEventListener('scroll', look, { passive: true });
    addEventListener('resize', look);
    return () => {
      removeEventListener('scroll', look);
      removeEventListener('resize', look);
    };
  }, [items.length > 0]);

  const last = Math.min(range[1], items.length);
  const first = Math.min(range[0], Math.max(0, last - 1));
  useEffect(() => {
    if (!loading && !done && !error && range[1] + AHEAD > items.length) more();
  }, [range[1], items.length, done, loading, error]);
  const shown = items.slice(first, last);
  useEffect(() => onSight?.(shown), [shown.map(keyOf).join()]);
  useEffect(() => look(first, last), [look, first, last]);

  if (loading) return html`<${Skeleton} rows=${8} />`;
  if (error && !items.length) return html`<${Trouble} error=${error} retry=${reload} />`;
  if (!items.length) return empty ?? html`<${Empty} title="Nothing here yet" />`;
  const beyond = { height: `${first * height.current}px` };
  const below = { height: `${(items.length - last) * height.current}px` };
  return html`
    ${error && html`<${Trouble} error=${error} retry=${reload} stale=${true} />`}
    <div class="list" role="table" aria-label=${label} aria-rowcount=${done ? items.length + 1 : -1}>
      <div role="rowgroup" class="list-head"><div role="row" class="row-head" aria-rowindex="1">
        ${columns.map(([name, kind = '', hidden]) => html`<span role="columnheader" class=${kind} key=${name}>
          ${hidden ? html`<span class="visually-hidden">${name}</span>` : name}</span>`)}
      </div></div>
      <div role="rowgroup" ref=${body}>
        <div role="presentation" style=${beyond}></div>
        ${shown.map((item, place) => html`<${Kept} key=${keyOf(item)} of=${[item, first + place + 2, stampOf?.(item)]} draw=${(found, index) => html`
          <div role="row" class="row" aria-rowindex=${index}>${row(found)}</div>`} />`)}
        <div role="presentation" style=${below}></div>
      </div>
    </div>
    <p class="list-end" role="status">${done ? endOf(items.length) : 'More as you scroll…'}</p>`;
}

function endOf(count) {
  return count > 20 ? `All ${number(count)} shown` : '';
}

/** When what is in sight of a list was read: it is looked for again and again. */
export function Fresh({ pages, title }) {
  return html`<p class="fine fresh" title=${title}>${pages.readAt ? html`Read <${Ago} at=${new Date(pages.readAt).toISOString()} />` : ''}</p>`;
}

/** A cell; `name` repeats the column's on narrow screens. */
export function Cell({ kind = '', name, children }) {
  return html`<span role="cell" class="cell ${kind}" data-name=${name}>${children}</span>`;
}
