import { extent, sort } from 'd3-array';
import type { Derived } from '../../domain/derived.ts';
import type { WeightUnit } from '../../domain/format.ts';
import type { Series, TimedValue } from '../../domain/history.ts';
import type { PersonStatus } from '../../domain/status.ts';
import { type Html, html } from '../../html/html.ts';
import { nameOf, sayNoWeighIns } from '../parts.ts';
import { isComposition, type Quantity, quantityOf, sayChange, sortQuantities } from '../quantity.ts';
import type { PageView } from '../view.ts';
import { sayDay, sayDayShortly } from '../words.ts';
import { timeTicks, valueAxis } from './axes.ts';
import { type Course, courseOf, type Span, spanOf } from './course.ts';
import { drawPlot, pathsOf } from './plot.ts';
import { AVERAGES, drawTable, nameRow, type Row } from './table.ts';

/** More points than fit on a screen show nothing more. */
const MOST_POINTS = 400;
const TICKS = { about: 5, least: 4 };
/** A picture a third as wide shows the trend, not each day. */
const MOST_SMALL_POINTS = 60;
const SMALL_TICKS = { about: 3, least: 2 };

interface Measured {
  readonly quantity: Quantity;
  readonly values: Series;
}

/** The common data of a person's charts. */
interface Frame {
  /** The name of the person. */
  readonly name: string;
  readonly span: Span;
  readonly now: Date;
}

/** All charts of a person, over the same time. */
export function drawCharts(person: PersonStatus, view: PageView): Html {
  const { histories, range, unit, now } = view;
  const { userId, derived } = person;
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
  const chart = drawWeightChart(`w${userId}`, weight, frame, {
    trend: sayTrend(derived, weight.quantity, unit),
    goal: derived.goal,
  });
  return html`${chart ?? drawNothing(person, weight.values.at(-1), view)}
${small && html`<details class="composition" id="comp${userId}"><summary>Body composition</summary><h3>Body composition</h3>${small}</details>`}
${more && html`<details class="more" id="more${userId}"><summary>More measurements</summary>${more}</details>`}`;
}

/** The large chart of the weight, with its trend and a table. Undefined without a weight in this time. */
function drawWeightChart(
  id: string,
  { quantity, values }: Measured,
  { name, span, now }: Frame,
  more: { readonly trend: TrendWords | undefined; readonly goal: number | undefined },
): Html | undefined {
  const course = courseOf(values, span, MOST_POINTS);
  const { points, trend, unit } = course;
  if (points.length === 0) return undefined;

  const edges = trend.flatMap(({ value, spread = 0 }) => [value - spread, value + spread]);
  const [lowest = 0, highest = 0] = extent([...points.map(({ value }) => value), ...edges]);
  const goal = isNear(more.goal, lowest, highest, quantity) ? more.goal : undefined;
  const fitted = extent([lowest, highest, goal ?? lowest]);
  const axis = valueAxis(quantity, fitted[0] ?? lowest, fitted[1] ?? highest, TICKS);
  const paths = pathsOf(course, axis, quantity);
  const isMean = points.some(({ count }) => count > 1);
  const rows = points.map(({ startMs, value, count }, at): Row => {
    const cells = [quantity.format(value), quantity.formatTrend(trend[at]?.value ?? value)];
    return { name: nameRow(unit, startMs), cells: isMean ? [...cells, String(count)] : cells };
  });
  const heads = [HEADS[unit], `Weight${inUnit(quantity)}`, `Trend${inUnit(quantity)}`];
  return html`<figure class="chart ${quantity.steps}">
<figcaption><h3>Weight</h3>${more.trend && drawReadout(more.trend.value, more.trend.rate)}</figcaption>
${drawPlot({
  id: `s${id}`,
  description: `Weight of ${name} ${describe(course, quantity, now)}`,
  label: `Weight of ${name}, point by point`,
  quantity,
  course,
  axis,
  paths,
  timeTicks: timeTicks(span),
  goal:
    goal === undefined
      ? undefined
      : {
          position: (goal * quantity.scale - axis.low) / (axis.high - axis.low),
          label: `Goal ${quantity.format(goal)}${quantity.suffix}`,
        },
  table: id,
  columns: isMean ? { value: 1, trend: 2, count: 3 } : { value: 1, trend: 2 },
})}
<p class="legend">${points.length === 1 ? FIRST_OF_MANY : DOTS[unit] + TREND}${paths.band !== '' && BAND}</p>
${drawTable({ id, summary: 'Weight as table', caption: html`Weight of <bdi>${name}</bdi>${isMean && `, ${AVERAGES[unit]}`}`, heads: isMean ? [...heads, 'Weigh-ins'] : heads, rows })}
</figure>`;
}

