// How much can be sold, and whether that is little.
import { number } from '../core/format.js';
import { html } from '../core/html.js';

export function StockFigure({ stock, threshold }) {
  if (!stock) return html`<span class="fine" aria-label="not read yet">…</span>`;
  const tone = stock.stock === 0 ? 'bad' : stock.stock <= (stock.lowStockThreshold ?? threshold) ? 'warn' : '';
  const word = { bad: 'out of stock', warn: 'low' }[tone];
  // A new key with each change, so that the flash begins anew.
  return html`<span key=${stock.version} class="stock ${tone} ${stock.changed ? 'changed' : ''}">${number(stock.stock)}
    ${word && html`<span class="visually-hidden"> (${word})</span>`}</span>`;
}
