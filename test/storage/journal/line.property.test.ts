import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { measureKey } from '../../../src/domain/measure.ts';
import { HELD_REASONS, type Reading, WITHDRAWN_REASONS } from '../../../src/domain/reading.ts';
import { openJournal } from '../../../src/storage/journal/journal.ts';
import { formatLine, parseLine } from '../../../src/storage/journal/line.ts';
import { userId } from '../../support/people.ts';
import { altered, check, checkAsync, jsonText, text } from '../../support/property.ts';
import { createRecordingLog } from '../../support/recording-log.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const LINE = {
  userid: '1234',
  grpid: 6123456789,
  date: '2026-11-20T07:01:02+01:00',
  timestamp: 1795154462,
  modified: 1795154570,
  attrib: 0,
  ambiguous: false,
  deviceid: 'd1',
  model: 'Body+',
  measures: { weight: 81.25 },
};
const line = fc.oneof(
  jsonText,
  altered(LINE).map((fields) => {
    try {
      return JSON.stringify(fields);
    } catch {
      return '';
    }
  }),
);
/** Numbers that are valid in JSON, but not as a date or a weight. */
const number = fc.constantFrom('1e999', '-1e999', '9007199254740991', '-9007199254740991', '-0', '1e-400', '81.25');
const strangeLine = fc.tuple(number, number, number).map(([timestamp, modified, weight]) => {
  const fields = `"userid":"1","grpid":1,"timestamp":${timestamp},"modified":${modified},"attrib":0`;
  return `{${fields},"measures":{"weight":${weight}}}`;
});

const moment = fc.integer({ min: 1, max: 4_102_444_800 }).map((seconds) => new Date(seconds * 1000));
const name = fc.record({ type: fc.nat(300), position: fc.option(fc.nat(30), { nil: undefined }) }).map(measureKey);
const value = fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0);
const foreign = fc.option(text, { nil: undefined });
const attributed = fc.nat(20).map((attribution) => ({ attribution, ambiguous: attribution === 1 }));

/** Readings that `wire` can make of an answer, and others. */
const reading: fc.Arbitrary<Reading> = fc
  .record({
    userId: fc.bigInt({ min: 0n, max: 10n ** 20n - 1n }).map((id) => userId(String(id))),
    groupId: fc.maxSafeInteger(),
    takenAt: moment,
    modifiedAt: moment,
    deviceId: foreign,
    model: foreign,
    timeZone: fc.oneof(foreign, fc.constantFrom('Europe/Vienna', 'Asia/Kathmandu', 'America/St_Johns')),
    measures: fc.dictionary(fc.oneof(name, text), value).map((measures) => ({ ...measures })),
    held: fc.constantFrom(undefined, ...HELD_REASONS),
    withdrawn: fc.constantFrom(undefined, ...WITHDRAWN_REASONS),
  })
  .chain((fields) => attributed.map((more) => ({ ...fields, ...more })));

describe('a line of the journal', () => {
  test('is one line with the whole reading, including the offset of its zone', () => {
    check(
      fc.property(reading, (original) => {
        const written = formatLine(original);
        assert.doesNotMatch(written, /[\r\n]/);
        const { date }: { date: string } = JSON.parse(written);
        assert.deepEqual(parseLine(written)?.reading, { ...original, timeZone: date.slice(-'+01:00'.length) });
      }),
    );
  });

  test('is the same line after reading and writing, history or not', () => {
    check(
      fc.property(reading, fc.boolean(), (original, history) => {
        const written = formatLine(original, history);
        const line = parseLine(written);
        assert.ok(line !== undefined);
        assert.equal(line.history, history);
        assert.equal(formatLine(line.reading, line.history), written);
      }),
    );
  });

  test('has the moment in the time of its zone, and keeps the moment', () => {
    check(
      fc.property(reading, (original) => {
        const { date }: { date: string } = JSON.parse(formatLine(original));
        assert.match(date, /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}[+-][0-9]{2}:[0-9]{2}$/);
        assert.equal(Date.parse(date), original.takenAt.getTime());
      }),
    );
  });

  test('is a valid reading or none, whatever an editor changed', () => {
    check(
      fc.property(fc.oneof(line, strangeLine), (anyText) => {
        const found = parseLine(anyText)?.reading;
        if (found === undefined) return;
        assert.match(found.userId, /^[0-9]{1,20}$/);
        assert.ok(Number.isSafeInteger(found.groupId) && Number.isSafeInteger(found.attribution));
        assert.ok(!Number.isNaN(found.takenAt.getTime()), 'takenAt');
        assert.ok(!Number.isNaN(found.modifiedAt.getTime()), 'modifiedAt');
        for (const each of Object.values(found.measures)) assert.ok(Number.isFinite(each), 'a measure');
      }),
    );
  });
});

test('in a journal of any bytes: the journal opens, keeps its whole lines and later appends', async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/measures.jsonl`;
  const lines = fc
    .array(
      fc.oneof(
        line,
        reading.map((each) => formatLine(each)),
      ),
    )
    .map((all) => all.join('\n'));
  const bytes = fc.oneof(lines.map(Buffer.from), fc.uint8Array().map(Buffer.from));
  // Withings sends no held or withdrawn readings, because the journal decides that.
  const fetched = reading.map((each) => ({ ...each, held: undefined, withdrawn: undefined }));
  await checkAsync(
    fc.asyncProperty(bytes, fc.array(fetched, { maxLength: 5 }), async (before, readings) => {
      await writeFile(path, before);
      await (await openJournal(path, createRecordingLog())).append(readings);
      const after = await readFile(path);
      const whole = before.subarray(0, before.lastIndexOf('\n') + 1);
      assert.deepEqual(after.subarray(0, whole.length), whole);
      assert.ok(after.length === 0 || after.at(-1) === 0x0a);
      assert.deepEqual(await (await openJournal(path, createRecordingLog())).append(readings), []);
    }),
    0.1,
  );
});
