// Values that several parts of the screen show; many changes within a frame are one redraw.
import { useEffect, useReducer, useRef } from './html.js';

const HIDDEN_MILLISECONDS = 500;

/** A function that runs at most once a frame, however often it is called. */
export function oncePerFrame(run) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    const go = () => {
      waiting = false;
      run();
    };
    // A hidden page gets no frames, and must not fall behind all the same.
    if (document.hidden) setTimeout(go, HIDDEN_MILLISECONDS);
    else requestAnimationFrame(go);
  };
}

/** A value with listeners. */
export function createStore(value) {
  const listeners = new Set();
  return {
    get: () => value,
    set(next) {
      const found = typeof next === 'function' ? next(value) : next;
      if (found === value) return;
      value = found;
      for (const listener of [...listeners]) listener();
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The value of a store; redraws when it changes. */
export function useStore(store) {
  const [, redraw] = useReducer((count) => count + 1, 0);
  const seen = useRef(undefined);
  seen.current = store.get();
  useEffect(() => {
    const later = oncePerFrame(() => store.get() !== seen.current && redraw());
    if (store.get() !== seen.current) later();
    return store.listen(later);
  }, [store]);
  return seen.current;
}

const now = createStore(Date.now());
setInterval(() => document.hidden || now.set(Date.now()), 1000);
document.addEventListener('visibilitychange', () => document.hidden || now.set(Date.now()));

/** The time in milliseconds; redraws as often as asked for. */
export function useNow(everyMilliseconds = 1000) {
  const [, redraw] = useReducer((count) => count + 1, 0);
  useEffect(() => {
    let last = now.get();
    return now.listen(() => {
      if (now.get() - last < everyMilliseconds - 50) return;
      last = now.get();
      redraw();
    });
  }, [everyMilliseconds]);
  return Date.now();
}
