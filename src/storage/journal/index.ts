import { setImmediate as nextTurn } from 'node:timers/promises';
import type { GroupWeight } from '../../domain/plausibility.ts';
import type { ReadingContext } from '../../domain/publisher.ts';
import {
  type GroupState,
  type JournalEntry,
  type Reading,
  SAME_MOMENT_MS,
  type WeighIn,
} from '../../domain/reading.ts';
import type { JournalView } from '../../domain/review.ts';
import type { UserId } from '../../domain/token.ts';
import type { HistoryIndex } from './histories.ts';

const WEIGHT = 'weight';

/** A reading, and the offset of its line. */
export interface Placed {
  readonly reading: Reading;
  readonly at: number;
}

/** A reading that was added, and the previous state of its group. */
export interface Learned {
  readonly reading: Reading;
  readonly before: JournalEntry['replaces'];
}

/** The last line of a group, reduced to what shows whether a reading differs from it. */
export interface KnownGroup {
  readonly userId: UserId;
  readonly groupId: number;
  readonly modifiedMs: number;
  readonly counts: boolean;
}

/** The readings of the journal, by user and group. */
export interface JournalIndex extends Omit<JournalView, 'lastLine' | 'rest'> {
  /**
   * Whether the reading is new, or newer than its group in the index. A deleted group may come back unchanged. A group
   * that moved away may come back if no other person has it. One that was forgotten by hand does not.
   */
  isNew(reading: Reading): boolean;
  /** Adds a reading that is already in the file. */
  learn(line: Placed): Learned;
  /** Adds new readings, in their order. */
  add(lines: readonly Placed[]): Promise<Learned[]>;
  /** The context of each reading. Call it after all of them are added. */
  describe(learned: readonly Learned[]): Promise<JournalEntry[]>;
  /** The offset of a group's last line. */
  offsetOf(userId: UserId, groupId: number): number | undefined;
  /** The context of a line in the index, whether it is the group's last or not. */
  contextOf(line: Placed): ReadingContext;
  /** The groups measured since that time. */
  since(fromMs: number): Iterable<KnownGroup>;
  newestModification(userId: UserId): Date | undefined;
  lastWeighIn(userId: UserId): WeighIn | undefined;
  clear(): void;
}

