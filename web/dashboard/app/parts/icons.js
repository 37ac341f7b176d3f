// A few line icons, drawn for this.
import { html } from '../core/html.js';

const SHAPES = {
  overview: 'M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z',
  products: 'M12 3l8 4.5v9L12 21l-8-4.5v-9zM4.3 7.6L12 12l7.7-4.4M12 12v8.8',
  orders: 'M6 3h12v18l-3-2-3 2-3-2-3 2zM9 8h6M9 12h6',
  operations: 'M4 12h4l2.5-7 4 14L17 12h3',
  alerts: 'M12 4a6 6 0 0 0-6 6v4l-2 3h16l-2-3v-4a6 6 0 0 0-6-6zM10 20h4',
  keys: 'M15 9a4 4 0 1 1-4-4 4 4 0 0 1 4 4zM13.8 11.8L20 18M17 15l2-2',
  search: 'M11 4a7 7 0 1 1-7 7 7 7 0 0 1 7-7zM16 16l4.5 4.5',
  plus: 'M12 5v14M5 12h14',
  close: 'M6 6l12 12M18 6L6 18',
  back: 'M14 6l-6 6 6 6',
  sun: 'M12 8a4 4 0 1 1-4 4 4 4 0 0 1 4-4zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4',
  moon: 'M20 14.5A8.5 8.5 0 1 1 9.5 4a7 7 0 0 0 10.5 10.5z',
  system: 'M4 5h16v11H4zM9 20h6M12 16v4',
  leave: 'M10 4H5v16h5M14 8l4 4-4 4M18 12H9',
  book: 'M5 4h11a3 3 0 0 1 3 3v13H8a3 3 0 0 1-3-3zM5 17a3 3 0 0 1 3-3h11',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  upload: 'M12 16V5M7 10l5-5 5 5M5 19h14',
  check: 'M5 12.5l4.5 4.5L19 7.5',
};

/** An icon beside words that say the same; hidden from screen readers. */
export function Icon({ name, size = 20 }) {
  return html`<svg class="icon-shape" width=${size} height=${size} viewBox="0 0 24 24" fill="none"
    stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round"
    aria-hidden="true" focusable="false"><path d=${SHAPES[name]} /></svg>`;
}
