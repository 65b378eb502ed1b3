import { type Html, html } from './html.ts';

export type IconName = 'call' | 'cloud' | 'login' | 'publisher' | 'settings' | 'well';

/** Drawn with a pen on 24 × 24. */
const LINES: Readonly<Record<IconName, string>> = {
  call: 'M6 17V11a6 6 0 0 1 12 0v6l1.5 1.5h-15L6 17M10 21h4M3 3l18 18',
  cloud: 'M7 18h10a4 4 0 0 0 .8-7.9A6 6 0 0 0 6.3 9.2 4.5 4.5 0 0 0 7 18M12 10v3.5M12 15.6v.1',
  login: 'M11 12a4 4 0 1 1-8 0a4 4 0 1 1 8 0h10v3.5M17 12v2.5',
  publisher: 'M9 7V3m6 4V3M6.5 7h11v4a5.5 5.5 0 0 1-11 0V7M12 16.5V21',
  settings: 'M4 7h9m5 0h2M4 17h2m5 0h9M15.5 4.8v4.4M8.5 14.8v4.4',
  well: 'M5 12.5l4.5 4.5L19 7.5',
};

/** It says nothing that does not stand beside it in words. */
export function drawIcon(name: IconName): Html {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d="${LINES[name]}"/></svg>`;
}
