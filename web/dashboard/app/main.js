// The dashboard: who is signed in sees the shell and a page in it, who is not the sign-in.
import { html, render } from './core/html.js';
import { resume, session } from './core/session.js';
import { useStore } from './core/store.js';
import { Secrets } from './parts/secrets.js';
import { Shell } from './parts/shell.js';
import { Resuming, SignIn } from './pages/sign-in.js';

function Screen() {
  return html`<${Inside} /><${Secrets} />`;
}

function Inside() {
  const { phase, refusal } = useStore(session);
  if (phase === 'in') return html`<${Shell} />`;
  if (phase === 'resuming') return html`<${Resuming} refusal=${refusal} />`;
  return html`<${SignIn} busy=${phase === 'entering'} refusal=${refusal} />`;
}

resume();
const place = document.getElementById('screen');
place.replaceChildren();
render(html`<${Screen} />`, place);
