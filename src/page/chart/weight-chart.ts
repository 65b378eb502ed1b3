import type { TimedValue } from '../../domain/history.ts';
import { type Html, html } from '../html.ts';
import type { Quantity } from '../quantity.ts';
import { sayDay, sayDayShortly } from '../words.ts';
import { type Course, courseOf } from './course.ts';
import { pathsOf } from './paths.ts';
import { drawPlot } from './plot.ts';
import { scaleOf } from './scale.ts';
import type { Span } from './span.ts';
import { drawTable, nameRow, type Row } from './table.ts';
import { timeTicks } from './time-ticks.ts';

/** More points than a screen has room for teach nobody anything. */
const MOST_POINTS = 400;
const MOST_TICKS = 5;

/** The weight over time, big, with its trend and a table. */
export function drawWeightChart(options: {
  readonly id: string;
  /** Whose. */
  readonly name: string;
  readonly quantity: Quantity;
  readonly values: readonly TimedValue[];
  readonly span: Span;
  readonly now: Date;
}): Html {
  const { id, name, quantity, values, span, now } = options;
  const course = courseOf(values, span, MOST_POINTS);
  const { points, trend } = course;
  const newest = points.at(-1);
  if (newest === undefined) return drawNothing(values.at(-1), now);

  const heights = trend.flatMap(({ value, spread = 0 }) => [value - spread, value + spread]);
  const [lowest, highest] = extent([...points.map(({ value }) => value), ...heights]);
  const scale = scaleOf(quantity, lowest, highest, MOST_TICKS);
  const paths = pathsOf(course, scale, quantity.scale);
  const isMean = points.some(({ count }) => count > 1);
  const rows = rowsOf(course, quantity, isMean);
  const trendNow = `trend ${quantity.formatTrend(trend.at(-1)?.value ?? newest.value)}${quantity.suffix}`;
  return html`<figure class="chart ${quantity.steps}">
<figcaption><h3>Weight</h3>${drawReadout(trendNow, sayChange(course, quantity, now))}</figcaption>
${drawPlot({
  id: `s${id}`,
  description: `Weight of ${name} ${describe(course, quantity, now)}`,
  paths,
  valueTicks: scale.ticks,
  timeTicks: timeTicks(span),
  table: id,
  columns: isMean ? { value: 1, trend: 2, count: 3 } : { value: 1, trend: 2 },
  suffix: quantity.suffix,
  count: points.length,
  label: `Weight of ${name}, point by point`,
  newest: tellRow(rows.at(-1), quantity, isMean),
})}
<p class="legend">${points.length === 1 ? FIRST_OF_MANY : DOTS[course.unit] + TREND}${paths.band !== '' && BAND}</p>
${drawTable({
  id,
  caption: html`Weight of <bdi>${name}</bdi>`,
  heads: [
    HEADS[course.unit],
    `Weight${inUnit(quantity)}`,
    `Trend${inUnit(quantity)}`,
    ...(isMean ? ['Weigh-ins'] : []),
  ],
  rows,
})}
</figure>`;
}

const FIRST_OF_MANY = 'One weigh-in in this time. With more of them the trend shows.';
const DOTS = {
  day: 'Each dot is a day',
  week: 'Each dot is the mean of a week',
  month: 'Each dot is the mean of a month',
} as const;
const TREND = ', the line is the trend.';
const BAND = ' Two days out of three lie in the band: so much up and down means nothing.';
const HEADS = { day: 'Day', week: 'Week', month: 'Month' } as const;

export function inUnit({ suffix }: Quantity): string {
  return suffix === '' ? '' : `,${suffix}`;
}

function rowsOf({ points, trend, unit }: Course, quantity: Quantity, isMean: boolean): Row[] {
  return points.map(({ startMs, value, count }, at) => ({
    name: nameRow(unit, startMs),
    cells: [
      quantity.format(value),
      quantity.formatTrend(trend[at]?.value ?? value),
      ...(isMean ? [String(count)] : []),
    ],
  }));
}

/** As the script in the browser says it. */
function tellRow(row: Row | undefined, { suffix }: Quantity, isMean: boolean): string {
  const [value, trend, count] = row?.cells ?? [];
  const mean = isMean && count !== '1' ? [`mean of ${count}`] : [];
  return [`${value}${suffix}`, `${row?.name.head} ${row?.name.group}`, `trend ${trend}`, ...mean].join(' · ');
}

/** Beside the picture, while nobody looks at a single point: the one thing that it tells. */
export function drawReadout(value: string, rest: string | undefined): Html {
  return html`<p class="readout"><b>${value}</b> <span>${rest}</span></p>`;
}

/** `−1.5 kg since 21 Aug`, by the trend. */
export function sayChange({ points, trend }: Course, quantity: Quantity, now: Date): string | undefined {
  const [first, last] = [trend[0], trend.at(-1)];
  if (first === undefined || last === undefined || points.length < 2) return undefined;
  return `${quantity.formatChange(last.value - first.value)} since ${sayDayShortly(new Date(first.atMs), now)}`;
}

function describe({ points, span }: Course, { format, suffix }: Quantity, now: Date): string {
  const tell = (value: number | undefined) => (value === undefined ? '' : format(value) + suffix);
  const [lowest, highest] = extent(points.map(({ value }) => value));
  const day = (atMs: number) => sayDay(new Date(atMs), now);
  const course =
    points.length === 1
      ? tell(lowest)
      : `${tell(points[0]?.value)} at first, ${tell(points.at(-1)?.value)} at last, between ${tell(lowest)} and ${tell(highest)}`;
  return `from ${day(span.fromMs)} to ${day(span.toMs)}: ${course}. The table has all values.`;
}

/** Math.min takes no lists of any length. */
export function extent(values: readonly number[]): readonly [number, number] {
  let [lowest, highest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value < lowest) lowest = value;
    if (value > highest) highest = value;
  }
  return [lowest, highest];
}

function drawNothing(last: TimedValue | undefined, now: Date): Html {
  const when = last && sayDay(new Date(last.takenMs), now);
  return html`<p class="nothing">${
    when === undefined
      ? 'No weight yet. It appears here a minute or two after the next step on the scale, by itself.'
      : html`Nobody stood on the scale in this time; the last time was ${when}. <a href="?range=all">Show all</a>`
  }</p>`;
}
