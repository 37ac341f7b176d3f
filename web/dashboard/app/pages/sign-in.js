// Signing in with an API key, which the open tabs keep until the last of them is closed.
import { html, useEffect, useState } from '../core/html.js';
import { resume, signIn, signOut } from '../core/session.js';
import { PageHead } from '../parts/basics.js';
import { Field } from '../parts/forms.js';
import { Mark } from '../parts/mark.js';

export function SignIn({ busy, refusal }) {
  const [secret, setSecret] = useState('');
  useEffect(() => {
    document.title = 'Sign in · Backend PMS';
    // Whoever signs in here goes on at the heading of what comes.
    PageHead.moved = true;
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
      <${Field} label="API key" hint="Kept until you sign out or close the last tab of the dashboard.">
        ${(field) => html`<input ...${field} type="password" name="key" autocomplete="off" autocapitalize="none" spellcheck=${false}
          autofocus required maxlength="200" value=${secret} onInput=${(event) => setSecret(event.target.value)} />`}
      <//>
      <button class="button primary" disabled=${busy}>${busy ? 'Signing in…' : 'Sign in'}</button>
      <p class="fine">The first key is shown when the service starts; <code>pms keys create</code> makes more.
        See the <a href="/docs">quick start</a>.</p>
    </form>
  </main>`;
}

/** Signed in already, while the service does not answer: nobody has to look for his key again. */
export function Resuming({ refusal }) {
  useEffect(() => {
    document.title = 'Backend PMS';
  }, []);
  if (!refusal) return html`<main class="starting"><p role="status">Signing in…</p></main>`;
  return html`<main class="sign-in">
    <div class="card">
      <${Mark} />
      <h1>The service is away</h1>
      <p class="prose" role="status">You are still signed in. The dashboard tries again by itself, and goes on as soon as the service answers.</p>
      <p class="refusal">${refusal}</p>
      <div class="actions start"><button class="button primary" type="button" onClick=${resume}>Try again now</button>
        <button class="button" type="button" onClick=${() => signOut()}>Sign out</button></div>
    </div>
  </main>`;
}
