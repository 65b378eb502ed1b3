import { group } from 'd3-array';
import type { TrendPoint } from '../../domain/trend.ts';
import { type Html, html } from '../../html/html.ts';
import type { Quantity } from '../quantity.ts';
import { DAY_MS } from '../words.ts';
import type { Tick, ValueAxis } from './axes.ts';
import type { Course } from './course.ts';

/** The side of the drawn square, in units. The browser stretches the square to the available space. */
const SIDE = 1000;

export interface Plot {
  /** The id of the scrubber. */
  readonly id: string;
  /** The picture in a sentence. */
  readonly description: string;
  /** The name of the scrubber's steps. */
  readonly label: string;
  readonly quantity: Quantity;
  readonly course: Course;
  readonly axis: ValueAxis;
  readonly paths: Paths;
  /** The starts of times, or only the two ends in a narrow picture. */
  readonly timeTicks: readonly Tick[];
  /** A horizontal line at the person's goal. */
  readonly goal?: Tick | undefined;
  /** The id of the table with the values. */
  readonly table: string;
  /** The table's columns of the values, and of the trend and the number of weigh-ins, if it has them. */
  readonly columns: { readonly value: number; readonly trend?: number; readonly count?: number };
}

/**
 * The picture has no fixed size. Labels and lines are placed in per cent, so that they keep their size on a phone. Only
 * the square with the curves is stretched, and its strokes keep their width.
 */
export function drawPlot(plot: Plot): Html {
  const { id, description, label, quantity, course, axis, paths, timeTicks, goal, table, columns } = plot;
  const last = course.points.length - 1;
  return html`<div class="plot" data-table="t${table}" data-value="${columns.value}" data-trend="${columns.trend}"
 data-count="${columns.count}" data-suffix="${quantity.suffix}">
<svg role="img" aria-label="${description}">
${quantity.axisUnit !== '' && html`<text class="value" y="-16">${quantity.axisUnit}</text>`}
${timeTicks.map(drawTimeTick)}${axis.ticks.map(drawValueTick)}
<svg viewBox="0 0 ${SIDE} ${SIDE}" preserveAspectRatio="none" overflow="visible">
<path class="band" d="${paths.band}"/><path class="dots" d="${paths.dots}"/><path class="trend" d="${paths.trend}"/>${
    paths.tail !== '' && html`<path class="trend tail" d="${paths.tail}"/>`
  }
</svg>
${goal && drawGoal(goal)}<g class="cursor" visibility="hidden"><line y2="100%"/><circle r="5"/></g>
</svg>
<p class="tip" hidden><b></b> <span></span></p>
<input type="range" id="${id}" min="0" max="${last}" value="${last}" hidden aria-label="${label}">
</div>`;
}

function drawValueTick({ position, label }: Tick): Html {
  const y = percent(1 - position);
  return html`<line class="grid" y1="${y}" y2="${y}" x2="100%"/><text class="value" y="${y}">${label}</text>`;
}

/** The ends of the axis have no line, and their labels do not stick out. */
function drawTimeTick({ position, label, below }: Tick): Html {
  const x = percent(position);
  const end = position === 0 ? ' from' : position === 1 ? ' to' : '';
  const line = end === '' && html`<line class="time" x1="${x}" x2="${x}" y2="100%"/>`;
  return html`${line}<text class="time${end}" x="${x}" y="100%">${label}${below && html`<tspan x="${x}" dy="1.2em">${below}</tspan>`}</text>`;
}

function drawGoal({ position, label }: Tick): Html {
  const y = percent(1 - position);
  return html`<line class="goal" y1="${y}" y2="${y}" x2="100%"/><text class="goal" x="100%" y="${y}" dy="-.4em">${label}</text>\n`;
}

function percent(position: number): string {
  return `${Math.round(position * 1000) / 10}%`;
}

export interface Paths {
  /** A line without length for each point: with round caps it is a dot, however the square is stretched. */
  readonly dots: string;
  readonly trend: string;
  /** The end of the trend, which the next weigh-ins will still change. */
  readonly tail: string;
  /** The band around the trend, as wide as the usual distance of days from it. */
  readonly band: string;
}

export function pathsOf({ span, points, trend, resumedMs }: Course, axis: ValueAxis, { scale }: Quantity): Paths {
  const at = (atMs: number, value: number) => {
    const x = (atMs - span.fromMs) / (span.toMs - span.fromMs);
    const y = 1 - (value * scale - axis.low) / (axis.high - axis.low);
    return `${Math.round(x * SIDE)} ${Math.round(y * SIDE)}`;
  };
  const edge = (line: readonly TrendPoint[], side: 1 | 0 | -1) =>
    line.map(({ atMs, value, spread = 0 }) => at(atMs, value + side * spread));
  const lines = split(trend, (_, { atMs }) => resumedMs.has(atMs)).filter((line) => line.length > 1);
  const settledMs = (trend.at(-1)?.atMs ?? 0) - UNSETTLED_MS;
  const unsettled = (lines.at(-1) ?? []).findIndex(({ atMs }) => atMs > settledMs);
  const tail = lines.at(-1)?.slice(Math.max(0, unsettled - 1)) ?? [];
  const settled = [...lines.slice(0, -1), lines.at(-1)?.slice(0, Math.max(0, unsettled)) ?? []];
  const draw = (some: readonly (readonly TrendPoint[])[]) =>
    some
      .filter((line) => line.length > 1)
      .map((line) => `M${edge(line, 0).join(' ')}`)
      .join('');
  const isKnown = ({ spread }: TrendPoint) => spread !== undefined;
  const bands = lines
    .flatMap((line) => split(line, (before, point) => isKnown(before) !== isKnown(point)))
    .filter((line) => line.length > 1 && line.every(isKnown));
  return {
    dots: points.map(({ atMs, value }) => `M${at(atMs, value)}h0`).join(''),
    trend: draw(settled),
    tail: draw([tail]),
    band: bands.map((line) => `M${[...edge(line, 1), ...edge(line, -1).reverse()].join(' ')}z`).join(''),
  };
}

/** The trend uses values on both sides, and at its end there is only one side. */
const UNSETTLED_MS = 5 * DAY_MS;

/** The parts of a line that is broken between some points. */
function split(points: readonly TrendPoint[], isBetween: (before: TrendPoint, point: TrendPoint) => boolean) {
  let part = 0;
  const parts = group(points, (point, at) => {
    const before = points[at - 1];
    if (before !== undefined && isBetween(before, point)) part += 1;
    return part;
  });
  return [...parts.values()];
}
