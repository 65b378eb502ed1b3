import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatTime, isPlausible, LOCAL_ZONE } from '../../src/domain/clock.ts';

describe('the time of a reading', () => {
  const table: readonly (readonly [instant: string, zone: string | undefined, text: string])[] = [
    ['2026-11-03T05:58:20Z', 'Europe/Vienna', '2026-11-03T06:58:20+01:00'],
    ['2026-07-03T05:58:20Z', 'Europe/Vienna', '2026-07-03T07:58:20+02:00'],
    ['2026-11-03T05:58:20Z', 'Europe/Lisbon', '2026-11-03T05:58:20+00:00'],
    ['2026-11-03T23:30:00Z', 'Asia/Kolkata', '2026-11-04T05:00:00+05:30'],
    ['2026-11-03T01:15:00Z', 'America/St_Johns', '2026-11-02T21:45:00-03:30'],
    ['2026-12-31T12:00:00Z', 'Pacific/Kiritimati', '2027-01-01T02:00:00+14:00'],
    ['2026-11-03T23:00:00Z', 'Europe/Vienna', '2026-11-04T00:00:00+01:00'],
    ['2028-02-29T23:59:59Z', 'UTC', '2028-02-29T23:59:59+00:00'],
    ['2026-11-03T05:58:20Z', undefined, '2026-11-03T05:58:20+00:00'],
  ];
  for (const [instant, zone, text] of table) {
    test(`${instant} in ${zone ?? 'no zone'} is ${text}`, () =>
      assert.equal(formatTime(new Date(instant), zone), text));
  }

  test('distinguishes both times of 02:30 at the end of summer time', () => {
    assert.equal(formatTime(new Date('2026-10-25T00:30:00Z'), 'Europe/Vienna'), '2026-10-25T02:30:00+02:00');
    assert.equal(formatTime(new Date('2026-10-25T01:30:00Z'), 'Europe/Vienna'), '2026-10-25T02:30:00+01:00');
  });

  test('drops milliseconds without rounding up', () => {
    assert.equal(formatTime(new Date('2026-11-03T05:58:20.999Z'), 'UTC'), '2026-11-03T05:58:20+00:00');
    assert.equal(formatTime(new Date(-1), 'UTC'), '1969-12-31T23:59:59+00:00');
  });

  test('is in the zone of this machine on request, in summer and winter', () => {
    const { TZ } = process.env;
    try {
      for (const zone of ['Europe/Vienna', 'America/St_Johns', 'Asia/Kathmandu', 'UTC']) {
        process.env['TZ'] = zone;
        for (const instant of ['2026-01-03T23:30:00Z', '2026-07-03T05:58:20Z', '2026-10-25T01:30:00Z']) {
          assert.equal(formatTime(new Date(instant), LOCAL_ZONE), formatTime(new Date(instant), zone));
        }
      }
    } finally {
      if (TZ === undefined) delete process.env['TZ'];
      else process.env['TZ'] = TZ;
    }
  });

  for (const zone of ['Mars/Olympus_Mons', '', 'not a zone']) {
    test(`is in UTC if the zone "${zone}" is unknown`, () => {
      assert.equal(formatTime(new Date('2026-11-03T05:58:20Z'), zone), '2026-11-03T05:58:20+00:00');
    });
  }

  test('uses one Intl formatter for each zone, and keeps a limited number of them', (t) => {
    const made = t.mock.method(Intl, 'DateTimeFormat').mock;
    const formatInZone = (zone: string) => formatTime(new Date('2026-11-03T05:58:20Z'), zone);
    for (let each = 0; each < 1000; each += 1) formatInZone('Pacific/Apia');
    assert.equal(made.callCount(), 1);
    for (let each = 0; each < 1000; each += 1) formatInZone(`made up ${each}`);
    formatInZone('Pacific/Apia');
    assert.equal(made.callCount(), 1002, 'the first one was given up');
  });

  test('is read back as the same second for any zone, season and year', () => {
    const zones = ['Europe/Vienna', 'America/St_Johns', 'Australia/Lord_Howe', 'Asia/Kathmandu', undefined];
    const instants = [
      '1970-01-01T00:00:00Z',
      '2026-03-29T00:59:59Z',
      '2026-03-29T01:00:00Z',
      '2026-12-31T23:59:59Z',
      '9999-12-30T12:00:00Z',
      '+058806-05-09T08:30:20Z',
    ];
    for (const zone of zones) {
      for (const instant of instants) {
        const date = new Date(instant);
        const text = formatTime(date, zone);
        assert.equal(new Date(text).getTime(), date.getTime(), `${instant} in ${zone}: ${text}`);
      }
    }
  });
});

describe('a clock that cannot be right', () => {
  for (const time of ['1970-01-01T00:00:12Z', '2025-12-31T23:59:59.999Z', 'never']) {
    test(`shows ${time}`, () => assert.equal(isPlausible(new Date(time)), false));
  }
  for (const time of ['2026-01-01T00:00:00Z', '2026-11-20T06:00:00Z', '2040-01-01T00:00:00Z']) {
    test(`does not show ${time}`, () => assert.equal(isPlausible(new Date(time)), true));
  }
});
