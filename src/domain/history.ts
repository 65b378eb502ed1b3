import type { UserId } from './token.ts';

/** One value of a quantity, in the unit of `MEASURE_TYPES`. */
export interface TimedValue {
  /** Milliseconds since 1970: there are tens of thousands of these. */
  readonly takenMs: number;
  readonly value: number;
}

/**
 * What has been measured of each person over time. Only what is surely theirs, and as each group's last line says; of
 * several values of one moment the last line counts last.
 */
export interface Histories {
  /** The quantities that the person has values of, by the keys of `measureKey`. */
  quantitiesOf(userId: UserId): readonly string[];
  /** By time. */
  valuesOf(userId: UserId, quantity: string): readonly TimedValue[];
}
