import type { WeightUnit } from '../domain/format.ts';
import type { TimedValue } from '../domain/history.ts';
import { firstFrom } from './chart/buckets.ts';
import { DAY_MS, monthsBefore } from './chart/calendar.ts';
import { tellChange } from './quantity.ts';
import { sayDay } from './words.ts';

/** `−0.40 kg since yesterday`: since the weigh-in before, and since the one a month ago. */
export function changesOf(last: TimedValue, weights: readonly TimedValue[], unit: WeightUnit, now: Date): string[] {
  const lastMs = last.takenMs;
  const before = weights[firstFrom(weights, lastMs) - 1];
  // Up to the end of that day: whoever weighs every morning does so a little earlier or later.
  const monthAgo = weights[firstFrom(weights, monthsBefore(lastMs, 1) + DAY_MS) - 1];
  const earlier = [before, monthAgo === before ? undefined : monthAgo];
  return earlier.flatMap((each) => (each === undefined ? [] : [tell(last, each, unit, now)]));
}

function tell(last: TimedValue, { takenMs, value }: TimedValue, unit: WeightUnit, now: Date): string {
  const change = tellChange(last.value - value, unit);
  return `${/[1-9]/.test(change) ? change : 'the same'} ${since(new Date(takenMs), now)}`;
}

function since(date: Date, now: Date): string {
  const day = sayDay(date, now);
  return day === 'today' ? `since today ${date.toTimeString().slice(0, 5)}` : `since ${day}`;
}
