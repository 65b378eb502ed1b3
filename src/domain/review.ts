import type { TimeWindow } from './measure.ts';
import { assess, type GroupWeight, type HoldRules } from './plausibility.ts';
import {
  counts,
  type GroupState,
  type HeldReason,
  isSameWeighIn,
  isSure,
  type Reading,
  SAME_MOMENT_MS,
  weightOf,
} from './reading.ts';
import type { UserId } from './token.ts';

/** No clock of a scale is further ahead: a date beyond it is wrong. */
const MOST_AHEAD_MS = 24 * 3_600_000;

/** What the journal holds when new readings come in. */
export interface JournalView {
  group(userId: UserId, groupId: number): GroupState | undefined;
  /** The other people at whom this group counts or is held. */
  otherOwners(userId: UserId, groupId: number): readonly UserId[];
  /** A person's weights that count, with `fromMs <= takenMs < toMs`. */
  weights(userId: UserId, fromMs: number, toMs: number): readonly GroupWeight[];
  heldOf(userId: UserId): readonly GroupState[];
  /** The groups within a window, both bounds included, that are not taken back, and those that were deleted. */
  groupsWithin(userId: UserId, window: TimeWindow): readonly GroupState[];
  /** The last line of a group that the journal holds. */
  lastLine(userId: UserId, groupId: number): Promise<Reading>;
}

/**
 * Decides what the lines of new readings say: whether they are held, and which other groups they take back or release.
 * The journal asks under its lock, and writes all lines of one decision at once.
 *
 * @param added readings of groups that the journal does not hold in this version, the oldest first
 * @param now the later one of our clock and Withings' own
 * @param userIds whose readings came in, new or not
 * @returns the lines to write, in their order
 */
export type Review = (
  added: readonly Reading[],
  view: JournalView,
  now: Date,
  userIds: readonly UserId[],
) => Promise<readonly Reading[]>;

/** Takes everything in as it came. */
export const NO_REVIEW: Review = async (added) => added;

export function createReview(rules: HoldRules): Review {
  return async (added, view, now, userIds) => {
    const work: Work = { view, rules, now, lines: [] };
    for (const userId of userIds) await letPassed(userId, work);
    for (const reading of added) await takeIn(reading, work);
    return work.lines.map((line) => holdWithWeight(line, view, work.lines));
  };
}

/** One decision, and the lines that it has come to so far. */
interface Work {
  readonly view: JournalView;
  readonly rules: HoldRules;
  readonly now: Date;
  readonly lines: Reading[];
}

async function takeIn(reading: Reading, work: Work): Promise<void> {
  const { view, lines } = work;
  const judged = await takeOver(withdrawnByItself(reading, view), view, lines);
  const { userId, groupId } = judged;
  const { held, released } = judge(judged, work);
  const wasHeld = view.group(userId, groupId)?.held !== undefined;
  const free = wasHeld && held === undefined && counts(judged) ? [...released, groupId] : released;
  for (const each of free) await release(each, userId, view, lines);
  if (held !== undefined) await holdBeside(judged, held, view, lines);
  put(lines, held === undefined ? judged : { ...judged, held });
}

function judge(reading: Reading, { view, rules, now, lines }: Work) {
  return assess(reading, { neighbours: neighboursOf(reading, view, lines), rules, now });
}

/** A line of a group that is written already gives way to a later one. */
function put(lines: Reading[], line: Reading): void {
  const at = lines.findIndex((other) => other.userId === line.userId && other.groupId === line.groupId);
  if (at === -1) lines.push(line);
  else lines[at] = line;
}

/**
 * A scale whose clock is some minutes ahead: when the date of a held reading has passed, it is held for that no longer.
 * One that is dated far beyond its arrival stays held.
 */
async function letPassed(userId: UserId, work: Work): Promise<void> {
  const { view, now, lines } = work;
  for (const group of view.heldOf(userId)) {
    if (group.held !== 'future' || group.takenAt > now) continue;
    const line = await view.lastLine(userId, group.groupId);
    if (line.takenAt.getTime() - line.modifiedAt.getTime() > MOST_AHEAD_MS) continue;
    const reading = { ...line, held: undefined };
    lines.push({ ...reading, held: judge(reading, work).held });
  }
}

/** What counts already of a weigh-in is held with its weight. */
async function holdBeside(reading: Reading, held: HeldReason, view: JournalView, lines: Reading[]): Promise<void> {
  const { userId, groupId, takenAt } = reading;
  const start = new Date(takenAt.getTime() - SAME_MOMENT_MS);
  const end = new Date(takenAt.getTime() + SAME_MOMENT_MS);
  for (const group of view.groupsWithin(userId, { start, end })) {
    const isBesides = group.counts && group.weight === undefined && group.groupId !== groupId;
    if (isBesides) put(lines, { ...(await view.lastLine(userId, group.groupId)), held });
  }
}

