import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { changeSincePrevious } from '../../src/page/person-card.ts';
import { list, sayAgo, sayDayShortly, sayWhen, sentence } from '../../src/page/words.ts';
import { inZone } from '../support/in-zone.ts';

describe('a time', () => {
  it('is worded by the local calendar', () => {
    inZone('Europe/Vienna', () => {
      const now = new Date('2026-11-21T07:04:00+01:00');
      const when = (iso: string) => sayWhen(new Date(iso), now);
      assert.equal(when('2026-11-21T07:01:00+01:00'), 'today 07:01');
      assert.equal(when('2026-11-20T23:59:00+01:00'), 'yesterday 23:59');
      assert.equal(when('2026-11-15T06:00:00+01:00'), 'Sunday 06:00');
      assert.equal(when('2026-11-14T06:00:00+01:00'), '14 November 06:00');
      assert.equal(when('2025-12-31T23:30:00Z'), '1 January 00:30');
      assert.equal(when('2025-12-31T22:30:00Z'), '31 December 2025 23:30');
      assert.equal(when('2026-11-22T06:00:00+01:00'), '22 November 06:00');
    });
  });

  it('is yesterday also after a night with an additional hour', () => {
    inZone('Europe/Vienna', () => {
      const now = new Date('2026-10-25T23:30:00+01:00');
      assert.equal(sayWhen(new Date('2026-10-25T00:10:00+02:00'), now), 'today 00:10');
      assert.equal(sayWhen(new Date('2026-10-24T23:50:00+02:00'), now), 'yesterday 23:50');
    });
  });

  it('is yesterday also after a day without a midnight', () => {
    inZone('Africa/Cairo', () => {
      const now = new Date('2026-04-25T07:00:00+03:00');
      assert.equal(sayWhen(new Date('2026-04-24T07:00:00+03:00'), now), 'yesterday 07:00');
      assert.equal(sayWhen(new Date('2026-04-23T07:00:00+02:00'), now), 'Thursday 07:00');
    });
  });

  it('has a short form for narrow places', () => {
    const now = new Date(2026, 10, 21);
    assert.equal(sayDayShortly(new Date(2026, 7, 21), now), '21 Aug');
    assert.equal(sayDayShortly(new Date(2025, 10, 21), now), 'Nov 2025');
  });

  it('has a distance from now', () => {
    const seconds = [0, 59, 60, 119, 120, 3599, 3600, 7200, 172_799, 172_800, 30 * 86_400];
    assert.deepEqual(
      seconds.map((each) => sayAgo(each * 1000)),
      [
        'just now',
        'just now',
        '1 minute ago',
        '1 minute ago',
        '2 minutes ago',
        '59 minutes ago',
        '1 hour ago',
        '2 hours ago',
        '47 hours ago',
        '2 days ago',
        '30 days ago',
      ],
    );
  });
});

describe('the change of a weight', () => {
  const now = new Date(2026, 10, 21, 7, 4);
  const weights = [
    { takenMs: new Date(2026, 9, 21, 7, 30).getTime(), value: 83 },
    { takenMs: new Date(2026, 10, 20, 7).getTime(), value: 80.85 },
    { takenMs: new Date(2026, 10, 21, 7).getTime(), value: 81.25 },
  ];

  it('is shown since the previous weigh-in, with a unit', () => {
    const say = (unit: 'kg' | 'lb' | 'st') => changeSincePrevious(weights, unit, now);
    assert.equal(say('kg'), '+0.40 kg since the previous weigh-in (yesterday)');
    assert.equal(say('lb'), '+0.9 lb since the previous weigh-in (yesterday)');
    assert.equal(say('st'), '+0.9 lb since the previous weigh-in (yesterday)');
  });

  it('is not shown without a previous weigh-in', () => {
    assert.equal(changeSincePrevious([], 'kg', now), undefined);
    assert.equal(changeSincePrevious(weights.slice(-1), 'kg', now), undefined);
  });

  it('can be zero, and of the same day', () => {
    const earlier = [{ takenMs: new Date(2026, 10, 21, 5, 30).getTime(), value: 81.25 }, ...weights.slice(-1)];
    assert.equal(changeSincePrevious(earlier, 'kg', now), 'No change since the previous weigh-in (today 05:30)');
  });
});

describe('words', () => {
  it('become sentences if they start with a word', () => {
    assert.equal(sentence('the disk is full'), 'The disk is full.');
    assert.equal(sentence('Which one?'), 'Which one?');
    assert.equal(sentence('data/ cannot be written'), 'data/ cannot be written.');
  });

  it('become lists', () => {
    assert.deepEqual([[], ['a'], ['a', 'b'], ['a', 'b', 'c']].map(list), ['', 'a', 'a and b', 'a, b and c']);
  });
});
