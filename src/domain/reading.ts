import { formatTime } from './clock.ts';
import { AMBIGUOUS, ATTRIBUTIONS, type MeasureGroup, measureKey, type TimeWindow } from './measure.ts';
import type { UserId } from './token.ts';

/** One person's decoded measure group, which is journalled, logged and published. Values are in SI units. */
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
  /** IANA name of its time zone, or the offset (`+01:00`), which is all that the journal stores of the zone. */
  readonly timeZone: string | undefined;
  /** The measures by the keys of `measureKey`. If a group has a key twice, the last one counts. */
  readonly measures: Readonly<Record<string, number>>;
  /** Why it is held. Undefined if it is not. */
  readonly held?: HeldReason | undefined;
  /** Why it is taken back. Undefined if it is not. */
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
 * - `ambiguous`: Withings is no longer sure of its person or its accuracy (attributions 1 and 4).
 * - `moved`: another linked person has the same group now.
 * - `deleted`: Withings no longer has it.
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

/** The public form of a reading, in the journal and for a hook. Times are seconds since 1970, as at Withings. */
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

/** Whether Withings is sure that the reading is this person's. An undocumented attribution is trusted. */
export function isSure({ attribution }: Reading): boolean {
  return !ATTRIBUTIONS[attribution]?.isUnsure;
}

/** Whether the reading counts as this person's: Withings is sure, and it is neither held nor taken back. */
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

/** The weight in kilograms, if the reading has one. */
export function weightOf(reading: Reading): number | undefined {
  return reading.measures['weight'];
}

/** The difference in kilograms from the previous weight, if both are known. */
export function weightChange(reading: Reading, previousWeight: number | undefined): number | undefined {
  const weight = weightOf(reading);
  if (weight === undefined || previousWeight === undefined) return undefined;
  // Scales weigh in grams at the finest, and 81.65 - 81.25 is 0.4000000000000057.
  return Number((weight - previousWeight).toFixed(3));
}

/** A reading that has just become part of the journal, and its context there. */
export interface JournalEntry {
  readonly reading: Reading;
  /** The person's weight before this one in time, in kilograms. */
  readonly previousWeight: number | undefined;
  /** The previous state of the same group, if Withings changed it. */
  readonly replaces: { readonly weight: number | undefined; readonly counted: boolean } | undefined;
  /** The same person has a weight at the same moment: this is another part of one weigh-in. */
  readonly besideWeight: boolean;
}

/**
 * Every measure group, once per user, group and modification, kept without end.
 * Several processes may append to one journal.
 */
export interface Journal {
  /**
   * Adds the readings that the journal does not hold yet, after a review (`domain/review.ts`). Returns all lines that
   * it added, which then survive a power cut. If it fails, none of them was added, or the next call returns those that
   * the failing disk did store.
   *
   * @param options.history marks their lines as history, which no publisher gets. A line that takes back or holds a
   * counted group is not history, and a rewritten line keeps its kind.
   * @param options.updatedAt Withings' clock when it sent them, if known
   */
  append(readings: readonly Reading[], options?: AppendOptions): Promise<readonly JournalEntry[]>;
  /**
   * Takes groups back: it adds the last line of each again, as withdrawn, and takes back groups that are held only with
   * them. Groups already taken back stay so.
   */
  withdraw(userId: UserId, groupIds: readonly number[], reason: WithdrawnReason): Promise<readonly JournalEntry[]>;
  /** Undefined if the journal has no such group. */
  group(userId: UserId, groupId: number): GroupState | undefined;
  /** The groups within a window, both bounds included, that are not taken back, and those that were deleted. */
  groupsWithin(userId: UserId, window: TimeWindow): readonly GroupState[];
  /** The groups that are held, the oldest first. */
  heldOf(userId: UserId): readonly GroupState[];
  /** When the user's newest reading was changed: the start of the next fetch without a cursor. */
  newestModification(userId: UserId): Date | undefined;
  /** The newest weight that is surely this user's. */
  lastWeighIn(userId: UserId): WeighIn | undefined;
}

export interface AppendOptions {
  readonly history?: boolean | undefined;
  readonly updatedAt?: Date | undefined;
}

/** The state of a group in the journal's last line. */
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

/** How far a user's readings have been fetched: Withings' time of the last complete run. */
export interface CursorStore {
  /** Undefined when there is none. For a broken file without a time it is a safe guess, which is logged. */
  load(userId: UserId): Promise<Date | undefined>;
  save(userId: UserId, cursor: Date): Promise<void>;
}
