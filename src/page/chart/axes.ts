import { range, tickStep } from 'd3-array';
import { type CountableTimeInterval, timeMonday, timeMonth, timeYear } from 'd3-time';
import { timeFormat } from 'd3-time-format';
import { formatStones, type Quantity } from '../quantity.ts';
import { DAY_MS } from '../words.ts';
import type { Span } from './course.ts';

export interface Tick {
  /** The position from 0 at the start of the axis to 1 at its end. */
  readonly position: number;
  readonly label: string;
  /** A second line: the year below a month. */
  readonly below?: string | undefined;
}

/** The axis from bottom to top, in the displayed unit. */
export interface ValueAxis {
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly Tick[];
}

/** The share of the height that stays free above and below. */
const MARGIN = 0.08;
const STONE_STEPS = [280, 140, 70, 28, 14, 7, 2, 1] as const;
/** The least number of steps for stones, whose successive steps differ by a factor of up to 3.5. */
const LEAST_STONE_STEPS = 2.5;

/**
 * @param lowest, highest values that must fit, as measured
 * @param ticks the approximate number; d3 may return half as many again
 * @param ticks.least the axis is extended if there would be fewer
 */
export function valueAxis(
  quantity: Quantity,
  lowest: number,
  highest: number,
  ticks: { readonly about: number; readonly least: number },
): ValueAxis {
  const [bottom, top] = [lowest * quantity.scale, highest * quantity.scale];
  const middle = (bottom + top) / 2;
  const least = quantity.leastSpan || Math.abs(middle) * 0.05 || 1;
  const half = (Math.max(top - bottom, least) / 2) * (1 + 2 * MARGIN);
  let [low, high] = [middle - half, middle + half];
  const isStones = quantity.steps === 'stones';
  const step = isStones
    ? (STONE_STEPS.find((each) => each * LEAST_STONE_STEPS <= high - low) ?? 1)
    : tickStep(low, high, ticks.about - 1);
  for (let count = countOf(low, high, step); count < ticks.least; count += 1) {
    const [below, above] = [(Math.ceil(low / step) - 1) * step, (Math.floor(high / step) + 1) * step];
    if (low - below < above - high) low = below;
    else high = above;
  }
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const labelOf = (value: number) => (isStones ? formatStones(value) : value.toFixed(digits).replace(/^-/, '−'));
  const marked = range(Math.ceil(low / step), Math.floor(high / step) + 1).map((count) => {
    const value = count * step;
    return { position: (value - low) / (high - low), label: labelOf(value) };
  });
  return { low, high, ticks: marked };
}

/** The number of multiples of the step. */
function countOf(low: number, high: number, step: number): number {
  return Math.floor(high / step) - Math.ceil(low / step) + 1;
}

/** The most labels that fit side by side on a phone. */
const MOST = 7;

const stepOf = (interval: CountableTimeInterval, days: number, count: number, format: string) => {
  return { ticks: interval.every(count) ?? interval, days: days * count, label: timeFormat(format) };
};
const STEPS = [
  ...[1, 2].map((count) => stepOf(timeMonday, 7, count, '%-d %b')),
  ...[1, 2, 3, 6].map((count) => stepOf(timeMonth, 30.4, count, '%b')),
  ...[1, 2, 5, 10].map((count) => stepOf(timeYear, 365.2, count, '%Y')),
];
const COARSEST = stepOf(timeYear, 365.2, 25, '%Y');
const yearLabel = timeFormat('%Y');

/** The starts of weeks, months or years, in this machine's time zone. The first month and each January have a year. */
export function timeTicks({ fromMs, toMs }: Span): Tick[] {
  const most = (toMs - fromMs) / DAY_MS / (MOST - 0.5);
  const { ticks, days, label } = STEPS.find((step) => step.days >= most) ?? COARSEST;
  const isMonths = days > 14 && days < 365;
  return ticks.range(new Date(fromMs), new Date(toMs + 1)).map((date, at) => ({
    position: (date.getTime() - fromMs) / (toMs - fromMs),
    label: label(date),
    below: isMonths && (at === 0 || date.getMonth() === 0) ? yearLabel(date) : undefined,
  }));
}