export function createJournalIndex(histories: HistoryIndex): JournalIndex {
  /** The rows of the held groups, of which there are few. */
  const held = new Map<UserId, Set<number>>();

  const heldBy = (userId: UserId): Set<number> => {
    const rows = held.get(userId) ?? new Set<number>();
    held.set(userId, rows);
    return rows;
  };

  const findRow = (userId: UserId, groupId: number) => {
    const groups = histories.groupsOf(userId);
    const row = groups?.find(groupId);
    return groups === undefined || row === undefined ? undefined : { groups, row };
  };

  const groupOf = (userId: UserId, groupId: number): GroupState | undefined => {
    const found = findRow(userId, groupId);
    return found?.groups.state(found.row);
  };

  const otherOwners = (userId: UserId, groupId: number): readonly UserId[] => {
    const owners: UserId[] = [];
    for (const other of histories.people()) {
      const group = other === userId ? undefined : groupOf(other, groupId);
      if (group?.counts || group?.held !== undefined) owners.push(other);
    }
    return owners;
  };

  const learn = ({ reading, at }: Placed): Learned => {
    const { userId, groupId, measures } = reading;
    const group = groupOf(userId, groupId);
    const groups = histories.openGroups(userId);
    const known = groups.find(groupId);
    if (known !== undefined && groups.counts(known)) histories.remove(userId, known);
    const row = groups.put(reading, at);
    if (reading.held !== undefined) heldBy(userId).add(row);
    else held.get(userId)?.delete(row);
    if (groups.counts(row)) histories.put(userId, row, measures);
    return { reading, before: group && { weight: group.weight, counted: group.counts } };
  };

  const previousWeight = ({ userId, groupId, takenAt }: Reading) =>
    histories.before(userId, WEIGHT, { groupId, takenMs: takenAt.getTime() });

  /** The other groups with a weight of the same weigh-in. */
  const besides = ({ userId, groupId, takenAt }: Reading): readonly GroupWeight[] => {
    const takenMs = takenAt.getTime();
    const around = histories.between(userId, WEIGHT, takenMs - SAME_MOMENT_MS, takenMs + SAME_MOMENT_MS + 1);
    return around.filter((each) => each.groupId !== groupId);
  };

  const describe = ({ reading, before }: Learned): JournalEntry => ({
    reading,
    previousWeight: previousWeight(reading),
    replaces: before,
    besideWeight: besides(reading).length > 0,
  });

  return {
    isNew({ userId, groupId, modifiedAt }) {
      const known = findRow(userId, groupId);
      if (known === undefined) return true;
      const { withdrawn } = known.groups.state(known.row);
      if (withdrawn === 'forgotten') return false;
      const knownMs = known.groups.modifiedMs(known.row);
      const modifiedMs = modifiedAt.getTime();
      if (knownMs !== modifiedMs) return knownMs < modifiedMs;
      return withdrawn === 'deleted' || (withdrawn === 'moved' && otherOwners(userId, groupId).length === 0);
    },
    learn,
    async add(lines) {
      const learned: Learned[] = [];
      for await (const line of inPortions(lines)) learned.push(learn(line));
      return learned;
    },
    async describe(learned) {
      const entries: JournalEntry[] = [];
      for await (const each of inPortions(learned)) entries.push(describe(each));
      return entries;
    },
    offsetOf(userId, groupId) {
      const found = findRow(userId, groupId);
      return found?.groups.at(found.row);
    },
    group: groupOf,
    otherOwners,
    weights: (userId, fromMs, toMs) => histories.between(userId, WEIGHT, fromMs, toMs),
    heldOf(userId) {
      const groups = histories.groupsOf(userId);
      if (groups === undefined) return [];
      const states = [...(held.get(userId) ?? [])].map(groups.state);
      return states.sort((one, other) => one.takenAt.getTime() - other.takenAt.getTime());
    },
    groupsWithin(userId, { start, end }) {
      const [startMs, endMs] = [start.getTime(), end.getTime()];
      const groups = histories.groupsOf(userId);
      const found: GroupState[] = [];
      for (let row = 0; groups !== undefined && row < groups.rows; row += 1) {
        const takenMs = groups.takenMs(row);
        if (takenMs < startMs || takenMs > endMs) continue;
        const state = groups.state(row);
        if (state.counts || state.held !== undefined || state.withdrawn === 'deleted') found.push(state);
      }
      return found;
    },
    contextOf({ reading, at }) {
      const { userId, groupId } = reading;
      const found = findRow(userId, groupId);
      // Without a line that counts there is no offset, so it is not before any other.
      const countsBefore = (each: typeof found) => each !== undefined && each.groups.firstCountsAt(each.row) < at;
      return {
        previousWeight: previousWeight(reading),
        correction: found !== undefined && found.groups.firstAt(found.row) < at,
        countedBefore: countsBefore(found),
        stopsCounting: found?.groups.stoppedAt(found.row) === at,
        stillCounts: found?.groups.counts(found.row) === true,
        besideOlderWeight: besides(reading).some((each) => countsBefore(findRow(userId, each.groupId))),
      };
    },
    *since(fromMs) {
      for (const userId of histories.people()) {
        const groups = histories.groupsOf(userId);
        for (let row = 0; groups !== undefined && row < groups.rows; row += 1) {
          if (groups.takenMs(row) < fromMs) continue;
          const [groupId, modifiedMs, isCounted] = [groups.groupId(row), groups.modifiedMs(row), groups.counts(row)];
          yield { userId, groupId, modifiedMs, counts: isCounted };
        }
      }
    },
    newestModification(userId) {
      const groups = histories.groupsOf(userId);
      let newestMs = 0;
      for (let row = 0; groups !== undefined && row < groups.rows; row += 1)
        newestMs = Math.max(newestMs, groups.modifiedMs(row));
      return newestMs === 0 ? undefined : new Date(newestMs);
    },
    lastWeighIn(userId) {
      const last = histories.last(userId, WEIGHT);
      return last && { kilograms: last.value, takenAt: new Date(last.takenMs) };
    },
    clear() {
      held.clear();
      histories.clear();
    },
  };
}

/** This is some milliseconds of work on a small computer. */
const PORTION = 25;

/** Gives the event loop a turn after every few calls, so that notifications are answered during long work. */
export function createRest(): () => Promise<void> {
  let calls = 0;
  return async () => {
    calls += 1;
    if (calls % PORTION === 0) await nextTurn();
  };
}

/** The items, with occasional rests. */
export async function* inPortions<T>(items: readonly T[]): AsyncGenerator<T> {
  const rest = createRest();
  for (const item of items) {
    yield item;
    await rest();
  }
}
