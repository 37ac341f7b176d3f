// Many adjustments at once, from a file: accepted as one operation, followed row by row.
import { useDraft } from '../core/draft.js';
import { number, plural } from '../core/format.js';
import { html, useState } from '../core/html.js';
import { placeOf } from '../core/pointer.js';
import { href } from '../core/router.js';
import { useAsking } from '../parts/asking.js';
import { Card, PageHead, Trouble } from '../parts/basics.js';

const CHANGED = { title: 'This file cannot be read any more', message: 'The file has changed since it was chosen: choose it again.' };
const EXAMPLE = 'sku,quantity,type,reason\nMUG-1,12,increment,delivery 4711\nBOWL-2,1,decrement,broken';

// `sent` is what was sent last, as bytes and as a body.
const BLANK = { file: null, sent: null, atomic: false, dryRun: false };
// A file is soon chosen again; what came of one that was sent is not soon known.
const isOpen = (draft, blank, wish) => Boolean(wish?.asking || wish?.unheard);

/** What is in a file, in memory; null if it was changed since it was chosen. */
async function bytesOf(file) {
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch {
    return null;
  }
}

/** What is sent again, also from a file that was chosen anew, is the same body, and so the same wish. */
function bodyOf(bytes, sent) {
  const isSame = sent?.bytes.length === bytes.length && bytes.every((byte, place) => byte === sent.bytes[place]);
  return isSame ? sent : { bytes, body: new Blob([bytes]) };
}

export function UploadPage() {
  const { value: draft, now, change, forget: empty, once } = useDraft('upload', BLANK, isOpen);
  const { file, atomic, dryRun } = draft;
  const set = (part) => change((found) => ({ ...found, ...part }));
  const [over, setOver] = useState(false);
  const [isChanged, setChanged] = useState(false);
  const { busy, problem, ask, arrive, forget } = useAsking('The upload', once);
  const choose = (found) => {
    if (!found) return;
    forget();
    setChanged(false);
    set({ file: found });
  };
  const pick = ({ target }) => {
    choose(target.files[0]);
    // Else the same file, chosen again after it was mended, would be no change.
    target.value = '';
  };
  const putDown = () => {
    forget();
    setChanged(false);
    empty();
  };
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    choose(event.dataTransfer.files[0]);
  };
  const submit = async (event) => {
    event.preventDefault();
    if (!file) return;
    const bytes = await bytesOf(file);
    if (!bytes) {
      forget();
      set({ file: null });
      setChanged(true);
      return;
    }
    const sent = bodyOf(bytes, now().sent);
    set({ sent });
    const query = { atomic: atomic || undefined, dryRun: dryRun || undefined };
    const type = /\.json$/i.test(file.name) ? 'application/json' : 'text/csv';
    const operation = await ask('POST', '/api/inventory/adjustments', { query, body: sent.body, headers: { 'Content-Type': type } });
    if (!operation) return;
    if (now().file === file) empty();
    arrive(`${file.name} is accepted.`, 'operations', operation.id);
  };
  return html`
    <${PageHead} title="Upload stock" back=${{ href: href('operations'), text: 'Operations' }} note="Up to 100,000 adjustments from a CSV or JSON file, as one operation." />
    <div class="columns">
      <form class="card form" onSubmit=${submit} aria-label="Upload">
        ${isChanged && html`<${Trouble} error=${CHANGED} />`}
        ${problem && html`<${Faults} problem=${problem} />`}
        <label class="drop ${over ? 'over' : ''}" onDragOver=${(event) => (event.preventDefault(), setOver(true))} onDragLeave=${() => setOver(false)} onDrop=${drop}>
          <input class="visually-hidden" type="file" name="file" accept=".csv,.json,text/csv,application/json" onChange=${pick} />
          ${file ? html`<b>${file.name}</b><span class="fine">${number(file.size, { style: 'unit', unit: 'byte', unitDisplay: 'long' })}; choose another</span>`
            : html`<b>Choose a file</b><span class="fine">or drop it here</span>`}
        </label>
        <label class="tick"><input type="checkbox" checked=${atomic} onChange=${(event) => set({ atomic: event.target.checked })} />
          <span>All or nothing<br /><span class="fine">If one row is refused, none is applied; at most 1,000 rows.</span></span></label>
        <label class="tick"><input type="checkbox" checked=${dryRun} onChange=${(event) => set({ dryRun: event.target.checked })} />
          <span>Only try<br /><span class="fine">Says what would happen, and changes nothing.</span></span></label>
        <footer class="form-foot">${file && html`<button class="button" type="button" disabled=${busy} onClick=${putDown}>Put down</button>`}
          <button class="button primary" disabled=${!file || busy}>${busy ? 'Uploading…' : 'Upload'}</button></footer>
      </form>
      <${Card} title="The file"><p class="prose">A heading, then a row for each adjustment. A product is named by its <code>sku</code> or by
          its <code>productId</code>; <code>reason</code> and <code>reference</code> go into the ledger.</p>
        <pre class="json" tabindex="0" aria-label="An example">${EXAMPLE}</pre>
        <p class="prose">A row that cannot be read is named, and nothing is kept. A row that a rule refuses does not stop the others;
          all refused rows can be had as a file, to be mended and sent again.</p><//>
    </div>`;
}

/** Where a fault is; an array of JSON has rows as a table has. */
const rowOf = (pointer) => (pointer ? `${placeOf(pointer)}:` : 'The file:');

function Faults({ problem }) {
  const errors = problem.errors ?? [];
  // Without an answer, be it to an earlier try, it may well have been kept.
  const isKnown = !problem.unheard;
  return html`<div class="trouble" role="alert"><div><strong>${problem.title}</strong><p>${errors.length ? `${plural(errors.length, 'thing is', 'things are')} not right in it.` : problem.message}${isKnown ? ' Nothing was kept.' : ''}</p>
    ${errors.length > 0 && html`<ul class="faults">${errors.slice(0, 20).map((one, place) => html`<li key=${place}><b>${rowOf(one.pointer)}</b> ${one.detail}</li>`)}
      ${errors.length > 20 && html`<li>and ${number(errors.length - 20)} more</li>`}</ul>`}</div></div>`;
}
