// The live stock of the products in sight: each is followed while it is seen, and a while longer.
import { useCallback, useEffect, useRef, useState } from '../core/html.js';
import { follow } from '../core/live.js';
import { oncePerFrame } from '../core/store.js';

// Who scrolls past at speed asks for nothing: messages are counted.
const SETTLE_MILLISECONDS = 160;
const MOST = 150;

/** `[stocks, onSight]`: what is known, by product, and to be told which products are in sight. */
export function useStocks() {
  const known = useRef(new Map());
  const followed = useRef(new Map());
  const timer = useRef(null);
  const [, redraw] = useState(0);
  const draw = useRef(oncePerFrame(() => redraw((count) => count + 1)));
  useEffect(() => () => {
    clearTimeout(timer.current);
    for (const stop of followed.current.values()) stop();
  }, []);
  const onSight = useCallback((items) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      for (const { id } of items) {
        const stop = followed.current.get(id);
        // Seen last is left last.
        followed.current.delete(id);
        followed.current.set(id, stop ?? follow('inventory', id, (told) => take(known.current, id, told, draw.current)));
      }
      for (const [id, stop] of followed.current) {
        if (followed.current.size <= MOST) break;
        stop();
        followed.current.delete(id);
        known.current.delete(id);
      }
    }, SETTLE_MILLISECONDS);
  }, []);
  return [known.current, onSight];
}

function take(known, id, { snapshot, event }, draw) {
  const old = known.get(id);
  if (snapshot) known.set(id, snapshot);
  if (event) known.set(id, { ...old, ...event, changed: Date.now() });
  draw();
}
