import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ReadingContext } from '../../domain/publisher.ts';
import { isAnnounced, type JournalEntry, type Reading, type WeighIn, weightOf } from '../../domain/reading.ts';
import type { UserId } from '../../domain/token.ts';
import type { HistoryIndex, Position } from './histories.ts';

const WEIGHT = 'weight';

/** What is kept of a group, as little as answers the questions below: years of them stay in memory. */
interface Group {
  readonly modifiedMs: number;
  /** Of its first line, and of the first that could be announced as this person's. */
  readonly firstModifiedMs: number;
  readonly firstAnnouncedMs: number | undefined;
  readonly takenMs: number;
  readonly weight: number | undefined;
  readonly announced: boolean;
}

/** The readings of the journal, by user and group. */
export interface JournalIndex {
  /** Whether the reading is new, or newer than what is known of its group. */
  isNew(reading: Reading): boolean;
  /** Takes in a reading that the file had already. */
  learn(reading: Reading): void;
  /** Takes new readings in, in their order. Returns what each of them follows, when all of them are in. */
  add(readings: readonly Reading[]): Promise<JournalEntry[]>;
  /** What surrounds one of the readings it holds, whether it is the group's last or not. */
  contextOf(reading: Reading): ReadingContext;
  newestModification(userId: UserId): Date | undefined;
  lastWeighIn(userId: UserId): WeighIn | undefined;
  clear(): void;
}

export function createJournalIndex(histories: HistoryIndex): JournalIndex {
  const users = new Map<UserId, Map<number, Group>>();

  /** Returns what was known of the group until now. */
  const learn = (reading: Reading): Group | undefined => {
    const { userId, groupId, measures } = reading;
    const groups = users.get(userId) ?? new Map<number, Group>();
    users.set(userId, groups);
    const before = groups.get(groupId);
    const known = remember(reading, before);
    groups.set(groupId, known);
    if (before !== undefined) histories.remove(userId, { groupId, takenMs: before.takenMs });
    if (known.announced) histories.put(userId, { groupId, takenMs: known.takenMs }, measures);
    return before;
  };

  const previousWeight = (reading: Reading) => histories.before(reading.userId, WEIGHT, positionOf(reading));

  const describe = (reading: Reading, before: Group | undefined): JournalEntry => ({
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
    async add(readings) {
      const added: { readonly reading: Reading; readonly before: Group | undefined }[] = [];
      for await (const reading of inPortions(readings)) added.push({ reading, before: learn(reading) });
      const entries: JournalEntry[] = [];
      for await (const { reading, before } of inPortions(added)) entries.push(describe(reading, before));
      return entries;
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

function remember(reading: Reading, before: Group | undefined): Group {
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

/** Some milliseconds of work on a small computer. */
const PORTION = 100;

/** Gives the event loop a turn now and then: notifications are answered while thousands of readings are taken in. */
export async function* inPortions<T>(items: readonly T[]): AsyncGenerator<T> {
  for (const [at, item] of items.entries()) {
    if (at > 0 && at % PORTION === 0) await nextTurn();
    yield item;
  }
}