/** The heart rate of a weigh-in is no surer than its weight: what has no weight is held with the weight beside it. */
function holdWithWeight(line: Reading, view: JournalView, lines: readonly Reading[]): Reading {
  if (!counts(line) || weightOf(line) !== undefined) return line;
  const written = new Set(lines.map(({ groupId }) => groupId));
  const beside = lines.find((other) => other.held !== undefined && isSameWeighIn(line, other));
  const known = view.heldOf(line.userId).find((group) => !written.has(group.groupId) && isBeside(line, group));
  const held = beside?.held ?? known?.held;
  return held === undefined ? line : { ...line, held };
}

function isBeside({ takenAt }: Pick<Reading, 'takenAt'>, group: GroupState): boolean {
  return group.weight !== undefined && Math.abs(takenAt.getTime() - group.takenAt.getTime()) <= SAME_MOMENT_MS;
}

/** A version that takes back what the one before it said. */
function withdrawnByItself(reading: Reading, view: JournalView): Reading {
  const before = view.group(reading.userId, reading.groupId);
  if (Object.keys(reading.measures).length === 0) return { ...reading, withdrawn: 'emptied' };
  if (!isSure(reading) && before?.counts) return { ...reading, withdrawn: 'ambiguous' };
  return reading;
}

/** Of several people who have a group, the one with the newest version keeps it; the others' lines are taken back. */
async function takeOver(reading: Reading, view: JournalView, lines: Reading[]): Promise<Reading> {
  if (!counts(reading)) return reading;
  const others = view.otherOwners(reading.userId, reading.groupId);
  const theirs = await Promise.all(others.map((owner) => view.lastLine(owner, reading.groupId)));
  if (theirs.some(({ modifiedAt }) => modifiedAt > reading.modifiedAt)) return { ...reading, withdrawn: 'moved' };
  lines.push(...theirs.map((line): Reading => ({ ...line, held: undefined, withdrawn: 'moved' })));
  return reading;
}

/** What surrounds a reading in the journal and among the lines that are about to be written. */
function neighboursOf({ userId, groupId }: Reading, view: JournalView, lines: readonly Reading[]) {
  const isNear = (each: GroupWeight) => each.groupId !== groupId;
  const written = new Set(lines.filter((line) => line.userId === userId).map((line) => line.groupId));
  const ofLines = (isWanted: (line: Reading) => boolean, fromMs: number, toMs: number) =>
    lines.flatMap((line) => {
      const value = weightOf(line);
      const takenMs = line.takenAt.getTime();
      const isIn = line.userId === userId && isWanted(line) && takenMs >= fromMs && takenMs < toMs;
      return isIn && value !== undefined ? [{ groupId: line.groupId, takenMs, value }] : [];
    });
  const isOld = (each: GroupWeight) => isNear(each) && !written.has(each.groupId);
  return {
    weights: (fromMs: number, toMs: number) => [
      ...view.weights(userId, fromMs, toMs).filter(isOld),
      ...ofLines(counts, fromMs, toMs).filter(isNear),
    ],
    heldJumps: (fromMs: number, toMs: number) => [
      ...view
        .heldOf(userId)
        .flatMap(jumpOf)
        .filter((each) => isOld(each) && each.takenMs >= fromMs && each.takenMs < toMs),
      ...ofLines((line) => line.held === 'jump', fromMs, toMs).filter(isNear),
    ],
  };
}

function jumpOf({ groupId, takenAt, weight, held }: GroupState): GroupWeight[] {
  return held === 'jump' && weight !== undefined ? [{ groupId, takenMs: takenAt.getTime(), value: weight }] : [];
}

/**
 * A held weight counts from now on, and what was held with it: in the lines where they are among them, otherwise as more
 * lines.
 */
async function release(groupId: number, userId: UserId, view: JournalView, lines: Reading[]): Promise<void> {
  const at = lines.findIndex((line) => line.userId === userId && line.groupId === groupId);
  const line = lines[at];
  if (line !== undefined) lines[at] = { ...line, held: undefined };
  else {
    const weight = view.group(userId, groupId);
    const others = view.heldOf(userId).filter((group) => weight !== undefined && isBeside(group, weight));
    for (const other of others) put(lines, { ...(await view.lastLine(userId, other.groupId)), held: undefined });
  }
}
