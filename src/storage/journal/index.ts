import { setImmediate as nextTurn } from 'node:timers/promises';
import type { GroupWeight } from '../../domain/plausibility.ts';
import type { ReadingContext } from '../../domain/publisher.ts';
import {
  counts,
  type GroupState,
  type JournalEntry,
  type Reading,
  SAME_MOMENT_MS,
  type WeighIn,
  weightOf,
} from '../../domain/reading.ts';
import type { JournalView } from '../../domain/review.ts';
import type { UserId } from '../../domain/token.ts';
import type { HistoryIndex } from './histories.ts';

const WEIGHT = 'weight';

/** What is kept of a group, as little as answers the questions below: years of them stay in memory. */
interface Group extends GroupState {
  readonly modifiedMs: number;
  /** Where its last line begins, its first, and the first that counts: bytes in the file. */
  readonly at: number;
  readonly firstAt: number;
  readonly firstCountsAt: number | undefined;
}

/** A reading and where its line begins. */
export interface Placed {
  readonly reading: Reading;
  readonly at: number;
}

/** The readings of the journal, by user and group. */
export interface JournalIndex extends Omit<JournalView, 'lastLine' | 'rest'> {
  /**
   * Whether the reading is new, or newer than what is known of its group. A deleted group may come back as it was, and
   * one that moved away where no other person has it. One that was forgotten by hand does not come back.
   */
  isNew(reading: Reading): boolean;
  /** Takes in a reading that the file had already. */
  learn(line: Placed): void;
  /** Takes new readings in, in their order. Returns what each of them follows, when all of them are in. */
  add(lines: readonly Placed[]): Promise<JournalEntry[]>;
  /** Where the last line of a group begins. */
  offsetOf(userId: UserId, groupId: number): number | undefined;
  /** What surrounds one of the lines it holds, whether it is the group's last or not. */
  contextOf(line: Placed): ReadingContext;
  newestModification(userId: UserId): Date | undefined;
  lastWeighIn(userId: UserId): WeighIn | undefined;
  clear(): void;
}

