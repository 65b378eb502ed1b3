import type { UnreadableStore } from '../../src/domain/measure.ts';
import type { CursorStore, Journal, Reading } from '../../src/domain/reading.ts';
import { NO_REVIEW, type Review } from '../../src/domain/review.ts';
import type { UserId } from '../../src/domain/token.ts';
import { createHistories } from '../../src/storage/journal/histories.ts';
import { createJournalIndex } from '../../src/storage/journal/index.ts';

/** Creates a journal in memory. `lines` is the content of the file, and `history` the lines of a backfill. */
export function createMemoryJournal({
  review = NO_REVIEW,
  now = () => new Date(),
}: {
  readonly review?: Review;
  readonly now?: () => Date;
} = {}): Journal & {
  readonly lines: readonly Reading[];
  readonly history: readonly Reading[];
} {
  const index = createJournalIndex(createHistories());
  const lines: Reading[] = [];
  const history: Reading[] = [];

  const lastLine = async (userId: UserId, groupId: number): Promise<Reading> => {
    const line = lines[index.offsetOf(userId, groupId) ?? -1];
    if (line === undefined) throw new Error(`there is no group ${groupId}`);
    return line;
  };
  const add = async (added: readonly Reading[]) => {
    const placed = added.map((reading, at) => ({ reading, at: lines.length + at }));
    lines.push(...added);
    return await index.describe(await index.add(placed));
  };

  return {
    lines,
    history,
    async append(readings, options) {
      const added = await review(
        readings.filter((reading) => index.isNew(reading)),
        { ...index, lastLine, rest: async () => undefined },
        options?.updatedAt ?? now(),
        [...new Set(readings.map(({ userId }) => userId))],
      );
      if (options?.history === true) history.push(...added);
      return await add(added);
    },
    async withdraw(userId, groupIds, reason) {
      const taken: Reading[] = [];
      for (const groupId of groupIds) taken.push({ ...(await lastLine(userId, groupId)), withdrawn: reason });
      return await add(taken);
    },
    group: index.group,
    groupsWithin: index.groupsWithin,
    heldOf: index.heldOf,
    newestModification: (userId) => index.newestModification(userId),
    lastWeighIn: (userId) => index.lastWeighIn(userId),
  };
}

export function createMemoryCursors(): CursorStore & { readonly cursors: Map<UserId, Date> } {
  const cursors = new Map<UserId, Date>();
  return {
    cursors,
    load: (userId) => Promise.resolve(cursors.get(userId)),
    save: (userId, cursor) => Promise.resolve(void cursors.set(userId, cursor)),
  };
}

/** Creates a store of unreadable groups in memory. */
export function createMemoryUnreadable(): UnreadableStore {
  const known = new Map<string, UserId>();
  return {
    async keep(userId, found) {
      const added = found.filter(({ raw }) => !known.has(`${userId} ${raw}`));
      for (const { raw } of added) known.set(`${userId} ${raw}`, userId);
      return added;
    },
    countOf: (userId) => [...known.values()].filter((each) => each === userId).length,
  };
}
