// A product: what it is, what is in the house of it, and all that happened to it, live.
import { dateTime, money, number } from '../core/format.js';
import { html, useEffect, useState } from '../core/html.js';
import { useResource } from '../core/resource.js';
import { href } from '../core/router.js';
import { may } from '../core/session.js';
import { Ago, Badge, Card, Copy, Facts, PageHead, Skeleton, Trouble } from '../parts/basics.js';
import { Adjust } from '../parts/adjust.js';
import { useAfter } from '../parts/after.js';
import { useAsking } from '../parts/asking.js';
import { notify } from '../parts/forms.js';
import { changedAt, Ledger, useLedger } from '../parts/ledger.js';
import { isMissing, Missing } from '../parts/missing.js';
import { EditButton, ProductEdit } from '../parts/product-edit.js';
import { ProductAlerts } from '../parts/product-alerts.js';
import { StockFigure } from '../parts/stock-figure.js';
import { useStocks } from '../parts/stocks.js';

export function ProductPage({ id }) {
  const resource = useResource(`/api/products/${encodeURIComponent(id)}`);
  const [editing, setEditing] = useState(null);
  const [stocks, onSight] = useStocks();
  useEffect(() => onSight([{ id }]), [id]);
  const ledger = useLedger(id);
  useAfter('product', id, 100, resource.reload);
  const product = resource.data;
  const back = { href: href('products'), text: 'Products' };
  if (!product) {
    if (isMissing(resource.error)) return html`<${Missing} what="product" />`;
    return html`<${PageHead} title="Product" back=${back} />
      ${resource.error ? html`<${Trouble} error=${resource.error} retry=${resource.reload} />` : html`<${Skeleton} rows=${8} />`}`;
  }
  const stock = stocks.get(id);
  return html`
    <${PageHead} title=${product.name} back=${back} badge=${html`<${Badge} status=${product.status} />`}>
      ${may('write') && html`<${EditButton} id=${id} onClick=${() => setEditing(product)} />`}
      ${may('write') && product.status === 'draft' && html`<${Publish} product=${product} onDone=${resource.reload} />`}
    <//>
    ${resource.error && html`<${Trouble} error=${resource.error} retry=${resource.reload} stale=${true} />`}
    <div class="columns wide-left">
      <div class="stack">
        <${Card} title="Stock" aside=${stock && html`<span class="fine">changed <${Ago} at=${changedAt(stock, ledger.items)} /></span>`}>
          <dl class="figures big">
            <div><dt>Can be sold</dt><dd data-testid="stock"><${StockFigure} stock=${stock} product=${product} /></dd></div>
            <div><dt>In the house</dt><dd>${number(stock?.onHand)}</dd></div>
            <div><dt>Held by orders</dt><dd>${number(stock?.reserved)}</dd></div>
          </dl>
          ${may('write') ? html`<${Adjust} productId=${id} name=${product.name} stock=${stock} />` : html`<p class="fine">This key may look, not adjust.</p>`}
        <//>
        <${Ledger} pages=${ledger} />
      </div>
      <div class="stack">
        <${Card} title="Details">
          <${Facts} of=${[
            ['Price', money(product.price)], ['SKU', product.sku ?? '–'],
            ['Category', html`<a href=${href('products', { categoryId: product.categoryId })}>${product.categoryId}</a>`],
            ['Low stock at', number(product.lowStockThreshold)], ['Version', number(product.version)],
            ['Changed', html`<${Ago} at=${product.updatedAt} />`], ['Created', dateTime(product.createdAt, 'short')],
          ]} />
          ${product.description && html`<p class="prose lines">${product.description}</p>`}
          ${product.images.length > 0 && html`<h3>Images</h3><ul class="addresses">${product.images.map((image) => html`<li key=${image}><code>${image}</code></li>`)}</ul>`}
          <p class="fine id-line"><code>${product.id}</code><${Copy} text=${product.id} label="Copy id" /></p>
        <//>
        <${ProductAlerts} product=${product} stock=${stock} />
      </div>
    </div>
    ${editing && html`<${ProductEdit} product=${editing} onClose=${() => setEditing(null)} onSaved=${() => {
      setEditing(null);
      resource.reload();
    }} />`}`;
}

function Publish({ product, onDone }) {
  const { busy, problem, ask } = useAsking(`${product.name} is not published`);
  useEffect(() => {
    if (problem) notify(problem.message, 'bad');
  }, [problem]);
  const publish = async () => {
    const done = await ask('PUT', `/api/pms/products/${product.id}/publish`, {
      body: { status: 'published' },
      headers: { 'If-Match': `"${product.version}"` },
      instead: { 412: () => notify('Somebody has just changed this product. Look at it again, then publish.', 'bad') },
    });
    if (done) notify(`${product.name} is published.`, 'good');
    onDone();
  };
  return html`<button class="button primary" type="button" disabled=${busy} onClick=${publish}>Publish</button>`;
}
