// API keys: making, rotating and revoking them.
import { call, Problem } from '../core/api.js';
import { useDraft } from '../core/draft.js';
import { dateTime, number, relative } from '../core/format.js';
import { html, useEffect, useState } from '../core/html.js';
import { usePages } from '../core/pages.js';
import { rotateOwn, session } from '../core/session.js';
import { useNow } from '../core/store.js';
import { useAsking } from '../parts/asking.js';
import { Ago, Badge, Empty, PageHead, Trouble } from '../parts/basics.js';
import { Confirm, Dialog, Field, notify } from '../parts/forms.js';
import { Icon } from '../parts/icons.js';
import { Cell, EndlessList, Fresh } from '../parts/list.js';
import { showSecret } from '../parts/secrets.js';

const SCOPES = [['read', 'Read', 'looks at everything'], ['write', 'Write', 'reads, and changes products, stock and orders'], ['admin', 'Admin', 'does everything, keys included']];
const EVERY_MILLISECONDS = 5000;
const MINUTE_MILLISECONDS = 60000;
const SOON_MILLISECONDS = 7 * 86400000;
const COLUMNS = [['Key'], ['State'], ['Rate', 'wide-only'], ['Made', 'num wide-only'], ['Actions', 'acts', true]];

function stateOf(key) {
  if (key.revokedAt) return 'revoked';
  return key.expiresAt && new Date(key.expiresAt) < new Date() ? 'expired' : 'active';
}

/** An active key that has an end says when, and warns when that is soon. */
function State({ apiKey }) {
  const now = useNow(MINUTE_MILLISECONDS);
  const state = stateOf(apiKey);
  if (state !== 'active' || !apiKey.expiresAt) return html`<${Badge} status=${state} />`;
  const isSoon = new Date(apiKey.expiresAt) - now < SOON_MILLISECONDS;
  return html`<span title="Ends ${dateTime(apiKey.expiresAt)}"><${Badge} tone=${isSoon ? 'warn' : 'done'}>Active, ends ${relative(apiKey.expiresAt, now)}<//></span>`;
}

/** "1000/minute" as people write it: 1,000 a minute. */
function rateOf(rate) {
  const [, count, unit] = /^(\d+)\/(\w+)$/.exec(rate) ?? [];
  return count ? `${number(Number(count))} a ${unit}` : rate;
}

