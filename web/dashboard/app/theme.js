// Before anything is drawn: the theme that was chosen last, if one was.
try {
  const chosen = localStorage.getItem('pms.theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
} catch {
  // A browser that keeps nothing follows the system.
}
