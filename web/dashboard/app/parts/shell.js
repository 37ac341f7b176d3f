// Around every page: where one can go, whether all is well, and whether it is live.
import { html, useErrorBoundary, useState } from '../core/html.js';
import { href, useRoute } from '../core/router.js';
import { may, session, signOut } from '../core/session.js';
import { useStore } from '../core/store.js';
import { AlertsPage } from '../pages/alerts.js';
import { KeysPage } from '../pages/keys.js';
import { OperationPage } from '../pages/operation.js';
import { OperationsPage } from '../pages/operations.js';
import { OrderPage } from '../pages/order.js';
import { NewOrderPage } from '../pages/order-new.js';
import { OrdersPage } from '../pages/orders.js';
import { OverviewPage } from '../pages/overview.js';
import { ProductPage } from '../pages/product.js';
import { NewProductPage } from '../pages/product-new.js';
import { ProductsPage } from '../pages/products.js';
import { UploadPage } from '../pages/upload.js';
import { Empty, PageHead } from './basics.js';
import { ConnectionBanner, ConnectionState } from './connection.js';
import { useKeptFocus } from './focus.js';
import { Notices } from './forms.js';
import { AwayBanner, HealthRow } from './health.js';
import { Icon } from './icons.js';
import { Mark } from './mark.js';
import { isIdentifier, Missing } from './missing.js';
import { GivenUp, OpenAlertsCount } from './rail-count.js';
import { useScroll } from './scroll.js';
import { ThemeSwitch } from './theme.js';
import { WaitingBanner } from './waiting.js';

const COUNTS = { operations: GivenUp, alerts: OpenAlertsCount };
const PLACES = [
  ['', 'Overview', 'overview', 'read'],
  ['products', 'Products', 'products', 'read'],
  ['orders', 'Orders', 'orders', 'read'],
  ['operations', 'Operations', 'operations', 'read'],
  ['alerts', 'Alerts', 'alerts', 'read'],
  ['keys', 'Keys', 'keys', 'admin'],
];

const one = (what, page, id) => (isIdentifier(id) ? [page, { id }] : [Missing, { what }]);

function pageOf([place = '', id]) {
  if (place === '') return [OverviewPage];
  if (place === 'products' && id === 'new') return [NewProductPage, {}, 'write'];
  if (place === 'products') return id ? one('product', ProductPage, id) : [ProductsPage];
  if (place === 'orders' && id === 'new') return [NewOrderPage, {}, 'write'];
  if (place === 'orders') return id ? one('order', OrderPage, id) : [OrdersPage];
  if (place === 'operations' && id === 'upload') return [UploadPage, {}, 'write'];
  if (place === 'operations') return id ? one('operation', OperationPage, id) : [OperationsPage];
  if (place === 'alerts' && !id) return [AlertsPage];
  if (place === 'keys' && !id) return [KeysPage, {}, 'admin'];
  return [Nowhere];
}

function Nowhere() {
  return html`<${PageHead} title="Nothing here" /><${Empty} title="There is no such page">
    <a href=${href('')}>Back to the overview</a><//>`;
}

function NotAllowed({ scope }) {
  return html`<${PageHead} title="Not with this key" /><${Empty} title="This page needs a key with the scope ${scope}">
    <a href=${href('')}>Back to the overview</a><//>`;
}

function Guarded({ page: Page, given }) {
  const [error, again] = useErrorBoundary((found) => console.error(found));
  if (error) {
    return html`<${PageHead} title="This page broke" /><${Empty} title="Something in it went wrong">
      <button class="button" type="button" onClick=${again}>Show it again</button> <a href=${href('')}>Back to the overview</a><//>`;
  }
  return html`<${Page} ...${given} />`;
}

/** The frame. */
export function Shell() {
  const { steps, entry } = useRoute();
  const { key } = useStore(session);
  const [Page, given = {}, scope = 'read'] = pageOf(steps);
  const here = steps[0] ?? '';
  useScroll(entry);
  useKeptFocus();
  const skip = (event) => {
    event.preventDefault();
    document.querySelector('main h1')?.focus();
  };
  return html`<div class="shell">
    <a class="skip" href="#main" onClick=${skip}>Skip to the page</a>
    <header class="top">
      <a class="home" href=${href('')} aria-label="Backend PMS, overview"><${Mark} /></a>
      <div class="top-state"><${ConnectionState} /></div>
      <div class="top-actions">
        <a class="button quiet icon" href="/docs" aria-label="Documents" title="Documents"><${Icon} name="book" /></a>
        <${ThemeSwitch} />
        <button class="button quiet icon" type="button" aria-label="Sign out" title="Sign out ${key.name}" onClick=${() => signOut()}><${Icon} name="leave" /></button>
      </div>
    </header>
    <nav class="rail" aria-label="Main">
      <ul>${PLACES.filter((place) => may(place[3])).map(([path, name, icon]) => html`<li key=${path}>
        <a href=${href(path)} aria-current=${here === path ? 'page' : undefined}><${Icon} name=${icon} /><span>${name}</span>${COUNTS[path] && html`<${COUNTS[path]} />`}</a>
      </li>`)}</ul>
      <div class="rail-foot"><${HealthRow} /><p class="who" title=${key.name}>${key.name}<br /><span>${key.scopes.join(', ')}</span></p></div>
    </nav>
    <main id="main">
      <${ConnectionBanner} />
      <${WaitingBanner} />
      ${here !== '' && html`<${AwayBanner} />`}
      <${Guarded} key=${steps.join('/')} page=${may(scope) ? Page : NotAllowed} given=${may(scope) ? given : { scope }} />
    </main>
    <${Notices} />
  </div>`;
}
