// Signing in with an API key, which this tab keeps until it is closed.
import { html, useEffect, useState } from '../core/html.js';
import { signIn } from '../core/session.js';
import { Field } from '../parts/forms.js';
import { Mark } from '../parts/mark.js';

export function SignIn({ busy, refusal }) {
  const [secret, setSecret] = useState('');
  useEffect(() => {
    document.title = 'Sign in · Backend PMS';
  }, []);
  const submit = (event) => {
    event.preventDefault();
    if (secret.trim()) signIn(secret.trim());
  };
  return html`<main class="sign-in">
    <form class="card" onSubmit=${submit}>
      <${Mark} />
      <h1>Sign in</h1>
      <p class="note">With an API key. Its scopes decide what can be done here: <b>read</b> looks, <b>write</b> changes
        stock, products and orders, <b>admin</b> does everything.</p>
      ${refusal && html`<p class="refusal" role="alert">${refusal}</p>`}
      <${Field} label="API key" hint="Kept by this tab until you sign out or close it.">
        ${(field) => html`<input ...${field} type="password" name="key" autocomplete="off" autocapitalize="none" spellcheck=${false}
          autofocus required maxlength="200" value=${secret} onInput=${(event) => setSecret(event.target.value)} />`}
      <//>
      <button class="button primary" disabled=${busy}>${busy ? 'Signing in…' : 'Sign in'}</button>
      <p class="fine">The first key is shown when the service starts; <code>pms keys create</code> makes more.
        See the <a href="/docs">quick start</a>.</p>
    </form>
  </main>`;
}
