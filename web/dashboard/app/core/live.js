// The socket: what it follows, its place in every stream, and whether it is to be believed.
import { io } from '../vendor/socket.io.esm.min.js';
import { createStore } from './store.js';

const EVENTS = {
  inventory_update: ['inventory', 'productId'],
  product_update: ['product', 'productId'],
  order_status: ['order', 'orderId'],
  operation_update: ['operation', 'operationId'],
  system_alert: ['system', null],
};
const NAMED_BY = { inventory: 'productId', product: 'productId', order: 'orderId', operation: 'operationId' };
// Whose events keep the snapshot new for who comes later.
const RENEWED = ['inventory', 'order', 'operation'];
const ANSWER_MILLISECONDS = 10000;
// Who looks back at once finds the subscription still there.
const LINGER_MILLISECONDS = 4000;
const CROWDED_MILLISECONDS = 15000;
// The service is heard of every 10 s. Half a minute, the library's patience, is too long to hope.
const LONGEST_SILENCE_MILLISECONDS = 20000;

/**
 * `phase`: connecting, connected, reconnecting, offline or crowded; `heardAt`: when the service
 * was last heard of; `lastEventAt`; `caughtUp`: what came of the last reconnection.
 */
export const connection = createStore({
  phase: 'connecting', heardAt: null, lastEventAt: null, caughtUp: null, round: 0,
});

let socket = null;
let onRefused = () => {};
let lostAt = null;
let catching = null;
const entries = new Map();

// Nothing new may come before what was missed has been asked for.
const authOf = (secret) => ({ token: secret, unasked: false });
const patch = (change) => connection.set((state) => ({ ...state, ...change }));

/** Connect with a key; `refused` is called when it is not good (any more). */
export function connect(secret, refused) {
  onRefused = refused;
  socket = io({
    auth: authOf(secret),
    transports: ['websocket', 'polling'],
    tryAllTransports: true,
    reconnectionDelay: 400,
    reconnectionDelayMax: 4000,
    forceNew: true,
  });
  socket.on('connect', connected);
  socket.on('disconnect', disconnected);
  socket.on('connect_error', failed);
  socket.io.on('ping', () => patch({ heardAt: Date.now() }));
  for (const name of Object.keys(EVENTS)) socket.on(name, (data) => received(name, data));
  for (const topic of ['operations', 'system']) follow(topic, null, () => {});
}

/** Go on with another secret of the same key: what is followed stays so, from where it is. */
export function reconnect(secret) {
  socket.auth = authOf(secret);
  socket.disconnect();
  lostAt = null;
  patch({ phase: 'connecting' });
  socket.connect();
}

/** Leave, and forget everything. */
export function disconnect() {
  socket?.removeAllListeners();
  socket?.disconnect();
  socket = null;
  lostAt = null;
  catching = null;
  for (const entry of entries.values()) clearTimeout(entry.timer);
  entries.clear();
  connection.set({ phase: 'connecting', heardAt: null, lastEventAt: null, caughtUp: null, round: 0 });
}

function connected() {
  const round = connection.get().round + 1;
  if (lostAt) catching = { waiting: new Set(entries.values()), events: 0, reread: 0, lostAt };
  lostAt = null;
  patch({ phase: 'connected', heardAt: Date.now(), round });
  for (const entry of entries.values()) {
    entry.isBehind = Boolean(entry.cursor);
    subscribe(entry);
  }
}

function disconnected(reason) {
  lostAt ??= Date.now();
  catching = null;
  patch({ phase: navigator.onLine ? 'reconnecting' : 'offline' });
  // What the service closed comes back only by itself asking.
  if (reason === 'io server disconnect') setTimeout(() => socket?.connect(), 500);
}

function failed(error) {
  if (error.message === 'unauthorized') return onRefused();
  if (error.message === 'too-many-connections') {
    patch({ phase: 'crowded' });
    setTimeout(() => socket?.connect(), CROWDED_MILLISECONDS);
    return undefined;
  }
  if (connection.get().phase !== 'connecting') lostAt ??= Date.now();
  patch({ phase: navigator.onLine ? 'reconnecting' : 'offline' });
  // A refusal, unlike a transport that fails, is not tried again by the library.
  if (socket && !socket.active) setTimeout(() => socket?.connect(), 2000);
  return undefined;
}

setInterval(() => {
  const { phase, heardAt } = connection.get();
  // Another process of the service may well be there.
  if (phase !== 'connected' || Date.now() - heardAt <= LONGEST_SILENCE_MILLISECONDS) return;
  // It was away from then on, not only from now.
  lostAt ??= heardAt;
  socket?.io.engine.close();
}, 1000);

addEventListener('offline', () => socket && patch({ phase: 'offline' }));
addEventListener('online', () => {
  if (socket) patch({ phase: socket.connected ? 'connected' : 'reconnecting' });
});

