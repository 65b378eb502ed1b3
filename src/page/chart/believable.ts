import type { Histories, TimedValue } from '../../domain/history.ts';
import { firstFrom } from './buckets.ts';
import { later, startOf } from './calendar.ts';

/** A clock may be a day off, here or in the scale. What is dated later than that would squeeze a picture into a corner. */
const DAYS_AHEAD = 2;

export function isBelievable({ takenMs }: TimedValue, now: Date): boolean {
  return takenMs < endOf(now);
}

/** The histories without what is dated far in the future. */
export function believableOf({ quantitiesOf, valuesOf }: Histories, now: Date): Histories {
  return {
    quantitiesOf,
    valuesOf(userId, quantity) {
      const values = valuesOf(userId, quantity);
      const last = values.at(-1);
      return last === undefined || isBelievable(last, now) ? values : values.slice(0, firstFrom(values, endOf(now)));
    },
  };
}

function endOf(now: Date): number {
  return later('day', startOf('day', now.getTime()), DAYS_AHEAD);
}