export function createJournalIndex(histories: HistoryIndex): JournalIndex {
  const users = new Map<UserId, Map<number, Group>>();
  /** The groups that are held: a few. */
  const held = new Map<UserId, Map<number, Group>>();

  const groupOf = (userId: UserId, groupId: number) => users.get(userId)?.get(groupId);

  const otherOwners = (userId: UserId, groupId: number): readonly UserId[] => {
    const owners: UserId[] = [];
    for (const [other, groups] of users) {
      const group = groups.get(groupId);
      if (other !== userId && (group?.counts || group?.held !== undefined)) owners.push(other);
    }
    return owners;
  };

  /** Returns what was known of the group until now. */
  const learn = ({ reading, at }: Placed): Group | undefined => {
    const { userId, groupId, measures } = reading;
    const before = groupOf(userId, groupId);
    const group = remember(reading, at, before);
    enter(users, userId, group);
    if (group.held !== undefined) enter(held, userId, group);
    else held.get(userId)?.delete(groupId);
    if (before !== undefined) histories.remove(userId, { groupId, takenMs: before.takenAt.getTime() });
    if (group.counts) histories.put(userId, { groupId, takenMs: group.takenAt.getTime() }, measures);
    return before;
  };

  const previousWeight = ({ userId, groupId, takenAt }: Reading) =>
    histories.before(userId, WEIGHT, { groupId, takenMs: takenAt.getTime() });

  /** The other groups with a weight of the same weigh-in. */
  const besides = ({ userId, groupId, takenAt }: Reading): readonly GroupWeight[] => {
    const takenMs = takenAt.getTime();
    const around = histories.between(userId, WEIGHT, takenMs - SAME_MOMENT_MS, takenMs + SAME_MOMENT_MS + 1);
    return around.filter((each) => each.groupId !== groupId);
  };

  const describe = (reading: Reading, before: Group | undefined): JournalEntry => ({
    reading,
    previousWeight: previousWeight(reading),
    replaces: before && { weight: before.weight, counted: before.counts },
    besideWeight: besides(reading).length > 0,
  });

  return {
    isNew({ userId, groupId, modifiedAt }) {
      const known = groupOf(userId, groupId);
      if (known === undefined) return true;
      if (known.withdrawn === 'forgotten') return false;
      const modifiedMs = modifiedAt.getTime();
      if (known.modifiedMs !== modifiedMs) return known.modifiedMs < modifiedMs;
      return (
        known.withdrawn === 'deleted' || (known.withdrawn === 'moved' && otherOwners(userId, groupId).length === 0)
      );
    },
    learn(line) {
      learn(line);
    },
    async add(lines) {
      const added: { readonly reading: Reading; readonly before: Group | undefined }[] = [];
      for await (const line of inPortions(lines)) added.push({ reading: line.reading, before: learn(line) });
      const entries: JournalEntry[] = [];
      for await (const { reading, before } of inPortions(added)) entries.push(describe(reading, before));
      return entries;
    },
    offsetOf: (userId, groupId) => groupOf(userId, groupId)?.at,
    group: groupOf,
    otherOwners,
    weights: (userId, fromMs, toMs) => histories.between(userId, WEIGHT, fromMs, toMs),
    heldOf: (userId) =>
      [...(held.get(userId)?.values() ?? [])].sort((one, other) => one.takenAt.getTime() - other.takenAt.getTime()),
    groupsWithin(userId, { start, end }) {
      const groups = [...(users.get(userId)?.values() ?? [])];
      const isThere = ({ counts: isCounted, held: reason, withdrawn }: GroupState) =>
        isCounted || reason !== undefined || withdrawn === 'deleted';
      return groups.filter((group) => isThere(group) && group.takenAt >= start && group.takenAt <= end);
    },
    contextOf({ reading, at }) {
      const group = groupOf(reading.userId, reading.groupId);
      const isBefore = (offset: number | undefined) => offset !== undefined && offset < at;
      return {
        previousWeight: previousWeight(reading),
        correction: isBefore(group?.firstAt),
        countedBefore: isBefore(group?.firstCountsAt),
        stillCounts: group?.counts === true,
        besideOlderWeight: besides(reading).some((each) =>
          isBefore(groupOf(reading.userId, each.groupId)?.firstCountsAt),
        ),
      };
    },
    newestModification(userId) {
      let newestMs = 0;
      for (const { modifiedMs } of users.get(userId)?.values() ?? []) newestMs = Math.max(newestMs, modifiedMs);
      return newestMs === 0 ? undefined : new Date(newestMs);
    },
    lastWeighIn(userId) {
      const last = histories.last(userId, WEIGHT);
      return last && { kilograms: last.value, takenAt: new Date(last.takenMs) };
    },
    clear() {
      users.clear();
      held.clear();
      histories.clear();
    },
  };
}

function enter(people: Map<UserId, Map<number, Group>>, userId: UserId, group: Group): void {
  const groups = people.get(userId) ?? new Map<number, Group>();
  people.set(userId, groups);
  groups.set(group.groupId, group);
}

function remember(reading: Reading, at: number, before: Group | undefined): Group {
  const { groupId, takenAt, modifiedAt, held, withdrawn } = reading;
  const isCounted = counts(reading);
  return {
    groupId,
    takenAt,
    modifiedMs: modifiedAt.getTime(),
    weight: weightOf(reading),
    counts: isCounted,
    held,
    withdrawn,
    at,
    firstAt: before?.firstAt ?? at,
    firstCountsAt: before?.firstCountsAt ?? (isCounted ? at : undefined),
  };
}

/** Some milliseconds of work on a small computer. */
const PORTION = 25;

/** Gives the event loop a turn at every so many calls: notifications are answered while thousands of readings come in. */
export function createRest(): () => Promise<void> {
  let calls = 0;
  return async () => {
    calls += 1;
    if (calls % PORTION === 0) await nextTurn();
  };
}

/** The items, with a rest now and then. */
export async function* inPortions<T>(items: readonly T[]): AsyncGenerator<T> {
  const rest = createRest();
  for (const item of items) {
    yield item;
    await rest();
  }
}
