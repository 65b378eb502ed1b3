import type { TimeWindow } from './measure.ts';
import { assess, type GroupWeight, type HoldRules, isAhead } from './plausibility.ts';
import { counts, type GroupState, type HeldReason, isSure, type Reading, SAME_MOMENT_MS, weightOf } from './reading.ts';
import type { UserId } from './token.ts';

/** No scale's clock is further ahead: a later date is wrong. */
const MOST_AHEAD_MS = 24 * 3_600_000;

/** The content of the journal when new readings arrive. */
export interface JournalView {
  group(userId: UserId, groupId: number): GroupState | undefined;
  /** The other people for whom this group counts or is held. */
  otherOwners(userId: UserId, groupId: number): readonly UserId[];
  /** A person's weights that count, with `fromMs <= takenMs < toMs`. */
  weights(userId: UserId, fromMs: number, toMs: number): readonly GroupWeight[];
  heldOf(userId: UserId): readonly GroupState[];
  /** The groups within a window, both bounds included, that are not taken back, and those that were deleted. */
  groupsWithin(userId: UserId, window: TimeWindow): readonly GroupState[];
  /** Gives other work an occasional turn. */
  rest(): Promise<void>;
  /** The last line of a group that the journal holds. */
  lastLine(userId: UserId, groupId: number): Promise<Reading>;
}

/**
 * Decides the lines of new readings: whether they are held, and which other groups they take back or release. The
 * journal calls it under its lock, and writes all lines of one decision at once.
 *
 * @param added readings of groups that the journal does not hold in this version, the oldest first
 * @param now the later one of our clock and Withings'
 * @param userIds the people with readings, new or not
 * @returns the lines to write, in their order
 */
export type Review = (
  added: readonly Reading[],
  view: JournalView,
  now: Date,
  userIds: readonly UserId[],
) => Promise<readonly Reading[]>;

/** Adds everything unchanged. */
export const NO_REVIEW: Review = async (added) => added;

export function createReview(rules: HoldRules): Review {
  return async (added, view, now, userIds) => {
    const work: Work = { view, rules, now, draft: createDraft() };
    for (const userId of userIds) await letPassed(userId, work);
    for (const reading of added) {
      await view.rest();
      await takeIn(reading, work);
    }
    await letFollow(userIds, work);
    const fresh = new Set(added.map(groupKey));
    const isNews = (line: Reading) => {
      const before = view.group(line.userId, line.groupId);
      return fresh.has(groupKey(line)) || line.held !== before?.held || line.withdrawn !== before?.withdrawn;
    };
    const lines = work.draft.lines().filter(isNews);
    // These lines come first: if a write tears after the weight, they would keep counting, because the weight is not
    // new the next time.
    const isFirst = (line: Reading) => line.held !== undefined && !fresh.has(groupKey(line));
    return [...lines.filter(isFirst), ...lines.filter((line) => !isFirst(line))];
  };
}

/** One decision, and its lines so far. */
interface Work {
  readonly view: JournalView;
  readonly rules: HoldRules;
  readonly now: Date;
  readonly draft: Draft;
}

/** The lines to write, one for each group, in the order of the groups' first lines. */
interface Draft {
  lines(): readonly Reading[];
  get(userId: UserId, groupId: number): Reading | undefined;
  /** Replaces an earlier line of the group. */
  put(line: Reading): void;
  /** A person's lines with `fromMs <= takenMs < toMs`. */
  between(userId: UserId, fromMs: number, toMs: number): readonly Reading[];
}

const DAY_MS = 24 * 3_600_000;

