// A key that has used up its rate: that nothing can be asked for now, and for how long.
import { waiting } from '../core/api.js';
import { duration } from '../core/format.js';
import { html } from '../core/html.js';
import { useNow, useStore } from '../core/store.js';

/** For how many seconds nothing can be asked for; 0 when it can. */
export function useWait() {
  const until = useStore(waiting);
  return Math.max(0, Math.ceil((until - useNow()) / 1000));
}

/** Why what is asked for does not come, on every page. */
export function WaitingBanner() {
  const seconds = useWait();
  if (!seconds) return null;
  // What changes by the second is not read out.
  return html`<div class="banner"><strong role="status">Too many requests</strong>
    <span>Waiting: this key may ask again in ${duration(seconds * 1000)}.</span></div>`;
}

/** Another try, as soon as there can be one. */
export function TryAgain({ onClick }) {
  return html`<button class="button small" type="button" disabled=${useWait() > 0} onClick=${onClick}>Try again</button>`;
}
