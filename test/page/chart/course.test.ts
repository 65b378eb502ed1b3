import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { believableOf, firstFrom, type TimedValue } from '../../../src/domain/history.ts';
import { fillBuckets } from '../../../src/domain/trend.ts';
import { type BucketUnit, bucketUnit, INTERVALS, monthsBefore, spanOf } from '../../../src/page/chart/course.ts';
import { DAY_MS } from '../../../src/page/words.ts';
import { inZone } from '../../support/in-zone.ts';
import { historiesOf } from '../../support/page-views.ts';
import { ANNA } from '../../support/people.ts';

const at = (iso: string) => new Date(iso).getTime();
const all = { fromMs: 0, toMs: at('2100-01-01T00:00:00Z') };
const local = (ms: number) => new Date(ms).toLocaleString('sv-SE');

/** Returns the starts of the buckets with values at these moments. */
const starts = (unit: BucketUnit, ...moments: readonly string[]) =>
  fillBuckets(
    moments.map((iso) => ({ takenMs: at(iso), value: 80 })),
    all,
    INTERVALS[unit],
  ).map(({ startMs }) => local(startMs));

describe('a calendar', () => {
  it('has days of 23 and of 25 hours', () => {
    inZone('Europe/Vienna', () => {
      const spring = starts('day', '2026-03-28T23:30:00Z', '2026-03-29T21:30:00Z', '2026-03-29T22:30:00Z');
      assert.deepEqual(spring, ['2026-03-29 00:00:00', '2026-03-30 00:00:00']);
      const autumn = starts('day', '2026-10-24T22:30:00Z', '2026-10-25T22:30:00Z', '2026-10-25T23:30:00Z');
      assert.deepEqual(autumn, ['2026-10-25 00:00:00', '2026-10-26 00:00:00']);
      assert.deepEqual(starts('week', '2026-03-29T21:30:00Z', '2026-03-29T22:30:00Z'), [
        '2026-03-23 00:00:00',
        '2026-03-30 00:00:00',
      ]);
    });
  });

  it('has days without a midnight', () => {
    inZone('Africa/Cairo', () => {
      const days = starts('day', '2026-04-24T12:00:00Z', '2026-04-24T20:30:00Z', '2026-04-24T21:30:00Z');
      assert.deepEqual(days, ['2026-04-24 01:00:00', '2026-04-25 00:00:00']);
    });
  });

  it('starts weeks on Monday in every zone', () => {
    const sunday = '2026-11-22T23:30:00Z';
    inZone('UTC', () => assert.deepEqual(starts('week', sunday), ['2026-11-16 00:00:00']));
    inZone('Asia/Kolkata', () => assert.deepEqual(starts('week', sunday), ['2026-11-23 00:00:00']));
  });

  it('goes one month back to an existing day', () => {
    inZone('UTC', () => {
      assert.equal(local(monthsBefore(at('2026-03-31T07:00:00Z'), 1)), '2026-02-28 00:00:00');
      assert.equal(local(monthsBefore(at('2026-01-15T07:00:00Z'), 3)), '2025-10-15 00:00:00');
      assert.equal(local(monthsBefore(at('2028-02-29T07:00:00Z'), 12)), '2027-02-28 00:00:00');
    });
  });
});

describe('a span', () => {
  const now = new Date('2026-11-21T07:04:00Z');
  const value = (iso: string): TimedValue => ({ takenMs: at(iso), value: 80 });

  it('lasts from the same day of an earlier month to now', () => {
    inZone('UTC', () => {
      assert.equal(local(spanOf('month', now, [[]]).fromMs), '2026-10-21 00:00:00');
      assert.equal(local(spanOf('quarter', now, [[]]).fromMs), '2026-08-21 00:00:00');
      assert.equal(local(spanOf('year', now, [[]]).fromMs), '2025-11-21 00:00:00');
      assert.equal(spanOf('year', now, [[]]).toMs, now.getTime());
    });
  });

  it('starts with the first day of any measurement in the range All, and lasts at least four weeks', () => {
    inZone('UTC', () => {
      const series = [[value('2020-05-04T06:00:00Z')], [value('2019-01-02T06:00:00Z')]];
      assert.equal(local(spanOf('all', now, series).fromMs), '2019-01-02 00:00:00');
      assert.equal(local(spanOf('all', now, [[value('2026-11-21T07:01:00Z')]]).fromMs), '2026-10-24 00:00:00');
      assert.equal(local(spanOf('all', now, [[]]).fromMs), '2026-10-24 00:00:00');
    });
  });

  it('ends with a measurement of a clock that was ahead', () => {
    assert.equal(spanOf('month', now, [[value('2026-11-23T06:00:00Z')]]).toMs, at('2026-11-23T06:00:00Z'));
  });
});