/** Years of history arrive at once, so the lines are indexed by person and day. */
function createDraft(): Draft {
  const byGroup = new Map<string, Reading>();
  const byDay = new Map<string, Map<string, Reading>>();
  const dayKey = (userId: UserId, day: number) => `${userId} ${day}`;
  const dayOf = (ms: number) => Math.floor(ms / DAY_MS);
  return {
    lines: () => [...byGroup.values()],
    get: (userId, groupId) => byGroup.get(groupKey({ userId, groupId })),
    put(line) {
      const { userId, takenAt } = line;
      const key = groupKey(line);
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

function groupKey({ userId, groupId }: Pick<Reading, 'userId' | 'groupId'>): string {
  return `${userId} ${groupId}`;
}

async function takeIn(reading: Reading, work: Work): Promise<void> {
  const judged = await takeOver(withdrawnByItself(reading, work.view), work);
  const { rules, now } = work;
  const { held, released } = assess(judged, { neighbours: neighboursOf(judged, work), rules, now });
  for (const groupId of released) work.draft.put({ ...(await lineOf(judged.userId, groupId, work)), held: undefined });
  work.draft.put({ ...judged, held });
}

/**
 * For a scale whose clock is some hours ahead: when the date of a held reading has passed, the reading is reviewed
 * again. One dated far beyond its arrival stays held.
 */
async function letPassed(userId: UserId, work: Work): Promise<void> {
  for (const group of work.view.heldOf(userId)) {
    if (!isDue(group, work.now)) continue;
    const line = await work.view.lastLine(userId, group.groupId);
    if (line.takenAt.getTime() - line.modifiedAt.getTime() > MOST_AHEAD_MS) continue;
    await takeIn({ ...line, held: undefined }, work);
  }
}

/** Whether a reading that is held for its date is due for release. */
export function isDue({ held, takenAt }: GroupState, now: Date): boolean {
  return held === 'future' && !isAhead(takenAt, now);
}

/** The heart rate is not surer than the weight: groups without a weight are held and released with it. */
async function letFollow(userIds: readonly UserId[], work: Work): Promise<void> {
  const { view, draft } = work;
  const lines = draft.lines();
  for (const userId of new Set([...userIds, ...lines.map((line) => line.userId)])) {
    const held = view.heldOf(userId);
    for (const line of lines.filter((each) => each.userId === userId)) {
      await view.rest();
      if (weightOf(line) === undefined) {
        if (counts(line)) draft.put({ ...line, held: heldBeside(line, held, work) });
      } else if (line.held !== undefined) await holdBeside(line, line.held, work);
    }
    await releaseBeside(userId, held, work);
  }
}

/** Why a weight at the same moment is held, in the journal or among the lines to write. */
function heldBeside(
  { userId, takenAt }: Pick<Reading, 'userId' | 'takenAt'>,
  held: readonly GroupState[],
  work: Work,
): HeldReason | undefined {
  const isHeld = (line: Reading) => line.held !== undefined && weightOf(line) !== undefined;
  const isLeft = (group: GroupState) =>
    isBeside({ takenAt }, group) && work.draft.get(userId, group.groupId) === undefined;
  return (linesAround(userId, takenAt, work).find(isHeld) ?? held.find(isLeft))?.held;
}

/** Holds the counting groups of a weigh-in with its weight. */
async function holdBeside({ userId, takenAt }: Reading, held: HeldReason, work: Work): Promise<void> {
  const { view, draft } = work;
  for (const group of view.groupsWithin(userId, momentOf(takenAt))) {
    if (!group.counts || group.weight !== undefined || draft.get(userId, group.groupId) !== undefined) continue;
    draft.put({ ...(await view.lastLine(userId, group.groupId)), held });
  }
}

/** Releases groups that were held with a weight, once no weight at that moment is held, even after a torn write. */
async function releaseBeside(userId: UserId, held: readonly GroupState[], work: Work): Promise<void> {
  const { view, draft } = work;
  for (const group of held) {
    const { groupId, takenAt, weight } = group;
    if (weight !== undefined || group.held === 'future' || draft.get(userId, groupId) !== undefined) continue;
    const wasBeside = held.some((other) => isBeside(group, other));
    const isFree = wasBeside || hasWeightBeside(userId, takenAt, work);
    if (!isFree || heldBeside({ userId, takenAt }, held, work) !== undefined) continue;
    draft.put({ ...(await view.lastLine(userId, groupId)), held: undefined });
  }
}

/** Whether a weight at the same moment counts. */
function hasWeightBeside(userId: UserId, takenAt: Date, work: Work): boolean {
  const { start, end } = momentOf(takenAt);
  const isOld = ({ groupId }: GroupWeight) => work.draft.get(userId, groupId) === undefined;
  const isCounted = (line: Reading) => counts(line) && weightOf(line) !== undefined;
  const known = work.view.weights(userId, start.getTime(), end.getTime() + 1);
  return known.some(isOld) || linesAround(userId, takenAt, work).some(isCounted);
}

/** The groups that are held only with these weights. They are deleted or forgotten with the weights. */
export function heldWith(
  view: Pick<JournalView, 'heldOf'>,
  userId: UserId,
  groupIds: readonly number[],
): readonly number[] {
  const held = view.heldOf(userId);
  const isGoing = ({ groupId }: GroupState) => groupIds.includes(groupId);
  const isAlone = (group: GroupState) => {
    const weights = held.filter((other) => isBeside(group, other));
    return group.weight === undefined && weights.length > 0 && weights.every(isGoing);
  };
  return held.filter(isAlone).map(({ groupId }) => groupId);
}

function isBeside({ takenAt }: Pick<Reading, 'takenAt'>, group: GroupState): boolean {
  return group.weight !== undefined && Math.abs(takenAt.getTime() - group.takenAt.getTime()) <= SAME_MOMENT_MS;
}

function momentOf(takenAt: Date): TimeWindow {
  const takenMs = takenAt.getTime();
  return { start: new Date(takenMs - SAME_MOMENT_MS), end: new Date(takenMs + SAME_MOMENT_MS) };
}

/** The lines to write at one moment. */
function linesAround(userId: UserId, takenAt: Date, { draft }: Work): readonly Reading[] {
  const { start, end } = momentOf(takenAt);
  return draft.between(userId, start.getTime(), end.getTime() + 1);
}

/** The last line of a group: among the lines to write, or in the journal. */
async function lineOf(userId: UserId, groupId: number, { view, draft }: Work): Promise<Reading> {
  return draft.get(userId, groupId) ?? (await view.lastLine(userId, groupId));
}

/** A version that takes back the previous one. */
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

/** The neighbours of a reading in the journal and among the lines to write. */
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
