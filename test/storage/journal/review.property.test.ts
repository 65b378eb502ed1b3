import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import fc from 'fast-check';
import { counts, isSameWeighIn, type Reading, toReading, weightOf } from '../../../src/domain/reading.ts';
import { createReview } from '../../../src/domain/review.ts';
import { createMemoryJournal } from '../../support/memory-journal.ts';
import { ANNA, weighIn } from '../../support/people.ts';
import { checkAsync } from '../../support/property.ts';

const START = new Date('2026-11-26T07:00:00Z');
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const group = fc.record({
  groupId: fc.integer({ min: 2, max: 6 }),
  type: fc.constantFrom(1, 1, 6),
  value: fc.constantFrom(80, 81, 62, 63, 116, 500, 4),
  hour: fc.integer({ min: 0, max: 4 }),
  isAhead: fc.boolean(),
});
const answers = fc.array(fc.uniqueArray(group, { minLength: 1, maxLength: 3, selector: ({ groupId }) => groupId }), {
  minLength: 1,
  maxLength: 7,
});

test('holds and releases lose no version, count nothing impossible, and keep groups with their weight', async () => {
  const property = fc.asyncProperty(answers, async (given) => {
    let nowMs = START.getTime();
    const journal = createMemoryJournal({ review: createReview({ jumpShare: 0.2 }), now: () => new Date(nowMs) });
    const first = weighIn(80, new Date(nowMs - 3 * DAY_MS), { groupId: 1 });
    await journal.append([toReading(ANNA, first)]);
    const newestMs = new Map<number, number>();
    for (const answer of given) {
      nowMs += 20 * MINUTE_MS;
      const readings = answer.map(({ groupId, type, value, hour, isAhead }, at) => {
        const takenMs = isAhead ? nowMs + 15 * MINUTE_MS : START.getTime() - DAY_MS + hour * HOUR_MS;
        const modifiedAt = new Date(nowMs + at * 1_000);
        newestMs.set(groupId, modifiedAt.getTime());
        const measures = [{ type, value, position: undefined }];
        return toReading(ANNA, weighIn(0, new Date(takenMs), { groupId, modifiedAt, measures }));
      });
      await journal.append(readings.sort((one, other) => +one.takenAt - +other.takenAt || one.groupId - other.groupId));
      const last = new Map(journal.lines.map((line) => [line.groupId, line]));
      for (const [groupId, ms] of newestMs) assert.equal(last.get(groupId)?.modifiedAt.getTime(), ms, 'a lost version');
      checkAll([...last.values()], nowMs);
    }
  });
  await checkAsync(property, 0.75);
});

function checkAll(lines: readonly Reading[], nowMs: number): void {
  const weights = lines.filter((line) => weightOf(line) !== undefined);
  for (const line of lines) {
    const what = `group ${line.groupId}`;
    const weight = weightOf(line);
    if (weight !== undefined && weight > 400) assert(!counts(line), `${what} cannot be`);
    const isAhead = line.takenAt.getTime() > nowMs + 5 * MINUTE_MS;
    if (isAhead) assert(!counts(line), `${what} is ahead`);
    if (weight === undefined && !isAhead) {
      const beside = weights.filter((other) => isSameWeighIn(line, other));
      if (beside.length > 0) assert.equal(counts(line), beside.every(counts), `${what} does not follow its weight`);
    }
    if (weight === undefined || line.held !== 'jump') continue;
    const isLike = (other: Reading) => Math.abs((weightOf(other) ?? 0) - weight) <= 0.05 * weight;
    const isLater = (other: Reading) => other.modifiedAt > line.modifiedAt && !isSameWeighIn(line, other);
    const confirming = weights.filter((other) => counts(other) && isLater(other) && isLike(other));
    assert.deepEqual(confirming, [], `${what} is held, though a later one like it counts`);
  }
}
