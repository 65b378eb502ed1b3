import type { TimeWindow } from './measure.ts';
import { assess, type GroupWeight, type HoldRules } from './plausibility.ts';
import { counts, type GroupState, type HeldReason, isSure, type Reading, SAME_MOMENT_MS, weightOf } from './reading.ts';
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
  /** Gives other work a turn, now and then. */
  rest(): Promise<void>;
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
    const work: Work = { view, rules, now, draft: createDraft() };
    for (const userId of userIds) await letPassed(userId, work);
    for (const reading of added) {
      await view.rest();
      await takeIn(reading, work);
    }
    const lines: Reading[] = [];
    for (const line of work.draft.lines()) {
      await view.rest();
      lines.push(holdWithWeight(line, work));
    }
    return lines;
  };
}

/** One decision, and the lines that it has come to so far. */
interface Work {
  readonly view: JournalView;
  readonly rules: HoldRules;
  readonly now: Date;
  readonly draft: Draft;
}

/** The lines that are about to be written, one a group, in the order in which each group came first. */
interface Draft {
  lines(): readonly Reading[];
  get(userId: UserId, groupId: number): Reading | undefined;
  /** A line of the group that is there already gives way. */
  put(line: Reading): void;
  /** A person's lines with `fromMs <= takenMs < toMs`. */
  between(userId: UserId, fromMs: number, toMs: number): readonly Reading[];
}

const DAY_MS = 24 * 3_600_000;

/** Years of history come at once, so the lines are found by person and day. */
function createDraft(): Draft {
  const byGroup = new Map<string, Reading>();
  const byDay = new Map<string, Map<string, Reading>>();
  const groupKey = (userId: UserId, groupId: number) => `${userId} ${groupId}`;
  const dayKey = (userId: UserId, day: number) => `${userId} ${day}`;
  const dayOf = (ms: number) => Math.floor(ms / DAY_MS);
  const get: Draft['get'] = (userId, groupId) => byGroup.get(groupKey(userId, groupId));
  return {
    lines: () => [...byGroup.values()],
    get,
    put(line) {
      const { userId, groupId, takenAt } = line;
      const key = groupKey(userId, groupId);
      const before = byGroup.get(key);
      if (before !== undefined) byDay.get(dayKey(userId, dayOf(before.takenAt.getTime())))?.delete(key);
      byGroup.set(key, line);
      const day = dayKey(userId, dayOf(takenAt.getTime()));
      byDay.set(day, (byDay.get(day) ?? new Map<string, Reading>()).set(key, line));
    },
    between(userId, fromMs, toMs) {
      const found: Reading[] = [];
      for (let day = dayOf(fromMs); day <= dayOf(toMs); day += 1) {
        for (const line of byDay.get(dayKey(userId, day))?.values() ?? []) {
          const takenMs = line.takenAt.getTime();
          if (takenMs >= fromMs && takenMs < toMs) found.push(line);
        }
      }
      return found;
    },
  };
}

async function takeIn(reading: Reading, work: Work): Promise<void> {
  const { view, draft } = work;
  const judged = await takeOver(withdrawnByItself(reading, view), work);
  const { userId, groupId } = judged;
  const { held, released } = judge(judged, work);
  const wasHeld = view.group(userId, groupId)?.held !== undefined;
  const free = wasHeld && held === undefined && counts(judged) ? [...released, groupId] : released;
  for (const each of free) await release(each, userId, work);
  if (held !== undefined) await holdBeside(judged, held, work);
  draft.put(held === undefined ? judged : { ...judged, held });
}

function judge(reading: Reading, work: Work) {
  return assess(reading, { neighbours: neighboursOf(reading, work), rules: work.rules, now: work.now });
}

/**
 * A scale whose clock is some minutes ahead: when the date of a held reading has passed, it is held for that no longer.
 * One that is dated far beyond its arrival stays held.
 */
async function letPassed(userId: UserId, work: Work): Promise<void> {
  const { view, now, draft } = work;
  for (const group of view.heldOf(userId)) {
    if (group.held !== 'future' || group.takenAt > now) continue;
    const line = await view.lastLine(userId, group.groupId);
    if (line.takenAt.getTime() - line.modifiedAt.getTime() > MOST_AHEAD_MS) continue;
    const reading = { ...line, held: undefined };
    draft.put({ ...reading, held: judge(reading, work).held });
  }
}

