import type { ReadingContext } from '../../domain/publisher.ts';
import { isAnnounced, type JournalEntry, type Reading, type WeighIn, weightOf } from '../../domain/reading.ts';
import type { UserId } from '../../domain/token.ts';
import type { HistoryIndex, Position } from './histories.ts';

const WEIGHT = 'weight';

/** What is remembered of a group, as little as answers the questions below: years of them stay in memory. */
interface Known {
  readonly modifiedMs: number;
  /** Of its first line, and of the first that could be told as this person's. */
  readonly firstModifiedMs: number;
  readonly firstAnnouncedMs: number | undefined;
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
  /** Takes readings in, in their order, and says what each of them follows. */
  add(readings: readonly Reading[]): JournalEntry[];
  /** What surrounds one of the readings it holds, whether it is the group's last or not. */
  contextOf(reading: Reading): ReadingContext;
  newestModification(userId: UserId): Date | undefined;
  lastWeighIn(userId: UserId): WeighIn | undefined;
  clear(): void;
}

export function createJournalIndex(histories: HistoryIndex): JournalIndex {
  const users = new Map<UserId, Map<number, Known>>();

  /** Returns what was known of the group until now. */
  const learn = (reading: Reading): Known | undefined => {
    const { userId, groupId, measures } = reading;
    const groups = users.get(userId) ?? new Map<number, Known>();
    users.set(userId, groups);
    const before = groups.get(groupId);
    const known = remember(reading, before);
    groups.set(groupId, known);
    if (before !== undefined) histories.remove(userId, { groupId, takenMs: before.takenMs });
    if (known.announced) histories.put(userId, { groupId, takenMs: known.takenMs }, measures);
    return before;
  };

  const previousWeight = (reading: Reading) => histories.before(reading.userId, WEIGHT, positionOf(reading));

  const describe = (reading: Reading, before: Known | undefined): JournalEntry => ({
    reading,
    previousWeight: previousWeight(reading),
    replaces: before && { weight: before.weight, announced: before.announced },
    besideWeight: histories.isBeside(reading.userId, WEIGHT, positionOf(reading)),
  });

  return {
    isNew(reading) {
      const known = users.get(reading.userId)?.get(reading.groupId);
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
      const known = users.get(reading.userId)?.get(reading.groupId);
      const modifiedMs = reading.modifiedAt.getTime();
      return {
        previousWeight: previousWeight(reading),
        correction: (known?.firstModifiedMs ?? modifiedMs) < modifiedMs,
        announcedBefore: (known?.firstAnnouncedMs ?? modifiedMs) < modifiedMs,
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
      histories.clear();
    },
  };
}

function remember(reading: Reading, before: Known | undefined): Known {
  const modifiedMs = reading.modifiedAt.getTime();
  const announced = isAnnounced(reading);
  return {
    modifiedMs,
    firstModifiedMs: before?.firstModifiedMs ?? modifiedMs,
    firstAnnouncedMs: before?.firstAnnouncedMs ?? (announced ? modifiedMs : undefined),
    takenMs: reading.takenAt.getTime(),
    weight: weightOf(reading),
    announced,
  };
}

function positionOf({ groupId, takenAt }: Reading): Position {
  return { groupId, takenMs: takenAt.getTime() };
}
