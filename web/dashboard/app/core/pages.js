// Lists that are read page by page; what is in sight of them is read again and again.
import { apiKey, Problem, read, restraint } from './api.js';
import { useEffect, useRef, useState } from './html.js';
import { LATER_MILLISECONDS, onReconnect } from './resource.js';
import { currentEntry } from './router.js';
import { oncePerFrame } from './store.js';

// Who scrolls past at speed has nothing read again.
const SETTLE_MILLISECONDS = 200;
// Lists that were left and may be come back to.
const KEPT = 20;
const left = new Map();

function keep(list) {
  left.delete(list.name);
  left.set(list.name, list);
  if (left.size > KEPT) left.delete(left.keys().next().value);
}

/**
 * Read a list page by page; with `every` (milliseconds) what is in sight is read again and again,
 * and what is new, has changed or is gone there is seen.
 *
 * Gives `{items, done, error, loading, sight, readAt, more, reload, change, look}`; `look(first, last)`
 * tells which items are in sight, the first ones unless it is called, and `readAt` is when the oldest
 * of these was read. An item that has not changed stays the same object. Who goes back in the history
 * finds the list as it was left, and sees it read again.
 */
export function usePages(path, query, { every, limit = 50 } = {}) {
  const [, redraw] = useState(0);
  const entry = useRef(currentEntry());
  const list = useRef(null);
  const name = JSON.stringify([entry.current, apiKey(), path, query, every]);
  if (list.current?.name !== name) {
    list.current = left.get(name) ?? createPages(path, { ...query, limit }, every);
    list.current.name = name;
  }
  useEffect(() => {
    const mine = list.current;
    mine.start(() => redraw((count) => count + 1));
    return () => {
      mine.stop();
      keep(mine);
    };
  }, [name]);
  const { state, sight, readAt, more, reload, change, look } = list.current;
  return { ...state, loading: !state.begun && !state.error, sight: sight(), readAt: readAt(), more, reload, change, look };
}

const nameOf = (item) => item.id ?? item.version ?? item.row;
const same = (old, item) => (old && JSON.stringify(old) === JSON.stringify(item) ? old : item);

/**
 * What a list says when a page of it has been read: `{items, done}`; `done` is undefined where the
 * page does not reach the end.
 *
 * The page stands behind the item named `after` (null: it is the first). What it does not name any
 * more between its ends is gone; what lies further down stays.
 */
export function putIn(items, after, page) {
  const places = new Map(items.map((item, place) => [nameOf(item), place]));
  const start = after === null ? 0 : places.get(after) + 1;
  const fresh = page.items.map((item) => same(items[places.get(nameOf(item))], item));
  const named = new Set(fresh.map(nameOf));
  const other = (item) => !named.has(nameOf(item));
  const link = fresh.findLast((item) => places.get(nameOf(item)) >= start);
  // Without a link so much is new that what lies further down is read again as well.
  const behind = page.nextCursor === null || !link ? [] : items.slice(places.get(nameOf(link)) + 1).filter(other);
  const found = [...items.slice(0, start).filter(other), ...fresh, ...behind];
  return { items: found, done: behind.length ? undefined : page.nextCursor === null };
}

function createPages(path, query, every) {
  let changed = () => {};
  const draw = oncePerFrame(() => changed());
  const state = { items: [], done: false, error: null, begun: false };
  // By the name of the item that a page ends with: where the next one begins.
  const cursors = new Map();
  const times = new WeakMap();
  let inSight = [0, 0];
  let renewedAt = null;
  let turn = Promise.resolve();
  let adding = false;
  let renewing = false;
  let again = false;
  let stopped = true;
  let timer = null;
  let stopListening = () => {};

  /** One reading at a time, whatever asks for it. */
  function inTurn(step) {
    const mine = turn.then(async () => {
      if (stopped) return;
      try {
        await step();
        state.error = null;
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        state.error = error;
      }
      if (!stopped) draw();
    });
    // What broke one reading is told by it, and keeps no other from its turn.
    turn = mine.catch(() => {});
    return mine;
  }

  /** Read the page behind an item and put it in; gives the name of its last item. */
  async function step(after) {
    const page = await read(path, { ...query, cursor: after === null ? null : cursors.get(after) });
    if (stopped) return null;
    const { items, done } = putIn(state.items, after, page);
    state.items = items;
    state.done = done ?? state.done;
    state.begun = true;
    const last = page.items.length ? nameOf(page.items.at(-1)) : after;
    for (const item of page.items) cursors.delete(nameOf(item));
    if (page.nextCursor !== null) cursors.set(last, page.nextCursor);
    const known = new Map(items.map((item) => [nameOf(item), item]));
    for (const name of cursors.keys()) if (!known.has(name)) cursors.delete(name);
    for (const item of page.items) times.set(known.get(nameOf(item)), Date.now());
    return page.nextCursor === null || !page.items.length ? null : last;
  }

  /** Where the page begins that this place of the list is on. */
  function beginOf(place) {
    const item = state.items.slice(0, place).findLast((one) => cursors.has(nameOf(one)));
    return item ? nameOf(item) : null;
  }

  async function renew() {
    const [first, last] = inSight;
    let after = beginOf(first);
    do after = await step(after);
    while (after !== null && state.items.findIndex((item) => nameOf(item) === after) + 1 < last);
    renewedAt = Date.now();
  }

  async function more() {
    if (adding || state.done || !state.begun) return;
    adding = true;
    try {
      await inTurn(() => (state.done ? null : step(beginOf(state.items.length))));
    } finally {
      adding = false;
    }
  }

  async function reload() {
    clearTimeout(timer);
    again = true;
    if (renewing) return;
    renewing = true;
    try {
      while (again && !stopped) {
        again = false;
        await inTurn(renew);
      }
    } finally {
      renewing = false;
    }
    const wait = state.error ? LATER_MILLISECONDS : every;
    clearTimeout(timer);
    if (wait && !stopped) timer = setTimeout(whenSeen, wait * restraint());
  }

  function whenSeen() {
    if (document.hidden) document.addEventListener('visibilitychange', whenSeen, { once: true });
    else if (!stopped) reload();
  }

  function readAt() {
    const found = state.items.slice(...inSight).map((item) => times.get(item) ?? 0);
    return found.length ? Math.min(...found) : renewedAt;
  }

  return {
    state,
    sight: () => inSight,
    readAt,
    more,
    reload,
    change(update) {
      const before = new Map(state.items.map((item) => [nameOf(item), item]));
      state.items = update(state.items);
      for (const item of state.items) if (!times.has(item)) times.set(item, times.get(before.get(nameOf(item))) ?? 0);
      draw();
    },
    look(first, last) {
      inSight = [first, last];
      if (!every || stopped || !state.begun) return;
      draw();
      if (Date.now() - readAt() < every * restraint()) return;
      clearTimeout(timer);
      timer = setTimeout(whenSeen, SETTLE_MILLISECONDS);
    },
    start(callback) {
      changed = callback;
      stopped = false;
      stopListening = onReconnect(reload);
      reload();
    },
    stop() {
      stopped = true;
      changed = () => {};
      clearTimeout(timer);
      stopListening();
    },
  };
}
