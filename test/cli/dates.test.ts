import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isEmptyRange, parseSince, parseUntil } from '../../src/cli/dates.ts';

process.env['TZ'] = 'Europe/Vienna';

const iso = (date: Date | undefined) => date?.toISOString();

describe('a date', () => {
  test('that is a day starts at its local midnight and ends at the next', () => {
    assert.equal(iso(parseSince('2026-01-31')), '2026-01-30T23:00:00.000Z');
    assert.equal(iso(parseUntil('2026-01-31')), '2026-01-31T23:00:00.000Z');
  });

  test('that is a day has 23 hours when the clocks go forward', () => {
    assert.equal(iso(parseSince('2026-03-29')), '2026-03-28T23:00:00.000Z');
    assert.equal(iso(parseUntil('2026-03-29')), '2026-03-29T22:00:00.000Z');
  });

  for (const [text, moment] of [
    ['2026-01-31T07:00', '2026-01-31T06:00:00.000Z'],
    ['2026-01-31 07:00:01', '2026-01-31T06:00:01.000Z'],
    ['2026-01-31T07:00:00Z', '2026-01-31T07:00:00.000Z'],
    ['2026-01-31T07:00:00.25Z', '2026-01-31T07:00:00.250Z'],
    ['2026-01-31T07:00-05:00', '2026-01-31T12:00:00.000Z'],
  ] as const) {
    test(`that is a time is exact, as a start and as an end: ${text}`, () => {
      assert.deepEqual([iso(parseSince(text)), iso(parseUntil(text))], [moment, moment]);
    });
  }

  for (const text of [
    '',
    'yesterday',
    '2026',
    '2026-1-31',
    '31.01.2026',
    '01/31/2026',
    '2026-02-30',
    '2026-13-01',
    '2025-02-29',
    '2026-02-30T07:00Z',
    '2026-01-31T25:00',
    '2026-01-31T07:00+2',
    '2026-01-31T',
    '1769842800',
    ' 2026-01-31',
  ]) {
    test(`that is unreadable or impossible is rejected: "${text}"`, () => {
      assert.deepEqual([parseSince(text), parseUntil(text)], [undefined, undefined]);
    });
  }
});

test('a range is empty if its end is not after its start', () => {
  const [since, until] = [parseSince('2026-01-31'), parseUntil('2026-01-31')];
  assert.equal(isEmptyRange({ since, until }), false);
  assert.equal(isEmptyRange({ since: until, until }), true);
  assert.equal(isEmptyRange({ since: until, until: since }), true);
  assert.deepEqual([isEmptyRange({ since }), isEmptyRange({ until }), isEmptyRange({})], [false, false, false]);
});
