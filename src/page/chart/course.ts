import { timeDay, timeMonday, timeMonth } from 'd3-time';
import { firstFrom, type Series, type TimedValue } from '../../domain/history.ts';
import { type Bucket, fillBuckets, reachOf, type TrendPoint, trendAt, WEEK_MS } from '../../domain/trend.ts';
import type { Range } from '../view.ts';
import { DAY_MS } from '../words.ts';

/** The time that a picture shows. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

const MONTHS: Readonly<Record<Exclude<Range, 'all'>, number>> = { month: 1, quarter: 3, year: 12 };
/** A single weigh-in must not fill the whole width. */
const LEAST_MS = 28 * DAY_MS;

/** @param series each sorted by time; a slightly wrong clock may give values later than now */
export function spanOf(range: Range, now: Date, series: readonly Series[]): Span {
  const nowMs = now.getTime();
  const toMs = Math.max(nowMs, ...series.map((values) => values.at(-1)?.takenMs ?? nowMs));
  if (range !== 'all') return { fromMs: monthsBefore(nowMs, MONTHS[range]), toMs };
  const firstMs = Math.min(nowMs, ...series.map((values) => values.at(0)?.takenMs ?? nowMs));
  return { fromMs: Number(timeDay.floor(new Date(Math.min(firstMs, toMs - LEAST_MS)))), toMs };
}

/** The same day `count` months earlier, or the last day of that month. */
export function monthsBefore(atMs: number, count: number): number {
  const date = new Date(atMs);
  const [year, month] = [date.getFullYear(), date.getMonth() - count];
  const lastDay = new Date(year, month + 1, 0).getDate();
  return new Date(year, month, Math.min(date.getDate(), lastDay)).getTime();
}

/** A stand-in for a missing value. */
const NOTHING: TimedValue = { takenMs: 0, value: 0 };

/** d3's intervals, in the time zone of this machine, which is the household's. */
export const INTERVALS = { day: timeDay, week: timeMonday, month: timeMonth } as const;
export type BucketUnit = keyof typeof INTERVALS;

/** The finest unit that needs at most so many points. */
export function bucketUnit({ fromMs, toMs }: Span, mostPoints: number): BucketUnit {
  const days = (toMs - fromMs) / DAY_MS;
  if (days <= mostPoints) return 'day';
  return days <= 7 * mostPoints ? 'week' : 'month';
}

/** The content of a picture: the points, and the trend at each of them. */
export interface Course {
  readonly span: Span;
  readonly unit: BucketUnit;
  readonly points: readonly Bucket[];
  readonly trend: readonly TrendPoint[];
  /** The moments of the points that follow a gap in the line: too long without a weigh-in. */
  readonly resumedMs: ReadonlySet<number>;
}

/** @param values all values: those before the span affect the trend at its start */
export function courseOf(values: Series, span: Span, mostPoints: number): Course {
  const unit = bucketUnit(span, mostPoints);
  const widthMs = unit === 'month' ? 30.4 * DAY_MS : WEEK_MS;
  const gapMs = reachOf(widthMs);
  const days = fillBuckets(values, { fromMs: span.fromMs - gapMs, toMs: span.toMs });
  const points = fillBuckets(values, span, INTERVALS[unit]);
  const moments = points.map(({ atMs }) => atMs);
  // This compares weigh-ins, not points: the middles of weeks are further apart than their ends.
  const isResumed = ({ startMs }: Bucket) => {
    const at = firstFrom(values, startMs);
    const before = at === 0 ? NOTHING : (values.at(at - 1) ?? NOTHING);
    return (values.at(at) ?? NOTHING).takenMs - before.takenMs > gapMs;
  };
  const resumedMs = new Set(points.filter(isResumed).map(({ atMs }) => atMs));
  return { span, unit, points, trend: trendAt(days, moments, widthMs), resumedMs };
}
