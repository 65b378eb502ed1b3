import type { Course } from './course.ts';
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
  const lines = split(course.trend, (_, { atMs }) => course.resumedMs.has(atMs));
  const around = (line: readonly TrendPoint[], side: 1 | -1): Coordinates[] =>
    line.map(({ atMs, value, spread = 0 }) => [x(atMs), y(value + side * spread)]);
  return {
    dots: course.points.map(({ atMs, value }) => `M${x(atMs)} ${y(value)}h0`).join(''),
    trend: lines.map((line) => draw(line.map(({ atMs, value }) => [x(atMs), y(value)]))).join(''),
    band: lines
      .flatMap(withSpread)
      .map(thin)
      .map((line) => `${draw([...around(line, 1), ...around(line, -1).reverse()])}z`)
      .join(''),
  };
}

type Coordinates = readonly [x: number, y: number];

/** From each place to the next one: half as long as saying where each is. */
function draw(points: readonly Coordinates[]): string {
  if (points.length < 2) return '';
  const steps = points.slice(1).map(([x, y], before) => {
    const [fromX, fromY] = points[before] ?? [0, 0];
    return `${x - fromX} ${y - fromY}`;
  });
  return `M${points[0]?.join(' ')}l${steps.join(' ')}`.replaceAll(' -', '-');
}

/** The edge of a band needs no more places than make it look smooth. */
function thin(line: readonly TrendPoint[]): TrendPoint[] {
  const every = Math.ceil(line.length / 100);
  return line.filter((_, at) => at % every === 0 || at === line.length - 1);
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
