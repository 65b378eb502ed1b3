import type { ReadingContext } from '../domain/publisher.ts';
import { isAnnounced, type JournalEntry, type Reading, type WeighIn, weightOf } from '../domain/reading.ts';
import type { UserId } from '../domain/token.ts';

/** What is remembered of a group, as little as answers the questions below: years of them stay in memory. */
interface Known {
  readonly groupId: number;
  readonly modifiedMs: number;
  /** Of its first line, and of the first that could be told as this person's. */
  readonly firstModifiedMs: number;
  readonly firstAnnouncedMs: number | undefined;
  readonly takenMs: number;
  readonly weight: number | undefined;
  readonly announced: boolean;
}

interface Groups {
  readonly byId: Map<number, Known>;
  /** Those with a weight that is surely this user's, by the time of measurement. */
  readonly weights: Known[];
}

/** What the journal holds, by user and group. */
export interface JournalIndex {
  /** Whether the reading is new, or newer than what is known of its group. */
  isNew(reading: Reading): boolean;
  /** Takes in a reading of old. */
  learn(reading: Reading): void;
  /** Takes readings in, in their order, and says what each of them follows. */
  add(readings: readonly Reading[]): JournalEntry[];
  /** What surrounds one of the readings it holds, whether it is the group's last or not. */
  contextOf(reading: Reading): ReadingContext;
  newestModification(userId: UserId): Date | undefined;
  lastWeighIn(userId: UserId): WeighIn | undefined;
  clear(): void;
}

export function createJournalIndex(): JournalIndex {
  const users = new Map<UserId, Groups>();

  const groupsOf = (userId: UserId) => {
    const groups = users.get(userId) ?? { byId: new Map<number, Known>(), weights: [] };
    users.set(userId, groups);
    return groups;
  };

  /** Returns what was known of the group until now. */
  const learn = (reading: Reading): Known | undefined => {
    const { byId, weights } = groupsOf(reading.userId);
    const before = byId.get(reading.groupId);
    const known = remember(reading, before);
    byId.set(reading.groupId, known);
    if (before !== undefined && isWeight(before)) weights.splice(weights.indexOf(before, firstAt(weights, before)), 1);
    if (isWeight(known)) weights.splice(firstAt(weights, known), 0, known);
    return before;
  };

  const previousWeight = ({ userId, groupId, takenAt }: Reading) => {
    const { weights } = groupsOf(userId);
    let at = firstAt(weights, { takenMs: takenAt.getTime() }) - 1;
    // An older line of the group may have had another time.
    while (weights[at]?.groupId === groupId) at -= 1;
    return weights[at]?.weight;
  };

  const isBesideWeight = ({ userId, groupId, takenAt }: Reading) => {
    const { weights } = groupsOf(userId);
    const takenMs = takenAt.getTime();
    for (let at = firstAt(weights, { takenMs }); weights[at]?.takenMs === takenMs; at += 1) {
      if (weights[at]?.groupId !== groupId) return true;
    }
    return false;
  };

  const describe = (reading: Reading, before: Known | undefined): JournalEntry => ({
    reading,
    previousWeight: previousWeight(reading),
    replaces: before && { weight: before.weight, announced: before.announced },
    besideWeight: isBesideWeight(reading),
  });

  return {
    isNew(reading) {
      const known = users.get(reading.userId)?.byId.get(reading.groupId);
      return known === undefined || known.modifiedMs < reading.modifiedAt.getTime();
    },
    learn(reading) {
      learn(reading);
    },
    add(readings) {
      const added = readings.map((reading) => ({ reading, before: learn(reading) }));
      return added.map(({ reading, before }) => describe(reading, before));
    },
    contextOf(reading) {
      const known = users.get(reading.userId)?.byId.get(reading.groupId);
      const modifiedMs = reading.modifiedAt.getTime();
      return {
        previousWeight: previousWeight(reading),
        correction: (known?.firstModifiedMs ?? modifiedMs) < modifiedMs,
        announcedBefore: (known?.firstAnnouncedMs ?? modifiedMs) < modifiedMs,
      };
    },
    newestModification(userId) {
      let newestMs = 0;
      for (const { modifiedMs } of users.get(userId)?.byId.values() ?? []) newestMs = Math.max(newestMs, modifiedMs);
      return newestMs === 0 ? undefined : new Date(newestMs);
    },
    lastWeighIn(userId) {
      const last = users.get(userId)?.weights.at(-1);
      return last?.weight === undefined ? undefined : { kilograms: last.weight, takenAt: new Date(last.takenMs) };
    },
    clear: () => users.clear(),
  };
}

function remember(reading: Reading, before: Known | undefined): Known {
  const modifiedMs = reading.modifiedAt.getTime();
  const announced = isAnnounced(reading);
  return {
    groupId: reading.groupId,
    modifiedMs,
    firstModifiedMs: before?.firstModifiedMs ?? modifiedMs,
    firstAnnouncedMs: before?.firstAnnouncedMs ?? (announced ? modifiedMs : undefined),
    takenMs: reading.takenAt.getTime(),
    weight: weightOf(reading),
    announced,
  };
}

function isWeight({ weight, announced }: Known): boolean {
  return weight !== undefined && announced;
}

/** Where the first one of that moment or later stands, by bisection: a journal of years has tens of thousands. */
function firstAt(weights: readonly Known[], { takenMs }: Pick<Known, 'takenMs'>): number {
  let [from, to] = [0, weights.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((weights[middle]?.takenMs ?? Number.POSITIVE_INFINITY) < takenMs) from = middle + 1;
    else to = middle;
  }
  return from;
}
