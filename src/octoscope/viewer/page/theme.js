// The colours of the style sheet, read once for each theme: asking for them while drawing would lay out the page again.

const NAMES = ["ink", "quiet", "rule", "paper", "wash", "mark", "even", "brush", "bar"];
let known = {};

// Puts the page into light or dark.
export function useTheme(dark) {
  const root = document.documentElement;
  if (known.dark === dark) return;
  root.classList.toggle("dark", dark);
  const style = getComputedStyle(root);
  known = { dark };
  for (const name of NAMES) known[name] = style.getPropertyValue("--" + name).trim();
}

export const color = (name) => known[name];
