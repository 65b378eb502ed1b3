import { createHash } from 'node:crypto';
import type { Response } from 'express';
import { formatTime } from '../domain/clock.ts';
import { formatWeight } from '../domain/format.ts';
import { nameOf, type People } from '../domain/household.ts';
import type { Linked, LinkFailed, LinkOutcome } from '../domain/link.ts';
import type { WeighIn } from '../domain/reading.ts';
import { type Html, html } from '../html/html.ts';
import { LOOK } from '../html/look.ts';
import { allowFrame, policyOf } from './answers.ts';

/** Small enough to stand in the page: nothing else is loaded. */
const STYLE: Html = {
  markup: `${LOOK}
body { margin: 0; display: grid; min-height: 100vh; place-items: center; font-size: 1.125rem; }
main { width: 100%; max-width: 34rem; padding: 2rem 1.5rem; }
h1 { font-size: 1.75rem; margin: 0 0 1rem; }
p { margin: 0 0 1rem; }
.mark { display: block; font-size: 2.5rem; line-height: 1; margin-bottom: .75rem; }
.weight { font-size: 2.5rem; font-weight: 600; font-variant-numeric: tabular-nums; margin: 0; }
.note { border-left: .25rem solid var(--pass); padding-left: .75rem; }
small { color: var(--soft); }
`,
};
const POLICY = policyOf(`style-src 'sha256-${createHash('sha256').update(STYLE.markup).digest('base64')}'`);

/** How often a browser that waits for Withings looks again. */
const LOOK_AGAIN_S = 3;

const STATUS: Readonly<Record<string, number>> = { linked: 200, working: 202, failed: 400, already: 409 };

/**
 * Answers the browser that comes back from the consent page. Its address holds the code, so it goes nowhere else.
 *
 * @param isFramed it is shown in Home Assistant
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
  if (outcome === 'working') return frame('One moment', '…', WORKING, LOOK_AGAIN);
  if (outcome.kind === 'linked') return frame('Linked', '✓', describeSuccess(outcome, people));
  if (outcome.kind === 'failed') return frame('Not linked', '✕', describeFailure(outcome));
  return frame('Already done', '✓', describeRepetition(nameOf(outcome.userId, people)));
}

const LOOK_AGAIN = html`<meta http-equiv="refresh" content="${LOOK_AGAIN_S}">`;
const WORKING = html`<h1>One moment…</h1>
<p>Withings is taking its time. This page looks again by itself; please leave it open.</p>`;

function describeRepetition(name: string): Html {
  return html`<h1>Already done</h1>
<p>This link has done its work: ${name} is linked. Nothing was done again.</p>
<p>For another person ask for another link (“weighbridge login”).</p>`;
}

function describeFailure({ problem, remedy }: LinkFailed): Html {
  return html`<h1>Not linked</h1>
<p>${problem}</p>
<p><strong>What to do:</strong> ${remedy}</p>
<p><small>Nothing was stored, and nothing that was linked before has changed.</small></p>`;
}

function describeSuccess(linked: Linked, people: People): Html {
  const { userId, again, switchLink, lastWeighIn, subscribed, hitches, isDaemon } = linked;
  return html`<h1>${nameOf(userId, people)} is linked${again && ' again'}</h1>
${lastWeighIn && drawWeighIn(lastWeighIn, people)}${
  lastWeighIn === undefined && hitches.length === 0 && html`<p class="note">${NO_WEIGHT}</p>`
}
<p>${NEXT[subscribed]}</p>
${hitches.map((hitch) => html`<p class="note">${hitch}</p>\n`)}${
  hitches.length > 0 && isDaemon && html`<p>The login is stored. weighbridge tries the rest again by itself.</p>`
}
${!isDaemon && html`<p class="note">${NOT_RUNNING}</p>`}
${!again && html`<p>To fetch the weigh-ins of all past years, run “weighbridge backfill ${userId}” in a terminal.</p>`}
${switchLink && offerSwitch(people.names.get(userId) ?? nameOf(userId, people), switchLink)}
<p><small>You can close this page.</small></p>`;
}

/** The browser was still logged in at Withings, perhaps as the wrong person. */
function offerSwitch(name: string, link: URL): Html {
  return html`<p class="note">${name} was linked already. To link another person, <a href="${link.href}">log out at Withings</a> first, or use a private window.</p>`;
}

function drawWeighIn({ kilograms, takenAt }: WeighIn, { unit }: People): Html {
  return html`<p>Last weigh-in:</p>
<p class="weight">${formatWeight(kilograms, unit)}</p>
<p><time datetime="${formatTime(takenAt, undefined)}">${formatMoment(takenAt)}</time></p>`;
}

/** In the zone of this machine, which is that of the household. */
function formatMoment(date: Date): string {
  return new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeStyle: 'short' }).format(date);
}

const NO_WEIGHT = `Withings shows no weight of the past year. Step on the scale, and wait until the weight is in the Withings
app. If it is there and never comes here: Withings accounts made since 12 October 2026 share data with small applications
only with a Withings+ membership.`;

const NOT_RUNNING = `weighbridge is not running yet: start it (“weighbridge serve”), and it does the rest.`;

const NEXT = {
  yes: 'From now on Withings calls after each weigh-in, and the weight is in the log a minute or two later.',
  no: 'Withings does not call yet. Until it does, weighbridge asks.',
  polling: 'weighbridge polls Withings. After a weigh-in the weight is in the log some minutes later.',
  later: 'Nobody has asked Withings to call. weighbridge asks every few hours; “weighbridge subscribe” changes that.',
} as const;

function frame(title: string, mark: string, content: Html, head?: Html): string {
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
<span class="mark" aria-hidden="true">${mark}</span>
${content}
</main>
</body>
</html>
`.markup;
}
