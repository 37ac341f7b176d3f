// Bars so small that they need no axes: how something went, second by second.
import { html } from '../core/html.js';

const WIDTH = 2;
const HEIGHT = 28;

/** `values` from left to right; where there is none is no bar. */
export function Spark({ values, label }) {
  const most = Math.max(...values.map((value) => value ?? 0)) || 1;
  const bars = values.map((value, index) => (value == null ? '' : `M${index * WIDTH + WIDTH / 2},${HEIGHT}v${-Math.max(1, (value / most) * HEIGHT).toFixed(1)}`)).join('');
  return html`<svg class="spark" width=${values.length * WIDTH} height=${HEIGHT} role="img" aria-label=${label}><path d=${bars} /></svg>`;
}
