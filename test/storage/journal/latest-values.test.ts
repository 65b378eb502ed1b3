import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import { openJournal } from '../../../src/storage/journal/journal.ts';
import { createLatest } from '../../support/latest.ts';
import { reading } from '../../support/mqtt-bench.ts';
import { ANNA, BO } from '../../support/people.ts';
import { createRecordingLog } from '../../support/recording-log.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const at = (time: string) => `2026-11-20T${time}:00Z`;

describe('the latest values', () => {
  it('are the last measured ones, in any order of the journal', () => {
    const latest = createLatest();
    latest.learn(reading(ANNA, 82, at('07:00')));
    latest.learn(reading(ANNA, 81, at('06:00'), { measures: { weight: 81, height: 1.7 } }));
    latest.learn(reading(BO, 92, at('08:00')));
    assert.deepEqual(Object.fromEntries(latest.of(ANNA)), {
      weight: { value: 82, takenAt: new Date(at('07:00')) },
      height: { value: 1.7, takenAt: new Date(at('06:00')) },
    });
  });

  it('follow changes and withdrawals, and exclude values of an uncertain person', () => {
    const latest = createLatest();
    const weight = () => latest.of(ANNA).get('weight')?.value;
    const last = reading(ANNA, 82, at('07:00'));
    latest.learn(reading(ANNA, 81, at('06:00')));
    latest.learn(last);
    latest.learn({ ...last, measures: { weight: 82.5 } });
    assert.equal(weight(), 82.5);
    latest.learn({ ...last, attribution: 1 });
    assert.equal(weight(), 81);
    latest.learn({ ...last, attribution: 7 });
    assert.equal(weight(), 82);
    latest.learn({ ...last, takenAt: new Date(at('05:00')) });
    assert.equal(weight(), 81);
  });

  it('include an existing journal, and its later lines', async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/measures.jsonl`;
    const open = () => openJournal(path, createRecordingLog());
    await (await open()).append([reading(ANNA, 81, at('06:00'))]);
    const journal = await open();
    assert.equal(journal.latest.of(ANNA).get('weight')?.value, 81);
    await journal.append([reading(ANNA, 82, at('07:00'))]);
    assert.equal(journal.latest.of(ANNA).get('weight')?.value, 82);
  });
});
