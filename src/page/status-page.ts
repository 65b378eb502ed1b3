import { drawGuide } from './guide.ts';
import { type Html, html } from './html.ts';
import { drawLinkButton } from './link-button.ts';
import { drawOverall, headlineOf } from './overall.ts';
import { drawPerson } from './person-card.ts';
import { type PageView, RANGES, type Range } from './view.ts';
import { sayWhen } from './words.ts';

/** The whole page. It is complete without its script, which only makes it live. */
export function renderPage(view: PageView, assetUrl: (name: string) => string): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${headlineOf(view)} · weighbridge</title>
<link rel="icon" href="${assetUrl('icon.svg')}" type="image/svg+xml">
<link rel="stylesheet" href="${assetUrl('page.css')}">
<script type="module" src="${assetUrl('page.js')}"></script>
</head>
<body>
<header class="mast"><a class="name" href="/">weighbridge</a><p id="connection"></p></header>
<main id="page" data-now="${view.now.getTime()}">
${drawOverall(view)}
${view.status.people.length === 0 ? drawGuide(view) : drawPeople(view)}
<footer>weighbridge ${view.version}, running since ${sayWhen(view.status.startedAt, view.now)}</footer>
</main>
<p id="news" class="unseen" role="status"></p>
</body>
</html>
`.markup;
}

function drawPeople(view: PageView): Html {
  const { people } = view.status;
  return html`${drawRanges(view.range)}
<div class="people">
${people.map((person) => drawPerson(person, view))}
</div>
<section class="another">${view.callbackUrl !== undefined && drawLinkButton(view, 'Link another person', 'quiet')}</section>`;
}

const RANGE_NAMES: Readonly<Record<Range, string>> = { month: 'Month', quarter: 'Quarter', year: 'Year', all: 'All' };

function drawRanges(current: Range): Html {
  return html`<nav class="ranges" aria-label="How much of the past to show"><ul>${RANGES.map(
    (range) =>
      html`<li><a href="?range=${range}"${range === current && html` aria-current="true"`}>${RANGE_NAMES[range]}</a></li>`,
  )}</ul></nav>`;
}
