import { DAY_MS } from '../words.ts';

export interface Point {
  readonly atMs: number;
  readonly value: number;
}

export interface TrendPoint extends Point {
  /** How far a day usually lies from the trend: the standard deviation. Undefined where too few days tell. */
  readonly spread: number | undefined;
}

/** How wide a day's influence is: after a week it has 61 % of its weight left, after two 14 %, after three none. */
export const WEEK_MS = 7 * DAY_MS;
/** Where nothing was measured for so long, the trend is unknown, and the line has a gap. */
export const reachOf = (widthMs: number) => 3 * widthMs;
/** Fewer days do not tell how much a person's weight goes up and down. */
const ENOUGH_DAYS = 5;

/**
 * The trend: at each moment the straight line that fits best the days around it, the nearer the more (local linear
 * regression with a Gaussian kernel). It looks to both sides, so it does not lag behind as a running mean does. As few
 * days would tilt it wildly, the slope is held back as if by one more day without a slope.
 *
 * @param days by time, at most one a day; beyond the moments as far as they reach
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

/** Distances count in widths, and values from the first one on, so that the sums keep their digits. */
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
  };
}
