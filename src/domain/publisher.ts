import type { BedDelivery } from './bed.ts';
import type { Reading } from './reading.ts';
import type { UserId } from './token.ts';

/**
 * What a delivery is about.
 *
 * - `weigh_in`: a weight, delivered for the first time.
 * - `reading`: measures without a weight, delivered for the first time.
 * - `addition`: further measures of a weigh-in that was delivered before.
 * - `correction`: Withings has changed what was delivered before.
 * - `withdrawn`: a group that counted does not any more: it is taken back, or its new version is held.
 * - `held`: not delivered as this person's: held, or Withings is not sure.
 */
export type DeliveryKind = 'weigh_in' | 'reading' | 'addition' | 'correction' | 'withdrawn' | 'held';

/** One weigh-in of the journal on its way out, in the journal's order. */
export interface Delivery {
  readonly kind: DeliveryKind;
  /** All parts of the weigh-in that one fetch has brought, as one. */
  readonly reading: Reading;
  /** The groups that it is made of, the one of `reading` first. */
  readonly groupIds: readonly number[];
  /** Kilograms: the same person's weight before this one in time. */
  readonly previousWeight: number | undefined;
  /** An older line of the same group went before: Withings has changed it. */
  readonly correction: boolean;
  /**
   * Older than `ANNOUNCE_MAX_AGE` now, or a correction, or taken back, or held: states may change, nothing is announced.
   */
  readonly late: boolean;
}

/**
 * Passes readings on. It is given one at a time, in order, at least once; the next follows when `deliver` has resolved.
 * History that a backfill has fetched is not passed on.
 */
export interface Publisher extends AsyncDisposable {
  /** Of its offset file: `mqtt`, `hook`. */
  readonly name: string;
  /** What a stop leaves to the delivery in hand, of the 8 s that `main` gives the whole. */
  readonly stopMs: number;
  /**
   * Resolves when the other side has it. What fails with a `Trouble` is retried with back-off, without end; a
   * publisher that gives up on one delivery fails with the code `GIVEN_UP`: that is told, and the next follows. Where
   * the other side cannot be reached it fails, and does not wait: only then is the trouble told, and a stop does not
   * wait for it.
   *
   * @param signal aborts when the time that a stop gives the delivery in hand is over
   */
  deliver(delivery: Delivery, signal: AbortSignal): Promise<void>;
  /** The same for bed events, which come beside the readings; missing where the publisher takes none. */
  deliverBed?(delivery: BedDelivery, signal: AbortSignal): Promise<void>;
}

/** Of the trouble that says that, and why, a publisher will not be given this delivery again. */
export const GIVEN_UP = 'given_up';

/** Where a publisher leaves what it has given up on, for a person to look at. */
export interface Parking {
  /** Of the file, for the person who looks. */
  readonly path: string;
  /** Keeps one line of JSON, durably. */
  park(line: string): Promise<void>;
}

/** How far a publisher has come in the journal. */
export interface OffsetStore {
  /** Undefined before the first delivery: then the publisher begins at the end of the journal. */
  load(publisher: string): Promise<JournalOffset | undefined>;
  save(publisher: string, offset: JournalOffset): Promise<void>;
}

/** An offset between two lines, and the file it belongs to. */
export interface JournalOffset {
  readonly bytes: number;
  readonly file: string;
  /** By which the offset, or one before it, is found in a copy of the file; the newest first. */
  readonly marks: readonly JournalMark[];
}

/** What stands before an offset that was passed. */
export interface JournalMark {
  readonly bytes: number;
  /** Of how many bytes before it this is the hash. */
  readonly length: number;
  readonly hash: string;
}

/** What the journal knows about a reading that it holds. */
export interface ReadingContext {
  /** Kilograms: the same person's weight before this one in time. */
  readonly previousWeight: number | undefined;
  /** An older line of the same group went before. */
  readonly correction: boolean;
  /** One of those counted as this person's. */
  readonly countedBefore: boolean;
  /** The line after the last one that counted: with it the group stopped counting. */
  readonly stopsCounting: boolean;
  /** The last line of the group counts: it is neither held nor taken back by now. */
  readonly stillCounts: boolean;
  /** An older line has a weight of the same weigh-in, in another group. */
  readonly besideOlderWeight: boolean;
}

/** One reading of the journal, and the offset behind its line. */
export interface FeedLine {
  readonly reading: Reading;
  /** A backfill has fetched it. */
  readonly history: boolean;
  /** Where its line begins, in bytes. */
  readonly at: number;
  readonly next: JournalOffset;
}

/** The journal as a publisher follows it, each from its own offset. What it gives is on the disk and never changes. */
export interface JournalFeed {
  /** Where the journal ends, as far as this process knows. */
  end(): Omit<JournalOffset, 'marks'>;
  /** The next lines, a page of them, after a look at what other processes have appended. */
  read(from: JournalOffset): Promise<JournalPage>;
  contextOf(line: Pick<FeedLine, 'reading' | 'at'>): ReadingContext;
  /** Calls `wake` whenever this process has learnt of more, until it is disposed. */
  onGrowth(wake: () => void): Disposable;
}

export interface JournalPage {
  /**
   * Where it begins: at the offset that was asked for. In another file at the same offset, where the same stands before
   * it; else at the newest offset before it of which that is true, or at the beginning.
   */
  readonly from: JournalOffset;
  readonly lines: readonly FeedLine[];
  /** Where to go on: behind the last line, and behind what is not a reading after it. */
  readonly next: JournalOffset;
}

/** A quantity's value, and when it was measured. */
export interface Value {
  readonly value: number;
  readonly takenAt: Date;
}

/** Each person's newest value of each quantity, for a subscriber that joins now. */
export interface LatestValues {
  of(userId: UserId): ReadonlyMap<string, Value>;
}

/** What a publisher has left with its broker, which keeps it until it is cleared. */
export interface Retained {
  readonly topics: ReadonlySet<string>;
  /** What stands on them: the person's value of each quantity. */
  readonly values: ReadonlyMap<UserId, ReadonlyMap<string, Value>>;
}

/** Remembers it beyond the life of the process, so that the values of a person who is gone can be cleared. */
export interface RetainedStore {
  /** Empty where there is no file, or none that can be read. */
  load(): Promise<Retained>;
  save(retained: Retained): Promise<void>;
}
