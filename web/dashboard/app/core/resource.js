// Things that are read from the API: once, or again and again.
import { isPassing, Problem, read, restraint, waiting } from './api.js';
import { useCallback, useEffect, useRef, useState } from './html.js';
import { connection } from './live.js';

/** When to look again after something went wrong. */
export const LATER_MILLISECONDS = 4000;

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
      } else if (every || (failed && isPassing(failed))) {
        timer = setTimeout(() => (document.hidden ? waitForSight() : load()), pauseAfter(failed, every, path));
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

/** How long to wait before it is read again: after too many requests, until there may be one. */
function pauseAfter(failed, every, path) {
  if (failed?.status === 429) return Math.max(LATER_MILLISECONDS, waiting.get() - Date.now());
  // Only the API's requests are counted.
  return (failed ? LATER_MILLISECONDS : every) * (path.startsWith('/api/') ? restraint() : 1);
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
