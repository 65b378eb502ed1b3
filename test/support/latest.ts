import type { LatestValues } from '../../src/domain/publisher.ts';
import type { Reading } from '../../src/domain/reading.ts';
import { createHistories } from '../../src/storage/journal/histories.ts';
import { createJournalIndex } from '../../src/storage/journal/index.ts';

export interface Latest extends LatestValues {
  learn(reading: Reading): void;
}

/** The newest values, of a journal that is in memory. */
export function createLatest(): Latest {
  const histories = createHistories();
  const index = createJournalIndex(histories);
  let lines = 0;
  return {
    of: histories.of,
    learn(reading) {
      index.learn({ reading, at: lines });
      lines += 1;
    },
  };
}
