// Fields, dialogs and short notices.
import { html, useEffect, useLayoutEffect, useRef, useState } from '../core/html.js';
import { createStore, useStore } from '../core/store.js';
import { Icon } from './icons.js';

let fields = 0;
let dialogs = 0;

/** A labelled field; `children` is a function that gets what the input needs. */
export function Field({ label, hint, error, optional, children, wide }) {
  const id = useRef(null);
  id.current ??= `field-${(fields += 1)}`;
  const described = error ? `${id.current}-error` : hint ? `${id.current}-hint` : undefined;
  const given = { id: id.current, 'aria-describedby': described, 'aria-invalid': error ? 'true' : undefined };
  return html`<div class="field ${wide ? 'wide' : ''}">
    <label for=${id.current}>${label}${optional && html` <span class="optional">optional</span>`}</label>
    ${children(given)}
    ${error && html`<p class="field-error" id="${id.current}-error">${error}</p>`}
    ${!error && hint && html`<p class="hint" id="${id.current}-hint">${hint}</p>`}
  </div>`;
}

/** A window above the page, that Escape closes; a `firm` one only its own buttons. */
export function Dialog({ title, onClose, children, wide, firm = false }) {
  const dialog = useRef(null);
  const name = useRef(null);
  name.current ??= `dialog-${(dialogs += 1)}`;
  useLayoutEffect(() => {
    const before = document.activeElement;
    const shown = dialog.current;
    shown.showModal();
    shown.querySelector('[autofocus], input, select, textarea')?.focus();
    return () => {
      // While it is open, nothing behind it can have the focus.
      shown.close();
      before?.focus?.({ preventScroll: true });
    };
  }, []);
  const close = (event) => {
    event.preventDefault();
    if (!firm) onClose();
  };
  // A browser heeds a refused Escape once; the next one it would take by itself.
  const press = (event) => event.key === 'Escape' && close(event);
  return html`<dialog ref=${dialog} class="dialog ${wide ? 'wide' : ''}" aria-labelledby=${name.current} closedby=${firm ? 'none' : undefined} onCancel=${close} onKeyDown=${press}>
    <header>
      <h2 id=${name.current}>${title}</h2>
      ${!firm && html`<button class="button quiet icon" type="button" aria-label="Close" onClick=${onClose}><${Icon} name="close" size="18" /></button>`}
    </header>
    ${children}
  </dialog>`;
}

/** Ask before something that cannot be taken back. */
export function Confirm({ title, children, action, keep = 'Keep as it is', danger = true, busy, onConfirm, onClose }) {
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <div class="dialog-body">${children}</div>
    <footer>
      <button class="button" type="button" onClick=${onClose}>${keep}</button>
      <button class="button ${danger ? 'danger' : 'primary'}" type="button" disabled=${busy} onClick=${onConfirm}>${action}</button>
    </footer>
  <//>`;
}

const notices = createStore([]);
let last = 0;

/** Say something for a few seconds; `tone` is good, bad or plain. */
export function notify(text, tone = 'plain', link) {
  const id = (last += 1);
  notices.set((found) => [...found.slice(-3), { id, text, tone, link }]);
  setTimeout(() => dismiss(id), tone === 'bad' ? 12000 : 6000);
}

const dismiss = (id) => notices.set((found) => found.filter((one) => one.id !== id));

/** Where notices stand. */
export function Notices() {
  const found = useStore(notices);
  return html`<div class="notices" role="status" aria-live="polite">
    ${found.map((one) => html`<div key=${one.id} class="notice ${one.tone}">
      <span>${one.text}</span>
      ${one.link && html`<a href=${one.link.href} onClick=${() => dismiss(one.id)}>${one.link.text}</a>`}
      <button class="button quiet icon" type="button" aria-label="Dismiss" onClick=${() => dismiss(one.id)}><${Icon} name="close" size="16" /></button>
    </div>`)}
  </div>`;
}

/**
 * What is typed into a field: told once typing has paused, without the blanks around it. When
 * the value is changed elsewhere, by a cleared filter or another address, the field follows.
 */
export function useTyped(value, milliseconds, callback) {
  const [text, setText] = useState(value);
  const told = useRef(value);
  useEffect(() => {
    if (value === told.current) return;
    told.current = value;
    setText(value);
  }, [value]);
  useEffect(() => {
    const wanted = text.trim();
    if (wanted === told.current) return undefined;
    const timer = setTimeout(() => {
      told.current = wanted;
      callback(wanted);
    }, milliseconds);
    return () => clearTimeout(timer);
  }, [text]);
  return [text, setText];
}
