import type { LatestValues } from '../domain/publisher.ts';
import { isAnnounced, type Reading } from '../domain/reading.ts';
import type { UserId } from '../domain/token.ts';

/** How many values of a quantity are remembered: so many in a row may be taken back before an older one is forgotten. */
const DEPTH = 8;

interface Known {
  readonly groupId: number;
  readonly takenAt: Date;
  readonly value: number;
}

/** The newest values of what it is told of, in the order of the journal. */
export interface LatestValueIndex extends LatestValues {
  learn(reading: Reading): void;
  clear(): void;
}

export function createLatestValues(): LatestValueIndex {
  /** By person and quantity, the newest first. */
  const people = new Map<UserId, Map<string, readonly Known[]>>();

  return {
    learn(reading) {
      const { userId, groupId, takenAt, measures } = reading;
      const quantities = people.get(userId) ?? new Map<string, readonly Known[]>();
      people.set(userId, quantities);
      // Where Withings has changed the group, what it said before does not count, whose it is now or not.
      for (const [key, list] of quantities) {
        if (list.some((each) => each.groupId === groupId)) quantities.set(key, without(list, groupId));
      }
      if (!isAnnounced(reading)) return;
      for (const [key, value] of Object.entries(measures)) {
        quantities.set(key, insert(quantities.get(key) ?? [], { groupId, takenAt, value }));
      }
    },
    of(userId) {
      const newest = [...(people.get(userId) ?? [])].flatMap(([key, [first]]) =>
        first === undefined ? [] : [[key, { value: first.value, takenAt: first.takenAt }] as const],
      );
      return new Map(newest);
    },
    clear: () => people.clear(),
  };
}

function without(list: readonly Known[], groupId: number): readonly Known[] {
  return list.filter((each) => each.groupId !== groupId);
}

/** Of several values of one moment the last line of the journal counts. */
function insert(list: readonly Known[], known: Known): readonly Known[] {
  const isOlder = (each: Known) => each.takenAt <= known.takenAt;
  const later = list.filter((each) => !isOlder(each));
  return [...later, known, ...list.filter(isOlder)].slice(0, DEPTH);
}
