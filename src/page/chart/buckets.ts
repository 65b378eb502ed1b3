import type { TimedValue } from '../../domain/history.ts';
import { type CalendarUnit, LENGTH_MS, later, startOf } from './calendar.ts';
import type { Span } from './span.ts';

export type BucketUnit = Exclude<CalendarUnit, 'year'>;

/** What was measured within a day, a week or a month, as one point. */
export interface Bucket {
  readonly startMs: number;
  /** The mean of the moments. */
  readonly atMs: number;
  /** The mean of the values. */
  readonly value: number;
  readonly count: number;
}

/** As fine as so many points allow. */
export function bucketUnit({ fromMs, toMs }: Span, mostPoints: number): BucketUnit {
  const fits = (unit: BucketUnit) => (toMs - fromMs) / LENGTH_MS[unit] <= mostPoints;
  if (fits('day')) return 'day';
  return fits('week') ? 'week' : 'month';
}

/** By time; none that is empty. One pass over what the span holds, whatever lies before it. */
export function fillBuckets(values: readonly TimedValue[], { fromMs, toMs }: Span, unit: BucketUnit): Bucket[] {
  const buckets: Bucket[] = [];
  let startMs = 0;
  let endMs = Number.NEGATIVE_INFINITY;
  let [count, sum, sumMs] = [0, 0, 0];
  const close = () => {
    // Sums of differences from the start: of times since 1970 they would lose digits.
    if (count > 0) buckets.push({ startMs, atMs: startMs + sumMs / count, value: sum / count, count });
  };
  for (let index = firstFrom(values, fromMs); index < values.length; index += 1) {
    const { takenMs, value } = values[index] ?? NOTHING;
    if (takenMs > toMs) break;
    if (takenMs >= endMs) {
      close();
      startMs = startOf(unit, takenMs);
      endMs = later(unit, startMs);
      [count, sum, sumMs] = [0, 0, 0];
    }
    count += 1;
    sum += value;
    sumMs += takenMs - startMs;
  }
  close();
  return buckets;
}

const NOTHING: TimedValue = { takenMs: Number.POSITIVE_INFINITY, value: Number.NaN };

/** The place of the first value that is not older. */
export function firstFrom(values: readonly TimedValue[], fromMs: number): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((values[middle] ?? NOTHING).takenMs < fromMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
