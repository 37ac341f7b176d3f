// How far down a page one is: at the top of a new one, and where one was on the way back.
import { useEffect } from '../core/html.js';
import { scrolledAt } from '../core/router.js';

// So long what is to be scrolled may be on its way.
const PATIENCE_MILLISECONDS = 3000;
const OWN_WILL = ['wheel', 'touchmove', 'keydown', 'pointerdown'];

/** Scroll to where this step of the history was left. */
export function useScroll(entry) {
  useEffect(() => {
    const wanted = scrolledAt(entry);
    const until = Date.now() + PATIENCE_MILLISECONDS;
    const own = new AbortController();
    let frame = null;
    const settle = () => {
      scrollTo(0, wanted);
      if (scrollY < wanted - 1 && Date.now() < until) frame = requestAnimationFrame(settle);
    };
    const stop = () => cancelAnimationFrame(frame);
    settle();
    for (const name of OWN_WILL) addEventListener(name, stop, { passive: true, signal: own.signal });
    return () => {
      stop();
      own.abort();
    };
  }, [entry]);
}
