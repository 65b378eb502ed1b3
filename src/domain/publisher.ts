import type { Reading } from './reading.ts';
import type { UserId } from './token.ts';

/** One line of the journal on its way out, in the journal's order. */
export interface Delivery {
  readonly reading: Reading;
  /** Kilograms: the same person's weight before this one in time. */
  readonly previousWeight: number | undefined;
  /** An older line of the same group went before: Withings has changed it. */
  readonly correction: boolean;
  /** Older than `ANNOUNCE_MAX_AGE` now, or a correction, or nobody's for sure: states may change, nothing is announced. */
  readonly late: boolean;
}

/**
 * Passes readings on. It is given one at a time, in order, at least once; the next follows when `deliver` has resolved.
 * History that a backfill has fetched is not given to anybody.
 */
export interface Publisher extends AsyncDisposable {
  /** Of its offset file: `mqtt`, `hook`. */
  readonly name: string;
  /**
   * Resolves when the other side has it. What fails with a `Trouble` is tried again with back-off, for ever; a
   * publisher that gives up on one delivery resolves, and says so in the log.
   */
  deliver(delivery: Delivery, signal: AbortSignal): Promise<void>;
}

/** How far a publisher has come in the journal. */
export interface OffsetStore {
  /** Undefined before the first delivery: then the publisher begins at the end of the journal. */
  load(publisher: string): Promise<JournalOffset | undefined>;
  save(publisher: string, offset: JournalOffset): Promise<void>;
}

/** A place between two lines, and which file it is a place of. */
export interface JournalOffset {
  readonly bytes: number;
  readonly file: string;
}

/** What somebody who joins now should know: each person's newest value of each quantity. */
export interface LatestValues {
  of(userId: UserId): ReadonlyMap<string, { readonly value: number; readonly takenAt: Date }>;
}
