import { type Derived, withBmi } from '../domain/derived.ts';
import { formatWeight, type WeightUnit } from '../domain/format.ts';
import { believableOf, firstFrom, type Series, type TimedValue } from '../domain/history.ts';
import type { PersonStatus } from '../domain/status.ts';
import { trendChange } from '../domain/trend.ts';
import { type Html, html } from '../html/html.ts';
import { spanOf } from './chart/course.ts';
import { drawCharts } from './chart/person-charts.ts';
import { drawConnection } from './connection.ts';
import { drawHeld } from './held.ts';
import { anchorOf, drawIcon, nameOf } from './parts.ts';
import { quantityOf, sayChange } from './quantity.ts';
import { PATHS, type PageView, RANGE_NAMES, relative } from './view.ts';
import { DAY_MS, sayDay, sayDayShortly, saySince, timeWhen } from './words.ts';

/** One person: the last weight, the trend, and the connection with Withings. */
export function drawPerson(person: PersonStatus, everything: PageView): Html {
  const { userId } = person;
  const believable = believableOf(everything.histories, everything.now);
  const view = { ...everything, histories: withBmi(believable, person.derived.height) };
  const weights = view.histories.valuesOf(userId, 'weight');
  const all = everything.histories.valuesOf(userId, 'weight');
  const leftOut = all.length > weights.length && all.at(-1);
  return html`<article class="person" id="${anchorOf(userId)}" aria-labelledby="n${userId}">
<header>
<h2 id="n${userId}"><bdi>${nameOf(person)}</bdi></h2>
${drawWeight(weights, person.derived, view)}
${leftOut && html`<p class="hint">A weigh-in is dated ${sayDay(new Date(leftOut.takenMs), view.now)}, in the future, and is left out here.</p>`}
${drawHeld(person, view)}
${drawBed(person, view)}
</header>
${drawCharts(person, view)}
<footer>${drawConnection(person, view)}${everything.histories.quantitiesOf(userId).length > 0 && drawCsvLink(person)}${drawBackfill(person, view)}</footer>
</article>`;
}

function drawBed({ bed }: PersonStatus, { now }: PageView): Html | false {
  if (bed === undefined) return false;
  return html`<p class="hint bed">${bed.kind === 'in_bed' ? 'In bed' : 'Out of bed'} since ${timeWhen(bed.at, now)}</p>`;
}

function drawCsvLink(person: PersonStatus): Html {
  return html`<a class="csv" href="${relative(PATHS.csv)}${person.userId}" download>${drawIcon('download')}CSV<span class="unseen"> of all weigh-ins of <bdi>${nameOf(person)}</bdi></span></a>`;
}

/** The progress of the fetch of past years that the page started. */
function drawBackfill({ userId }: PersonStatus, { backfill: run }: PageView): Html | false {
  if (run?.userId !== userId) return false;
  const bar = html`<progress value="${run.share.toFixed(3)}" aria-label="Past years"></progress>`;
  return html`<div class="backfill hint">${RUNS[run.state]}: ${run.text}${run.state === 'running' && bar}</div>`;
}

const RUNS = { running: 'Fetching past years', done: 'Past years', failed: 'Cannot fetch past years' } as const;

function drawWeight(weights: Series, derived: Derived, view: PageView): Html | false {
  const last = weights.at(-1);
  if (last === undefined) return false;
  const { unit, now } = view;
  const { takenMs, value } = last;
  const { format, suffix } = quantityOf('weight', unit);
  const notes = [changeSincePrevious(weights, unit, now), sayGoal(derived, unit)].filter((note) => note !== undefined);
  return html`<p class="weight" data-taken="${takenMs}"><b>${format(value)}</b>${
    suffix !== '' && html`<span>${suffix}</span>`
  } <span class="when">${timeWhen(new Date(takenMs), now)}</span></p>
${notes.length > 0 && html`<ul class="changes">${notes.map((note) => html`<li>${note}</li>`)}</ul>`}
${derived.trend !== undefined && drawTiles(weights, view)}`;
}

/** `−3.25 kg to the goal of 78.00 kg` */
function sayGoal({ goal, toGoal = 0 }: Derived, unit: WeightUnit): string | undefined {
  if (goal === undefined) return undefined;
  if (toGoal === 0) return `Goal of ${formatWeight(goal, unit)} reached`;
  return `${sayChange(toGoal, unit)} to the goal of ${formatWeight(goal, unit)}`;
}

/** `−0.40 kg since the weigh-in before (yesterday)`, by the values of the scale. */
export function changeSincePrevious(weights: Series, unit: WeightUnit, now: Date): string | undefined {
  const [before, last] = [weights.at(-2), weights.at(-1)];
  if (before === undefined || last === undefined) return undefined;
  const change = sayChange(last.value - before.value, unit);
  const when = saySince(new Date(before.takenMs), now);
  return `${/[1-9]/.test(change) ? change : 'No change'} since the previous weigh-in (${when})`;
}

/** The changes of the trend. The first two are the same in every range. */
function drawTiles(weights: Series, { unit, range, now }: PageView): Html {
  const { formatChange } = quantityOf('weight', unit);
  const newestMs = weights.at(-1)?.takenMs ?? 0;
  const { fromMs } = spanOf(range, now, [weights]);
  const firstFromThere = weights.at(firstFrom(weights, fromMs)) ?? NOTHING;
  const isWhole = range !== 'all' && firstFromThere.takenMs - fromMs < WEEK_MS;
  const since = isWhole ? fromMs : firstFromThere.takenMs;
  const tiles = [
    { label: '7 days', sinceMs: newestMs - WEEK_MS },
    { label: '30 days', sinceMs: newestMs - 30 * DAY_MS },
    { label: isWhole ? RANGE_NAMES[range] : `Since ${sayDayShortly(new Date(since), now)}`, sinceMs: since },
  ];
  return html`<dl class="tiles" aria-label="Change of the trend">${tiles.map(({ label, sinceMs }) => {
    const change = trendChange(weights, sinceMs);
    return html`<div><dt>${label}</dt><dd>${change === undefined ? '–' : formatChange(change)}</dd></div>`;
  })}</dl>`;
}

const WEEK_MS = 7 * DAY_MS;
/** A stand-in for a missing value. */
const NOTHING: TimedValue = { takenMs: 0, value: 0 };
