// Numbers, money and times in the reader's own locale.
const locales = navigator.languages?.length ? [...navigator.languages] : undefined;
const page = document.documentElement.dataset;

export const currency = page.currency || 'USD';
export const shopZone = page.timezone || 'UTC';

const cached = new Map();
function formatter(kind, options) {
  const name = kind.name + JSON.stringify(options);
  if (!cached.has(name)) cached.set(name, new kind(locales, options));
  return cached.get(name);
}

const absent = '–';

/** A whole or decimal number. */
export function number(value, options = {}) {
  return value == null ? absent : formatter(Intl.NumberFormat, options).format(value);
}

/** A number that is short enough for an axis or a tile: 12,400 is 12.4K. */
export function compact(value) {
  if (value == null) return absent;
  return number(value, value < 10000 ? { maximumFractionDigits: 1 } : COMPACT);
}
const COMPACT = { notation: 'compact', maximumFractionDigits: 1 };

/** An amount of money, of the shop's currency unless another is named. */
export function money(value, code = currency) {
  return number(value, { style: 'currency', currency: code });
}

/** The same in a few letters: $1.23M. */
export function shortMoney(value, code = currency) {
  return number(value, { style: 'currency', currency: code, notation: 'compact', maximumFractionDigits: 2 });
}

/** An amount without cents, and short if large. */
export function roundMoney(value, code = currency) {
  const large = Math.abs(value) >= 100000;
  const digits = large ? { notation: 'compact', maximumFractionDigits: 1 } : { maximumFractionDigits: 0 };
  return number(value, { style: 'currency', currency: code, ...digits });
}

/** A number with its sign. */
export function signed(value) {
  return number(value, { signDisplay: 'exceptZero' });
}

/** Percent of a number that is percent already. */
export function percent(value) {
  return number(value / 100, { style: 'percent', maximumFractionDigits: 1, signDisplay: 'exceptZero' });
}

/** Milliseconds, in the unit that fits; with the reader's name for it. */
export function duration(milliseconds) {
  if (milliseconds == null) return absent;
  if (milliseconds < 999.5) {
    return measure(milliseconds, 'millisecond', milliseconds < 10 ? 1 : 0);
  }
  // Rounded before it is split, so that a rest never fills another whole minute, hour or day.
  const whole = (unit) => Math.round(milliseconds / unit);
  if (whole(100) < 600) return measure(whole(100) / 10, 'second', 1);
  if (whole(SECOND) < 3600) return split(whole(SECOND), 60, 'minute', 'second');
  if (whole(60 * SECOND) < 1440) return split(whole(60 * SECOND), 60, 'hour', 'minute');
  return split(whole(3600 * SECOND), 24, 'day', 'hour');
}

const SECOND = 1000;
const measure = (value, unit, digits = 0) => number(value, { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: digits });
const TOGETHER = new Intl.ListFormat(locales, { type: 'unit', style: 'narrow' });

function split(count, size, large, small) {
  return TOGETHER.format([measure(Math.floor(count / size), large), measure(count % size, small)]);
}

/** A day and a time; with seconds if `timeStyle` is medium. */
export function dateTime(value, timeStyle = 'medium') {
  if (!value) return absent;
  return formatter(Intl.DateTimeFormat, { dateStyle: 'medium', timeStyle }).format(new Date(value));
}

/** A time of the day. */
export function clock(value, timeStyle = 'medium') {
  return formatter(Intl.DateTimeFormat, { timeStyle }).format(new Date(value));
}

/** A day of the calendar, given as 2026-11-23; a month as 2026-11. */
export function calendar(period, options = { day: 'numeric', month: 'short' }) {
  const [year, month, day = 1] = period.split('-').map(Number);
  const chosen = period.length === 7 ? { month: 'short', year: 'numeric' } : options;
  const moment = new Date(Date.UTC(year, month - 1, day));
  return formatter(Intl.DateTimeFormat, { ...chosen, timeZone: 'UTC' }).format(moment);
}

const STEPS = [
  ['year', 31536000],
  ['month', 2592000],
  ['day', 86400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
];

const ENGLISH = locales?.find((name) => /^en\b/.test(name)) ?? 'en';
const RELATIVE = new Intl.RelativeTimeFormat(ENGLISH, { numeric: 'auto', style: 'short' });

/** How long ago, or in how long. */
export function relative(value, now = Date.now()) {
  const seconds = (new Date(value).getTime() - now) / 1000;
  if (Math.abs(seconds) < 2) return 'just now';
  const [unit, length] = STEPS.find(([, size]) => Math.abs(seconds) >= size) ?? STEPS.at(-1);
  // Words among words, so in the language of the page.
  return RELATIVE.format(Math.trunc(seconds / length), unit);
}

/** The end of an identifier: enough to tell a few apart. */
export function shortId(id) {
  return id ? id.slice(-8) : absent;
}

/** Words with a capital in front: "out_of_stock" is "Out of stock". */
export function words(name) {
  const text = String(name ?? '').replaceAll(/[_-]/g, ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A number of things: one order, two orders. */
export function plural(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}
