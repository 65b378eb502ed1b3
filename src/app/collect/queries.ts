import type { Clock } from '../../domain/clock.ts';
import type { MeasureQuery, TimeWindow } from '../../domain/measure.ts';

/** Withings does not document whether a query includes its bounds. */
const EDGE_MS = 1_000;
/** Groups may show up a while after their time of change; other clients use two hours. */
const OVERLAP_MS = 2 * 3_600_000;

/** One window around both. */
export function union(one: TimeWindow | undefined, other: TimeWindow): TimeWindow {
  if (one === undefined) return other;
  const start = Math.min(one.start.getTime(), other.start.getTime());
  const end = Math.max(one.end.getTime(), other.end.getTime());
  return { start: new Date(start), end: new Date(end) };
}

export function covers(outer: TimeWindow, inner: TimeWindow): boolean {
  return outer.start <= inner.start && outer.end >= inner.end;
}

export function isWithin(window: TimeWindow, moment: Date): boolean {
  return moment >= window.start && moment <= window.end;
}

export interface Queries {
  window(window: TimeWindow): MeasureQuery;
  since(cursor: Date): MeasureQuery;
}

/**
 * Makes queries whose margins vary: no two within 12 s have the same arguments, even if a killed process sent the
 * first. Withings answers 601 to the same arguments within 10 s. The margin follows the clock in steps of 20 ms, far
 * less than a process needs to start. It repeats after 700 steps.
 */
export function createQueries(clock: Clock): Queries {
  const steps = 700;
  const stepMs = 20;
  // Read once, so that setting the clock does not turn the margin back.
  const startMs = clock.now().getTime() - clock.elapsedMs();
  let last = 0;
  const breath = () => {
    last = Math.max(last + 1, Math.floor((startMs + clock.elapsedMs()) / stepMs));
    return (last % steps) * 1_000;
  };
  return {
    window({ start, end }) {
      return { window: { start: shift(start, -EDGE_MS), end: shift(end, EDGE_MS + breath()) } };
    },
    since(cursor) {
      return { since: shift(cursor, -OVERLAP_MS - breath()) };
    },
  };
}

function shift(date: Date, ms: number): Date {
  return new Date(Math.max(0, date.getTime() + ms));
}
