import type { TimedValue } from '../../domain/history.ts';
import { type Bucket, type BucketUnit, bucketUnit, fillBuckets, firstFrom } from './buckets.ts';
import { LENGTH_MS } from './calendar.ts';
import type { Span } from './span.ts';
import { reachOf, type TrendPoint, trendAt, WEEK_MS } from './trend.ts';

/** What a picture is made of: the points, and the trend at each of them. */
export interface Course {
  readonly span: Span;
  readonly unit: BucketUnit;
  readonly points: readonly Bucket[];
  readonly trend: readonly TrendPoint[];
  /** The moments of those points before which nothing was measured for so long that the line has a gap. */
  readonly resumedMs: ReadonlySet<number>;
}

/** @param values all there are: what lies before the span bends the trend at its start */
export function courseOf(values: readonly TimedValue[], span: Span, mostPoints: number): Course {
  const unit = bucketUnit(span, mostPoints);
  const widthMs = unit === 'month' ? LENGTH_MS.month : WEEK_MS;
  const gapMs = reachOf(widthMs);
  const days = fillBuckets(values, { fromMs: span.fromMs - gapMs, toMs: span.toMs }, 'day');
  const points = fillBuckets(values, span, unit);
  const moments = points.map(({ atMs }) => atMs);
  // Between what was measured, not between the points: the middles of weeks lie further apart than their ends.
  const isResumed = ({ startMs }: Bucket) => {
    const at = firstFrom(values, startMs);
    return (values[at]?.takenMs ?? 0) - (values[at - 1]?.takenMs ?? 0) > gapMs;
  };
  const resumedMs = new Set(points.filter(isResumed).map(({ atMs }) => atMs));
  return { span, unit, points, trend: trendAt(days, moments, widthMs), resumedMs };
}
