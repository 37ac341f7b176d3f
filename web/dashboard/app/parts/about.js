// What an operation is about: a product by its name, an order, or so many rows of a file.
import { plural, shortId, words } from '../core/format.js';
import { html } from '../core/html.js';
import { href } from '../core/router.js';

/** In words only; nothing where it is about the whole shop. */
export function aboutOf({ resource, productName, progress }) {
  if (productName) return productName;
  if (resource) return `${words(resource.type)} ${shortId(resource.id)}`;
  return progress ? plural(progress.total, 'row') : '';
}

/** The same, leading there. */
export function About({ operation }) {
  const { resource, productName } = operation;
  if (!resource) return html`<span class="fine">${aboutOf(operation) || '–'}</span>`;
  const place = href(`${resource.type}s`, resource.id);
  if (productName) return html`<a href=${place} title=${productName}>${productName}</a>`;
  return html`<a href=${place}>${words(resource.type)} <code>${shortId(resource.id)}</code></a>`;
}
