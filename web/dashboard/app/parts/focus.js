// Where the keyboard goes on when what had the focus is gone: at the heading, not at the top of all.
import { useEffect } from '../core/html.js';

/** Watch over the focus within the page; once, in the frame. */
export function useKeptFocus() {
  useEffect(() => {
    let last = null;
    const remember = ({ target }) => {
      last = target.closest('main') ? { element: target, row: target.closest('.row') } : null;
    };
    // Whoever presses beside it has let go of it.
    const release = ({ target }) => {
      if (!last?.element.contains(target)) last = null;
    };
    const look = () => {
      if (!last || document.activeElement !== document.body) return;
      const { element, row } = last;
      if (element.isConnected) {
        // A button that was off while its request was on its way.
        if (!element.disabled) element.focus({ preventScroll: true });
        return;
      }
      last = null;
      // A row that goes has been scrolled past: the heading would take its reader back up.
      if (!row || row.isConnected) document.querySelector('main h1')?.focus({ preventScroll: true });
    };
    const observer = new MutationObserver(look);
    observer.observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ['disabled'] });
    document.addEventListener('focusin', remember);
    document.addEventListener('pointerdown', release);
    return () => {
      observer.disconnect();
      document.removeEventListener('focusin', remember);
      document.removeEventListener('pointerdown', release);
    };
  }, []);
}
