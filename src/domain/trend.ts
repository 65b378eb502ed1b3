import { firstFrom, type Series } from './history.ts';

const DAY_MS = 24 * 3_600_000;

export interface Point {
  readonly atMs: number;
  readonly value: number;
}

export interface TrendPoint extends Point {
  /** The usual distance of a day from the trend: the standard deviation. Undefined with too few days. */
  readonly spread: number | undefined;
  /** The rise of the surrounding days in a width: the slope of the line that fits them best, without damping. */
  readonly slope: number | undefined;
}

/** The width of a day's influence: after a week it has 61 % of its weight left, after two 14 %, after three none. */
export const WEEK_MS = 7 * DAY_MS;
/** After so long without a measurement, the trend is unknown, and the line has a gap. */
export const reachOf = (widthMs: number) => 3 * widthMs;
/** Fewer days do not show how much a person's weight varies. */
const ENOUGH_DAYS = 5;

/**
 * The trend: at each moment the straight line that best fits the days around it (local linear regression with a
 * Gaussian kernel). Nearer days weigh more. It uses both sides, so it does not lag as a running mean does. A few days
 * would tilt it wildly, so one virtual day without a slope damps it.
 *
 * @param days by time, at most one a day; also beyond the moments, as far as their influence reaches
 * @param moments by time
 */
export function trendAt(days: readonly Point[], moments: readonly number[], widthMs = WEEK_MS): TrendPoint[] {
  const reachMs = reachOf(widthMs);
  const trend: TrendPoint[] = [];
  let first = 0;
  for (const atMs of moments) {
    while (first < days.length && (days[first]?.atMs ?? 0) < atMs - reachMs) first += 1;
    const point = fit(days, first, atMs, widthMs);
    if (point !== undefined) trend.push(point);
  }
  return trend;
}

/** Distances count in widths, and values relative to the first, so that the sums keep their digits. */
function fit(days: readonly Point[], first: number, atMs: number, widthMs: number): TrendPoint | undefined {
  const base = days[first]?.value ?? 0;
  let [count, weights, x, y, xx, xy, yy] = [0, 0, 0, 0, 0, 0, 0];
  for (let index = first; index < days.length; index += 1) {
    const day = days[index];
    if (day === undefined || day.atMs > atMs + reachOf(widthMs)) break;
    const distance = (day.atMs - atMs) / widthMs;
    const height = day.value - base;
    const weight = Math.exp(-distance * distance * 0.5);
    count += 1;
    weights += weight;
    x += weight * distance;
    y += weight * height;
    xx += weight * distance * distance;
    xy += weight * distance * height;
    yy += weight * height * height;
  }
  if (count === 0) return undefined;
  const [meanX, meanY] = [x / weights, y / weights];
  const [spreadX, together, spreadY] = [xx - x * meanX, xy - x * meanY, yy - y * meanY];
  const slope = together / (spreadX + 1);
  const remains = (spreadY - 2 * slope * together + slope * slope * spreadX) / weights;
  return {
    atMs,
    value: base + meanY - slope * meanX,
    spread: count < ENOUGH_DAYS ? undefined : Math.sqrt(Math.max(0, remains)),
    slope: spreadX > 0 ? together / spreadX : undefined,
  };
}

/** A day, week or month, like d3-time's intervals. */
export interface Interval {
  floor(date: Date): Date;
  offset(date: Date, step: number): Date;
}

/** A day in the time zone of this machine, which is the household's. */
const DAY: Interval = {
  floor(date) {
    const start = new Date(date);
    start.setHours(0, 0, 0, 0);
    return start;
  },
  offset(date, step) {
    const other = new Date(date);
    other.setDate(other.getDate() + step);
    return other;
  },
};

/** The values of a day, a week or a month as one point. Weeks begin on Monday. */
export interface Bucket {
  readonly startMs: number;
  /** The mean of the moments. */
  readonly atMs: number;
  /** The mean of the values. */
  readonly value: number;
  readonly count: number;
}

/**
 * Returns the buckets by time, without empty ones. It makes one pass: a year of ten quantities has thousands of values.
 *
 * @param span both bounds included
 */
export function fillBuckets(
  values: Series,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
  interval = DAY,
): Bucket[] {
  const buckets: { -readonly [K in keyof Bucket]: Bucket[K] }[] = [];
  let endMs = Number.NEGATIVE_INFINITY;
  for (let index = firstFrom(values, fromMs); index < values.length; index += 1) {
    const found = values.at(index);
    if (found === undefined || found.takenMs > toMs) break;
    const { takenMs, value } = found;
    const bucket = buckets.at(-1);
    if (bucket !== undefined && takenMs < endMs) {
      bucket.count += 1;
      // It adds step by step, because a sum of times since 1970 would lose digits.
      bucket.atMs += (takenMs - bucket.atMs) / bucket.count;
      bucket.value += (value - bucket.value) / bucket.count;
    } else {
      const start = interval.floor(new Date(takenMs));
      endMs = Number(interval.floor(interval.offset(start, 1)));
      buckets.push({ startMs: Number(start), atMs: takenMs, value, count: 1 });
    }
  }
  return buckets;
}

/** The least number of days in the last three weeks for a trend. */
const LEAST_DAYS = 3;
/** The least time from the first to the last of them: a Monday to the next Sunday, at any hour. Less is not a week. */
const LEAST_REACH_MS = 5.5 * DAY_MS;

export interface TrendNow {
  readonly value: number;
  readonly perWeek: number;
}

/**
 * The trend at the newest day with a value, which is the last point of a chart with days.
 *
 * @returns undefined without enough values
 */
export function trendNow(values: Series): TrendNow | undefined {
  const newest = values.at(-1);
  if (newest === undefined) return undefined;
  const days = fillBuckets(values, { fromMs: daysBefore(newest.takenMs), toMs: newest.takenMs });
  const atMs = days.at(-1)?.atMs ?? newest.takenMs;
  const near = days.filter((day) => day.atMs >= atMs - reachOf(WEEK_MS));
  if (near.length < LEAST_DAYS || atMs - (near[0]?.atMs ?? atMs) < LEAST_REACH_MS) return undefined;
  const [point] = trendAt(near, [atMs]);
  return point?.slope === undefined ? undefined : { value: point.value, perWeek: point.slope };
}

/**
 * The change of the trend from a moment to the newest day.
 *
 * @returns undefined if the trend now or then is unknown: without a weigh-in within a week of the moment
 */
export function trendChange(values: Series, sinceMs: number): number | undefined {
  const newestMs = values.at(-1)?.takenMs ?? Number.NEGATIVE_INFINITY;
  const now = sinceMs < newestMs ? trendNow(values) : undefined;
  if (now === undefined) return undefined;
  const days = fillBuckets(values, { fromMs: daysBefore(sinceMs), toMs: sinceMs + reachOf(WEEK_MS) });
  const isTold = days.length >= LEAST_DAYS && days.some(({ atMs }) => Math.abs(atMs - sinceMs) <= WEEK_MS);
  const [then] = isTold ? trendAt(days, [sinceMs]) : [];
  return then && now.value - then.value;
}

/** The start of the first day that affects the trend of this moment. */
function daysBefore(atMs: number): number {
  return Number(DAY.offset(DAY.floor(new Date(atMs)), -(reachOf(WEEK_MS) / DAY_MS) - 1));
}
