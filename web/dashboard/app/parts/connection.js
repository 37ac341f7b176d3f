// Whether what is on the screen is live, said at all times.
import { clock, duration, plural, relative } from '../core/format.js';
import { html } from '../core/html.js';
import { connection } from '../core/live.js';
import { useNow, useStore } from '../core/store.js';
import { health } from './health.js';

const WORDS = {
  connecting: 'Connecting…',
  connected: 'Live',
  silent: 'No sign of life',
  reconnecting: 'Reconnecting…',
  offline: 'Offline',
  crowded: 'Not live',
};
const TONES = { connecting: 'plain', connected: 'good', silent: 'warn', reconnecting: 'warn', offline: 'bad', crowded: 'warn' };
const TITLES = {
  silent: 'No sign of life',
  reconnecting: 'The connection is lost; trying again',
  offline: 'This device is offline',
  crowded: 'Not live',
};
const SHOWN_MILLISECONDS = 12000;
// The service is heard of every 10 s, and asked how it is every 5 s.
const SILENT_MILLISECONDS = 12000;
const DOUBTFUL_MILLISECONDS = 5000;

/** The connection as it is to be believed: `silent` where it stands, and nothing comes. */
function useLiveness() {
  const state = useStore(connection);
  const { error } = useStore(health);
  const now = useNow(1000);
  const silence = state.phase === 'connected' ? now - state.heardAt : 0;
  const silent = silence > SILENT_MILLISECONDS || (error && silence > DOUBTFUL_MILLISECONDS);
  return { ...state, phase: silent ? 'silent' : state.phase, silence, now };
}

/** A dot and a word, in the head. */
export function ConnectionState() {
  const { phase, lastEventAt, now } = useLiveness();
  return html`<p class="connection ${TONES[phase]}">
    <span class="dot" aria-hidden="true"></span>
    <span role="status" class="connection-word">${WORDS[phase]}</span>
    ${lastEventAt && html`<span class="connection-last">last event ${relative(lastEventAt, now)}</span>`}
  </p>`;
}

/** Loud when it is not live; and what was missed, once it is again. */
export function ConnectionBanner() {
  const { phase, heardAt, lastEventAt, caughtUp, silence, now } = useLiveness();
  if (phase in TITLES) {
    // What changes by the second is not part of the alert: it would be read out again and again.
    return html`<div class="banner ${TONES[phase]}"><strong><span role="alert">${TITLES[phase]}</span>${phase === 'silent' ? ` for ${duration(Math.round(silence / 1000) * 1000)}` : ''}</strong>
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

function missed({ events, reread, away }) {
  // Only what is followed has events: of all else it is not known what was missed, so it is read again.
  const told = events ? `${plural(events, 'event')} that you missed ${events === 1 ? 'was' : 'were'} caught up` : 'no event was missed of what is followed here';
  const anew = reread ? `, ${plural(reread, 'thing')} read anew` : '';
  return `After ${duration(away)}: ${told}${anew}; all else on this page is read again.`;
}
