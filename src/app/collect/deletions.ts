import type { Clock } from '../../domain/clock.ts';
import type { MeasureAnswer, TimeWindow } from '../../domain/measure.ts';
import type { GroupState, Journal, JournalEntry } from '../../domain/reading.ts';
import type { UserId } from '../../domain/token.ts';

/** The least time between two answers that lack a group. */
export const APART_MS = 60_000;
/** More missing groups than this, and more than half of all: Withings shares nothing at the moment. */
const MOST_MISSING = 2;

/** The journal's groups in a window that an answer lacks. */
export interface Comparison {
  /** The groups missing for the first time, or less than a minute later. The window needs another query. */
  readonly suspects: readonly GroupState[];
  /** The groups that the journal took back. */
  readonly withdrawn: readonly JournalEntry[];
}

/** Finds the groups that Withings deleted. Two complete answers, at least a minute apart, must lack a group. */
export interface Deletions {
  /** The journal's groups within a window. Call it before the query is sent. */
  expect(userId: UserId, window: TimeWindow): Expected;
  /** Notes that Withings has these groups. */
  seen(userId: UserId, answer: MeasureAnswer): void;
  compare(userId: UserId, expected: Expected, answer: MeasureAnswer): Promise<Comparison>;
  /** Whether so much is missing that sharing looks paused. */
  isDoubtful(expected: Expected, answer: MeasureAnswer): boolean;
}

export interface Expected {
  readonly groups: readonly GroupState[];
  /** When the query was sent, by `clock.elapsedMs()`. */
  readonly askedMs: number;
}

export function createDeletions({
  journal,
  clock,
}: {
  readonly journal: Pick<Journal, 'groupsWithin' | 'withdraw'>;
  readonly clock: Clock;
}): Deletions {
  /** When each group was first missing, by `clock.elapsedMs()`. */
  const missingSinceMs = new Map<UserId, Map<number, number>>();

  return {
    expect(userId, window) {
      const groups = journal.groupsWithin(userId, window).filter(({ withdrawn }) => withdrawn === undefined);
      return { groups, askedMs: clock.elapsedMs() };
    },
    seen(userId, { groups }) {
      const missing = missingSinceMs.get(userId);
      for (const { groupId } of groups) missing?.delete(groupId);
    },
    async compare(userId, expected, answer) {
      if (!isEvidence(answer)) return { suspects: [], withdrawn: [] };
      const since = missingSinceMs.get(userId) ?? new Map<number, number>();
      missingSinceMs.set(userId, since);
      const suspects: GroupState[] = [];
      const deleted: number[] = [];
      for (const group of missingIn(answer, expected)) {
        const firstMs = since.get(group.groupId);
        if (firstMs !== undefined && expected.askedMs - firstMs >= APART_MS) deleted.push(group.groupId);
        else suspects.push(group);
        since.set(group.groupId, firstMs ?? clock.elapsedMs());
      }
      const withdrawn = deleted.length === 0 ? [] : await journal.withdraw(userId, deleted, 'deleted');
      for (const groupId of deleted) since.delete(groupId);
      return { suspects, withdrawn };
    },
    isDoubtful(expected, answer) {
      const missing = missingIn(answer, expected).length;
      const isEmpty = answer.groups.length === 0 && missing > 0;
      return isEvidence(answer) && (isEmpty || (missing > MOST_MISSING && missing * 2 > expected.groups.length));
    },
  };
}

/** A partial answer proves nothing about missing groups, nor does the first of several parts. */
function isEvidence(answer: MeasureAnswer): boolean {
  return answer.complete && answer.unreadable.length === 0 && !changedMeanwhile(answer);
}

/** Whether a group after a changed one may be lost between two pages. */
function changedMeanwhile({ groups, updatedAt }: MeasureAnswer): boolean {
  return updatedAt !== undefined && groups.some(({ modifiedAt }) => modifiedAt >= updatedAt);
}

function missingIn({ groups }: MeasureAnswer, expected: Expected): readonly GroupState[] {
  const there = new Set(groups.map(({ groupId }) => groupId));
  return expected.groups.filter(({ groupId }) => !there.has(groupId));
}
