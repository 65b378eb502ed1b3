import type { TimedValue } from '../../domain/history.ts';
import { type Html, html } from '../html.ts';
import type { Quantity } from '../quantity.ts';
import { bucketUnit } from './buckets.ts';
import { type Course, courseOf } from './course.ts';
import { pathsOf } from './paths.ts';
import { drawPlot } from './plot.ts';
import { scaleOf } from './scale.ts';
import type { Span } from './span.ts';
import { drawTable, nameRow, type Row } from './table.ts';
import { drawReadout, extent, inUnit, sayChange } from './weight-chart.ts';

/** A picture a third as wide shows how it goes, and not each day. */
const MOST_POINTS = 60;
const MOST_TICKS = 3;
const NO_VALUE = '';

export interface Measured {
  readonly quantity: Quantity;
  readonly values: readonly TimedValue[];
}

interface Drawn {
  readonly quantity: Quantity;
  /** As it was measured last, which a mean of the week is not. */
  readonly newest: number;
  readonly course: Course;
}

/** One small picture for each quantity, and one table for all of them. Those without a value in this time have none. */
export function drawSmallCharts(options: {
  readonly id: string;
  readonly name: string;
  readonly caption: string;
  readonly measured: readonly Measured[];
  readonly span: Span;
  readonly now: Date;
}): Html | undefined {
  const { id, name, caption, measured, span, now } = options;
  const drawn = measured
    .map(({ quantity, values }): Drawn => {
      return { quantity, newest: values.at(-1)?.value ?? 0, course: courseOf(values, span, MOST_POINTS) };
    })
    .filter(({ course }) => course.points.length > 0);
  if (drawn.length === 0) return undefined;
  return html`<div class="small">
${drawn.map((each, at) => drawSmall(each, { id, name, column: at + 1, now }))}
</div>
${drawTable({
  id,
  caption: html`${caption} of <bdi>${name}</bdi>`,
  heads: ['When', ...drawn.map(({ quantity }) => quantity.title + inUnit(quantity))],
  rows: rowsOf(drawn, span),
})}`;
}

function drawSmall(
  { quantity, newest, course }: Drawn,
  options: { readonly id: string; readonly name: string; readonly column: number; readonly now: Date },
): Html {
  const { id, name, column, now } = options;
  const { points, unit } = course;
  const [lowest, highest] = extent(points.map(({ value }) => value));
  const scale = scaleOf(quantity, lowest, highest, MOST_TICKS);
  const tell = (value: number) => quantity.format(value) + quantity.suffix;
  const [first, last] = [points[0], points.at(-1)];
  const { head, group } = nameRow(unit, last?.startMs ?? 0);
  return html`<figure class="chart">
<figcaption><h4>${quantity.title}</h4>${drawReadout(tell(newest), sayChange(course, quantity, now))}</figcaption>
${drawPlot({
  id: `s${id}-${quantity.key}`,
  description: `${quantity.title} of ${name}, from ${tell(first?.value ?? 0)} to ${tell(last?.value ?? 0)}, between ${tell(lowest)} and ${tell(highest)}`,
  paths: { ...pathsOf(course, scale, quantity.scale), band: '' },
  valueTicks: scale.ticks,
  timeTicks: [],
  table: id,
  columns: { value: column },
  suffix: quantity.suffix,
  count: points.length,
  label: `${quantity.title} of ${name}, point by point`,
  newest: `${tell(last?.value ?? 0)} · ${head} ${group}`,
})}
</figure>`;
}

/** A row for each day, week or month that has a value of anything. */
function rowsOf(drawn: readonly Drawn[], span: Span): Row[] {
  const rows = new Map<number, string[]>();
  for (const [column, { quantity, course }] of drawn.entries()) {
    for (const { startMs, value } of course.points) {
      const cells = rows.get(startMs) ?? drawn.map(() => NO_VALUE);
      cells[column] = quantity.format(value);
      rows.set(startMs, cells);
    }
  }
  const unit = bucketUnit(span, MOST_POINTS);
  return [...rows]
    .sort(([one], [other]) => one - other)
    .map(([startMs, cells]) => ({ name: nameRow(unit, startMs), cells }));
}
