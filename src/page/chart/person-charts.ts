import { extent, sort } from 'd3-array';
import type { Derived } from '../../domain/derived.ts';
import type { WeightUnit } from '../../domain/format.ts';
import type { Series, TimedValue } from '../../domain/history.ts';
import type { PersonStatus } from '../../domain/status.ts';
import { type Html, html } from '../../html/html.ts';
import { nameOf } from '../parts.ts';
import { isComposition, type Quantity, quantityOf, sayChange, sortQuantities } from '../quantity.ts';
import type { PageView } from '../view.ts';
import { sayDay, sayDayShortly } from '../words.ts';
import { timeTicks, valueAxis } from './axes.ts';
import { type Course, courseOf, type Span, spanOf } from './course.ts';
import { drawPlot, pathsOf } from './plot.ts';
import { drawTable, nameRow, type Row } from './table.ts';

/** More points than a screen has room for show nothing more. */
const MOST_POINTS = 400;
const MOST_TICKS = 5;
/** A picture a third as wide shows how it goes, and not each day. */
const MOST_SMALL_POINTS = 60;
const MOST_SMALL_TICKS = 3;

interface Measured {
  readonly quantity: Quantity;
  readonly values: Series;
}

/** What the charts of a person share. */
interface Frame {
  /** Whose. */
  readonly name: string;
  readonly span: Span;
  readonly now: Date;
}

/** All charts of a person, over the same time. */
export function drawCharts(person: PersonStatus, { histories, range, unit, now }: PageView): Html {
  const { userId } = person;
  const measure = (key: string): Measured => {
    return { quantity: quantityOf(key, unit), values: histories.valuesOf(userId, key) };
  };
  const weight = measure('weight');
  const others = sortQuantities(histories.quantitiesOf(userId)).map(measure);
  const series = [weight, ...others].map(({ values }) => values);
  const frame = { name: nameOf(person), span: spanOf(range, now, series), now };
  const composition = others.filter(({ quantity }) => isComposition(quantity.key));
  const rest = others.filter(({ quantity }) => !isComposition(quantity.key));

  const small = drawSmallCharts(`b${userId}`, 'Body composition', composition, frame);
  const more = drawSmallCharts(`m${userId}`, 'More measurements', rest, frame);
  return html`${drawWeightChart(`w${userId}`, weight, frame, sayTrend(person.derived, weight.quantity, unit))}
${small && html`<section class="composition"><h3 class="unseen">Body composition</h3>${small}</section>`}
${more && html`<details class="more" id="more${userId}"><summary>More measurements</summary>${more}</details>`}`;
}

/** The weight over time, big, with its trend and a table. */
function drawWeightChart(
  id: string,
  { quantity, values }: Measured,
  { name, span, now }: Frame,
  trendNow: TrendWords | undefined,
): Html {
  const course = courseOf(values, span, MOST_POINTS);
  const { points, trend, unit } = course;
  const newest = points.at(-1);
  if (newest === undefined) return drawNothing(values.at(-1), now);

  const edges = trend.flatMap(({ value, spread = 0 }) => [value - spread, value + spread]);
  const [lowest = 0, highest = 0] = extent([...points.map(({ value }) => value), ...edges]);
  const axis = valueAxis(quantity, lowest, highest, MOST_TICKS);
  const paths = pathsOf(course, axis, quantity);
  const isMean = points.some(({ count }) => count > 1);
  const rows = points.map(({ startMs, value, count }, at): Row => {
    const cells = [quantity.format(value), quantity.formatTrend(trend[at]?.value ?? value)];
    return { name: nameRow(unit, startMs), cells: isMean ? [...cells, String(count)] : cells };
  });
  const heads = [HEADS[unit], `Weight${inUnit(quantity)}`, `Trend${inUnit(quantity)}`];
  return html`<figure class="chart ${quantity.steps}">
<figcaption><h3>Weight</h3>${drawReadout(trendNow?.value ?? '', trendNow && [trendNow.rate, ...changeOf(course, quantity, now)])}</figcaption>
${drawPlot({
  id: `s${id}`,
  description: `Weight of ${name} ${describe(course, quantity, now)}`,
  label: `Weight of ${name}, point by point`,
  quantity,
  course,
  axis,
  paths,
  timeTicks: timeTicks(span),
  table: id,
  columns: isMean ? { value: 1, trend: 2, count: 3 } : { value: 1, trend: 2 },
})}
<p class="legend">${points.length === 1 ? FIRST_OF_MANY : DOTS[unit] + TREND}${paths.band !== '' && BAND}</p>
${drawTable({ id, caption: html`Weight of <bdi>${name}</bdi>`, heads: isMean ? [...heads, 'Weigh-ins'] : heads, rows })}
</figure>`;
}

interface TrendWords {
  readonly value: string;
  readonly rate: string;
}

