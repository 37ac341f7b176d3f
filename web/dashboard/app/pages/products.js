// Products: an endless list with live stock.
import { html, useState } from '../core/html.js';
import { usePages } from '../core/pages.js';
import { href, oneOf, setQuery, useRoute } from '../core/router.js';
import { may } from '../core/session.js';
import { Ago, Badge, Choice, Empty, PageHead } from '../parts/basics.js';
import { useTyped } from '../parts/forms.js';
import { Icon } from '../parts/icons.js';
import { Known } from '../parts/known.js';
import { Cell, EndlessList, Fresh } from '../parts/list.js';
import { Money } from '../parts/money.js';
import { StockFigure } from '../parts/stock-figure.js';
import { useStocks } from '../parts/stocks.js';

const SORTS = [
  ['-createdAt', 'Newest first'], ['createdAt', 'Oldest first'], ['name', 'Name, A to Z'], ['-name', 'Name, Z to A'],
  ['price', 'Price, low to high'], ['-price', 'Price, high to low'],
];
const EVERY_MILLISECONDS = 4000;
const COLUMNS = [['Product'], ['Category', 'wide-only'], ['Status'], ['Price', 'num'], ['Can be sold', 'num'], ['Changed', 'num wide-only']];

/** The filters of an address that anybody may have written: what is none is left out. */
function filtersOf({ q, status, categoryId, sort }) {
  const names = SORTS.map(([name]) => name);
  return { q, status: oneOf(['published', 'draft'], status), categoryId, sort: oneOf(names, sort) || names[0] };
}

export function ProductsPage() {
  const query = filtersOf(useRoute().query);
  const { q, status, categoryId, sort } = query;
  const pages = usePages('/api/products', { q, status, categoryId, sort }, { every: EVERY_MILLISECONDS });
  const [stocks, onSight] = useStocks();
  const [cleared, setCleared] = useState(0);
  // What is being typed, and not told yet, goes with it.
  const clear = () => {
    setQuery({ q: '', status: '', categoryId: '' });
    setCleared(cleared + 1);
  };
  const filtered = q || status || categoryId;
  const empty = filtered
    ? html`<${Empty} title="No product is like that"><button class="button" type="button" onClick=${clear}>Clear the filters</button><//>`
    : html`<${Empty} title="No products yet">${may('write') && html`<a class="button primary" href=${href('products', 'new')}>Create the first one</a>
      <p class="fine or">or take many in from a file: <code>pms import products FILE</code></p>`}<//>`;
  return html`
    <${PageHead} title="Products">
      ${may('write') && html`<a class="button" href=${href('operations', 'upload')}><${Icon} name="upload" size="18" />Upload stock</a>
        <a class="button primary" href=${href('products', 'new')}><${Icon} name="plus" size="18" />New product</a>`}
    <//>
    <${Filters} key=${cleared} query=${query} pages=${pages} />
    <${EndlessList} label="Products" pages=${pages} columns=${COLUMNS} empty=${empty} onSight=${onSight} stampOf=${(product) => stocks.get(product.id)} row=${(product) => html`
      <${Cell} kind="main"><a href=${href('products', product.id)}>${product.name}</a><span class="fine">${product.sku ?? 'no SKU'}</span><//>
      <${Cell} kind="wide-only" name="Category">${product.categoryId}<//>
      <${Cell} kind="state"><${Badge} status=${product.status} /><//>
      <${Cell} kind="num" name="Price"><${Money} value=${product.price} /><//>
      <${Cell} kind="num strong" name="Can be sold"><${StockFigure} stock=${stocks.get(product.id)} product=${product} /><span class="narrow-only"> to sell</span><//>
      <${Cell} kind="num fine wide-only" name="Changed"><${Ago} at=${product.updatedAt} /><//>`} />`;
}

function Filters({ query, pages }) {
  const [text, setText] = useTyped(query.q ?? '', 250, (q) => setQuery({ q }));
  const [category, setCategory] = useTyped(query.categoryId ?? '', 350, (categoryId) => setQuery({ categoryId }));
  return html`<form class="filters" role="search" aria-label="Filter products" onSubmit=${(event) => event.preventDefault()}>
    <label class="search"><span class="visually-hidden">Search by name or SKU</span><${Icon} name="search" size="18" />
      <input type="search" placeholder="Search by name or SKU" maxlength="200" value=${text} onInput=${(event) => setText(event.target.value)} /></label>
    <label class="narrow"><span class="visually-hidden">Category</span>
      <input type="search" list="known-categories" placeholder="Category, exactly" title="The whole name of the category" maxlength="200" value=${category} onInput=${(event) => setCategory(event.target.value)} />
      <${Known} id="known-categories" items=${pages.items} nameOf=${(one) => one.categoryId} /></label>
    <${Choice} label="Status" value=${query.status} onChange=${(status) => setQuery({ status })}
      options=${[['', 'All'], ['published', 'Published'], ['draft', 'Draft']]} />
    <label class="narrow"><span class="visually-hidden">Sort by</span>
      <select value=${query.sort} onChange=${(event) => setQuery({ sort: event.target.value })}>
        ${SORTS.map(([sort, name]) => html`<option key=${sort} value=${sort}>${name}</option>`)}
      </select></label>
    <${Fresh} pages=${pages} title="Stock changes here the moment that it does; all else is looked for again and again." />
  </form>`;
}