describe('buckets', () => {
  it('contain the mean of a day by the local calendar, and its number of weigh-ins', () => {
    const values = [
      { takenMs: at('2026-11-20T06:00:00Z'), value: 81 },
      { takenMs: at('2026-11-20T22:30:00Z'), value: 82 },
      { takenMs: at('2026-11-21T05:00:00Z'), value: 80 },
    ];
    inZone('UTC', () => {
      assert.deepEqual(fillBuckets(values, all, INTERVALS.day), [
        { startMs: at('2026-11-20T00:00:00Z'), atMs: at('2026-11-20T14:15:00Z'), value: 81.5, count: 2 },
        { startMs: at('2026-11-21T00:00:00Z'), atMs: at('2026-11-21T05:00:00Z'), value: 80, count: 1 },
      ]);
    });
    inZone('Europe/Vienna', () => {
      assert.deepEqual(
        fillBuckets(values, all, INTERVALS.day).map(({ value, count }) => [value, count]),
        [
          [81.5, 2],
          [80, 1],
        ],
      );
    });
    inZone('Asia/Tokyo', () => {
      assert.deepEqual(
        fillBuckets(values, all, INTERVALS.day).map(({ value, count }) => [value, count]),
        [
          [81, 1],
          [81, 2],
        ],
      );
    });
  });

  it('exclude values outside the span, and are never empty', () => {
    inZone('UTC', () => {
      const values = [1, 2, 40, 41, 300].map((day) => ({
        takenMs: at('2026-01-01T06:00:00Z') + day * DAY_MS,
        value: day,
      }));
      const span = { fromMs: at('2026-01-03T00:00:00Z'), toMs: at('2026-03-01T00:00:00Z') };
      assert.deepEqual(
        fillBuckets(values, span, INTERVALS.day).map(({ value }) => value),
        [2, 40, 41],
      );
      assert.deepEqual(
        fillBuckets(values, span, INTERVALS.week).map(({ value, count }) => [value, count]),
        [
          [2, 1],
          [40.5, 2],
        ],
      );
      assert.deepEqual(
        fillBuckets(values, span, INTERVALS.month).map(({ value }) => value),
        [2, 40.5],
      );
      assert.deepEqual(fillBuckets([], span, INTERVALS.month), []);
    });
  });

  it('are as fine as the number of points allows', () => {
    const days = (count: number) => ({ fromMs: 0, toMs: count * DAY_MS });
    assert.equal(bucketUnit(days(366), 400), 'day');
    assert.equal(bucketUnit(days(401), 400), 'week');
    assert.equal(bucketUnit(days(2800), 400), 'week');
    assert.equal(bucketUnit(days(2801), 400), 'month');
  });

  it('find the start of a span by binary search', () => {
    const values = [10, 20, 20, 30].map((takenMs) => ({ takenMs, value: 0 }));
    assert.deepEqual(
      [5, 10, 11, 20, 21, 30, 31].map((fromMs) => firstFrom(values, fromMs)),
      [0, 0, 1, 1, 3, 3, 4],
    );
    assert.equal(firstFrom([], 5), 0);
  });
});

describe('a believable date', () => {
  it('is at most the end of the next day', () => {
    inZone('Europe/Vienna', () => {
      const moments = ['2026-11-20T06:00:00Z', '2026-11-22T22:59:59Z', '2026-11-22T23:00:00Z', '2026-12-02T06:00:00Z'];
      const weight = moments.map((iso) => ({ takenMs: at(iso), value: 80 }));
      const all = historiesOf(new Map([[ANNA, { weight }]]));
      const { valuesOf, quantitiesOf } = believableOf(all, new Date('2026-11-21T07:04:00Z'));
      const values = valuesOf(ANNA, 'weight');
      assert.deepEqual([...values], weight.slice(0, 2));
      assert.deepEqual([values.at(-1), values.at(2), values.at(-3)], [weight[1], undefined, undefined]);
      assert.deepEqual(quantitiesOf(ANNA), ['weight']);
    });
  });
});