export function KeysPage() {
  const pages = usePages('/api/keys', {}, { every: EVERY_MILLISECONDS });
  const [making, setMaking] = useState(false);
  const [asked, setAsked] = useState(null);
  const done = (key) => {
    setMaking(false);
    setAsked(null);
    if (key) showSecret(key);
    pages.reload();
  };
  return html`
    <${PageHead} title="Keys"><${Fresh} pages=${pages} /><button class="button primary" type="button" onClick=${() => setMaking(true)}><${Icon} name="plus" size="18" />New key</button><//>
    <${EndlessList} label="API keys" pages=${pages} columns=${COLUMNS} empty=${html`<${Empty} title="No keys" />`} row=${(key) => html`
      <${Cell} kind="main"><b>${key.name}</b><span class="fine">${key.id === session.get().key?.id ? 'yours · ' : ''}${key.scopes.join(', ')} · <code>${key.hint}</code></span><//>
      <${Cell} kind="state"><${State} apiKey=${key} /><//>
      <${Cell} kind="wide-only fine" name="Rate">${key.rate ? rateOf(key.rate) : 'as installed'}<//>
      <${Cell} kind="num fine wide-only" name="Made"><${Ago} at=${key.createdAt} /><//>
      <${Cell} kind="acts">${!key.revokedAt && html`
        <button class="button small" type="button" aria-label="Rotate ${key.name}" onClick=${() => setAsked(['rotate', key])}>Rotate</button>
        <button class="button small danger" type="button" aria-label="Revoke ${key.name}" onClick=${() => setAsked(['revoke', key])}>Revoke</button>`}<//>`} />
    ${making && html`<${NewKey} onMade=${done} onLost=${pages.reload} onClose=${() => setMaking(false)} />`}
    ${asked && html`<${Change} what=${asked[0]} apiKey=${asked[1]} onDone=${done} onClose=${() => setAsked(null)} />`}`;
}

const BLANK = { name: '', scope: 'read', rate: '', expires: '' };

function NewKey({ onMade, onLost, onClose }) {
  const { value: fields, change: setFields, forget, once } = useDraft('key', BLANK);
  const { busy, problem, ask } = useAsking('The new key', once);
  const cancel = () => {
    forget();
    onClose();
  };
  // Without an answer it may be there all the same, which the list then shows.
  useEffect(() => {
    if (problem?.status === 0) onLost();
  }, [problem]);
  const bind = (name) => ({ value: fields[name], onInput: (event) => setFields({ ...fields, [name]: event.target.value }) });
  const submit = async (event) => {
    event.preventDefault();
    const body = { name: fields.name.trim(), scopes: [fields.scope] };
    if (fields.rate.trim()) body.rate = fields.rate.trim();
    if (fields.expires) body.expiresAt = new Date(fields.expires).toISOString();
    const made = await ask('POST', '/api/keys', { body });
    if (!made) return;
    forget(fields);
    onMade(made);
  };
  const errors = problem?.fieldErrors() ?? {};
  return html`<${Dialog} title="New key" onClose=${cancel}><form onSubmit=${submit}>
    <div class="dialog-body">
      ${problem && html`<${Trouble} error=${problem} />`}
      <${Field} label="Name" error=${errors.name} hint="Who or what uses it">${(given) => html`<input ...${given} ...${bind('name')} name="name" required maxlength="200" />`}<//>
      <fieldset class="radios"><legend>Scope</legend>${SCOPES.map(([scope, name, text]) => html`<label key=${scope} class="tick">
        <input type="radio" name="scope" value=${scope} checked=${fields.scope === scope} onChange=${() => setFields({ ...fields, scope })} /><span>${name} <span class="fine">${text}</span></span></label>`)}</fieldset>
      <div class="form-grid">
        <${Field} label="Rate" optional error=${errors.rate} hint="Such as 600/minute">${(given) => html`<input ...${given} ...${bind('rate')} name="rate" maxlength="50" />`}<//>
        <${Field} label="Ends" optional error=${errors.expiresAt}>${(given) => html`<input ...${given} ...${bind('expires')} name="expires" type="datetime-local" />`}<//>
      </div>
    </div>
    <footer><button class="button" type="button" onClick=${cancel}>Cancel</button><button class="button primary" disabled=${busy}>${busy ? 'Making…' : 'Make key'}</button></footer>
  </form><//>`;
}

function Change({ what, apiKey, onDone, onClose }) {
  const [busy, setBusy] = useState(false);
  const own = apiKey.id === session.get().key?.id;
  const change = async () => {
    setBusy(true);
    try {
      if (what === 'rotate') {
        const rotate = async () => (await call('POST', `/api/keys/${apiKey.id}/rotate`)).data;
        return onDone(await (own ? rotateOwn(rotate) : rotate()));
      }
      await call('DELETE', `/api/keys/${apiKey.id}`);
      notify(`${apiKey.name} is revoked.`, 'good');
      return onDone(null);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      notify(error.message, 'bad');
      return onClose();
    }
  };
  return html`<${Confirm} title="${what === 'rotate' ? 'Rotate' : 'Revoke'} ${apiKey.name}?" action=${what === 'rotate' ? 'Give a new secret' : 'Revoke key'} busy=${busy} onConfirm=${change} onClose=${onClose}>
    <p>${what === 'rotate' ? 'It gets a new secret, and the old one ends at once: whoever uses it has to be given the new one.' : 'Whoever uses it is shut out within seconds, for good.'}</p>
    ${own && html`<p><b>This is the key that you are signed in with.</b> ${what === 'rotate' ? 'This window goes on with the new secret; others have to sign in again.' : 'You will be signed out.'}</p>`}<//>`;
}
