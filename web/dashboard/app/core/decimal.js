// Decimal numbers as the reader writes them: read without guessing, and written to be read again.
import { number } from './format.js';

const DIGITS = new Map(Array.from({ length: 10 }, (_, digit) => [number(digit), String(digit)]));
const rest = (text) => [...text].find((letter) => !DIGITS.has(letter));
const POINT = rest(number(1.5));
const GROUP = rest(number(1234567)) ?? '';
// What stands between groups of digits and nowhere else.
const BLANKS = /[\s\u00a0\u202f'’]/g;
const PLAIN = /^(\d+\.?\d*|\.\d+)$/;
const GROUPED = /^\d{1,3}(G\d{2,3})*G\d{3}\.\d+$/;

/** A number for a field that `readDecimal` reads. */
export function writeDecimal(value) {
  return number(value, { useGrouping: false, maximumFractionDigits: 10 });
}

/**
 * The number that a text stands for, in the reader's own way of writing; null if it is none, or
 * might be one of two: "1.250" is a thousand to some and little more than one to others.
 */
export function readDecimal(text) {
  const letters = [...text.replaceAll(BLANKS, '')];
  const plain = letters.map((one) => DIGITS.get(one) ?? { [GROUP]: 'G', [POINT]: '.' }[one] ?? (/\d/.test(one) ? one : '?')).join('');
  if (PLAIN.test(plain)) return Number(plain);
  return GROUPED.test(plain) ? Number(plain.replaceAll('G', '')) : null;
}

/** What to say about a text that is no number; nothing if it is one. */
export function decimalFault(text) {
  return readDecimal(text) === null ? `Write it like ${writeDecimal(1250.5)}` : '';
}
