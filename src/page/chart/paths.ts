import type { Course } from './history.ts';
import type { ValueScale } from './scale.ts';
import type { TrendPoint } from './trend.ts';

/** The picture is drawn on a square of so many units, which the browser stretches to whatever room there is. */
export const SIDE = 1000;

export interface Paths {
  /** A line without length for each point: with round caps it is a dot, whatever the square is stretched to. */
  readonly dots: string;
  readonly trend: string;
  /** Around the trend, as far as days usually lie from it. */
  readonly band: string;
}

/** @param factor from what was measured to what the scale shows */
export function pathsOf(course: Course, { low, high }: ValueScale, factor: number): Paths {
  const { fromMs, toMs } = course.span;
  const x = (atMs: number) => Math.round(((atMs - fromMs) / (toMs - fromMs)) * SIDE);
  const y = (value: number) => Math.round((1 - (value * factor - low) / (high - low)) * SIDE);
  const place = ({ atMs }: TrendPoint, value: number) => `${x(atMs)} ${y(value)}`;

  const lines = unbroken(course.trend, course.gapMs);
  return {
    dots: course.points.map(({ atMs, value }) => `M${x(atMs)} ${y(value)}h0`).join(''),
    trend: lines.map((line) => `M${line.map((point) => place(point, point.value)).join(' ')}`).join(''),
    band: lines
      .flatMap(withSpread)
      .map((line) => {
        const top = line.map((point) => place(point, point.value + (point.spread ?? 0)));
        const bottom = line.map((point) => place(point, point.value - (point.spread ?? 0)));
        return `M${[...top, ...bottom.reverse()].join(' ')}z`;
      })
      .join(''),
  };
}

function unbroken(trend: readonly TrendPoint[], gapMs: number): TrendPoint[][] {
  return split(trend, (before, point) => point.atMs - before.atMs > gapMs);
}

/** The parts of a line where it is known how far the days lie from it. */
function withSpread(line: readonly TrendPoint[]): TrendPoint[][] {
  const isKnown = ({ spread }: TrendPoint) => spread !== undefined;
  return split(line, (before, point) => isKnown(before) !== isKnown(point)).filter(
    ([first, second]) => first !== undefined && isKnown(first) && second !== undefined,
  );
}

function split(points: readonly TrendPoint[], isBetween: (before: TrendPoint, point: TrendPoint) => boolean) {
  const parts: TrendPoint[][] = [];
  let before: TrendPoint | undefined;
  for (const point of points) {
    if (before === undefined || isBetween(before, point)) parts.push([point]);
    else parts.at(-1)?.push(point);
    before = point;
  }
  return parts;
}
