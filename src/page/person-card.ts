import { type Derived, withBmi } from '../domain/derived.ts';
import { formatWeight, type WeightUnit } from '../domain/format.ts';
import { believableOf, firstFrom, type Series, type TimedValue } from '../domain/history.ts';
import type { PersonStatus } from '../domain/status.ts';
import { type Html, html } from '../html/html.ts';
import { monthsBefore } from './chart/course.ts';
import { drawCharts } from './chart/person-charts.ts';
import { drawConnection } from './connection.ts';
import { drawHeld } from './held.ts';
import { anchorOf, drawLinkButton, nameOf } from './parts.ts';
import { quantityOf, sayChange } from './quantity.ts';
import type { PageView } from './view.ts';
import { DAY_MS, sayDay, saySince, timeWhen } from './words.ts';

/** One person: the last weight, how it goes, and the connection with Withings. */
export function drawPerson(person: PersonStatus, everything: PageView): Html {
  const { userId, login } = person;
  const believable = believableOf(everything.histories, everything.now);
  const view = { ...everything, histories: withBmi(believable, person.derived.height) };
  const weights = view.histories.valuesOf(userId, 'weight');
  const all = everything.histories.valuesOf(userId, 'weight');
  const leftOut = all.length > weights.length && all.at(-1);
  const label = html`Link <span class="unseen"><bdi>${nameOf(person)}</bdi> </span>again`;
  return html`<article class="person" id="${anchorOf(userId)}" aria-labelledby="n${userId}">
<header>
<h2 id="n${userId}"><bdi>${nameOf(person)}</bdi></h2>
${drawWeight(weights, person.derived, view)}
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

function drawWeight(weights: Series, derived: Derived, { unit, now }: PageView): Html | false {
  const last = weights.at(-1);
  if (last === undefined) return false;
  const { takenMs, value } = last;
  const { format, suffix } = quantityOf('weight', unit);
  const changes = [...changesOf(last, weights, unit, now), ...sayGoal(derived, unit)];
  return html`<p class="weight" data-taken="${takenMs}"><b>${format(value)}</b>${
    suffix !== '' && html`<span>${suffix}</span>`
  } <span class="when">${timeWhen(new Date(takenMs), now)}</span></p>
${changes.length > 0 && html`<ul class="changes">${changes.map((change) => html`<li>${change}</li>`)}</ul>`}`;
}

/** `−3.25 kg to the goal of 78.00 kg` */
function sayGoal({ goal, toGoal = 0 }: Derived, unit: WeightUnit): string[] {
  if (goal === undefined) return [];
  const what = `the goal of ${formatWeight(goal, unit)}`;
  return [toGoal === 0 ? `${what} is reached` : `${sayChange(toGoal, unit)} to ${what}`];
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
    const change = sayChange(last.value - value, unit);
    return `${/[1-9]/.test(change) ? change : 'the same'} since ${saySince(new Date(takenMs), now)}`;
  });
}
