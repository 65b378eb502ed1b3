import { formatInterval } from '../domain/format.ts';
import { describePolling, type PersonStatus, type SubscriptionStatus } from '../domain/status.ts';
import { type Html, html } from '../html/html.ts';
import { type ActionNeeded, actionsNeeded, drawActionNeeded } from './action-needed.ts';
import { anchorOf, drawLinkButton, nameOf } from './parts.ts';
import { drawPerson } from './person-card.ts';
import { type PageView, RANGE_NAMES, RANGES, type Range } from './view.ts';
import { list, sayWhen } from './words.ts';

/** The whole page. It is complete without its script, which only makes it live. */
export function renderPage(view: PageView, assetUrl: (name: string) => string): string {
  const actions = actionsNeeded(view);
  const health = healthOf(view, actions);
  const { people } = view.status;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${health.headline} · weighbridge</title>
<link rel="icon" href="${assetUrl('icon.svg')}" type="image/svg+xml">
<link rel="stylesheet" href="${assetUrl('page.css')}">
<script type="module" src="${assetUrl('page.js')}"></script>
</head>
<body>
<header class="mast"><h1 class="brand"><a href="./">weighbridge</a></h1><div id="health">${drawHealth(view, health, actions)}</div><p id="connection"></p></header>
<main id="page" data-now="${view.now.getTime()}">
${health.isOpen && drawActions(health, actions, view.now)}
${people.length === 0 ? drawGuide(view) : drawPeople(view)}
<footer>weighbridge ${view.version}, up since ${sayWhen(view.status.startedAt, view.now)}</footer>
</main>
<p id="news" class="unseen" role="status"></p>
</body>
</html>
`.markup;
}

/** Whether everything works, in a few words. */
interface Health {
  readonly tone: 'well' | 'pass' | 'act';
  readonly headline: string;
  /** The page shows what is wrong. Otherwise the pill unfolds to the details. */
  readonly isOpen: boolean;
}

function healthOf({ answersRedirect, status, reconcileMs }: PageView, actions: readonly ActionNeeded[]): Health {
  const [toDo, passing, notes] = (['act', 'pass', 'note'] as const).map(
    (urgency) => actions.filter((each) => each.urgency === urgency).length,
  );
  if (toDo) return { tone: 'act', headline: toDo === 1 ? 'Action needed' : `${toDo} actions needed`, isOpen: true };
  if (passing) return { tone: 'pass', headline: 'Temporary problem', isOpen: true };
  const well = { tone: 'well', isOpen: false } as const;
  if (status.people.length === 0)
    return answersRedirect
      ? { ...well, headline: 'Ready to link' }
      : { tone: 'pass', headline: 'Set-up not complete', isOpen: false };
  const isOff = status.people.some(({ subscription }) => subscription.state === 'off');
  if (isOff) return { ...well, headline: `Working, but checking only every ${formatInterval(reconcileMs)}` };
  return { ...well, headline: notes ? `OK, ${notes} ${notes === 1 ? 'note' : 'notes'}` : 'OK' };
}

/** The pill at the top. */
function drawHealth(view: PageView, { tone, headline, isOpen }: Health, actions: readonly ActionNeeded[]): Html {
  if (isOpen) return html`<a class="pill ${tone}" href="#actions">${headline}</a>`;
  return html`<details id="more-health"><summary class="pill ${tone}">${headline}</summary>
<div class="sheet"><p>${summaryOf(view)}</p>${drawList(actions, view.now)}</div></details>`;
}

function drawActions({ headline, tone }: Health, actions: readonly ActionNeeded[], now: Date): Html {
  // A single action needs no headline.
  return html`<section id="actions" aria-label="${headline}">${actions.length > 1 && html`<h2 class="${tone}">${headline}</h2>`}
${drawList(actions, now)}</section>`;
}

function drawList(actions: readonly ActionNeeded[], now: Date): Html | false {
  return actions.length > 0 && html`<ul class="actions">${actions.map((each) => drawActionNeeded(each, now))}</ul>`;
}

function summaryOf({ status: { people, publishers }, pollMs }: PageView): string {
  if (people.length === 0) return 'weighbridge is running, and no person is linked yet.';
  const isEach = (state: SubscriptionStatus['state']) =>
    people.every(({ subscription }) => subscription.state === state);
  const who = people.length === 1 ? 'One person is linked.' : `${people.length} people are linked.`;
  const calls = isEach('works') ? ' Withings notifies weighbridge after each weigh-in.' : '';
  const polls = isEach('polling') ? ` weighbridge is ${describePolling(pollMs)}.` : '';
  const working = publishers.filter(({ state }) => state === 'works').map(({ name }) => PUBLISHERS[name] ?? name);
  const published = working.length === 0 ? '' : ` Each reading goes to ${list(working)}.`;
  return `${who}${calls}${polls}${published}`;
}

const PUBLISHERS: Readonly<Record<string, string>> = { mqtt: 'the MQTT broker', hook: 'the hook' };

function drawPeople(view: PageView): Html {
  const { people } = view.status;
  return html`<div class="bar">${people.length > 1 && drawNames(people)}${drawRanges(view.range)}</div>
<div class="people">
${people.map((person) => drawPerson(person, view))}
</div>
<section class="another">${(view.answersRedirect || view.pastes) && drawLinkButton(view, 'Add person', 'quiet')}</section>`;
}

/** Links to each person: on a phone the second person is a screen away. */
function drawNames(people: readonly PersonStatus[]): Html {
  return html`<nav class="names" aria-label="People"><ul>${people.map(
    (person) => html`<li><a href="#${anchorOf(person.userId)}"><bdi>${nameOf(person)}</bdi></a></li>`,
  )}</ul></nav>`;
}

function drawRanges(current: Range): Html {
  return html`<nav class="ranges" aria-label="Time range"><ul>${RANGES.map(
    (range) =>
      html`<li><a href="?range=${range}"${range === current && html` aria-current="true"`}>${RANGE_NAMES[range]}</a></li>`,
  )}</ul></nav>`;
}

const DASHBOARD = 'https://developer.withings.com/dashboard';

/** The guide before the first person is linked. */
function drawGuide(view: PageView): Html {
  const { callbackUrl, pollMs } = view;
  const soon = callbackUrl === undefined ? `About ${formatInterval(pollMs)}` : 'A minute or two';
  return html`<h2 class="lead">Link a person to get started</h2>
<p class="soft">weighbridge is running. These steps take a few minutes.</p>
<ol class="guide">
<li><h3>Set up a public address, or let weighbridge poll</h3>
${callbackUrl === undefined ? NO_ADDRESS : drawAddress(callbackUrl)}</li>
<li><h3>Register the address with Withings</h3>
<p>Open your application in the <a href="${DASHBOARD}" rel="noreferrer">partner dashboard</a>. Enter this exact URL as a callback URL.</p></li>
<li><h3>Link yourself</h3>
<p>Log in at Withings, choose the person and agree. The last page shows who is linked. Each person in the household does the same with their own account.</p>
<p>${drawLinkButton(view, 'Link a person', 'main')}</p></li>
<li><h3>Step on the scale</h3>
<p>${soon} later the weight appears here automatically. If it does not, run <code>weighbridge doctor</code>.</p></li>
</ol>`;
}

const NO_ADDRESS = html`<p><code>CALLBACK_URL</code> is not set, so weighbridge polls: a weigh-in comes some minutes later. To link people without it, set <code>REDIRECT_URL</code>.</p>
<p>Withings needs an <code>https</code> URL with a domain name, on port 443. Use a tunnel such as ngrok, or a forwarded port with Caddy.
End the URL with something that cannot be guessed, and write it into <code>.env</code>:</p>
<p class="copy"><code>CALLBACK_URL=https://me.example.org/withingsWebhook/…</code></p>
<p>Then restart weighbridge.</p>`;

function drawAddress(callbackUrl: string): Html {
  return html`<p>Your callback URL:</p>
<p class="copy"><code id="callback-url">${callbackUrl}</code> <button type="button" data-copies="callback-url" hidden>Copy</button></p>`;
}
