import { createHash } from 'node:crypto';
import type { Response } from 'express';
import { formatTime } from '../domain/clock.ts';
import { formatWeight } from '../domain/format.ts';
import type { People } from '../domain/household.ts';
import type { Linked, LinkFailed, LinkOutcome } from '../domain/link.ts';
import type { WeighIn } from '../domain/reading.ts';
import { type Html, html } from '../html/html.ts';
import { LOOK } from '../html/look.ts';
import { allowFrame, policyOf } from './answers.ts';

/** The style is small enough to be inline, so the page loads nothing else. */
const STYLE: Html = {
  markup: `${LOOK}
body { margin: 0; padding: 1rem 1.25rem 3rem; }
main { max-width: 36rem; margin: 0 auto; }
section { margin-top: 1.25rem; padding: clamp(1.25rem, 5vw, 2rem); border: 1px solid var(--line); border-radius: 1rem; background: var(--card); }
h1 { margin: .75rem 0 .5rem; font-size: 1.75rem; overflow-wrap: anywhere; }
p { margin: 0 0 .75rem; overflow-wrap: anywhere; }
.sign { display: block; width: 2.75rem; height: 2.75rem; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
.good { color: var(--good); }
.bad { color: var(--act); }
.wait { color: var(--trend); animation: turn 1.2s linear infinite; }
@keyframes turn { to { rotate: 1turn; } }
@media (prefers-reduced-motion: reduce) { .wait { animation-duration: 6s; } }
dl { display: grid; grid-template-columns: auto 1fr; gap: .3rem 1.25rem; margin: 1rem 0; padding-block: .9rem; border-block: 1px solid var(--line); }
dt { color: var(--soft); }
dd { margin: 0; font-variant-numeric: tabular-nums; }
a { color: inherit; }
.note { border-left: .25rem solid var(--pass); padding-left: .75rem; }
.small { color: var(--soft); font-size: .9rem; }
.small:last-child { margin: 0; }
@media (max-width: 26rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .4rem; } }
`,
};
const POLICY = policyOf(`style-src 'sha256-${createHash('sha256').update(STYLE.markup).digest('base64')}'`);

/** How often a browser that waits for Withings reloads. */
const LOOK_AGAIN_S = 3;

const STATUS: Readonly<Record<string, number>> = { linked: 200, working: 202, failed: 400, already: 409 };

/**
 * Answers the browser that comes back from the consent page. Its address contains the code, which must go nowhere else.
 *
 * @param isFramed Home Assistant shows the page
 */
export function sendOutcome(
  response: Response,
  outcome: LinkOutcome | 'working',
  people: People,
  isFramed = false,
): void {
  response.status(STATUS[typeof outcome === 'string' ? outcome : outcome.kind] ?? 200);
  response.set({
    'cache-control': 'no-store',
    'content-security-policy': isFramed ? allowFrame(POLICY) : POLICY,
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-robots-tag': 'noindex',
    connection: 'close',
  });
  response.type('html').send(page(outcome, people));
}

function page(outcome: LinkOutcome | 'working', people: People): string {
  if (outcome === 'working') return frame('One moment…', 'wait', WORKING, LOOK_AGAIN);
  if (outcome.kind === 'failed') return frame(outcome.title, 'bad', describeFailure(outcome));
  const name = people.names.get(outcome.userId) ?? `User ${outcome.userId}`;
  if (outcome.kind === 'already') return frame('Already linked', 'good', describeRepetition(name));
  return frame(`${name} is linked${outcome.again ? ' again' : ''}`, 'good', describeSuccess(outcome, name, people));
}

const LOOK_AGAIN = html`<meta http-equiv="refresh" content="${LOOK_AGAIN_S}">`;
const WORKING = html`<p>weighbridge waits for Withings. Leave this page open: it updates automatically.</p>`;
const CLOSE = html`<p class="small">You can close this page.</p>`;

function describeRepetition(name: string): Html {
  return html`<p>This link was used before: ${name} is linked. Nothing has changed.</p>
<p class="small">To link another person, use “Add person” on the status page, or “weighbridge login”.</p>
${CLOSE}`;
}

