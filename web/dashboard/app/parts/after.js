// Reading again after the service has told something, not too often.
import { restraint } from '../core/api.js';
import { useEffect, useRef } from '../core/html.js';
import { follow } from '../core/live.js';
import { useResource } from '../core/resource.js';

// Where events come all the time, so many times the wait lie between two readings.
const GENTLY = 4;

/**
 * Call back `milliseconds` after an event of a stream, once for all that come meanwhile; more
 * seldom while they keep coming.
 */
export function useAfter(topic, id, milliseconds, callback, wanted = () => true) {
  const current = useRef(callback);
  current.current = callback;
  useEffect(() => {
    let timer = null;
    let last = 0;
    const later = () => {
      timer = null;
      last = Date.now();
      current.current();
    };
    const wait = () => Math.max(milliseconds, last + milliseconds * GENTLY * restraint() - Date.now());
    const stop = follow(topic, id, ({ event, reread }) => {
      if (reread || (event && wanted(event))) timer ??= setTimeout(later, wait());
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [topic, id]);
}

const ACTIVITY_MILLISECONDS = 3000;

/** What `/api/analytics/activity` says, every few seconds and soon after something has ended. */
export function useActivity(every = ACTIVITY_MILLISECONDS) {
  const resource = useResource('/api/analytics/activity', undefined, { every });
  useAfter('operations', null, 1200, resource.reload);
  return resource;
}

// What is left of a product changes without an alert beginning or ending, of which alone one is told.
const ALERTS_MILLISECONDS = 10000;

/** The newest open alerts. */
export function useOpenAlerts(limit) {
  const resource = useResource('/api/inventory/alerts', { limit }, { every: ALERTS_MILLISECONDS });
  useAfter('system', null, 600, resource.reload);
  return resource;
}
