// The name of the product, and its sign.
import { html } from '../core/html.js';

export function Mark() {
  return html`<span class="mark">
    <svg width="26" height="26" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <rect width="16" height="16" rx="4" fill="currentColor" /><path d="M3.2 6.3L8 3.4l4.8 2.9v5.9H3.2z" fill="var(--accent-ink)" />
    </svg><span>Backend PMS</span>
  </span>`;
}