function describeFailure({ problem, remedy }: LinkFailed): Html {
  return html`<p>${curl(problem)}</p>
<p><strong>What to do:</strong> ${curl(remedy)}</p>
<p class="small">Nothing was stored, and people who were linked before stay linked.</p>`;
}

function describeSuccess(linked: Linked, name: string, people: People): Html {
  const { userId, again, switchLink, lastWeighIn, subscribed, hitches, isDaemon } = linked;
  const { next, notifications } = NEXT[subscribed];
  return html`<p>${isDaemon ? next : 'Start weighbridge to fetch the weigh-ins.'}</p>
<dl>
${lastWeighIn && html`<dt>Last weigh-in</dt><dd>${drawWeighIn(lastWeighIn, people)}</dd>\n`}<dt>Notifications</dt><dd>${notifications}</dd>
<dt>Withings user id</dt><dd>${userId}</dd>
</dl>
${lastWeighIn === undefined && hitches.length === 0 && html`<p class="note">${NO_WEIGHT}</p>\n`}${hitches.map(
  (hitch) => html`<p class="note">${sentence(curl(hitch))}</p>\n`,
)}${
  hitches.length > 0 && isDaemon && html`<p>The login is stored. weighbridge retries the rest automatically.</p>\n`
}${!isDaemon && html`<p class="note">${NOT_RUNNING}</p>\n`}${switchLink && offerSwitch(name, switchLink)}${
  !again &&
  html`<p class="small">To fetch the weigh-ins of all past years, run “weighbridge backfill ${userId}” in a terminal.</p>\n`
}${CLOSE}`;
}

/** The browser was still logged in at Withings, perhaps as the wrong person. */
function offerSwitch(name: string, link: URL): Html {
  return html`<p class="note">${name} was already linked. To link another person, <a href="${link.href}">log out at Withings</a> first, or use a private window.</p>\n`;
}

function drawWeighIn({ kilograms, takenAt }: WeighIn, { unit }: People): Html {
  return html`<strong>${formatWeight(kilograms, unit)}</strong>, <time datetime="${formatTime(takenAt, undefined)}">${formatMoment(takenAt)}</time>`;
}

/** Formats in the time zone of this machine, which is the household's. */
function formatMoment(date: Date): string {
  return new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeStyle: 'short' }).format(date);
}

const NO_WEIGHT = `Withings has no weight of the past year. Step on the scale, and wait for the weight in the Withings app.
If the weight is in the app but not here: Withings accounts made since 12 October 2026 need a Withings+ membership to share
data with small applications.`;

const NOT_RUNNING = 'weighbridge is not running. Start it with “weighbridge serve”, or start its service.';

const SOON = 'The next weigh-in appears on the status page';
const NEXT = {
  yes: { next: `${SOON} within a minute or two.`, notifications: 'On' },
  no: { next: `${SOON} within a few hours.`, notifications: 'Not yet. weighbridge retries.' },
  polling: { next: `${SOON} some minutes later.`, notifications: 'Off, weighbridge polls Withings' },
  later: { next: `${SOON} within a few hours.`, notifications: 'Off. “weighbridge subscribe” turns them on.' },
} as const;

/** Replaces the straight quotes of terminal texts. */
function curl(text: string): string {
  return text.replace(/"([^"]*)"/g, '“$1”');
}

function sentence(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}

/** The cause is the title, and the sign has its colour. */
const SIGNS = {
  good: 'M5 12a7 7 0 1 0 14 0a7 7 0 1 0-14 0M9 12.3l2.2 2.2L15.2 10',
  bad: 'M5 12a7 7 0 1 0 14 0a7 7 0 1 0-14 0M9.5 9.5l5 5m0-5l-5 5',
  wait: 'M12 4a8 8 0 1 1-8 8',
} as const;

function frame(title: string, sign: keyof typeof SIGNS, content: Html, head?: Html): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · weighbridge</title>${head}
<style>${STYLE}</style>
</head>
<body>
<main>
<p class="brand">weighbridge</p>
<section>
<svg class="sign ${sign}" viewBox="3 3 18 18" aria-hidden="true"><path d="${SIGNS[sign]}"/></svg>
<h1>${title}</h1>
${content}
</section>
</main>
</body>
</html>
`.markup;
}
