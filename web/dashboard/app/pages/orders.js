// Orders: an endless list by status and time, with what is new coming in by itself.
import { number, plural, shortId, words } from '../core/format.js';
import { html, useMemo, useState } from '../core/html.js';
import { usePages } from '../core/pages.js';
import { href, setQuery, useRoute } from '../core/router.js';
import { may } from '../core/session.js';
import { useNow } from '../core/store.js';
import { Ago, Badge, Choice, Empty, PageHead } from '../parts/basics.js';
import { useActivity, useAfter } from '../parts/after.js';
import { useTyped } from '../parts/forms.js';
import { Icon } from '../parts/icons.js';
import { Known } from '../parts/known.js';
import { Cell, EndlessList, Fresh } from '../parts/list.js';
import { Money } from '../parts/money.js';

const STATUSES = ['queued', 'pending', 'confirmed', 'processing', 'shipped', 'delivered', 'cancelled', 'rejected'];
const TIMES = [['', 'Any time'], ['1', 'Last 24 hours'], ['7', 'Last 7 days'], ['30', 'Last 30 days'], ['between', 'Between…']];
const EVERY_MILLISECONDS = 4000;
const COUNTS_MILLISECONDS = 6000;
const HOUR = 3600000;
const DAY = 24 * HOUR;
const COLUMNS = [['Order'], ['Customer', 'wide-only'], ['Items', 'wide-only'], ['Status'], ['Total', 'num money'], ['Accepted', 'num']];

/** A day of the reader's own calendar as the moment when it begins; nothing, if it is no day. */
function beginOf(day, later = 0) {
  const [year, month, date] = (day ?? '').split('-').map(Number);
  const moment = new Date(year, month - 1, date + later);
  return Number.isNaN(moment.getTime()) ? '' : moment.toISOString();
}

// A little more than the time that is chosen: who comes back soon finds the same list.
const COARSE_MILLISECONDS = 300000;

function daysBack(days) {
  const moment = Date.now() - Number(days) * DAY;
  return new Date(moment - (moment % COARSE_MILLISECONDS)).toISOString();
}

/** The filters of an address that anybody may have written: what is none is left out. */
function filtersOf({ status, time, begin, end, customerId }) {
  const known = TIMES.some(([name]) => name === time) ? time : '';
  const between = known === 'between' ? { begin: beginOf(begin) && begin, end: beginOf(end) && end } : {};
  return { status: STATUSES.includes(status) ? status : '', customerId, time: known, ...between };
}

export function OrdersPage() {
  const query = filtersOf(useRoute().query);
  const { status, customerId, time, begin, end } = query;
  // A filter that moved all the time would read anew all the time, and one that never did would grow.
  const turn = Math.floor(useNow(COARSE_MILLISECONDS) / (time === '1' ? HOUR : DAY));
  const from = useMemo(() => (time === 'between' ? beginOf(begin) : time && daysBack(time)), [time, begin, turn]);
  const isReversed = Boolean(begin && end && end < begin);
  // No time lies between days the wrong way round.
  const to = isReversed ? from : time === 'between' ? beginOf(end, 1) : '';
  const pages = usePages('/api/pms/orders', { status, customerId, from, to }, { every: EVERY_MILLISECONDS });
  useAfter('operations', null, 500, pages.reload, (event) => event.orderId);
  const [cleared, setCleared] = useState(0);
  // What is being typed, and not told yet, goes with it.
  const clear = () => {
    setQuery({ status: '', customerId: '', time: '', begin: '', end: '' });
    setCleared(cleared + 1);
  };
  const title = isReversed ? 'The last day lies before the first' : 'No order is like that';
  const empty = status || customerId || time
    ? html`<${Empty} title=${title}><button class="button" type="button" onClick=${clear}>Clear the filters</button><//>`
    : html`<${Empty} title="No orders yet">They come in here by themselves.<//>`;
  return html`
    <${PageHead} title="Orders">${may('write') && html`<a class="button primary" href=${href('orders', 'new')}><${Icon} name="plus" size="18" />New order</a>`}<//>
    <${Filters} key=${cleared} query=${query} pages=${pages} />
    <${EndlessList} label="Orders" pages=${pages} columns=${COLUMNS} empty=${empty} row=${(order) => html`
      <${Cell} kind="main"><a href=${href('orders', order.id)}>${summary(order)}</a><span class="fine"><code class="broad-only">${shortId(order.id)}</code><span class="narrow-only">${order.customerId}</span></span><//>
      <${Cell} kind="wide-only" name="Customer">${order.customerId}<//>
      <${Cell} kind="wide-only" name="Items">${plural(order.items.reduce((sum, item) => sum + item.quantity, 0), 'unit')}<//>
      <${Cell} kind="state"><${Badge} status=${order.status} /><//>
      <${Cell} kind="num strong money" name="Total"><${Money} value=${order.total} code=${order.currency} /><//>
      <${Cell} kind="num fine" name="Accepted"><${Ago} at=${order.createdAt} /><//>`} />`;
}

function summary(order) {
  const [first, ...others] = order.items;
  return others.length ? `${first.name} and ${number(others.length)} more` : first.name;
}

function Filters({ query, pages }) {
  const activity = useActivity(COUNTS_MILLISECONDS);
  const [customer, setCustomer] = useTyped(query.customerId ?? '', 350, (customerId) => setQuery({ customerId }));
  // They are those of all orders: beside a filter that leaves some out they would be wrong.
  const counts = (!query.time && !query.customerId && activity.data?.orders) || {};
  return html`<form class="filters" role="search" aria-label="Filter orders" onSubmit=${(event) => event.preventDefault()}>
    <${Choice} label="Status" value=${query.status} onChange=${(status) => setQuery({ status })}
      options=${[['', 'All'], ...STATUSES.map((status) => [status, words(status), counts[status] ? number(counts[status]) : null])]} />
    <label class="narrow"><span class="visually-hidden">Accepted</span>
      <select value=${query.time ?? ''} onChange=${(event) => setQuery({ time: event.target.value })}>
        ${TIMES.map(([time, name]) => html`<option key=${time} value=${time}>${name}</option>`)}
      </select></label>
    ${query.time === 'between' && html`<label class="narrow"><span class="visually-hidden">First day</span>
        <input type="date" value=${query.begin ?? ''} onChange=${(event) => setQuery({ begin: event.target.value })} /></label>
      <label class="narrow"><span class="visually-hidden">Last day</span>
        <input type="date" value=${query.end ?? ''} onChange=${(event) => setQuery({ end: event.target.value })} /></label>`}
    <label class="narrow"><span class="visually-hidden">Customer</span>
      <input type="search" list="known-customers" placeholder="Customer, exactly" title="The whole name, as it was given with the order" maxlength="200" value=${customer} onInput=${(event) => setCustomer(event.target.value)} />
      <${Known} id="known-customers" items=${pages.items} nameOf=${(one) => one.customerId} /></label>
    <${Fresh} pages=${pages} />
  </form>`;
}
