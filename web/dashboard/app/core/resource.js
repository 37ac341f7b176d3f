// Things that are read from the API: once, again and again, or page by page.
import { Problem, read, restraint } from './api.js';
import { useCallback, useEffect, useRef, useState } from './html.js';
import { connection } from './live.js';
import { oncePerFrame } from './store.js';

const LATER_MILLISECONDS = 4000;
// No answer, too many requests, something away: worth another look by itself.
const PASSING = new Set([0, 429, 503]);

/**
 * Read a resource; with `every` (milliseconds) again and again while the page is looked at, and
 * always again after the connection was lost.
 *
 * `how` else it is read is what `call` takes. Gives `{data, error, loading, reload}`; what was read
 * stays while it is read again.
 */
export function useResource(path, query, { every, ...how } = {}) {
  const name = path && JSON.stringify([path, query]);
  const [state, setState] = useState({ name, data: null, error: null });
  const control = useRef({});
  useEffect(() => {
    if (!path) return undefined;
    const abort = new AbortController();
    let timer = null;
    let reading = false;
    let again = false;
    const load = async () => {
      clearTimeout(timer);
      if (reading) {
        again = true;
        return;
      }
      reading = true;
      let failed = null;
      try {
        const data = await read(path, query, { ...how, signal: abort.signal });
        if (!abort.signal.aborted) setState({ name, data, error: null });
      } catch (error) {
        if (!(error instanceof Problem)) return;
        failed = error;
        if (!abort.signal.aborted) setState((old) => ({ name, data: old.name === name ? old.data : null, error }));
      } finally {
        reading = false;
      }
      if (abort.signal.aborted) return;
      if (again) {
        again = false;
        load();
      } else if (every || PASSING.has(failed?.status)) {
        const wait = (failed ? LATER_MILLISECONDS : every) * restraint();
        timer = setTimeout(() => (document.hidden ? waitForSight() : load()), wait);
      }
    };
    const waitForSight = () => document.addEventListener('visibilitychange', load, { once: true, signal: abort.signal });
    const stop = onReconnect(load);
    control.current.load = load;
    load();
    return () => {
      abort.abort();
      clearTimeout(timer);
      stop();
    };
  }, [name, every]);
  const reload = useCallback(() => control.current.load?.(), []);
  const current = state.name === name ? state : { data: null, error: null };
  return { data: current.data, error: current.error, loading: !current.data && !current.error, reload };
}

/** Call back each time that the connection has come back. */
export function onReconnect(callback) {
  let round = connection.get().round;
  return connection.listen(() => {
    const found = connection.get().round;
    if (found > round && round > 0) callback();
    round = found;
  });
}

/**
 * Read a list page by page; with `every` its first page is read again and again, and what is new
 * or has changed is put in.
 *
 * Gives `{items, done, error, loading, readAt, more, reload, change}`; `readAt` is when the first page
 * was read last. An item that has not changed stays the same object.
 */
export function usePages(path, query, { every, limit = 50 } = {}) {
  const name = JSON.stringify([path, query]);
  const [, redraw] = useState(0);
  const list = useRef(null);
  if (list.current?.name !== name) {
    list.current?.stop();
    list.current = createPages(path, { ...query, limit }, every, () => redraw((count) => count + 1));
    list.current.name = name;
  }
  useEffect(() => {
    const mine = list.current;
    mine.start();
    return () => mine.stop();
  }, [name, every]);
  const { state, more, reload, change } = list.current;
  return { ...state, loading: !state.begun && !state.error, more, reload, change };
}

const nameOf = (item) => item.id ?? item.version;
const same = (old, item) => (old && JSON.stringify(old) === JSON.stringify(item) ? old : item);

function createPages(path, query, every, changed) {
  const draw = oncePerFrame(changed);
  const state = { items: [], done: false, error: null, begun: false, readAt: null };
  let cursor = null;
  let reading = false;
  let stopped = true;
  let timer = null;
  let stopListening = () => {};

  async function step(fresh) {
    if (reading || stopped || (!fresh && state.done)) return;
    reading = true;
    try {
      const page = await read(path, { ...query, cursor: fresh ? null : cursor });
      if (stopped) return;
      if (!fresh || !state.begun) ({ nextCursor: cursor } = page);
      if (fresh && state.begun) renew(page);
      else add(page);
      state.error = null;
      state.begun = true;
      if (fresh) state.readAt = Date.now();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      state.error = error;
    } finally {
      reading = false;
    }
    draw();
  }

  function add(page) {
    const known = new Set(state.items.map(nameOf));
    state.items = [...state.items, ...page.items.filter((item) => !known.has(nameOf(item)))];
    state.done = page.nextCursor === null;
  }

  // What the first page says now, and behind it what was read before and lies further down.
  function renew(page) {
    const known = new Map(state.items.map((item) => [nameOf(item), item]));
    const fresh = page.items.map((item) => same(known.get(nameOf(item)), item));
    const last = fresh.at(-1);
    const end = last ? state.items.findIndex((item) => nameOf(item) === nameOf(last)) : -1;
    if (page.nextCursor === null || end === -1) {
      // Everything is on it, or so much is new that the rest is to be read again.
      state.items = fresh;
      state.done = page.nextCursor === null;
      cursor = page.nextCursor;
    } else {
      state.items = [...fresh, ...state.items.slice(end + 1)];
    }
  }

  async function tick() {
    clearTimeout(timer);
    await step(true);
    if (stopped) return;
    const wait = state.error ? LATER_MILLISECONDS : every;
    if (wait) timer = setTimeout(whenSeen, wait * restraint());
  }

  function whenSeen() {
    if (document.hidden) document.addEventListener('visibilitychange', whenSeen, { once: true });
    else if (!stopped) tick();
  }

  return {
    state,
    more: () => step(false),
    reload: tick,
    change(update) {
      state.items = update(state.items);
      draw();
    },
    start() {
      stopped = false;
      stopListening = onReconnect(tick);
      tick();
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
      stopListening();
    },
  };
}
