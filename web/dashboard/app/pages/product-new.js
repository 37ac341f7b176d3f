// A new product; it begins as a draft.
import { useDraft } from '../core/draft.js';
import { html } from '../core/html.js';
import { href } from '../core/router.js';
import { useAsking } from '../parts/asking.js';
import { PageHead, Trouble } from '../parts/basics.js';
import { BLANK, fromFields, ProductFields } from '../parts/product-form.js';

export function NewProductPage() {
  const { value: fields, change, forget, once } = useDraft('product', BLANK);
  const { busy, problem, ask, arrive } = useAsking('The new product', once);
  const submit = async (event) => {
    event.preventDefault();
    const made = await ask('POST', '/api/pms/products', { body: fromFields(fields) });
    if (!made) return;
    forget(fields);
    arrive(`${made.name} is created, as a draft.`, 'products', made.id);
  };
  return html`
    <${PageHead} title="New product" back=${{ href: href('products'), text: 'Products' }} note="It begins as a draft; publish it when it is ready." />
    <form class="card form" onSubmit=${submit}>
      ${problem && html`<${Trouble} error=${problem} />`}
      <${ProductFields} fields=${fields} onChange=${change} errors=${problem?.fieldErrors()} />
      <footer class="form-foot"><a class="button" href=${href('products')} onClick=${() => forget()}>Cancel</a>
        <button class="button primary" disabled=${busy}>${busy ? 'Creating…' : 'Create product'}</button></footer>
    </form>`;
}
