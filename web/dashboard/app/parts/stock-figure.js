// How much can be sold, and whether that is little.
import { number } from '../core/format.js';
import { html, useRef } from '../core/html.js';

const FLASH_MILLISECONDS = 1400;

export function StockFigure({ stock, threshold }) {
  const flash = useRef({ began: 0, version: stock?.version });
  if (!stock) return html`<span class="fine" aria-label="not read yet">…</span>`;
  const tone = stock.stock === 0 ? 'bad' : stock.stock <= (stock.lowStockThreshold ?? threshold) ? 'warn' : '';
  const word = { bad: 'out of stock', warn: 'low' }[tone];
  // A new key has the flash begin anew; of changes that come at speed, not each one.
  const last = flash.current;
  if (stock.changed && stock.version !== last.version && Date.now() - last.began > FLASH_MILLISECONDS) {
    flash.current = { began: Date.now(), version: stock.version };
  }
  return html`<span key=${flash.current.began} class="stock ${tone} ${flash.current.began ? 'changed' : ''}">${number(stock.stock)}
    ${word && html`<span class="visually-hidden"> (${word})</span>`}</span>`;
}
