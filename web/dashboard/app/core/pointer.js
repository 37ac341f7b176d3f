// Where a fault is, in words: the pointers of the API are for programs.
const CALLED = { sku: 'SKU' };
const MOST = 3;

const wordsOf = (name) => CALLED[name] ?? name.replace(/Id$/, '').replace(/[A-Z]/g, ' $&').toLowerCase();

/** `/items/0/productId` is "Items 1, product", `/0/sku` "Row 1, SKU", `?sort` "Sort", `#row=3` "Row 3". */
export function placeOf(pointer) {
  const [first, ...steps] = pointer.replace(/^[#?/]/, '').split(/[/=]/);
  // Arrays are counted from 0, the rows of a table as they are seen.
  const from = pointer.startsWith('/') ? 1 : 0;
  const isNumber = (step) => /^\d+$/.test(step);
  const text = steps.reduce((said, step) => said + (isNumber(step) ? ` ${Number(step) + from}` : `, ${wordsOf(step)}`), isNumber(first) ? `row ${Number(first) + from}` : wordsOf(first));
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The first faults of a problem as sentences; `errors` are `{pointer, detail}`. */
export function faultsOf(errors) {
  const told = errors.slice(0, MOST).map(({ pointer, detail }) => `${pointer ? `${placeOf(pointer)}: ` : ''}${detail.replace(/\.$/, '')}.`);
  return [...told, ...(errors.length > MOST ? [`And ${errors.length - MOST} more.`] : [])].join(' ');
}
