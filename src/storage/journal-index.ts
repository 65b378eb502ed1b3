import { isAnnounced, type JournalEntry, type Reading, type WeighIn, weightOf } from '../domain/reading.ts';
import type { UserId } from '../domain/token.ts';

/** What is remembered of a group, as little as answers the questions below: years of them stay in memory. */
interface Known {
  readonly modifiedMs: number;
  readonly takenMs: number;
  readonly weight: number | undefined;
  readonly announced: boolean;
}

/** What the journal holds, by user and group. */
export interface JournalIndex {
  /** Whether the reading is new, or newer than what is known of its group. */
  isNew(reading: Reading): boolean;
  /** Takes in a reading of old. */
  learn(reading: Reading): void;
  /** Takes readings in, in their order, and says what each of them follows; that is a look at all of the person's. */
  add(readings: readonly Reading[]): JournalEntry[];
  newestModification(userId: UserId): Date | undefined;
  lastWeighIn(userId: UserId): WeighIn | undefined;
  clear(): void;
}

export function createJournalIndex(): JournalIndex {
  const users = new Map<UserId, Map<number, Known>>();
  /** Asked for time and again, and seldom another one. */
  const lastWeighIns = new Map<UserId, WeighIn | undefined>();

  const findLastWeighIn = (userId: UserId): WeighIn | undefined => {
    let last: { readonly weight: number; readonly takenMs: number } | undefined;
    for (const { weight, takenMs, announced } of users.get(userId)?.values() ?? []) {
      if (weight !== undefined && announced && takenMs > (last?.takenMs ?? 0)) last = { weight, takenMs };
    }
    return last && { kilograms: last.weight, takenAt: new Date(last.takenMs) };
  };

  const groupsOf = (userId: UserId) => {
    // Whoever asks for them may be about to change them.
    lastWeighIns.delete(userId);
    const groups = users.get(userId) ?? new Map<number, Known>();
    users.set(userId, groups);
    return groups;
  };

  const describe = (reading: Reading, before: Known | undefined): JournalEntry => {
    const takenMs = reading.takenAt.getTime();
    let previous: Known | undefined;
    let besideWeight = false;
    for (const [groupId, known] of groupsOf(reading.userId)) {
      if (known.weight === undefined || !known.announced || groupId === reading.groupId) continue;
      if (known.takenMs === takenMs) besideWeight = true;
      if (known.takenMs < takenMs && known.takenMs > (previous?.takenMs ?? 0)) previous = known;
    }
    const replaces = before && { weight: before.weight, announced: before.announced };
    return { reading, previousWeight: previous?.weight, replaces, besideWeight };
  };

  return {
    isNew(reading) {
      const known = users.get(reading.userId)?.get(reading.groupId);
      return known === undefined || known.modifiedMs < reading.modifiedAt.getTime();
    },
    learn(reading) {
      groupsOf(reading.userId).set(reading.groupId, remember(reading));
    },
    add(readings) {
      const added = readings.map((reading) => {
        const groups = groupsOf(reading.userId);
        const before = groups.get(reading.groupId);
        groups.set(reading.groupId, remember(reading));
        return { reading, before };
      });
      return added.map(({ reading, before }) => describe(reading, before));
    },
    newestModification(userId) {
      let newestMs = 0;
      for (const { modifiedMs } of users.get(userId)?.values() ?? []) newestMs = Math.max(newestMs, modifiedMs);
      return newestMs === 0 ? undefined : new Date(newestMs);
    },
    lastWeighIn(userId) {
      if (!lastWeighIns.has(userId)) lastWeighIns.set(userId, findLastWeighIn(userId));
      return lastWeighIns.get(userId);
    },
    clear() {
      users.clear();
      lastWeighIns.clear();
    },
  };
}

function remember(reading: Reading): Known {
  return {
    modifiedMs: reading.modifiedAt.getTime(),
    takenMs: reading.takenAt.getTime(),
    weight: weightOf(reading),
    announced: isAnnounced(reading),
  };
}
