// How far an operation of many rows is.
import { number, plural } from '../core/format.js';
import { html } from '../core/html.js';

/** What became of the rows, in words; `result` is the operation's. */
export function outcomeOf(result) {
  const would = result.dryRun ? 'would be ' : '';
  return `${number(result.applied)} ${would}applied, ${number(result.refused)} ${would}refused`;
}

export function Progress({ progress, result, slim = false, label = 'Progress' }) {
  const { done, total } = progress;
  const share = total ? (done / total) * 100 : 0;
  return html`<div class="progress ${slim ? 'slim' : ''}">
    <div class="progress-bar" role="progressbar" aria-label=${label} aria-valuemin="0" aria-valuemax=${total} aria-valuenow=${done}>
      <i style=${{ width: `${share}%` }}></i></div>
    <span class="fine">${slim ? number(share / 100, { style: 'percent', maximumFractionDigits: 1 }) : `${number(done)} of ${plural(total, 'row')}${result?.refused != null ? `: ${outcomeOf(result)}` : ''}`}</span>
  </div>`;
}
