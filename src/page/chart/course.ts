import { bisector } from 'd3-array';
import { timeDay, timeMonday, timeMonth } from 'd3-time';
import type { Histories, TimedValue } from '../../domain/history.ts';
import type { Range } from '../view.ts';
import { DAY_MS } from '../words.ts';
import { reachOf, type TrendPoint, trendAt, WEEK_MS } from './trend.ts';

/** From one moment to another: what a picture shows. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

const MONTHS: Readonly<Record<Exclude<Range, 'all'>, number>> = { month: 1, quarter: 3, year: 12 };
/** A single weigh-in shall not fill the whole width. */
const LEAST_MS = 28 * DAY_MS;

/** @param series each by time; a clock that is a little wrong may have taken values later than now */
export function spanOf(range: Range, now: Date, series: readonly (readonly TimedValue[])[]): Span {
  const nowMs = now.getTime();
  const toMs = Math.max(nowMs, ...series.map((values) => values.at(-1)?.takenMs ?? nowMs));
  if (range !== 'all') return { fromMs: monthsBefore(nowMs, MONTHS[range]), toMs };
  const firstMs = Math.min(nowMs, ...series.map((values) => values[0]?.takenMs ?? nowMs));
  return { fromMs: Number(timeDay.floor(new Date(Math.min(firstMs, toMs - LEAST_MS)))), toMs };
}

/** The same day so many months before, or the last day of that month. */
export function monthsBefore(atMs: number, count: number): number {
  const date = new Date(atMs);
  const [year, month] = [date.getFullYear(), date.getMonth() - count];
  const lastDay = new Date(year, month + 1, 0).getDate();
  return new Date(year, month, Math.min(date.getDate(), lastDay)).getTime();
}

const { left, right } = bisector(({ takenMs }: TimedValue) => takenMs);

/** The index of the first value that is not older. */
export const firstFrom: (values: readonly TimedValue[], fromMs: number) => number = left;

/** A clock may be a day off, here or in the scale. A later value would squeeze a picture into a corner. */
const DAYS_AHEAD = 2;

/** The histories without the values that are dated far in the future. */
export function believableOf({ quantitiesOf, valuesOf }: Histories, now: Date): Histories {
  const endMs = Number(timeDay.offset(timeDay.floor(now), DAYS_AHEAD));
  return {
    quantitiesOf,
    valuesOf(userId, quantity) {
      const values = valuesOf(userId, quantity);
      return values.slice(0, firstFrom(values, endMs));
    },
  };
}

/** The values of a day, a week or a month as one point. Weeks begin on Monday. */
export interface Bucket {
  readonly startMs: number;
  /** The mean of the moments. */
  readonly atMs: number;
  /** The mean of the values. */
  readonly value: number;
  readonly count: number;
}

/** In the time zone of this machine, which is the one of the household. */
const INTERVALS = { day: timeDay, week: timeMonday, month: timeMonth } as const;
export type BucketUnit = keyof typeof INTERVALS;

/** As fine as so many points allow. */
export function bucketUnit({ fromMs, toMs }: Span, mostPoints: number): BucketUnit {
  const days = (toMs - fromMs) / DAY_MS;
  if (days <= mostPoints) return 'day';
  return days <= 7 * mostPoints ? 'week' : 'month';
}

/** By time, without empty buckets. One pass: a year of ten quantities has thousands of values. */
export function fillBuckets(values: readonly TimedValue[], { fromMs, toMs }: Span, unit: BucketUnit): Bucket[] {
  const sums: { startMs: number; ms: number; value: number; count: number }[] = [];
  for (const { takenMs, value } of values.slice(firstFrom(values, fromMs), right(values, toMs))) {
    const startMs = Number(INTERVALS[unit].floor(new Date(takenMs)));
    let sum = sums.at(-1);
    if (sum?.startMs !== startMs) {
      sum = { startMs, ms: 0, value: 0, count: 0 };
      sums.push(sum);
    }
    // Of differences from the start: a sum of times since 1970 would lose digits.
    sum.ms += takenMs - startMs;
    sum.value += value;
    sum.count += 1;
  }
  return sums.map(({ startMs, ms, value, count }) => {
    return { startMs, atMs: startMs + ms / count, value: value / count, count };
  });
}

/** What a picture is made of: the points, and the trend at each of them. */
export interface Course {
  readonly span: Span;
  readonly unit: BucketUnit;
  readonly points: readonly Bucket[];
  readonly trend: readonly TrendPoint[];
  /** The moments of the points that follow a gap in the line: too long without a weigh-in. */
  readonly resumedMs: ReadonlySet<number>;
}

/** @param values all there are: values before the span bend the trend at its start */
export function courseOf(values: readonly TimedValue[], span: Span, mostPoints: number): Course {
  const unit = bucketUnit(span, mostPoints);
  const widthMs = unit === 'month' ? 30.4 * DAY_MS : WEEK_MS;
  const gapMs = reachOf(widthMs);
  const days = fillBuckets(values, { fromMs: span.fromMs - gapMs, toMs: span.toMs }, 'day');
  const points = fillBuckets(values, span, unit);
  const moments = points.map(({ atMs }) => atMs);
  // Between the weigh-ins, not between the points: the middles of weeks lie further apart than their ends.
  const isResumed = ({ startMs }: Bucket) => {
    const at = firstFrom(values, startMs);
    return (values[at]?.takenMs ?? 0) - (values[at - 1]?.takenMs ?? 0) > gapMs;
  };
  const resumedMs = new Set(points.filter(isResumed).map(({ atMs }) => atMs));
  return { span, unit, points, trend: trendAt(days, moments, widthMs), resumedMs };
}
