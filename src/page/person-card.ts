import type { PersonVitals } from '../domain/vitals.ts';
import { changesOf } from './changes.ts';
import { drawCharts } from './charts.ts';
import { type Html, html } from './html.ts';
import { drawLinkButton } from './link-button.ts';
import { anchorOf, nameOf } from './person.ts';
import { quantityOf } from './quantity.ts';
import { drawStanding } from './standing.ts';
import type { PageView } from './view.ts';
import { timeWhen } from './words.ts';

/** One person: the last weight, how it goes, and whether Withings and we are on speaking terms about them. */
export function drawPerson(person: PersonVitals, view: PageView): Html {
  const { userId, login } = person;
  const id = anchorOf(userId);
  const label = html`Link <span class="unseen"><bdi>${nameOf(person)}</bdi> </span>again`;
  return html`<article class="person" id="${id}" aria-labelledby="n${userId}">
<header>
<h2 id="n${userId}"><bdi>${nameOf(person)}</bdi></h2>
${drawWeight(person, view)}
</header>
${drawCharts(person, view)}
${drawStanding(person, view)}
${drawLinkButton(view, label, login.state === 'needs_login' ? 'main' : 'quiet')}
</article>`;
}

function drawWeight({ lastWeighIn, userId }: PersonVitals, { histories, unit, now }: PageView): Html | false {
  if (lastWeighIn === undefined) return false;
  const { kilograms, takenAt } = lastWeighIn;
  const { format, suffix } = quantityOf('weight', unit);
  const changes = changesOf(lastWeighIn, histories.valuesOf(userId, 'weight'), unit, now);
  return html`<p class="weight" data-taken="${takenAt.getTime()}"><b>${format(kilograms)}</b>${
    suffix !== '' && html`<span>${suffix}</span>`
  } <span class="when">${timeWhen(takenAt, now)}</span></p>
${changes.length > 0 && html`<ul class="changes">${changes.map((change) => html`<li>${change}</li>`)}</ul>`}`;
}
