import type { BedDelivery } from './bed.ts';
import type { Reading } from './reading.ts';
import type { UserId } from './token.ts';

/**
 * The kind of a delivery.
 *
 * - `weigh_in`: a weight, delivered for the first time.
 * - `reading`: measures without a weight, delivered for the first time.
 * - `addition`: further measures of a weigh-in that was delivered before.
 * - `correction`: Withings changed a delivered reading.
 * - `withdrawn`: a group no longer counts: it is taken back, or its new version is held.
 * - `held`: the reading does not count as this person's: it is held, or Withings is not sure.
 */
export type DeliveryKind = 'weigh_in' | 'reading' | 'addition' | 'correction' | 'withdrawn' | 'held';

/** One weigh-in of the journal on its way out, in the journal's order. */
export interface Delivery {
  readonly kind: DeliveryKind;
  /** All parts of the weigh-in from one fetch, as one. */
  readonly reading: Reading;
  /** The groups of the delivery, the one of `reading` first. */
  readonly groupIds: readonly number[];
  /** Kilograms: the same person's weight before this one in time. */
  readonly previousWeight: number | undefined;
  /** There was an older line of the same group: Withings changed it. */
  readonly correction: boolean;
  /**
   * The reading is now older than `ANNOUNCE_MAX_AGE`, corrected, taken back or held: states may change, nothing is
   * announced.
   */
  readonly late: boolean;
}

/**
 * Publishes readings. It gets one at a time, in order, at least once; the next follows when `deliver` has resolved. It
 * does not get history from a backfill.
 */
export interface Publisher extends AsyncDisposable {
  /** The name of its offset file: `mqtt`, `hook`. */
  readonly name: string;
  /** The time of the current delivery at a stop, out of `main`'s 8 s for everything. */
  readonly stopMs: number;
  /**
   * Resolves when the other side has the delivery. A `Trouble` is retried with back-off, without end. A publisher that
   * gives up on one delivery fails with the code `GIVEN_UP`: that is logged, and the next follows. If the other side is
   * unreachable, it fails and does not wait: only then is the trouble logged, and a stop does not wait for it.
   *
   * @param signal aborts at the end of the current delivery's time at a stop
   */
  deliver(delivery: Delivery, signal: AbortSignal): Promise<void>;
  /** The same for bed events, which come in parallel to readings. Missing if the publisher accepts none. */
  deliverBed?(delivery: BedDelivery, signal: AbortSignal): Promise<void>;
}

/** The code of the trouble with which a publisher gives up on a delivery. Its text has the reason. */
export const GIVEN_UP = 'given_up';

/** Stores the deliveries that a publisher gave up on, for a person to read. */
export interface Parking {
  /** The path of the file, for that person. */
  readonly path: string;
  /** Stores one line of JSON durably. */
  park(line: string): Promise<void>;
}

/** The offset of a publisher in the journal. */
export interface OffsetStore {
  /** Undefined before the first delivery: then the publisher begins at the end of the journal. */
  load(publisher: string): Promise<JournalOffset | undefined>;
  save(publisher: string, offset: JournalOffset): Promise<void>;
}

/** An offset between two lines, and its file. */
export interface JournalOffset {
  readonly bytes: number;
  readonly file: string;
  /** The marks by which the offset, or an earlier one, is found in a copy of the file; the newest first. */
  readonly marks: readonly JournalMark[];
}

/** The hash of the bytes before a passed offset. */
export interface JournalMark {
  readonly bytes: number;
  /** The number of bytes in the hash. */
  readonly length: number;
  readonly hash: string;
}

/** The context of a reading in the journal. */
export interface ReadingContext {
  /** Kilograms: the same person's weight before this one in time. */
  readonly previousWeight: number | undefined;
  /** There was an older line of the same group. */
  readonly correction: boolean;
  /** One of those older lines counted as this person's. */
  readonly countedBefore: boolean;
  /** This is the line after the last one that counted: with it the group stopped counting. */
  readonly stopsCounting: boolean;
  /** The last line of the group counts: it is neither held nor taken back. */
  readonly stillCounts: boolean;
  /** An older line has a weight of the same weigh-in, in another group. */
  readonly besideOlderWeight: boolean;
}

/** One reading of the journal, and the offset after its line. */
export interface FeedLine {
  readonly reading: Reading;
  /** A backfill fetched it. */
  readonly history: boolean;
  /** The offset of its line, in bytes. */
  readonly at: number;
  readonly next: JournalOffset;
}

/** The journal as publishers follow it, each from its own offset. Its lines are on the disk and never change. */
export interface JournalFeed {
  /** The end of the part of the journal that this process has read. */
  end(): Omit<JournalOffset, 'marks'>;
  /** The next page of lines, after a look at what other processes appended. */
  read(from: JournalOffset): Promise<JournalPage>;
  contextOf(line: Pick<FeedLine, 'reading' | 'at'>): ReadingContext;
  /** Calls `wake` whenever this process reads new lines, until it is disposed. */
  onGrowth(wake: () => void): Disposable;
}

export interface JournalPage {
  /**
   * The start of the page: the given offset. In another file, the same offset if the bytes before it are the same.
   * Otherwise the newest earlier offset with the same bytes, or the beginning.
   */
  readonly from: JournalOffset;
  readonly lines: readonly FeedLine[];
  /** The start of the next page: after the last line, and after later lines that are not readings. */
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

/** The topics and values that the broker retains for a publisher until they are cleared. */
export interface Retained {
  readonly topics: ReadonlySet<string>;
  /** The values on the topics: a person's value of each quantity. */
  readonly values: ReadonlyMap<UserId, ReadonlyMap<string, Value>>;
}

/** Stores it beyond the life of the process, so that a removed person's values can be cleared. */
export interface RetainedStore {
  /** Empty without a readable file. */
  load(): Promise<Retained>;
  save(retained: Retained): Promise<void>;
}
