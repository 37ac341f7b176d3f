// The viewer of /docs/api. A key that is entered stays in this page and is forgotten with it.
const dark = matchMedia('(prefers-color-scheme: dark)');
const { classList, dataset } = document.documentElement;
const follow = () => classList.toggle('dark-mode', dataset.theme ? dataset.theme === 'dark' : dark.matches);
dark.addEventListener('change', follow);
follow();

// The path of a call lies in the button that opens it: a link in there cannot be reached.
const PlainPaths = () => ({
  wrapComponents: {
    DeepLink: (Original, { React }) => (given) =>
      given.path.includes('/') ? React.createElement('span', null, given.text) : React.createElement(Original, given),
  },
});

// What the viewer leaves without a name or out of the keyboard's reach.
const root = document.getElementById('api');
const NAMES = { select: 'Example', textarea: 'Body' };
new MutationObserver(() => {
  for (const text of root.querySelectorAll('pre.microlight:not([tabindex])')) text.tabIndex = 0;
  for (const [kind, name] of Object.entries(NAMES)) {
    for (const field of root.querySelectorAll(`${kind}:not([aria-label])`)) field.setAttribute('aria-label', name);
  }
}).observe(root, { childList: true, subtree: true });

window.SwaggerUIBundle({
  url: '/openapi.json',
  domNode: root,
  plugins: [PlainPaths],
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  // Its colours are too faint on its own ground.
  syntaxHighlight: false,
  // Both would ask other hosts.
  validatorUrl: null,
  queryConfigEnabled: false,
});
