// Editing a product: nobody's change is lost, and whoever comes second chooses.
import { Problem, read } from '../core/api.js';
import { readDecimal } from '../core/decimal.js';
import { useDraft } from '../core/draft.js';
import { money } from '../core/format.js';
import { html, useEffect, useRef, useState } from '../core/html.js';
import { href } from '../core/router.js';
import { session } from '../core/session.js';
import { useAsking } from './asking.js';
import { Trouble } from './basics.js';
import { Confirm, Dialog, notify } from './forms.js';
import { fromFields, NAMES, ProductFields, toFields } from './product-form.js';

const UNREAD = {
  title: 'Somebody changed this product',
  detail: 'What they changed could not be read just now. Yours is still here, and nothing is saved: press Save to look again.',
};
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** What of `mine` differs from `base`, as the API wants it. */
function changes(mine, base) {
  const wanted = fromFields(mine);
  const before = fromFields(base);
  return Object.fromEntries(Object.entries(wanted).filter(([name, value]) => !same(value, before[name])));
}

/** What is being edited of a product: null, or `{base, fields}`; `base` is the version that the form was filled from. */
function useEdit(id) {
  return useDraft(`edit ${id}`, null);
}

/** The way to the form, also back to one that was left with something in it. */
export function EditButton({ id, onClick }) {
  const { value } = useEdit(id);
  return html`<button class="button" type="button" onClick=${onClick}>${value ? 'Go on editing' : 'Edit'}</button>`;
}

export function ProductEdit({ product, onSaved, onClose }) {
  const { value: edit, now, change, forget } = useEdit(product.id);
  const [start, setStart] = useState(product);
  const { base, fields } = edit ?? { base: start, fields: toFields(start) };
  const setFields = (next) => change(same(next, toFields(base)) ? null : { base, fields: next });
  const [theirs, setTheirs] = useState(null);
  const [unread, setUnread] = useState(null);
  const [leaving, setLeaving] = useState(false);
  const { busy, problem: refusal, ask } = useAsking('The edit');
  const problem = refusal ?? unread;
  const form = useFirstField(theirs === null);
  useTold(product, now);

  const look = async () => {
    try {
      setTheirs(await read(`/api/products/${product.id}`));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setUnread(new Problem(UNREAD));
    }
  };
  const discard = () => {
    forget();
    onClose();
  };
  const save = async (version) => {
    const body = changes(fields, toFields(base));
    if (!Object.keys(body).length) return discard();
    setUnread(null);
    const saved = await ask('PATCH', `/api/pms/products/${product.id}`, { body, headers: { 'If-Match': `"${version}"` }, instead: { 412: look } });
    if (!saved) return undefined;
    forget(edit);
    notify('Saved.', 'good');
    return onSaved(saved);
  };
  const leave = () => (edit ? setLeaving(true) : onClose());
  const takeTheirs = () => {
    setStart(theirs);
    forget();
    setTheirs(null);
  };
  const submit = (event) => {
    event.preventDefault();
    save(base.version);
  };
  return html`<${Dialog} title="Edit product" onClose=${leave} wide>
    <form onSubmit=${submit} ref=${form}>
      <div class="dialog-body">
        ${problem && html`<${Trouble} error=${problem} />`}
        ${theirs ? html`<${Conflict} fields=${fields} base=${base} theirs=${theirs} />`
          : html`<${ProductFields} fields=${fields} onChange=${setFields} errors=${problem?.fieldErrors()} />`}
      </div>
      ${theirs ? html`<footer key="theirs">
          <button class="button" type="button" onClick=${takeTheirs}>Start from theirs</button>
          <button class="button" type="button" onClick=${() => setTheirs(null)}>Back to my fields</button>
          <button class="button primary" type="button" disabled=${busy} onClick=${() => save(theirs.version)}>Save mine on top</button>
        </footer>` : html`<footer key="mine">
          <button class="button" type="button" onClick=${leave}>Cancel</button>
          <button class="button primary" disabled=${busy}>${busy ? 'Saving…' : 'Save'}</button>
        </footer>`}
    </form>
  <//>
  ${leaving && html`<${Confirm} title="Discard what you typed?" action="Discard" keep="Go on editing" onConfirm=${discard} onClose=${() => setLeaving(false)}>
    <p>It is not saved yet.</p><//>`}`;
}

/** Where the fields are shown again, the focus goes: the button that led back to them is gone. */
function useFirstField(isShown) {
  const form = useRef(null);
  const wasShown = useRef(isShown);
  useEffect(() => {
    if (isShown && !wasShown.current) (form.current.querySelector('[aria-invalid]') ?? form.current.querySelector('input')).focus();
    wasShown.current = isShown;
  }, [isShown]);
  return form;
}

/** Whoever goes away from it, by the browser's Back say, is told that it is kept. */
function useTold(product, now) {
  useEffect(() => () => {
    if (now() && session.get().phase === 'in') {
      notify(`Your edit of ${product.name} is kept, and not saved yet.`, 'plain', { href: href('products', product.id), text: 'Show' });
    }
  }, []);
}

/** What stands in a field, as people read it. */
function shown(name, text) {
  const amount = name === 'price' ? readDecimal(text) : null;
  return amount === null ? text || '–' : money(amount);
}

function Conflict({ fields, base, theirs }) {
  // The fields are gone, and the focus with them: who uses the keyboard goes on from here.
  const told = useRef(null);
  useEffect(() => told.current.focus(), []);
  const now = toFields(theirs);
  const before = toFields(base);
  const rows = Object.keys(NAMES).filter((name) => now[name] !== before[name] || fields[name] !== before[name]);
  return html`<div class="conflict" role="alert" tabindex="-1" ref=${told}>
    <p><b>Somebody changed this product while you were editing.</b> Nothing of theirs or of yours is lost yet. What you
      changed is saved on top of theirs, and the rest stays as they have it; or begin again from theirs.</p>
    <div class="table-scroll" tabindex="0" role="region" aria-label="What differs"><table>
      <thead><tr><th scope="col">Field</th><th scope="col">Before</th><th scope="col">Theirs</th><th scope="col">Yours</th></tr></thead>
      <tbody>${rows.map((name) => html`<tr key=${name}><th scope="row">${NAMES[name]}</th><td>${shown(name, before[name])}</td>
        <td class=${now[name] !== before[name] ? 'differs' : ''}>${shown(name, now[name])}</td>
        <td class=${fields[name] !== before[name] ? 'differs' : ''}>${fields[name] === before[name] ? html`<span class="fine">as theirs</span>` : shown(name, fields[name])}</td></tr>`)}</tbody>
    </table></div>
  </div>`;
}
