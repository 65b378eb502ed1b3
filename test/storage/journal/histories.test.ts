import { strict as assert } from 'node:assert';
import { appendFile, readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Reading } from '../../../src/domain/reading.ts';
import { createHistories } from '../../../src/storage/journal/histories.ts';
import { createJournalIndex } from '../../../src/storage/journal/index.ts';
import { openJournal } from '../../../src/storage/journal/journal.ts';
import { reading } from '../../support/mqtt-bench.ts';
import { ANNA, BO } from '../../support/people.ts';
import { createRecordingLog } from '../../support/recording-log.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const at = (time: string) => `2026-11-20T${time}:00Z`;
const ms = (time: string) => new Date(at(time)).getTime();

function open() {
  const histories = createHistories();
  const index = createJournalIndex(histories);
  let at = 0;
  const learn = (reading: Reading) => {
    index.learn({ reading, at });
    at += 1;
  };
  return { histories, index: { learn } };
}

describe('the histories', () => {
  test('contain every quantity of every person by time, in any order of arrival', () => {
    const { histories, index } = open();
    index.learn(reading(ANNA, 82, at('07:00')));
    index.learn(reading(ANNA, 81, at('06:00'), { measures: { weight: 81, fat_ratio: 17.3 } }));
    index.learn(reading(BO, 92, at('06:30')));
    assert.deepEqual(
      [...histories.valuesOf(ANNA, 'weight')],
      [
        { takenMs: ms('06:00'), value: 81 },
        { takenMs: ms('07:00'), value: 82 },
      ],
    );
    assert.deepEqual(histories.quantitiesOf(ANNA), ['weight', 'fat_ratio']);
    assert.deepEqual(histories.quantitiesOf(BO), ['weight']);
    assert.deepEqual([...histories.valuesOf(BO, 'fat_ratio')], []);
  });

  test('follow changes, moves and withdrawals, and contain no removed quantity', () => {
    const { histories, index } = open();
    const only = reading(ANNA, 82, at('07:00'));
    index.learn(only);
    index.learn({ ...only, takenAt: new Date(at('05:00')), measures: { weight: 83 } });
    assert.deepEqual([...histories.valuesOf(ANNA, 'weight')], [{ takenMs: ms('05:00'), value: 83 }]);
    index.learn({ ...only, attribution: 1 });
    assert.deepEqual([...histories.valuesOf(ANNA, 'weight')], []);
    assert.deepEqual(histories.quantitiesOf(ANNA), []);
  });

  test('contain the last line of each group, for any order of lines', () => {
    const line = fc.record({
      groupId: fc.integer({ min: 1, max: 6 }),
      minute: fc.integer({ min: 0, max: 5 }),
      attribution: fc.constantFrom(0, 1),
      kilograms: fc.integer({ min: 50, max: 99 }),
    });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 40 }), (lines) => {
        const { histories, index } = open();
        const lastOf = new Map<number, Reading>();
        for (const { groupId, minute, attribution, kilograms } of lines) {
          const taken = { ...reading(ANNA, kilograms, at(`07:0${minute}`)), groupId, attribution };
          index.learn(taken);
          // The last line counts last among lines of one moment, also if it repeats an earlier one.
          lastOf.delete(groupId);
          lastOf.set(groupId, taken);
        }
        const expected = [...lastOf.values()]
          .filter(({ attribution }) => attribution === 0)
          .map(({ takenAt, measures }) => ({ takenMs: takenAt.getTime(), value: measures['weight'] ?? 0 }))
          .sort((one, other) => one.takenMs - other.takenMs);
        assert.deepEqual([...histories.valuesOf(ANNA, 'weight')], expected);
      }),
    );
  });

  test('contain lines of another process at the next read', async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/measures.jsonl`;
    const journal = await openJournal(path, createRecordingLog());
    const other = await openJournal(path, createRecordingLog());
    await other.append([reading(ANNA, 81, at('06:00'))]);
    assert.deepEqual([...journal.histories.valuesOf(ANNA, 'weight')], []);
    await journal.look();
    assert.equal(journal.histories.valuesOf(ANNA, 'weight').length, 1);
    await appendFile(path, (await readFile(path, 'utf8')).replaceAll('"grpid":', '"grpid":9'));
    await journal.look();
    assert.equal(journal.histories.valuesOf(ANNA, 'weight').length, 2);
  });
});
