import { formatTime } from './clock.ts';
import { AMBIGUOUS, ATTRIBUTIONS, type MeasureGroup, measureKey, type TimeWindow } from './measure.ts';
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
  /** Why it is held; undefined where it is not. */
  readonly held?: HeldReason | undefined;
  /** Why it is taken back; undefined where it is not. */
  readonly withdrawn?: WithdrawnReason | undefined;
}

/**
 * Why a reading is held. It is journalled and shown as held. It is not announced, and it is not the newest weight.
 *
 * - `future`: it is dated ahead of the clock.
 * - `impossible`: no scale can weigh it.
 * - `jump`: it is too far from the person's other weights.
 */
export const HELD_REASONS = ['future', 'impossible', 'jump'] as const;
export type HeldReason = (typeof HELD_REASONS)[number];

/**
 * Why a group is taken back, after it counted as this person's.
 *
 * - `emptied`: its new version holds no measures.
 * - `ambiguous`: Withings is no longer sure whose it is, or that it is accurate (attributions 1 and 4).
 * - `moved`: another linked person has the same group now.
 * - `deleted`: Withings does not have it any more.
 * - `forgotten`: a person took it back by hand (`weighbridge forget`).
 */
export const WITHDRAWN_REASONS = ['emptied', 'ambiguous', 'moved', 'deleted', 'forgotten'] as const;
export type WithdrawnReason = (typeof WITHDRAWN_REASONS)[number];

/** The groups of one weigh-in have the same date; Withings stores them within 2 s of each other. */
export const SAME_MOMENT_MS = 2_000;

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
    ...(reading.held !== undefined && { held: reading.held }),
    ...(reading.withdrawn !== undefined && { withdrawn: true, reason: reading.withdrawn }),
  };
}

function toSeconds(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}

/** Whether Withings is sure that the reading is this person's. An attribution that is not described yet is trusted. */
export function isSure({ attribution }: Reading): boolean {
  return ATTRIBUTIONS[attribution]?.announced ?? true;
}

/** Whether the reading is told as this person's: Withings is sure, and it is neither held nor taken back. */
export function counts(reading: Reading): boolean {
  return isSure(reading) && reading.held === undefined && reading.withdrawn === undefined;
}

/** Whether two readings are parts of one weigh-in. */
export function isSameWeighIn(one: Reading, other: Reading): boolean {
  return one.userId === other.userId && Math.abs(one.takenAt.getTime() - other.takenAt.getTime()) <= SAME_MOMENT_MS;
}

/** The parts of one weigh-in as one reading: the group with the weight, with the measures of all of them. */
export function combine(parts: readonly [Reading, ...Reading[]]): Reading {
  const main = parts.find((part) => weightOf(part) !== undefined) ?? parts[0];
  return { ...main, measures: Object.assign({}, ...parts.map((part) => part.measures), main.measures) };
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
  readonly replaces: { readonly weight: number | undefined; readonly counted: boolean } | undefined;
  /** The same person has a weight of the same moment: this is another part of one weigh-in. */
  readonly besideWeight: boolean;
}

/**
 * Every measure group, once per user, group and modification, kept without end.
 * Several processes may append to one journal.
 */
export interface Journal {
  /**
   * Adds what the journal does not hold yet, after a review (`domain/review.ts`). Returns all lines that it added. When
   * it returns, they survive a power cut. When it fails, none of them was added, or the next call returns those that the
   * failing disk took all the same.
   *
   * @param options.history they are of old, and their lines say so: no publisher is to have them. A line that takes
   * back or holds what counted is not of old, and one that is written again stays what it was.
   * @param options.updatedAt Withings' own clock when it sent them, where it said so
   */
  append(readings: readonly Reading[], options?: AppendOptions): Promise<readonly JournalEntry[]>;
  /**
   * Takes groups back: the last line of each is added once more, as withdrawn. What is held only with them goes the same
   * way. What is taken back already stays so.
   */
  withdraw(userId: UserId, groupIds: readonly number[], reason: WithdrawnReason): Promise<readonly JournalEntry[]>;
  /** Undefined where the journal has no such group. */
  group(userId: UserId, groupId: number): GroupState | undefined;
  /** The groups within a window, both bounds included, that are not taken back, and those that were deleted. */
  groupsWithin(userId: UserId, window: TimeWindow): readonly GroupState[];
  /** The groups that are held, the oldest first. */
  heldOf(userId: UserId): readonly GroupState[];
  /** When the newest of the user's readings was changed: where to go on when there is no cursor. */
  newestModification(userId: UserId): Date | undefined;
  /** The newest weight that is surely this user's. */
  lastWeighIn(userId: UserId): WeighIn | undefined;
}

export interface AppendOptions {
  readonly history?: boolean | undefined;
  readonly updatedAt?: Date | undefined;
}

/** What the journal's last line says of a group. */
export interface GroupState {
  readonly groupId: number;
  readonly takenAt: Date;
  readonly weight: number | undefined;
  readonly counts: boolean;
  readonly held: HeldReason | undefined;
  readonly withdrawn: WithdrawnReason | undefined;
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
