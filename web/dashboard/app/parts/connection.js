// Whether what is on the screen is live, said at all times.
import { clock, duration, plural, relative } from '../core/format.js';
import { html } from '../core/html.js';
import { connection } from '../core/live.js';
import { useNow, useStore } from '../core/store.js';

const WORDS = {
  connecting: 'Connecting…',
  connected: 'Live',
  reconnecting: 'Reconnecting…',
  offline: 'Offline',
  crowded: 'Not live',
};
const TONES = { connecting: 'plain', connected: 'good', reconnecting: 'warn', offline: 'bad', crowded: 'warn' };
const SHOWN_MILLISECONDS = 12000;

/** A dot and a word, in the head. */
export function ConnectionState() {
  const { phase, lastEventAt } = useStore(connection);
  const now = useNow(1000);
  return html`<p class="connection ${TONES[phase]}">
    <span class="dot" aria-hidden="true"></span>
    <span role="status" class="connection-word">${WORDS[phase]}</span>
    ${lastEventAt && html`<span class="connection-last">last event ${relative(lastEventAt, now)}</span>`}
  </p>`;
}

/** Loud when it is not live; and what was missed, once it is again. */
export function ConnectionBanner() {
  const { phase, heardAt, lastEventAt, caughtUp } = useStore(connection);
  const now = useNow(1000);
  if (phase === 'reconnecting' || phase === 'offline' || phase === 'crowded') {
    return html`<div class="banner ${TONES[phase]}" role="alert"><strong>${TITLES[phase]}</strong>
      <span>${heardAt ? `What you see is as of ${clock(heardAt)}.` : ''}
        ${lastEventAt ? ` The last event came ${relative(lastEventAt, now)}.` : ''}
        ${phase === 'crowded' ? ' This key has as many connections as it may have; close another window.' : ''}</span>
    </div>`;
  }
  if (phase === 'connected' && caughtUp && now - caughtUp.at < SHOWN_MILLISECONDS) {
    return html`<div class="banner good" role="status"><strong>Live again</strong><span>${missed(caughtUp)}</span></div>`;
  }
  return null;
}

const TITLES = {
  reconnecting: 'The connection is lost; trying again',
  offline: 'This device is offline',
  crowded: 'Not live',
};

function missed({ events, reread, away }) {
  const told = events ? `${plural(events, 'event')} that you missed ${events === 1 ? 'was' : 'were'} caught up` : 'nothing was missed';
  const anew = reread ? `; ${plural(reread, 'thing')} read anew` : '';
  return `After ${duration(away)}: ${told}${anew}.`;
}
