// A field for an amount, that takes it as the reader writes it and never makes another one of it.
import { decimalFault } from '../core/decimal.js';
import { html, useEffect, useRef, useState } from '../core/html.js';
import { Field } from './forms.js';

/** A field for a decimal number, given and told as text; a fault is named once one goes on. */
export function DecimalField({ label, name, value, onInput, error }) {
  const input = useRef(null);
  const [left, setLeft] = useState(false);
  const fault = value.trim() && decimalFault(value);
  useEffect(() => input.current.setCustomValidity(fault), [fault]);
  return html`<${Field} label=${label} error=${(left && fault) || error}>${(given) => html`<input ...${given} ref=${input} name=${name} required inputmode="decimal"
    autocomplete="off" maxlength="40" value=${value} onInput=${onInput} onBlur=${() => setLeft(true)} onInvalid=${() => setLeft(true)} />`}<//>`;
}
