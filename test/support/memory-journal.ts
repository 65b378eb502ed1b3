import type { CursorStore, Journal, Reading } from '../../src/domain/reading.ts';
import type { UserId } from '../../src/domain/token.ts';
import { createHistories } from '../../src/storage/journal/histories.ts';
import { createJournalIndex } from '../../src/storage/journal/index.ts';

/** A journal that forgets with the test; `lines` is what the file would hold, `history` those of a backfill. */
export function createMemoryJournal(): Journal & {
  readonly lines: readonly Reading[];
  readonly history: readonly Reading[];
} {
  const index = createJournalIndex(createHistories());
  const lines: Reading[] = [];
  const history: Reading[] = [];
  return {
    lines,
    history,
    append(readings, options) {
      const added = readings.filter((reading) => index.isNew(reading));
      lines.push(...added);
      if (options?.history === true) history.push(...added);
      return Promise.resolve(index.add(added));
    },
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
