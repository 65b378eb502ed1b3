import type { PersonStatus } from '../domain/status.ts';
import { believableOf, isBelievable } from './chart/believable.ts';
import { drawCharts } from './chart/person-charts.ts';
import { drawConnection } from './connection.ts';
import { type Html, html } from './html.ts';
import { drawLinkButton } from './link-button.ts';
import { anchorOf, nameOf } from './parts.ts';
import { quantityOf } from './quantity.ts';
import type { PageView } from './view.ts';
import { changesOf } from './weight-change.ts';
import { sayDay, timeWhen } from './words.ts';

/** One person: the last weight, how it goes, and whether Withings and we are on speaking terms about them. */
export function drawPerson(person: PersonStatus, everything: PageView): Html {
  const { userId, login } = person;
  const view = { ...everything, histories: believableOf(everything.histories, everything.now) };
  const id = anchorOf(userId);
  const label = html`Link <span class="unseen"><bdi>${nameOf(person)}</bdi> </span>again`;
  return html`<article class="person" id="${id}" aria-labelledby="n${userId}">
<header>
<h2 id="n${userId}"><bdi>${nameOf(person)}</bdi></h2>
${drawWeight(person, view)}
${drawFuture(person, everything)}
</header>
${drawCharts(person, view)}
${drawConnection(person, view)}
${drawLinkButton(view, label, login.state === 'needs_login' ? 'main' : 'quiet')}
</article>`;
}

function drawWeight({ userId }: PersonStatus, { histories, unit, now }: PageView): Html | false {
  const weights = histories.valuesOf(userId, 'weight');
  const last = weights.at(-1);
  if (last === undefined) return false;
  const { takenMs, value } = last;
  const takenAt = new Date(takenMs);
  const { format, suffix } = quantityOf('weight', unit);
  const changes = changesOf(last, weights, unit, now);
  return html`<p class="weight" data-taken="${takenMs}"><b>${format(value)}</b>${
    suffix !== '' && html`<span>${suffix}</span>`
  } <span class="when">${timeWhen(takenAt, now)}</span></p>
${changes.length > 0 && html`<ul class="changes">${changes.map((change) => html`<li>${change}</li>`)}</ul>`}`;
}

/** What is left out is said. */
function drawFuture({ userId }: PersonStatus, { histories, now }: PageView): Html | false {
  const last = histories.valuesOf(userId, 'weight').at(-1);
  if (last === undefined || isBelievable(last, now)) return false;
  return html`<p class="hint">A weigh-in is dated ${sayDay(new Date(last.takenMs), now)}, in the future, and is left out here.</p>`;
}
