// A key's secret, which is shown once: above every page, and above the sign-in too, so that neither
// who goes on to another while the key is being made loses it, nor whose own key ends meanwhile.
import { call, Problem } from '../core/api.js';
import { html, useLayoutEffect, useState } from '../core/html.js';
import { session } from '../core/session.js';
import { createStore, useStore } from '../core/store.js';
import { Copy, Trouble } from './basics.js';
import { Dialog } from './forms.js';

const told = createStore(null);

/** Show the secret of a key that was just made or rotated; `apiKey` is what the API answered. */
export function showSecret(apiKey) {
  told.set(apiKey);
}

// Whoever signs out here has left it behind.
session.listen(() => {
  const { phase, refusal } = session.get();
  if (phase === 'out' && refusal === null) told.set(null);
});

/** Where it is shown. */
export function Secrets() {
  const apiKey = useStore(told);
  const close = () => told.set(null);
  if (!apiKey) return null;
  return apiKey.secret ? html`<${Secret} key=${apiKey.secret} apiKey=${apiKey} onClose=${close} />` : html`<${Lost} apiKey=${apiKey} onClose=${close} />`;
}

function Secret({ apiKey, onClose }) {
  // Nobody can show it again: who closes the window, or loads it anew, is asked first, from the
  // moment on in which it can be seen.
  useLayoutEffect(() => {
    const ask = (event) => event.preventDefault();
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, []);
  return html`<${Dialog} title="The secret of ${apiKey.name}" onClose=${onClose} firm>
    <div class="dialog-body"><p>It is shown this once and kept nowhere. Copy it to where it is used, now.</p>
      <p class="secret"><code data-testid="secret">${apiKey.secret}</code><${Copy} text=${apiKey.secret} autofocus /></p></div>
    <footer><button class="button primary" type="button" onClick=${onClose}>I have kept it</button></footer><//>`;
}

/** The answer that carried the secret got lost; asked again, the service tells of the key only. */
function Lost({ apiKey, onClose }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  // Nobody has the old secret, so nobody is shut out.
  const rotate = async () => {
    setBusy(true);
    setProblem(null);
    try {
      showSecret((await call('POST', `/api/keys/${apiKey.id}/rotate`)).data);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setProblem(error);
    }
    // Also after an answer without the secret: that of this try got lost too.
    setBusy(false);
  };
  return html`<${Dialog} title="The secret of ${apiKey.name} got lost" onClose=${onClose}>
    <div class="dialog-body">${problem && html`<${Trouble} error=${problem} />`}<p>The key is there, but the answer with its secret did not arrive, and the secret is kept nowhere. Rotate the key to get a new one.</p></div>
    <footer><button class="button" type="button" onClick=${onClose}>Later</button>
      <button class="button primary" type="button" disabled=${busy} onClick=${rotate}>Rotate</button></footer><//>`;
}
