/** The colours in light and in dark mode. */
const COLOURS = {
  paper: ['#faf6ef', '#191613'],
  card: ['#fffdf9', '#221e1a'],
  ink: ['#2a241e', '#efe7dc'],
  soft: ['#6a5f54', '#b3a697'],
  line: ['#e6ddd0', '#3b342d'],
  trend: ['#a34a1c', '#f0a36b'],
  dot: ['#a34a1cb3', '#f0a36bb3'],
  pill: ['#fffdf9', '#52483e'],
  band: ['#a34a1c1f', '#f0a36b21'],
  good: ['#3c6a3f', '#9cc79a'],
  act: ['#9c2f1b', '#ff9d85'],
  'act-paper': ['#fbeae3', '#3a211a'],
  pass: ['#7a5600', '#eac46d'],
  'pass-paper': ['#faf0d6', '#332911'],
} as const;

const colours = (at: 0 | 1) => Object.entries(COLOURS).map(([name, values]) => `--${name}: ${values[at]};`);

/** The style that all our pages begin with: their colours, their typeface and the name on top. */
export const LOOK = `:root {
color-scheme: light dark;
${colours(0).join('\n')}
font: 1rem / 1.55 system-ui, sans-serif;
-webkit-text-size-adjust: 100%;
}
@media (prefers-color-scheme: dark) { :root { ${colours(1).join(' ')} } }
* { box-sizing: border-box; }
body { background: var(--paper); color: var(--ink); }
h1, h2, .weight b { font-weight: 650; line-height: 1.15; letter-spacing: -0.015em; text-wrap: balance; }
.brand { margin: 0; font-size: 1.05rem; font-weight: 650; letter-spacing: -0.01em; color: var(--trend); }
`;