/** The trend of the person's newest weight, which no range changes. */
function sayTrend({ trend, perWeek = 0 }: Derived, quantity: Quantity, unit: WeightUnit): TrendWords | undefined {
  if (trend === undefined) return undefined;
  const value = `trend ${quantity.formatTrend(trend)}${quantity.suffix}`;
  return { value, rate: `${sayChange(perWeek, unit)} per week` };
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

function drawNothing(last: TimedValue | undefined, now: Date): Html {
  if (last === undefined)
    return html`<p class="nothing">No weight yet. It appears here automatically after the next step on the scale.</p>`;
  const when = sayDay(new Date(last.takenMs), now);
  return html`<p class="nothing">Nobody stood on the scale in this time; the last time was ${when}. <a href="?range=all">Show all</a></p>`;
}

function describe({ points, span }: Course, { format, suffix }: Quantity, now: Date): string {
  const tell = (value = 0) => format(value) + suffix;
  const day = (atMs: number) => sayDay(new Date(atMs), now);
  const [lowest, highest] = extent(points, ({ value }) => value);
  const [first, last] = [points[0]?.value, points.at(-1)?.value];
  const course =
    points.length === 1
      ? tell(first)
      : `${tell(first)} at first, ${tell(last)} at last, between ${tell(lowest)} and ${tell(highest)}`;
  return `from ${day(span.fromMs)} to ${day(span.toMs)}: ${course}. The table has all values.`;
}

interface Drawn extends Measured {
  readonly course: Course;
}

/** One small chart for each quantity, and one table for all of them. A quantity without a value in this time has none. */
function drawSmallCharts(id: string, caption: string, measured: readonly Measured[], frame: Frame): Html | undefined {
  const drawn = measured
    .map((each) => ({ ...each, course: courseOf(each.values, frame.span, MOST_SMALL_POINTS) }))
    .filter(({ course }) => course.points.length > 0);
  if (drawn.length === 0) return undefined;
  return html`<div class="small">
${drawn.map((each, at) => drawSmall(id, each, at + 1, frame))}
</div>
${drawTable({
  id,
  caption: html`${caption} of <bdi>${frame.name}</bdi>`,
  heads: ['When', ...drawn.map(({ quantity }) => quantity.title + inUnit(quantity))],
  rows: rowsOf(drawn),
})}`;
}

function drawSmall(id: string, { quantity, values, course }: Drawn, column: number, { name, now }: Frame): Html {
  const { points } = course;
  const [lowest = 0, highest = 0] = extent(points, ({ value }) => value);
  const axis = valueAxis(quantity, lowest, highest, MOST_SMALL_TICKS);
  const tell = (value = 0) => quantity.format(value) + quantity.suffix;
  // As it was measured last, which a mean of the week is not.
  const newest = tell(values.at(-1)?.value);
  return html`<figure class="chart">
<figcaption><h4>${quantity.title}</h4>${drawReadout(newest, changeOf(course, quantity, now))}</figcaption>
${drawPlot({
  id: `s${id}-${quantity.key}`,
  description: `${quantity.title} of ${name}, from ${tell(points[0]?.value)} to ${tell(points.at(-1)?.value)}, between ${tell(lowest)} and ${tell(highest)}`,
  label: `${quantity.title} of ${name}, point by point`,
  quantity,
  course,
  axis,
  paths: { ...pathsOf(course, axis, quantity), band: '' },
  table: id,
  columns: { value: column },
})}
</figure>`;
}

/** A row for each day, week or month that has a value of anything. */
function rowsOf(drawn: readonly Drawn[]): Row[] {
  const rows = new Map<number, Row & { cells: string[] }>();
  for (const [column, { quantity, course }] of drawn.entries()) {
    for (const { startMs, value } of course.points) {
      const row = rows.get(startMs) ?? { name: nameRow(course.unit, startMs), cells: drawn.map(() => '') };
      row.cells[column] = quantity.format(value);
      rows.set(startMs, row);
    }
  }
  return sort(rows, ([startMs]) => startMs).map(([, row]) => row);
}

/** Beside the picture. The script shows a point there while the reader looks at one. */
function drawReadout(value: string, rest: readonly string[] = []): Html {
  return html`<p class="readout"><b>${value}</b> <span>${rest.join(', ')}</span></p>`;
}

/** `−1.5 kg since 21 Aug`, by the trend. */
function changeOf({ points, trend }: Course, quantity: Quantity, now: Date): readonly string[] {
  const [first, last] = [trend[0], trend.at(-1)];
  if (first === undefined || last === undefined || points.length < 2) return [];
  return [`${quantity.formatChange(last.value - first.value)} since ${sayDayShortly(new Date(first.atMs), now)}`];
}

function inUnit({ suffix }: Quantity): string {
  return suffix === '' ? '' : `,${suffix}`;
}