/** What counts already of a weigh-in is held with its weight. */
async function holdBeside(reading: Reading, held: HeldReason, work: Work): Promise<void> {
  const { userId, groupId, takenAt } = reading;
  const start = new Date(takenAt.getTime() - SAME_MOMENT_MS);
  const end = new Date(takenAt.getTime() + SAME_MOMENT_MS);
  for (const group of work.view.groupsWithin(userId, { start, end })) {
    const isBesides = group.counts && group.weight === undefined && group.groupId !== groupId;
    if (isBesides) await putAgain(userId, group, held, work);
  }
}

/** The heart rate of a weigh-in is no surer than its weight: what has no weight is held with the weight beside it. */
function holdWithWeight(line: Reading, { view, draft }: Work): Reading {
  if (!counts(line) || weightOf(line) !== undefined) return line;
  const takenMs = line.takenAt.getTime();
  const around = draft.between(line.userId, takenMs - SAME_MOMENT_MS, takenMs + SAME_MOMENT_MS + 1);
  const beside = around.find((other) => other.held !== undefined);
  const isThere = ({ groupId }: GroupState) => draft.get(line.userId, groupId) === undefined;
  const known = view.heldOf(line.userId).find((group) => isThere(group) && isBeside(line, group));
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
async function takeOver(reading: Reading, { view, draft }: Work): Promise<Reading> {
  if (!counts(reading)) return reading;
  const others = view.otherOwners(reading.userId, reading.groupId);
  const theirs = await Promise.all(others.map((owner) => view.lastLine(owner, reading.groupId)));
  if (theirs.some(({ modifiedAt }) => modifiedAt > reading.modifiedAt)) return { ...reading, withdrawn: 'moved' };
  for (const line of theirs) draft.put({ ...line, held: undefined, withdrawn: 'moved' });
  return reading;
}

/** What surrounds a reading in the journal and among the lines that are about to be written. */
function neighboursOf({ userId, groupId }: Reading, { view, draft }: Work) {
  const isOther = (each: GroupWeight) => each.groupId !== groupId;
  const isOld = (each: GroupWeight) => isOther(each) && draft.get(userId, each.groupId) === undefined;
  const ofDraft = (isWanted: (line: Reading) => boolean, fromMs: number, toMs: number) =>
    draft.between(userId, fromMs, toMs).flatMap((line): GroupWeight[] => {
      const value = weightOf(line);
      if (value === undefined || !isWanted(line)) return [];
      return [{ groupId: line.groupId, takenMs: line.takenAt.getTime(), value }];
    });
  return {
    weights: (fromMs: number, toMs: number) => [
      ...view.weights(userId, fromMs, toMs).filter(isOld),
      ...ofDraft(counts, fromMs, toMs).filter(isOther),
    ],
    heldJumps: (fromMs: number, toMs: number) => [
      ...view
        .heldOf(userId)
        .flatMap(jumpOf)
        .filter((each) => isOld(each) && each.takenMs >= fromMs && each.takenMs < toMs),
      ...ofDraft((line) => line.held === 'jump', fromMs, toMs).filter(isOther),
    ],
  };
}

function jumpOf({ groupId, takenAt, weight, held }: GroupState): GroupWeight[] {
  return held === 'jump' && weight !== undefined ? [{ groupId, takenMs: takenAt.getTime(), value: weight }] : [];
}

/** A held weight counts from now on, and what was held with it: in the draft where they are there, otherwise in the journal. */
async function release(groupId: number, userId: UserId, work: Work): Promise<void> {
  const { view, draft } = work;
  const line = draft.get(userId, groupId);
  if (line !== undefined) return draft.put({ ...line, held: undefined });
  const weight = view.group(userId, groupId);
  const others = view.heldOf(userId).filter((group) => weight !== undefined && isBeside(group, weight));
  for (const other of others) await putAgain(userId, other, undefined, work);
}

/** The journal's line once more. A newer version that has come meanwhile was judged by itself, and stays. */
async function putAgain(userId: UserId, { groupId }: GroupState, held: HeldReason | undefined, { view, draft }: Work) {
  if (draft.get(userId, groupId) !== undefined) return;
  draft.put({ ...(await view.lastLine(userId, groupId)), held });
}
