// What an address names and is not there.
import { html } from '../core/html.js';
import { href } from '../core/router.js';
import { Empty, PageHead } from './basics.js';

const LISTS = { product: 'Products', order: 'Orders', operation: 'Operations' };
const IDENTIFIER = /^[0-9a-f-]{32,36}$/i;

/** Whether a step of an address, which anybody may have written, may go into the path of a call. */
export function isIdentifier(step) {
  return IDENTIFIER.test(step);
}

/** There is no such thing; `what` is one of the three that have a page. */
export function Missing({ what }) {
  return html`<${PageHead} title="No such ${what}" back=${{ href: href(`${what}s`), text: LISTS[what] }} />
    <${Empty} title="There is no ${what} with this identifier" />`;
}

/** Whether a problem says that there is no such thing. */
export function isMissing(problem) {
  return problem?.status === 404 || problem?.status === 422;
}