/**
 * Follow a product's stock (`inventory`) or data (`product`), an `order`, an `operation`, all of
 * one's own `operations`, or the `system`.
 *
 * The handler gets `{snapshot}`, `{event}` or `{error}`. Gives a function that stops it.
 */
export function follow(topic, id, handler) {
  const name = `${topic}:${id ?? ''}`;
  let entry = entries.get(name);
  if (entry) {
    clearTimeout(entry.timer);
    if (entry.snapshot) queueMicrotask(() => entry.handlers.has(handler) && handler({ snapshot: entry.snapshot }));
    entry.handlers.add(handler);
  } else {
    entry = { name, topic, id, handlers: new Set([handler]), position: -1, cursor: null, snapshot: null, latest: null };
    entries.set(name, entry);
    if (socket?.connected) subscribe(entry);
  }
  return () => {
    entry.handlers.delete(handler);
    if (entry.handlers.size || entries.get(name) !== entry) return;
    entry.timer = setTimeout(() => leave(entry), LINGER_MILLISECONDS);
  };
}

function leave(entry) {
  if (entries.get(entry.name) !== entry) return;
  entries.delete(entry.name);
  if (socket?.connected) socket.emit(`unsubscribe_${entry.topic}`, { [NAMED_BY[entry.topic]]: entry.id });
}

async function subscribe(entry) {
  const mine = socket;
  const message = {};
  if (entry.id) message[NAMED_BY[entry.topic]] = entry.id;
  if (entry.cursor) message.since = entry.cursor;
  let answer;
  try {
    answer = await mine.timeout(ANSWER_MILLISECONDS).emitWithAck(`subscribe_${entry.topic}`, message);
  } catch {
    answer = { error: 'unavailable', retryAfter: 1 };
  }
  if (mine !== socket || entries.get(entry.name) !== entry) return;
  if (answer.error) return refusedBy(entry, answer);
  takeAnswer(entry, answer, !message.since);
  settle(entry);
}

function refusedBy(entry, answer) {
  if (answer.retryAfter) {
    setTimeout(() => {
      if (entries.get(entry.name) === entry && socket?.connected) subscribe(entry);
    }, answer.retryAfter * 1000);
    return;
  }
  tell(entry, { error: answer.error });
  settle(entry);
}

function takeAnswer(entry, answer, isNew) {
  entry.isBehind = false;
  if (answer.recovered === false && catching && !isNew) catching.reread += 1;
  if (answer.recovered === true) {
    if (answer.position >= entry.position) entry.cursor = answer.cursor;
    return;
  }
  // A snapshot that arrives after a newer event loses; one that was asked for anew never does.
  if (isNew && answer.position < entry.position) {
    if (entry.topic !== 'inventory') return;
    entry.snapshot = { ...answer.snapshot, ...entry.latest };
    tell(entry, { snapshot: entry.snapshot });
    return;
  }
  entry.position = answer.position;
  entry.cursor = answer.cursor;
  entry.snapshot = answer.snapshot;
  tell(entry, { snapshot: entry.snapshot, reread: !isNew });
}

function settle(entry) {
  if (!catching?.waiting.delete(entry) || catching.waiting.size) return;
  const { events, reread, lostAt: since } = catching;
  catching = null;
  patch({ caughtUp: { events, reread, away: Date.now() - since, at: Date.now() } });
}

function received(event, data) {
  const [topic, named] = EVENTS[event];
  patch({ heardAt: Date.now(), lastEventAt: Date.now() });
  const entry = entries.get(`${topic}:${named ? data[named] : ''}`);
  if (topic === 'operation') take(entries.get('operations:'), data, Boolean(entry));
  take(entry, data);
}

// A cursor begins with what tells its stream from all others.
const streamOf = (cursor) => cursor.split('.')[0];

/**
 * An event of one's own operations may be one of an operation that is followed, and the other way
 * round; the last ones of somebody else's come after that is followed no more.
 */
function take(entry, data, mayBeOfOther = false) {
  if (!entry || data.position <= entry.position) return;
  if (entry.topic === 'operations' && (entry.cursor ? streamOf(entry.cursor) !== streamOf(data.cursor) : mayBeOfOther)) return;
  // What tells of an operation that is followed may be ahead of what was missed of all of them.
  if (mayBeOfOther && entry.isBehind && data.position !== entry.position + 1) return;
  entry.position = data.position;
  entry.cursor = data.cursor;
  if (catching?.waiting.has(entry)) catching.events += 1;
  entry.latest = data;
  if (RENEWED.includes(entry.topic) && entry.snapshot) entry.snapshot = { ...entry.snapshot, ...data };
  tell(entry, { event: data });
}

function tell(entry, message) {
  for (const handler of [...entry.handlers]) handler(message);
}
