// Alerts: what is open, what was, and what the operators of the service should know.
import { number, words } from '../core/format.js';
import { html } from '../core/html.js';
import { usePages } from '../core/pages.js';
import { href, oneOf, setQuery, useRoute } from '../core/router.js';
import { Ago, Badge, Choice, Empty, PageHead } from '../parts/basics.js';
import { useAfter } from '../parts/after.js';
import { Cell, EndlessList, Fresh } from '../parts/list.js';

// What is left changes without an alert beginning or ending, of which alone one is told.
const EVERY_MILLISECONDS = 5000;
const VIEWS = [['', 'Open'], ['resolved', 'Past'], ['all', 'All']];
const SUBJECTS = [['', 'Stock'], ['system', 'Service']];
const COLUMNS = [['Product'], ['Severity'], ['Left', 'num'], ['Threshold', 'num wide-only'], ['Raised', 'num'], ['Resolved', 'num wide-only']];
const SYSTEM_COLUMNS = [['What'], ['State'], ['Raised', 'num'], ['Resolved', 'num wide-only']];

const namesOf = (choices) => choices.map(([name]) => name);

export function AlertsPage() {
  const { query } = useRoute();
  const status = oneOf(namesOf(VIEWS), query.status);
  const about = oneOf(namesOf(SUBJECTS), query.about);
  const isOfService = about === 'system';
  const pages = usePages(isOfService ? '/api/system/alerts' : '/api/inventory/alerts', { status }, { every: EVERY_MILLISECONDS });
  useAfter('system', null, 600, pages.reload);
  const List = isOfService ? SystemAlerts : StockAlerts;
  return html`
    <${PageHead} title="Alerts" />
    <div class="filters" role="group" aria-label="Which alerts">
      <${Choice} label="About" value=${about} onChange=${(next) => setQuery({ about: next })} options=${SUBJECTS} />
      <${Choice} label="State" value=${status} onChange=${(next) => setQuery({ status: next })} options=${VIEWS} />
      <${Fresh} pages=${pages} title="What begins and ends is here at once; what is left is looked for again and again." />
    </div>
    <${List} key=${about} status=${status} pages=${pages} />`;
}

function StockAlerts({ status, pages }) {
  const empty = status ? html`<${Empty} title="No alert is like that" />` : html`<${Empty} title="No open alerts">Every product has more than its threshold.<//>`;
  return html`<${EndlessList} label="Stock alerts" pages=${pages} columns=${COLUMNS} empty=${empty} row=${(alert) => html`
    <${Cell} kind="main"><a href=${href('products', alert.productId)}>${alert.name}</a><span class="fine">${alert.resolvedAt ? 'over' : 'open'}</span><//>
    <${Cell} kind="state"><${Badge} status=${alert.severity} tone=${alert.resolvedAt ? 'plain' : undefined} /><//>
    <${Cell} kind="num strong" name="Left">${number(alert.stock)}<span class="narrow-only"> left</span><//>
    <${Cell} kind="num wide-only" name="Threshold">${number(alert.threshold)}<//>
    <${Cell} kind="num fine" name="Raised"><${When} at=${alert.raisedAt} by=${alert.raisedBy} /><//>
    <${Cell} kind="num fine wide-only" name="Resolved"><${When} at=${alert.resolvedAt} by=${alert.resolvedBy} /><//>`} />`;
}

function SystemAlerts({ pages }) {
  const empty = html`<${Empty} title="Nothing to tell">No operation was given up, no sum differs, and no part was away.<//>`;
  return html`<${EndlessList} label="Service alerts" pages=${pages} columns=${SYSTEM_COLUMNS} empty=${empty} row=${(alert) => html`
    <${Cell} kind="main"><${Subject} alert=${alert} /><span class="fine">${words(alert.type)}</span><//>
    <${Cell} kind="state"><${Badge} tone=${alert.resolvedAt ? 'plain' : 'bad'}>${alert.resolvedAt ? 'Over' : 'Open'}<//><//>
    <${Cell} kind="num fine" name="Raised"><${Ago} at=${alert.raisedAt} /><//>
    <${Cell} kind="num fine wide-only" name="Resolved"><${When} at=${alert.resolvedAt} by=${alert.resolvedBy} /><//>`} />`;
}

function Subject({ alert }) {
  const place = alert.operationId ? href('operations', alert.operationId) : alert.productId ? href('products', alert.productId) : null;
  return place ? html`<a href=${place}>${alert.message}</a>` : html`<b>${alert.message}</b>`;
}

function When({ at, by }) {
  if (!at) return html`–`;
  return by ? html`<a class="plain" href=${href('operations', by)}><${Ago} at=${at} /></a>` : html`<${Ago} at=${at} />`;
}
