// The tabs of one browser share the key that is signed in: a row opened in a new tab asks for nothing.
// It goes from tab to tab, is written nowhere else, and is gone with the last of them.
const LISTEN_MILLISECONDS = 150;
const LEFT_AS = 'pms.left';

const channel = new BroadcastChannel('pms.key');
let seenAt = 0;
addEventListener('blur', () => (seenAt = Date.now()));

/** `{secret, since}` of the tab that was looked at last; null if no other tab has a key. */
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

/** Lend what `held()` gives, while it gives something; `left()` is called when another tab signs that key out. */
export function share(held, left) {
  channel.addEventListener('message', ({ data }) => {
    const own = held();
    if (!own) return;
    if (data.wanted) channel.postMessage({ lent: own, seenAt: document.hasFocus() ? Date.now() : seenAt });
    else if (data.left === own.secret) left();
  });
}

const leftOnes = () => JSON.parse(localStorage.getItem(LEFT_AS) ?? '{}');

/** What `wasLeft` needs to know of the key with this id, as of now: how often it was signed out before. */
export function signedIn(id) {
  return { id, left: leftOnes()[id] ?? 0 };
}

/** Tell the others that this key was signed out; those that sleep or show other pages read it when they are back. */
export function tellLeft({ secret, since }) {
  channel.postMessage({ left: secret });
  if (since) localStorage.setItem(LEFT_AS, JSON.stringify({ ...leftOnes(), [since.id]: signedIn(since.id).left + 1 }));
}

/** Whether a key was signed out since it was signed in. */
export function wasLeft(since) {
  return Boolean(since) && signedIn(since.id).left > since.left;
}
