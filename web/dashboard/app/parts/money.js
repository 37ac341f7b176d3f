// Amounts where there is little room: in full as long as they fit.
import { money, shortMoney } from '../core/format.js';
import { html } from '../core/html.js';

/** An amount; one of more than `most` is short, and told in full on demand. */
export function Money({ value, code, most = 1e7 }) {
  if (value == null) return '–';
  const full = money(value, code);
  return Math.abs(value) < most ? full : html`<span title=${full}>${shortMoney(value, code)}</span>`;
}
