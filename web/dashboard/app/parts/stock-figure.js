// How much can be sold, and whether that is little.
import { number } from '../core/format.js';
import { html, useRef } from '../core/html.js';

const FLASH_MILLISECONDS = 1400;

/** Where an alert could be: not for a draft of which nothing was ever there. */
const counts = (stock, product) => product.status !== 'draft' || stock.version > 0 || stock.stock > 0;

export function StockFigure({ stock, product }) {
  const flash = useRef({ began: 0, version: stock?.version });
  if (!stock) return html`<span class="fine" aria-label="not read yet">…</span>`;
  // What is followed tells of the stock alone: the product is read again when its threshold changes.
  const level = stock.stock === 0 ? 'bad' : stock.stock <= product.lowStockThreshold ? 'warn' : '';
  const tone = counts(stock, product) ? level : '';
  const word = { bad: 'out of stock', warn: 'low' }[tone];
  // A new key has the flash begin anew; of changes that come at speed, not each one.
  const last = flash.current;
  if (stock.changed && stock.version !== last.version && Date.now() - last.began > FLASH_MILLISECONDS) {
    flash.current = { began: Date.now(), version: stock.version };
  }
  return html`<span key=${flash.current.began} class="stock ${tone} ${flash.current.began ? 'changed' : ''}">${number(stock.stock)}
    ${word && html`<span class="visually-hidden"> (${word})</span>`}</span>`;
}
