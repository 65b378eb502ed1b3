import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { MEASURE_TYPES } from '../../../src/domain/measure.ts';
import { HELD_REASONS } from '../../../src/domain/reading.ts';
import { CSV_COLUMNS, CSV_HEADER, formatCsvRow } from '../../../src/storage/journal/csv.ts';
import { formatLine, type JournalLine, parseLine } from '../../../src/storage/journal/line.ts';
import { userId } from '../../support/people.ts';
import { text as anyText, check } from '../../support/property.ts';

/** A file cannot contain halves of surrogate pairs. */
const text = anyText.map((each) => Buffer.from(each).toString('utf8'));

/** An independent CSV reader that follows RFC 4180. */
function readCsv(csv: string): Record<string, string>[] {
  return parse(csv, { columns: true, record_delimiter: '\r\n', relax_quotes: false, relax_column_count: false });
}

const KEYS = Object.values(MEASURE_TYPES).map(({ key }) => key);
const value = fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0);
const moment = fc.integer({ min: 1, max: 4_102_444_800 }).map((seconds) => new Date(seconds * 1000));
const foreign = fc.option(text, { nil: undefined });

const line: fc.Arbitrary<JournalLine> = fc
  .record({
    userId: fc.nat().map((id) => userId(String(id))),
    groupId: fc.maxSafeInteger(),
    takenAt: moment,
    modifiedAt: moment,
    attribution: fc.nat(20),
    ambiguous: fc.constant(false),
    deviceId: foreign,
    model: foreign,
    timeZone: fc.constantFrom('Europe/Vienna', undefined),
    measures: fc.dictionary(fc.oneof(fc.constantFrom(...KEYS), text), value),
    held: fc.constantFrom(undefined, ...HELD_REASONS),
  })
  .map((reading) => parseLine(formatLine(reading)))
  .filter((decoded) => decoded !== undefined);

/** Marks a text as a person would in a spreadsheet. */
const guarded = (text: string) => (/^[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text);

test('every field of every line is read back unchanged by a CSV reader', () => {
  check(
    fc.property(fc.array(fc.tuple(line, text), { minLength: 1, maxLength: 5 }), (rows) => {
      const csv = CSV_HEADER + rows.map(([each, name]) => formatCsvRow(each, name)).join('');
      const read = readCsv(csv);
      assert.equal(read.length, rows.length);
      for (const [index, [each, name]] of rows.entries()) {
        const { reading, date } = each;
        const row = read[index] ?? {};
        assert.deepEqual(Object.keys(row), CSV_COLUMNS);
        assert.deepEqual(
          [row['userid'], row['name'], row['grpid'], row['date'], row['timestamp'], row['modified']],
          [
            reading.userId,
            guarded(name),
            String(reading.groupId),
            date,
            String(reading.takenAt.getTime() / 1000),
            String(reading.modifiedAt.getTime() / 1000),
          ],
        );
        assert.deepEqual(
          [row['attrib'], row['ambiguous'], row['deviceid'], row['model']],
          [
            String(reading.attribution),
            String(reading.ambiguous),
            guarded(reading.deviceId ?? ''),
            guarded(reading.model ?? ''),
          ],
        );
        assert.equal(row['held'], reading.held ?? '');
        const named = KEYS.filter((key) => row[key] !== '').map((key) => [key, Number(row[key])] as const);
        const other: Record<string, number> = JSON.parse(row['other'] || '{}');
        assert.deepEqual(new Map([...named, ...Object.entries(other)]), new Map(Object.entries(reading.measures)));
      }
    }),
  );
});

test('the columns have a fixed order, and future columns come before the last two', () => {
  assert.deepEqual(CSV_COLUMNS.slice(0, 12), [
    ...['userid', 'name', 'grpid', 'date', 'timestamp', 'modified', 'attrib', 'ambiguous', 'deviceid', 'model'],
    ...['weight', 'height'],
  ]);
  const numbers = Object.keys(MEASURE_TYPES).map(Number);
  assert.deepEqual(
    numbers,
    numbers.toSorted((a, b) => a - b),
  );
  assert.deepEqual(CSV_COLUMNS.slice(10, -2), KEYS);
  assert.deepEqual(CSV_COLUMNS.slice(-2), ['other', 'held']);
  assert.equal(new Set(CSV_COLUMNS).size, CSV_COLUMNS.length);
});

test('a text that a spreadsheet would run is marked as text, and a negative number is unchanged', () => {
  const reading = {
    ...{ userId: userId('1234'), groupId: 1, attribution: 0, ambiguous: false, timeZone: undefined },
    takenAt: new Date(1_795_154_462_000),
    modifiedAt: new Date(1_795_154_462_000),
    measures: { weight: -81.25, type_999: -1 },
  };
  for (const start of ['=', '+', '-', '@', '\t', '\r', '\n', '＝']) {
    const evil = `${start}cmd|' /C calc'!A0`;
    const decoded = parseLine(formatLine({ ...reading, deviceId: evil, model: evil }));
    assert.ok(decoded);
    const [row] = readCsv(CSV_HEADER + formatCsvRow(decoded, evil));
    for (const column of ['name', 'deviceid', 'model']) assert.equal(row?.[column], `'${evil}`, column);
    assert.deepEqual([row?.['weight'], row?.['other']], ['-81.25', '{"type_999":-1}']);
  }
  const tame = parseLine(formatLine({ ...reading, deviceId: 'a=b', model: 'Body+' }));
  assert.ok(tame);
  const [row] = readCsv(CSV_HEADER + formatCsvRow(tame, 'Anna-Bo'));
  assert.deepEqual([row?.['name'], row?.['deviceid'], row?.['model']], ['Anna-Bo', 'a=b', 'Body+']);
});
