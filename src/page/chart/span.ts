import type { TimedValue } from '../../domain/history.ts';
import type { Range } from '../view.ts';
import { DAY_MS, monthsBefore, startOf } from './calendar.ts';

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
  return { fromMs: startOf('day', Math.min(firstMs, toMs - LEAST_MS)), toMs };
}
