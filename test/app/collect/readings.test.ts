import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { readingsOf } from '../../../src/app/collect/readings.ts';
import { toReading } from '../../../src/domain/reading.ts';
import { createReview } from '../../../src/domain/review.ts';
import { createMemoryJournal } from '../../support/memory-journal.ts';
import { ANNA, weighIn } from '../../support/people.ts';

const TAKEN = new Date('2026-11-20T05:50:00Z');
const LATER = new Date('2026-11-20T06:50:00Z');
const WHOLE = weighIn(81, TAKEN, { groupId: 1 });
const PART = { ...WHOLE, modifiedAt: LATER, measures: [{ type: 6, value: 20, position: undefined }], isPartial: true };

for (const [what, known, version, isTaken] of [
  ['replaces no counted group', WHOLE, PART, false],
  ['replaces no counted group, also with another date', WHOLE, { ...PART, takenAt: LATER }, false],
  ['replaces no held group', { ...WHOLE, takenAt: new Date('2030-01-01T00:00:00Z') }, PART, false],
  ['withdraws a weight that Withings is no longer sure of', WHOLE, { ...PART, attribution: 1 }, true],
  ['is stored if there is no other', weighIn(80, TAKEN, { groupId: 2 }), PART, true],
] as const) {
  test(`a partly read version ${what}`, async () => {
    const journal = createMemoryJournal({ review: createReview({ jumpShare: 0.2 }), now: () => LATER });
    await journal.append([toReading(ANNA, known)]);
    const readings = readingsOf(ANNA, [version], journal);
    assert.equal(readings.length, isTaken ? 1 : 0);
    await journal.append(readings);
    if (version.attribution === 1) assert.equal(journal.group(ANNA, 1)?.withdrawn, 'ambiguous');
  });
}