interface TrendWords {
  readonly value: string;
  readonly rate: string;
}

/** The trend of the person's newest weight, which no range changes. */
function sayTrend({ trend, perWeek = 0 }: Derived, quantity: Quantity, unit: WeightUnit): TrendWords | undefined {
  if (trend === undefined) return undefined;
  const value = `Trend ${quantity.formatTrend(trend)}${quantity.suffix}`;
  return { value, rate: `${sayChange(perWeek, unit)} per week` };
}

/** Whether the goal may be in the picture: a distant one would flatten everything else. */
function isNear(goal: number | undefined, lowest: number, highest: number, { leastSpan, scale }: Quantity): boolean {
  const room = Math.max(highest - lowest, leastSpan / scale);
  return goal !== undefined && goal > lowest - room && goal < highest + room;
}

const FIRST_OF_MANY = 'One weigh-in in this period. The trend needs more.';
const DOTS = { day: 'Dots: daily average', week: 'Dots: weekly average', month: 'Dots: monthly average' } as const;
const TREND = ' · line: trend';
const BAND = ' · band: normal variation (2 of 3 days)';
const HEADS = { day: 'Day', week: 'Week', month: 'Month' } as const;

function drawNothing(person: PersonStatus, last: TimedValue | undefined, view: PageView): Html {
  if (last === undefined) return html`<p class="nothing">No weigh-ins yet. ${sayNoWeighIns(person, view.status)}</p>`;
  const when = sayDay(new Date(last.takenMs), view.now);
  return html`<p class="nothing">No weigh-ins in this period. Last one: ${when}. <a href="?range=all">Show all</a></p>`;
}

function describe({ points, span, unit }: Course, { format, suffix }: Quantity, now: Date): string {
  const tell = (value = 0) => format(value) + suffix;
  const day = (atMs: number) => sayDay(new Date(atMs), now);
  const [lowest, highest] = extent(points, ({ value }) => value);
  const [first, last] = [points[0]?.value, points.at(-1)?.value];
  const course =
    points.length === 1
      ? tell(first)
      : `${tell(first)} at first, ${tell(last)} at last, between ${tell(lowest)} and ${tell(highest)}`;
  return `from ${day(span.fromMs)} to ${day(span.toMs)}: ${course}. The table has the ${AVERAGES[unit]}.`;
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
  summary: `${caption} as table`,
  caption: html`${caption} of <bdi>${frame.name}</bdi>`,
  heads: ['When', ...drawn.map(({ quantity }) => quantity.title + inUnit(quantity))],
  rows: rowsOf(drawn),
})}`;
}

function drawSmall(id: string, { quantity, values, course }: Drawn, column: number, { name, span, now }: Frame): Html {
  const { points } = course;
  const [lowest = 0, highest = 0] = extent(points, ({ value }) => value);
  const axis = valueAxis(quantity, lowest, highest, SMALL_TICKS);
  const tell = (value = 0) => quantity.format(value) + quantity.suffix;
  // The last measured value, which differs from a mean of the week.
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
  timeTicks: [
    { position: 0, label: sayDayShortly(new Date(span.fromMs), now) },
    { position: 1, label: sayDayShortly(new Date(span.toMs), now) },
  ],
  table: id,
  columns: { value: column },
})}
</figure>`;
}

/** A row for each day, week or month with any value. */
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

function drawReadout(value: string, rest = ''): Html {
  return html`<p class="readout"><b>${value}</b> <span>${rest}</span></p>`;
}

/** `−1.5 kg since 21 Aug`, by the trend. */
function changeOf({ points, trend }: Course, quantity: Quantity, now: Date): string | undefined {
  const [first, last] = [trend[0], trend.at(-1)];
  if (first === undefined || last === undefined || points.length < 2) return undefined;
  return `${quantity.formatChange(last.value - first.value)} since ${sayDayShortly(new Date(first.atMs), now)}`;
}

function inUnit({ suffix }: Quantity): string {
  return suffix === '' ? '' : `,${suffix}`;
}
