import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isDay, parseSeconds, parseTime } from '../../src/domain/dates.ts';

describe('seconds since 1970', () => {
  for (const value of [1793685500, '1793685500'])
    test(`are a time, as a ${typeof value}`, () =>
      assert.deepEqual(parseSeconds(value), new Date('2026-11-03T05:58:20Z')));

  test('can be from 1970 to 2100', () => {
    assert.deepEqual(parseSeconds(0), new Date(0));
    assert.deepEqual(parseSeconds('4102444800'), new Date('2100-01-01T00:00:00Z'));
  });

  for (const value of [undefined, null, '', 'soon', '1e9', -1, 1.5, Number.NaN, 4_102_444_801, 1793685500_000, []])
    test(`are not ${String(value)}`, () => assert.equal(parseSeconds(value), undefined));
});

describe('a time', () => {
  test('has an offset', () => {
    assert.deepEqual(parseTime('2026-11-03T06:58:20+01:00'), new Date('2026-11-03T05:58:20Z'));
  });

  for (const value of [undefined, null, '', 'soon', '2026-13-01T00:00Z', 1793685500])
    test(`is not ${String(value)}`, () => assert.equal(parseTime(value), undefined));
});

describe('a day', () => {
  for (const text of ['2026-01-31', '2028-02-29']) test(`is ${text}`, () => assert.equal(isDay(text), true));
  for (const text of [
    '',
    '2026',
    '2026-01',
    '2026-02-29',
    '2026-02-30',
    '2026-13-01',
    '2026-01-31T07:00',
    ' 2026-01-31',
  ])
    test(`is not "${text}"`, () => assert.equal(isDay(text), false));
});
