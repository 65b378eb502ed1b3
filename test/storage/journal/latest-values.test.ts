import { strict as assert } from 'node:assert';
import { writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { openJournal } from '../../../src/storage/journal/journal.ts';
import { createRetainedFile } from '../../../src/storage/retained-file.ts';
import { createLatest } from '../../support/latest.ts';
import { reading } from '../../support/mqtt-bench.ts';
import { ANNA, BO } from '../../support/people.ts';
import { createRecordingLog } from '../../support/recording-log.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const at = (time: string) => `2026-11-20T${time}:00Z`;

describe('the latest values', () => {
  it('are those measured last, whatever the order of the journal', () => {
    const latest = createLatest();
    latest.learn(reading(ANNA, 82, at('07:00')));
    latest.learn(reading(ANNA, 81, at('06:00'), { measures: { weight: 81, height: 1.7 } }));
    latest.learn(reading(BO, 92, at('08:00')));
    assert.deepEqual(Object.fromEntries(latest.of(ANNA)), {
      weight: { value: 82, takenAt: new Date(at('07:00')) },
      height: { value: 1.7, takenAt: new Date(at('06:00')) },
    });
  });

  it('follow what Withings changes and takes back, and know nothing of what is nobody’s for sure', () => {
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

  it('are known of a journal that was there before, and of what comes into it', async () => {
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

describe('the file of what a broker keeps', () => {
  it('gives back what was written, nothing where it is missing, and where it is broken nothing and a warning', async () => {
    await using directory = await temporaryDirectory();
    const log = createRecordingLog();
    const file = createRetainedFile(`${directory.path}/mqtt.retained`, log);
    assert.deepEqual(await file.load(), { topics: new Set(), values: new Map() });
    const value = { value: 81.25, takenAt: new Date(at('06:00')) };
    const retained = { topics: new Set(['a/b']), values: new Map([[ANNA, new Map([['weight', value]])]]) };
    await file.save(retained);
    assert.deepEqual(await file.load(), retained);
    assert.deepEqual(log.entries, []);
    for (const broken of ['{', 'null', '{"topics":3,"values":{"x":1,"1234":{"weight":{"value":"a"}}}}']) {
      await writeFile(`${directory.path}/mqtt.retained`, broken);
      const warnings = log.texts('retained_unreadable').length;
      assert.equal((await file.load()).topics.size, 0);
      assert.equal((await file.load()).values.get(ANNA)?.size ?? 0, 0);
      assert.equal(log.texts('retained_unreadable').length, warnings + 2);
    }
    assert.match(log.texts('retained_unreadable').join(), /mqtt\.retained cannot be read \(.+\)/);
  });

  it('says so too where it is there and the disk does not give it', async () => {
    await using directory = await temporaryDirectory();
    const log = createRecordingLog();
    const file = createRetainedFile(directory.path, log);
    assert.equal((await file.load()).topics.size, 0);
    assert.match(log.texts('retained_unreadable').join(), /EISDIR/);
  });
});
