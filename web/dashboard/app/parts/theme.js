// Light, dark, or as the system has it.
import { html, useState } from '../core/html.js';
import { createStore } from '../core/store.js';
import { Icon } from './icons.js';

const root = document.documentElement;
const ORDER = { system: 'light', light: 'dark', dark: 'system' };
const ICONS = { system: 'system', light: 'sun', dark: 'moon' };
const WORDS = { system: 'as the system', light: 'light', dark: 'dark' };

/** Counts the changes of the theme, for what is drawn by hand. */
export const themeChanges = createStore(0);
const changed = () => themeChanges.set((count) => count + 1);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed);

function choose(theme) {
  if (theme === 'system') delete root.dataset.theme;
  else root.dataset.theme = theme;
  try {
    if (theme === 'system') localStorage.removeItem('pms.theme');
    else localStorage.setItem('pms.theme', theme);
  } catch {
    // Then it lasts as long as the page.
  }
  changed();
}

/** The colour of a token as a canvas can use it. */
export function colourOf(token) {
  const probe = document.createElement('i');
  probe.style.color = `var(${token})`;
  root.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** Goes round the three. */
export function ThemeSwitch() {
  const [theme, setTheme] = useState(root.dataset.theme ?? 'system');
  const next = () => {
    choose(ORDER[theme]);
    setTheme(ORDER[theme]);
  };
  const text = `Theme: ${WORDS[theme]}. Change to ${WORDS[ORDER[theme]]}`;
  return html`<button class="button quiet icon" type="button" aria-label=${text} title=${text} onClick=${next}>
    <${Icon} name=${ICONS[theme]} />
  </button>`;
}
