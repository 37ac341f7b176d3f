// The tabs of one browser share the key that is signed in: a row opened in a new tab asks for nothing.
// It goes from tab to tab, is written nowhere else, and is gone with the last of them.
const LISTEN_MILLISECONDS = 150;

const channel = new BroadcastChannel('pms.key');
let seenAt = 0;
addEventListener('blur', () => (seenAt = Date.now()));

/** The key of the tab that was looked at last; null if no other tab has one. */
export function borrowed() {
  const lent = [];
  const hear = ({ data }) => data.lent && lent.push(data);
  channel.addEventListener('message', hear);
  channel.postMessage({ wanted: true });
  return new Promise((resolve) => {
    setTimeout(() => {
      channel.removeEventListener('message', hear);
      lent.sort((one, other) => other.seenAt - one.seenAt);
      resolve(lent[0]?.lent ?? null);
    }, LISTEN_MILLISECONDS);
  });
}

/** Lend what `secret()` gives, while it gives something; `left()` is called when another tab signs that key out. */
export function share(secret, left) {
  channel.addEventListener('message', ({ data }) => {
    const own = secret();
    if (!own) return;
    if (data.wanted) channel.postMessage({ lent: own, seenAt: document.hasFocus() ? Date.now() : seenAt });
    else if (data.left === own) left();
  });
}

/** Tell the others that this key was signed out. */
export const tellLeft = (secret) => channel.postMessage({ left: secret });
