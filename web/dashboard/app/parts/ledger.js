// A product's ledger: its stock over time as a chart, and every movement.
import { number, shortId, signed, words } from '../core/format.js';
import { html, useState } from '../core/html.js';
import { usePages } from '../core/pages.js';
import { href } from '../core/router.js';
import { Ago, Card, Empty, Kept, Loaded } from './basics.js';
import { useAfter } from './after.js';
import { History } from './history.js';

const AT_ONCE = 25;

/** A product's movements, the newest first, as pages: read again after each change. */
export function useLedger(productId) {
  const pages = usePages('/api/inventory/movements', { productId }, { limit: 100 });
  useAfter('inventory', productId, 400, pages.reload);
  return pages;
}

/** When the stock was changed last: an event tells the change, and the ledger its time. */
export function changedAt(stock, [newest]) {
  if (newest?.version >= stock.version) return newest.createdAt;
  return stock.changed ? new Date(stock.changed).toISOString() : stock.updatedAt;
}

export function Ledger({ pages }) {
  const resource = { data: pages.loading ? null : pages.items, error: pages.error, loading: pages.loading, reload: pages.reload };
  return html`
    <${History} ledger=${pages} resource=${resource} />
    <${Card} title="Movements"><${Loaded} resource=${resource} rows=${6}>${(items) => html`<${Movements} items=${items} pages=${pages} />`}<//><//>`;
}

const OF_ORDERS = new Set(['reservation', 'release', 'shipment']);

function Why({ row }) {
  if (OF_ORDERS.has(row.kind) && row.reference) return html`<a href=${href('orders', row.reference)}>Order <code>${shortId(row.reference)}</code></a>`;
  return [row.reason, row.reference].filter(Boolean).join(' · ') || html`<span class="fine">–</span>`;
}

function Movements({ items, pages }) {
  const [most, setMost] = useState(AT_ONCE);
  const older = () => {
    setMost(most + AT_ONCE);
    if (items.length < most + 2 * AT_ONCE) pages.more();
  };
  if (!items.length) return html`<${Empty} title="Nothing has moved yet">What is added, taken out, counted, reserved or shipped stands here.<//>`;
  return html`<div class="table-scroll" tabindex="0" role="region" aria-label="Table of movements"><table class="movements">
      <thead><tr><th scope="col">What</th><th scope="col" class="broad-only">Why</th><th scope="col" class="num">House</th><th scope="col" class="num">Held</th><th scope="col" class="num">After</th><th scope="col" class="num">When</th></tr></thead>
      <tbody>${items.slice(0, most).map((item) => html`<${Kept} key=${item.version} of=${[item]} draw=${(row) => html`<tr>
        <th scope="row"><a href=${href('operations', row.operationId)}>${words(row.kind)}</a><span class="why narrow-only"><${Why} row=${row} /></span></th>
        <td class="why broad-only"><${Why} row=${row} /></td>
        <td class="num ${row.onHandChange < 0 ? 'down' : row.onHandChange > 0 ? 'up' : 'fine'}">${signed(row.onHandChange)}</td>
        <td class="num fine">${signed(row.reservedChange)}</td>
        <td class="num"><b>${number(row.onHand - row.reserved)}</b></td>
        <td class="num fine"><${Ago} at=${row.createdAt} /></td></tr>`} />`)}</tbody>
    </table></div>
    ${(items.length > most || !pages.done) && html`<p class="more"><button class="button small" type="button" onClick=${older}>Show older movements</button></p>`}`;
}
