/** By day, and in the dark. */
const COLOURS = {
  paper: ['#faf6ef', '#191613'],
  card: ['#fffdf9', '#221e1a'],
  ink: ['#2a241e', '#efe7dc'],
  soft: ['#6a5f54', '#b3a697'],
  line: ['#e6ddd0', '#3b342d'],
  trend: ['#a34a1c', '#f0a36b'],
  dot: ['#a34a1c73', '#f0a36b73'],
  band: ['#a34a1c1f', '#f0a36b21'],
  good: ['#3c6a3f', '#9cc79a'],
  act: ['#9c2f1b', '#ff9d85'],
  'act-paper': ['#fbeae3', '#3a211a'],
  pass: ['#7a5600', '#eac46d'],
  'pass-paper': ['#faf0d6', '#332911'],
} as const;

const colours = (at: 0 | 1) => Object.entries(COLOURS).map(([name, values]) => `--${name}: ${values[at]};`);

/** The style that all our pages begin with: their colours and typefaces. */
export const LOOK = `:root {
color-scheme: light dark;
${colours(0).join('\n')}
--serif: "Iowan Old Style", Palatino, "Palatino Linotype", "URW Palladio L", P052, Charter, Georgia, serif;
font: 1rem / 1.55 system-ui, sans-serif;
-webkit-text-size-adjust: 100%;
}
@media (prefers-color-scheme: dark) { :root { ${colours(1).join(' ')} } }
* { box-sizing: border-box; }
body { background: var(--paper); color: var(--ink); }
h1, h2, .weight b { font-family: var(--serif); font-weight: 600; line-height: 1.15; text-wrap: balance; }
`;
