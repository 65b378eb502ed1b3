import type { UserId } from './token.ts';

/** One value of a quantity, in the unit of `MEASURE_TYPES`. */
export interface TimedValue {
  /** Milliseconds since 1970. */
  readonly takenMs: number;
  readonly value: number;
}

/** The values of a quantity, by time. An array is one. The journal's is a view, valid until the journal grows. */
export interface Series extends Iterable<TimedValue> {
  readonly length: number;
  /** Like an array's: a negative index counts from the end. */
  at(index: number): TimedValue | undefined;
}

/** A view of so many values. It makes each one on demand. */
export function createSeries(length: number, valueAt: (index: number) => TimedValue): Series {
  return {
    length,
    at(index) {
      const place = index < 0 ? length + index : index;
      return place >= 0 && place < length ? valueAt(place) : undefined;
    },
    *[Symbol.iterator]() {
      for (let index = 0; index < length; index += 1) yield valueAt(index);
    },
  };
}

/**
 * The measurements of each person over time, from each group's last line. It contains only values that are surely
 * theirs. Of several values of one moment, the last line comes last.
 */
export interface Histories {
  /** The quantities with values of the person, by the keys of `measureKey`. */
  quantitiesOf(userId: UserId): readonly string[];
  valuesOf(userId: UserId, quantity: string): Series;
}

/** A stand-in for a missing value. */
const NOTHING: TimedValue = { takenMs: 0, value: 0 };

/** The index of the first value at or after the moment. */
export function firstFrom(values: Series, fromMs: number): number {
  let [from, to] = [0, values.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((values.at(middle) ?? NOTHING).takenMs < fromMs) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** A clock may be a day off, here or in the scale. A later value would compress a picture. */
const DAYS_AHEAD = 2;

/** The histories without values dated far in the future. */
export function believableOf({ quantitiesOf, valuesOf }: Histories, now: Date): Histories {
  const endMs = new Date(now.getFullYear(), now.getMonth(), now.getDate() + DAYS_AHEAD).getTime();
  return {
    quantitiesOf,
    valuesOf(userId, quantity) {
      const values = valuesOf(userId, quantity);
      return createSeries(firstFrom(values, endMs), (at) => values.at(at) ?? NOTHING);
    },
  };
}
