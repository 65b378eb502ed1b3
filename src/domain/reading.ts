import { formatTime } from './clock.ts';
import { AMBIGUOUS, ATTRIBUTIONS, type MeasureGroup, measureKey } from './measure.ts';
import type { UserId } from './token.ts';

/** One person's measure group, decoded: what is journalled, logged and published. Values are in SI units. */
export interface Reading {
  readonly userId: UserId;
  readonly groupId: number;
  readonly takenAt: Date;
  readonly modifiedAt: Date;
  readonly attribution: number;
  /** The group may belong to another member of the household. */
  readonly ambiguous: boolean;
  readonly deviceId: string | undefined;
  readonly model: string | undefined;
  /** IANA name of the zone it was taken in, or its offset (`+01:00`), which is all that the journal keeps of it. */
  readonly timeZone: string | undefined;
  /** By the keys of `measureKey`. Where a group carries a key twice, the last one counts. */
  readonly measures: Readonly<Record<string, number>>;
}

export function toReading(userId: UserId, group: MeasureGroup): Reading {
  return {
    ...group,
    userId,
    ambiguous: group.attribution === AMBIGUOUS,
    measures: Object.fromEntries(group.measures.map((measure) => [measureKey(measure), measure.value])),
  };
}

/** How a reading looks from outside, in the journal and to a hook. Times are seconds since 1970, as at Withings. */
export function readingFields(reading: Reading): Readonly<Record<string, unknown>> {
  return {
    userid: reading.userId,
    grpid: reading.groupId,
    date: formatTime(reading.takenAt, reading.timeZone),
    timestamp: toSeconds(reading.takenAt),
    modified: toSeconds(reading.modifiedAt),
    attrib: reading.attribution,
    ambiguous: reading.ambiguous,
    deviceid: reading.deviceId ?? null,
    model: reading.model ?? null,
    measures: reading.measures,
  };
}

function toSeconds(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}

/** Whether the reading may be told as this person's. An attribution that is not described yet is trusted. */
export function isAnnounced(reading: Reading): boolean {
  return ATTRIBUTIONS[reading.attribution]?.announced ?? true;
}

/** Kilograms, where the reading has a weight. */
export function weightOf(reading: Reading): number | undefined {
  return reading.measures['weight'];
}

/** By how many kilograms it differs from the weight before, where both are known. */
export function weightChange(reading: Reading, previousWeight: number | undefined): number | undefined {
  const weight = weightOf(reading);
  if (weight === undefined || previousWeight === undefined) return undefined;
  // Grams are the finest that scales weigh in, and 81.65 - 81.25 is 0.4000000000000057.
  return Number((weight - previousWeight).toFixed(3));
}

/** A reading that has just become part of the journal, and what it follows there. */
export interface JournalEntry {
  readonly reading: Reading;
  /** The person's weight before this one in time, in kilograms. */
  readonly previousWeight: number | undefined;
  /** What the same group said until now, where Withings has changed it. */
  readonly replaces: { readonly weight: number | undefined; readonly announced: boolean } | undefined;
  /** The same person has a weight of the same moment: this is another part of one weigh-in. */
  readonly besideWeight: boolean;
}

/**
 * Every measure group, once per user, group and modification, kept without end.
 * Several processes may append to one journal.
 */
export interface Journal {
  /**
   * Adds what the journal does not hold yet and returns just that, in the given order.
   * When it returns, the readings survive a power cut; when it fails, none of them was added.
   *
   * @param options.history they are of old, and their lines say so: no publisher is to have them
   */
  append(readings: readonly Reading[], options?: { readonly history: boolean }): Promise<readonly JournalEntry[]>;
  /** When the newest of the user's readings was changed: where to go on when there is no cursor. */
  newestModification(userId: UserId): Date | undefined;
  /** The newest weight that is surely this user's. */
  lastWeighIn(userId: UserId): WeighIn | undefined;
}

export interface WeighIn {
  readonly kilograms: number;
  readonly takenAt: Date;
}

/** How far a user's readings have been fetched: Withings' own time of the last run that was processed whole. */
export interface CursorStore {
  /** Undefined when there is none. Where a broken file holds no time, a safe guess, which the log tells of. */
  load(userId: UserId): Promise<Date | undefined>;
  save(userId: UserId, cursor: Date): Promise<void>;
}
