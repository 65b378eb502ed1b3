import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Measure, MeasureGroup } from '../../src/domain/measure.ts';
import { counts, toReading, weightOf } from '../../src/domain/reading.ts';
import { parseUserId, type UserId } from '../../src/domain/token.ts';

const userId = '27182818' as UserId;

function group(changes: Partial<MeasureGroup>): MeasureGroup {
  return {
    groupId: 8122000301,
    attribution: 0,
    takenAt: new Date('2026-11-03T05:58:20Z'),
    modifiedAt: new Date('2026-11-03T05:59:29Z'),
    deviceId: 'DEV-SCAN',
    model: 'Body Scan',
    timeZone: 'Europe/Lisbon',
    measures: [measure(1, 72.18)],
    ...changes,
  };
}

function measure(type: number, value: number, position?: number): Measure {
  return { type, value, position };
}

test('a reading is a measure group with a person and names', () => {
  assert.deepEqual(toReading(userId, group({})), {
    userId,
    groupId: 8122000301,
    takenAt: new Date('2026-11-03T05:58:20Z'),
    modifiedAt: new Date('2026-11-03T05:59:29Z'),
    attribution: 0,
    ambiguous: false,
    deviceId: 'DEV-SCAN',
    model: 'Body Scan',
    timeZone: 'Europe/Lisbon',
    measures: { weight: 72.18 },
  });
});

test('a type that occurs twice counts once, with its last value', () => {
  const reading = toReading(userId, group({ measures: [measure(5, 59.03, 7), measure(5, 59.04, 7)] }));
  assert.deepEqual(reading.measures, { fat_free_mass: 59.04 });
});

test('limbs are kept apart from each other and from the whole body', () => {
  const measures = [measure(173, 59.03, 7), measure(173, 9.87, 10), measure(173, 9.9, 11), measure(173, 30.47, 12)];
  assert.deepEqual(toReading(userId, group({ measures })).measures, {
    segment_fat_free_mass: 59.03,
    segment_fat_free_mass_10: 9.87,
    segment_fat_free_mass_11: 9.9,
    segment_fat_free_mass_12: 30.47,
  });
});

test('a type without a name is stored under its number', () => {
  assert.deepEqual(toReading(userId, group({ measures: [measure(999, 1.5)] })).measures, { type_999: 1.5 });
});

test('a measure of zero is a measure', () => {
  assert.deepEqual(toReading(userId, group({ measures: [measure(130, 0)] })).measures, { afib_ecg: 0 });
});

test('a reading has a weight only if the scale sent one', () => {
  assert.equal(weightOf(toReading(userId, group({}))), 72.18);
  assert.equal(weightOf(toReading(userId, group({ measures: [measure(11, 58)] }))), undefined);
  assert.equal(weightOf(toReading(userId, group({ measures: [] }))), undefined);
});

test('only a group of a possibly different person is ambiguous', () => {
  const ambiguous = [0, 1, 2, 3, 4, 5, 7, 8, 10, 15, 17, 99].filter(
    (attribution) => toReading(userId, group({ attribution })).ambiguous,
  );
  assert.deepEqual(ambiguous, [1]);
});

describe('the announcement of a reading', () => {
  const told: readonly (readonly [attribution: number, what: string, announced: boolean])[] = [
    [0, 'from the device', true],
    [1, 'that may be another person’s', false],
    [2, 'entered by hand', true],
    [3, 'picked by the user', true],
    [4, 'from the creation of the account', false],
    [5, 'that is the best of several', true],
    [7, 'confirmed by the user', true],
    [8, 'from the device, spelled 8', true],
    [10, 'of one foot', true],
    [15, 'taken under guidance', true],
    [17, 'taken under guidance, spelled 17', true],
    [99, 'with an unknown number', true],
  ];
  for (const [attribution, what, announced] of told) {
    test(`is ${announced ? 'made' : 'skipped'} for a reading ${what}`, () => {
      assert.equal(counts(toReading(userId, group({ attribution }))), announced);
    });
  }
});

test('a user id is the same as a string and as a number', () => {
  assert.equal(parseUserId('27182818'), '27182818');
  assert.equal(parseUserId(27182818), '27182818');
});

test('a user id contains only digits, so that it cannot name another file', () => {
  const others = ['', '../1', '1/2', '1\n', ' 1', '1.5', '-1', '1e3', '0x1', '١٢', '1'.repeat(21)];
  for (const text of others) assert.equal(parseUserId(text), undefined, JSON.stringify(text));
  for (const value of [-1, 1.5, 1e21, Number.NaN, Number.POSITIVE_INFINITY, null, undefined, true, ['1'], {}]) {
    assert.equal(parseUserId(value), undefined, String(value));
  }
});
