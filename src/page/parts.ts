import type { PersonStatus, Status } from '../domain/status.ts';
import type { UserId } from '../domain/token.ts';
import { type Html, html } from '../html/html.ts';
import { PATHS, type PageView, relative } from './view.ts';

export function nameOf({ name, userId }: Pick<PersonStatus, 'name' | 'userId'>): string {
  return name ?? `User ${userId}`;
}

/** The anchor of the person's part of the page. */
export function anchorOf(userId: UserId): string {
  return `u${userId}`;
}

/** The button to Withings' consent page, or what is missing for it. */
export function drawLinkButton(view: PageView, label: string | Html, kind: 'main' | 'quiet'): Html {
  const { answersRedirect, offersLink, linkUrl, pastes } = view;
  if (!offersLink)
    return kind === 'main'
      ? html`<p class="hint">Run <code>weighbridge login</code> on the computer that runs weighbridge.</p>`
      : html``;
  // The link opens in a new tab, because it ends at a page to close.
  const button = html`<a class="button ${kind}" href="${linkUrl}" target="_blank" rel="noopener">${label}</a>`;
  if (answersRedirect) return button;
  if (pastes) return html`${button}${PASTE}`;
  return kind === 'main' ? LOGIN_BY_HAND : html``;
}

const PASTE = html`<form class="paste" action="${relative(PATHS.pasted)}">
<p class="hint">Log in there and agree. The browser ends on another page. Copy its whole address, and paste it here within 30 seconds.</p>
<label>Address <input name="address" required autocomplete="off" spellcheck="false"></label> <button>Link</button>
</form>`;

const LOGIN_BY_HAND = html`<p class="hint">Linking needs <code>CALLBACK_URL</code> or <code>REDIRECT_URL</code>, a callback URL of your application at Withings.
With <code>REDIRECT_URL</code>, run <code>weighbridge login --paste</code> on the computer that runs weighbridge.</p>`;

/** Troubles between here and Withings. */
export const ON_THE_WAY: ReadonlySet<string> = new Set([
  'unreachable',
  'bad_answer',
  'throttled',
  'callback_unreachable',
]);

/** The reason why a person has no weigh-in. */
export function sayNoWeighIns(person: PersonStatus, { troubles }: Status): string {
  const { userId, login, lastContact } = person;
  if (login.state === 'needs_login') return `${nameOf(person)} has to link again first.`;
  if (login.state === 'unknown') return 'weighbridge has to read the login first.';
  const isOut = troubles.some((each) => ON_THE_WAY.has(each.code) && (each.userId ?? userId) === userId);
  if (isOut || lastContact === undefined) return 'Waiting for Withings.';
  return 'The link works. The first weigh-in appears here automatically.';
}

/** The strokes of the icons, on 24 × 24. */
const ICONS = {
  battery: 'M4 8h13v8H4V8M20 11v2M7 11v2',
  call: 'M6 17V11a6 6 0 0 1 12 0v6l1.5 1.5h-15L6 17M10 21h4M3 3l18 18',
  cloud: 'M7 18h10a4 4 0 0 0 .8-7.9A6 6 0 0 0 6.3 9.2 4.5 4.5 0 0 0 7 18M12 10v3.5M12 15.6v.1',
  download: 'M12 4v11m-4.5-4.5L12 15l4.5-4.5M5 19.5h14',
  login: 'M11 12a4 4 0 1 1-8 0a4 4 0 1 1 8 0h10v3.5M17 12v2.5',
  publisher: 'M9 7V3m6 4V3M6.5 7h11v4a5.5 5.5 0 0 1-11 0V7M12 16.5V21',
  settings: 'M4 7h9m5 0h2M4 17h2m5 0h9M15.5 4.8v4.4M8.5 14.8v4.4',
} as const;
export type IconName = keyof typeof ICONS;

/** The text next to the icon has the same meaning. */
export function drawIcon(name: IconName): Html {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[name]}"/></svg>`;
}
