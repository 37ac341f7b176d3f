// The refused rows of a bulk: the first ones to read, all of them to take away, mend and send again.
import { call, Problem } from '../core/api.js';
import { number, shortId, signed } from '../core/format.js';
import { html, useState } from '../core/html.js';
import { usePages } from '../core/pages.js';
import { href } from '../core/router.js';
import { Card, Loaded } from './basics.js';
import { notify } from './forms.js';

const COUNTED = {
  csv: 'Rows are counted as in a spreadsheet: the heading is row 1.',
  json: 'Rows are counted from 1: row 1 is the first of the array.',
};

/** The number of a row as people count: the API counts those of an array from 0. */
function rowNumber(row, form) {
  return form === 'json' ? row + 1 : row;
}

export function Refused({ id, form, tried }) {
  const path = `/api/operations/${id}/refused`;
  const pages = usePages(path, {}, { limit: 50 });
  const resource = { data: pages.loading ? null : pages.items, error: pages.error, loading: pages.loading, reload: pages.reload };
  const aside = pages.items.length > 0 && html`<${Download} path=${path} name="refused-${shortId(id)}.csv" />`;
  return html`<${Card} title=${tried ? 'Rows that would be refused' : 'Refused rows'} aside=${aside}><${Loaded} resource=${resource} rows=${4}>${(items) => (items.length
    ? html`<div class="table-scroll" tabindex="0" role="region" aria-label="Table of refused rows"><table>
        <thead><tr><th scope="col" class="num">Row</th><th scope="col">Product</th><th scope="col" class="num">Change</th><th scope="col">Why not</th></tr></thead>
        <tbody>${items.map((row) => html`<tr key=${row.row}><td class="num">${number(rowNumber(row.row, form))}</td>
          <th scope="row"><a href=${href('products', row.productId)}>${row.sku ?? shortId(row.productId)}</a></th>
          <td class="num">${signed(row.type === 'increment' ? row.quantity : -row.quantity)}</td><td>${row.problem.detail}</td></tr>`)}</tbody></table></div>
      ${COUNTED[form] && html`<p class="fine note">${COUNTED[form]}</p>`}
      ${!pages.done && html`<p class="more"><button class="button small" type="button" onClick=${pages.more}>Show more</button></p>`}`
    : html`<p class="fine">${tried ? 'None would be refused.' : 'None was refused.'}</p>`)}<//><//>`;
}

function Download({ path, name }) {
  const [busy, setBusy] = useState(false);
  const save = async () => {
    setBusy(true);
    try {
      const { data } = await call('GET', path, { headers: { Accept: 'text/csv' }, patience: 0 });
      const link = document.createElement('a');
      link.href = URL.createObjectURL(new Blob([data], { type: 'text/csv' }));
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      notify(error.message, 'bad');
    }
    setBusy(false);
  };
  return html`<button class="button small" type="button" disabled=${busy} onClick=${save}>Download as CSV</button>`;
}
