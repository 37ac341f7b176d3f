// The fields of a product, for a new one and for one that is edited.
import { readDecimal, writeDecimal } from '../core/decimal.js';
import { currency } from '../core/format.js';
import { html } from '../core/html.js';
import { DecimalField } from './decimal-field.js';
import { Field } from './forms.js';
import { Known } from './known.js';

export const BLANK = { name: '', sku: '', price: '', categoryId: '', lowStockThreshold: '5', description: '', images: '' };

/** A product as text for its fields. */
export function toFields(product) {
  return {
    name: product.name, sku: product.sku ?? '', price: writeDecimal(product.price), categoryId: product.categoryId,
    lowStockThreshold: String(product.lowStockThreshold), description: product.description, images: product.images.join('\n'),
  };
}

/** The fields as the API wants them; what is no number stays text, and the API says so. */
export function fromFields(fields) {
  const numeric = (text) => (text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text);
  return {
    name: fields.name.trim(), description: fields.description, price: readDecimal(fields.price) ?? fields.price, categoryId: fields.categoryId.trim(),
    images: fields.images.split('\n').map((line) => line.trim()).filter(Boolean),
    sku: fields.sku.trim() || null, lowStockThreshold: numeric(fields.lowStockThreshold),
  };
}

/** How a field is called. */
export const NAMES = {
  name: 'Name', sku: 'SKU', price: 'Price', categoryId: 'Category', lowStockThreshold: 'Low stock at', description: 'Description', images: 'Images',
};

export function ProductFields({ fields, onChange, errors = {} }) {
  const bind = (name) => ({ value: fields[name], onInput: (event) => onChange({ ...fields, [name]: event.target.value }) });
  return html`<div class="form-grid">
    <${Field} label="Name" error=${errors.name} wide>${(given) => html`<input ...${given} ...${bind('name')} name="name" required maxlength="200" />`}<//>
    <${DecimalField} label="Price in ${currency}" name="price" error=${errors.price} ...${bind('price')} />
    <${Field} label="SKU" optional error=${errors.sku} hint="Unique, if there is one">${(given) => html`<input ...${given} ...${bind('sku')} name="sku" maxlength="100" />`}<//>
    <${Field} label="Category" error=${errors.categoryId} hint="It comes to exist with its first product">${(given) => html`<input ...${given} ...${bind('categoryId')} name="categoryId" list="known-categories" autocomplete="off" required maxlength="200" /><${Known} id="known-categories" />`}<//>
    <${Field} label="Low stock at" error=${errors.lowStockThreshold} hint="At this stock and below an alert is raised">${(given) => html`<input ...${given} ...${bind('lowStockThreshold')} name="lowStockThreshold" required type="number" min="0" step="1" inputmode="numeric" />`}<//>
    <${Field} label="Description" optional error=${errors.description} wide>${(given) => html`<textarea ...${given} ...${bind('description')} name="description" maxlength="20000"></textarea>`}<//>
    <${Field} label="Images" optional error=${errors.images} hint="One address a line" wide>${(given) => html`<textarea ...${given} ...${bind('images')} name="images" class="short"></textarea>`}<//>
  </div>`;
}
