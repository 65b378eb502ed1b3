import type { WeightUnit } from '../domain/format.ts';
import type { Series, TimedValue } from '../domain/history.ts';
import type { PersonStatus } from '../domain/status.ts';
import { type Html, html } from '../html/html.ts';
import { believableOf, firstFrom, monthsBefore } from './chart/course.ts';
import { drawCharts } from './chart/person-charts.ts';
import { drawConnection } from './connection.ts';
import { drawHeld } from './held.ts';
import { anchorOf, drawLinkButton, nameOf } from './parts.ts';
import { quantityOf, tellChange } from './quantity.ts';
import type { PageView } from './view.ts';
import { DAY_MS, sayDay, saySince, timeWhen } from './words.ts';

/** One person: the last weight, how it goes, and the connection with Withings. */
export function drawPerson(person: PersonStatus, everything: PageView): Html {
  const { userId, login } = person;
  const view = { ...everything, histories: believableOf(everything.histories, everything.now) };
  const weights = view.histories.valuesOf(userId, 'weight');
  const all = everything.histories.valuesOf(userId, 'weight');
  const leftOut = all.length > weights.length && all.at(-1);
  const label = html`Link <span class="unseen"><bdi>${nameOf(person)}</bdi> </span>again`;
  return html`<article class="person" id="${anchorOf(userId)}" aria-labelledby="n${userId}">
<header>
<h2 id="n${userId}"><bdi>${nameOf(person)}</bdi></h2>
${drawWeight(weights, view)}
${leftOut && html`<p class="hint">A weigh-in is dated ${sayDay(new Date(leftOut.takenMs), view.now)}, in the future, and is left out here.</p>`}
${drawHeld(person, view)}
${drawBed(person, view)}
</header>
${drawCharts(person, view)}
${drawConnection(person, view)}
${drawLinkButton(view, label, login.state === 'needs_login' ? 'main' : 'quiet')}
</article>`;
}

function drawBed({ bed }: PersonStatus, { now }: PageView): Html | false {
  if (bed === undefined) return false;
  return html`<p class="hint bed">${bed.kind === 'in_bed' ? 'In bed' : 'Out of bed'} since ${timeWhen(bed.at, now)}</p>`;
}

function drawWeight(weights: Series, { unit, now }: PageView): Html | false {
  const last = weights.at(-1);
  if (last === undefined) return false;
  const { takenMs, value } = last;
  const { format, suffix } = quantityOf('weight', unit);
  const changes = changesOf(last, weights, unit, now);
  return html`<p class="weight" data-taken="${takenMs}"><b>${format(value)}</b>${
    suffix !== '' && html`<span>${suffix}</span>`
  } <span class="when">${timeWhen(new Date(takenMs), now)}</span></p>
${changes.length > 0 && html`<ul class="changes">${changes.map((change) => html`<li>${change}</li>`)}</ul>`}`;
}

/** `−0.40 kg since yesterday`: since the weigh-in before, and since the one a month ago. */
export function changesOf(last: TimedValue, weights: Series, unit: WeightUnit, now: Date): string[] {
  const lastMs = last.takenMs;
  const beforeOf = (ms: number) => {
    const at = firstFrom(weights, ms);
    return at === 0 ? undefined : weights.at(at - 1);
  };
  const before = beforeOf(lastMs);
  // Up to the end of that day: people who weigh every morning do so a little earlier or later.
  const monthAgo = beforeOf(monthsBefore(lastMs, 1) + DAY_MS);
  const earlier = [before, monthAgo?.takenMs === before?.takenMs ? undefined : monthAgo].filter(
    (each) => each !== undefined,
  );
  return earlier.map(({ takenMs, value }) => {
    const change = tellChange(last.value - value, unit);
    return `${/[1-9]/.test(change) ? change : 'the same'} since ${saySince(new Date(takenMs), now)}`;
  });
}
