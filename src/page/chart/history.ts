import type { TimedValue } from '../../domain/history.ts';
import { type Bucket, type BucketUnit, bucketUnit, fillBuckets } from './buckets.ts';
import { LENGTH_MS } from './calendar.ts';
import type { Span } from './span.ts';
import { reachOf, type TrendPoint, trendAt, WEEK_MS } from './trend.ts';

/** What a picture is made of: the points, and the trend at each of them. */
export interface Course {
  readonly span: Span;
  readonly unit: BucketUnit;
  readonly points: readonly Bucket[];
  readonly trend: readonly TrendPoint[];
  /** A longer pause than this is a gap in the line. */
  readonly gapMs: number;
}

/** @param values all there are: what lies before the span bends the trend at its start */
export function courseOf(values: readonly TimedValue[], span: Span, mostPoints: number): Course {
  const unit = bucketUnit(span, mostPoints);
  const widthMs = unit === 'month' ? LENGTH_MS.month : WEEK_MS;
  const gapMs = reachOf(widthMs);
  const days = fillBuckets(values, { fromMs: span.fromMs - gapMs, toMs: span.toMs }, 'day');
  const points = fillBuckets(values, span, unit);
  const moments = points.map(({ atMs }) => atMs);
  return { span, unit, points, trend: trendAt(days, moments, widthMs), gapMs };
}
