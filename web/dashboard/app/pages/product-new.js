// A new product; it begins as a draft.
import { call, newIdempotencyKey, Problem } from '../core/api.js';
import { html, useRef, useState } from '../core/html.js';
import { go, href } from '../core/router.js';
import { PageHead, Trouble } from '../parts/basics.js';
import { notify } from '../parts/forms.js';
import { BLANK, fromFields, ProductFields } from '../parts/product-form.js';

export function NewProductPage() {
  const [fields, setFields] = useState(BLANK);
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const once = useRef(null);
  const change = (next) => {
    once.current = null;
    setFields(next);
  };
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    // Sent again after a lost answer, it makes the same product.
    once.current ??= newIdempotencyKey();
    try {
      const { data } = await call('POST', '/api/pms/products', { body: fromFields(fields), headers: { 'Idempotency-Key': once.current } });
      notify(`${data.name} is created, as a draft.`, 'good');
      go('products', data.id);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
      setBusy(false);
    }
  };
  return html`
    <${PageHead} title="New product" back=${{ href: href('products'), text: 'Products' }} note="It begins as a draft; publish it when it is ready." />
    <form class="card form" onSubmit=${submit}>
      ${problem && html`<${Trouble} error=${problem} />`}
      <${ProductFields} fields=${fields} onChange=${change} errors=${problem?.fieldErrors()} />
      <footer class="form-foot"><a class="button" href=${href('products')}>Cancel</a>
        <button class="button primary" disabled=${busy}>${busy ? 'Creating…' : 'Create product'}</button></footer>
    </form>`;
}
