import { formatInterval } from '../domain/format.ts';
import { describePolling } from '../domain/status.ts';
import { type Html, html } from '../html/html.ts';
import { type ActionNeeded, actionsNeeded, drawActionNeeded } from './action-needed.ts';
import { drawIcon, drawLinkButton } from './parts.ts';
import { drawPerson } from './person-card.ts';
import { type PageView, RANGES, type Range } from './view.ts';
import { list, sayWhen } from './words.ts';

/** The whole page. It is complete without its script, which only makes it live. */
export function renderPage(view: PageView, assetUrl: (name: string) => string): string {
  const actions = actionsNeeded(view);
  const headline = headlineOf(view, actions);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${headline} · weighbridge</title>
<link rel="icon" href="${assetUrl('icon.svg')}" type="image/svg+xml">
<link rel="stylesheet" href="${assetUrl('page.css')}">
<script type="module" src="${assetUrl('page.js')}"></script>
</head>
<body>
<header class="mast"><a class="name" href="./">weighbridge</a><p id="connection"></p></header>
<main id="page" data-now="${view.now.getTime()}">
${drawOverall(view, headline, actions)}
${view.status.people.length === 0 ? drawGuide(view) : drawPeople(view)}
<footer>weighbridge ${view.version}, running since ${sayWhen(view.status.startedAt, view.now)}</footer>
</main>
<p id="news" class="unseen" role="status"></p>
</body>
</html>
`.markup;
}

/** Whether it works, in a few words. */
function headlineOf({ answersRedirect, status }: PageView, actions: readonly ActionNeeded[]): string {
  const toDo = actions.filter(({ urgency }) => urgency === 'act').length;
  if (toDo > 0) return toDo === 1 ? 'One thing needs a look' : `${toDo} things need a look`;
  if (actions.some(({ urgency }) => urgency === 'pass')) return 'A hiccup; nothing to do yet';
  if (status.people.length === 0) return answersRedirect ? 'Ready when you are' : 'Nearly ready';
  return 'Everything works';
}

/** The status of everything, in words. */
function drawOverall(view: PageView, headline: string, actions: readonly ActionNeeded[]): Html {
  const isWell =
    actions.every(({ urgency }) => urgency === 'note') && (view.status.people.length > 0 || view.answersRedirect);
  return html`<section class="overall" aria-labelledby="overall">
<h1 id="overall">${isWell && html`${drawIcon('well')} `}${headline}</h1>
<p>${summaryOf(view, actions)}</p>
${actions.length > 0 && html`<ul class="actions">${actions.map((each) => drawActionNeeded(each, view.now))}</ul>`}
</section>`;
}

function summaryOf({ status: { people, publishers }, pollMs }: PageView, actions: readonly ActionNeeded[]): string {
  if (people.length === 0) return 'weighbridge runs, and no person is linked yet. It takes a few minutes:';
  const called = people.filter(({ subscription }) => subscription.state === 'works').length;
  const who = people.length === 1 ? 'One person is linked' : `${people.length} people are linked`;
  const polled = people.filter(({ subscription }) => subscription.state === 'polling').length;
  const isEach = (count: number) => count === people.length && actions.length === 0;
  const calls = isEach(called) ? '; Withings calls after each weigh-in' : '';
  const polls = isEach(polled) ? `; weighbridge is ${describePolling(pollMs)}` : '';
  const working = publishers.filter(({ state }) => state === 'works').map(({ name }) => PUBLISHERS[name] ?? name);
  const passed = working.length === 0 ? '' : ` Readings are passed on to ${list(working)}.`;
  return `${who}${calls}${polls}.${passed}`;
}

const PUBLISHERS: Readonly<Record<string, string>> = { mqtt: 'the MQTT broker', hook: 'the hook' };

function drawPeople(view: PageView): Html {
  const { people } = view.status;
  return html`${drawRanges(view.range)}
<div class="people">
${people.map((person) => drawPerson(person, view))}
</div>
<section class="another">${(view.answersRedirect || view.pastes) && drawLinkButton(view, 'Link another person', 'quiet')}</section>`;
}

const RANGE_NAMES: Readonly<Record<Range, string>> = { month: 'Month', quarter: 'Quarter', year: 'Year', all: 'All' };

function drawRanges(current: Range): Html {
  return html`<nav class="ranges" aria-label="How much of the past to show"><ul>${RANGES.map(
    (range) =>
      html`<li><a href="?range=${range}"${range === current && html` aria-current="true"`}>${RANGE_NAMES[range]}</a></li>`,
  )}</ul></nav>`;
}

const DASHBOARD = 'https://developer.withings.com/dashboard';

/** What to do before the first person is linked. */
function drawGuide(view: PageView): Html {
  const { callbackUrl, pollMs } = view;
  const soon = callbackUrl === undefined ? `At most ${formatInterval(pollMs)} and a bit` : 'A minute or two';
  return html`<ol class="guide">
<li><h2>Have an address that Withings can call, or let weighbridge poll</h2>
${callbackUrl === undefined ? NO_ADDRESS : drawAddress(callbackUrl)}</li>
<li><h2>Tell it to Withings</h2>
<p>Open your application in the <a href="${DASHBOARD}" rel="noreferrer">partner dashboard</a> and enter this very address as a callback URL, letter by letter.</p></li>
<li><h2>Link yourself</h2>
<p>You log in at Withings, choose the person, say yes, and come back to a page that says who is linked. Everybody in the household does the same with their own account.</p>
<p>${drawLinkButton(view, 'Link a person', 'main')}</p></li>
<li><h2>Step on the scale</h2>
<p>${soon} later the weight stands here, by itself. If it does not: <code>weighbridge doctor</code> says what is wrong.</p></li>
</ol>`;
}

const NO_ADDRESS = html`<p>It is not set, so weighbridge polls: a weigh-in comes some minutes later. To link people without it, set <code>REDIRECT_URL</code>.</p>
<p>Withings calls from outside, so the address is <code>https</code>, with a name and on port 443: a tunnel as ngrok, or a forwarded port with Caddy.
Put something nobody can guess at its end, and write it into <code>.env</code>:</p>
<p class="copy"><code>CALLBACK_URL=https://me.example.org/withingsWebhook/…</code></p>
<p>Then start weighbridge again.</p>`;

function drawAddress(callbackUrl: string): Html {
  return html`<p>This is yours:</p>
<p class="copy"><code id="callback-url">${callbackUrl}</code> <button type="button" data-copies="callback-url" hidden>Copy</button></p>`;
}
