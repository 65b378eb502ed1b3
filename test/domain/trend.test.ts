import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { trendAt, trendChange, trendNow } from '../../src/domain/trend.ts';
import { valueAxis } from '../../src/page/chart/axes.ts';
import { courseOf } from '../../src/page/chart/course.ts';
import { pathsOf } from '../../src/page/chart/plot.ts';
import { quantityOf } from '../../src/page/quantity.ts';
import { DAY_MS } from '../../src/page/words.ts';
import { createRandom } from '../support/random.ts';

const days = (count: number, value: (day: number) => number) =>
  Array.from({ length: count }, (_, day) => ({ atMs: day * DAY_MS, value: value(day) }));
const moments = (points: readonly { atMs: number }[]) => points.map(({ atMs }) => atMs);
const close = (actual: number | undefined, expected: number, within: number) =>
  assert.ok(Math.abs((actual ?? Number.NaN) - expected) <= within, `${actual} is not ${expected} ± ${within}`);

describe('the trend', () => {
  it('equals a constant weight', () => {
    const points = days(30, () => 81.3);
    for (const { value, spread } of trendAt(points, moments(points))) {
      close(value, 81.3, 1e-9);
      close(spread, 0, 1e-6);
    }
  });

  it('does not lag behind a steady loss, except a little at its end', () => {
    const points = days(120, (day) => 90 - day * 0.05);
    const trend = trendAt(points, moments(points));
    close(trend[60]?.value, 87, 0.001);
    close(trend.at(-1)?.value, 90 - 119 * 0.05, 0.12);
  });

  it('smooths variations and measures their size', () => {
    const random = createRandom(5);
    const points = days(200, () => 80 + (random() + random() + random() - 1.5));
    for (const { value, spread } of trendAt(points, moments(points)).slice(20, -20)) {
      close(value, 80, 0.35);
      close(spread, 0.5, 0.2);
    }
  });

  it('is the only point, without a spread', () => {
    assert.deepEqual(trendAt([{ atMs: 5, value: 81.25 }], [5]), [
      { atMs: 5, value: 81.25, spread: undefined, slope: undefined },
    ]);
  });

  it('stays flat with only two points', () => {
    const points = days(2, (day) => 80 + day);
    for (const { value } of trendAt(points, moments(points))) assert.ok(value > 80 && value < 81, String(value));
  });

  it('ignores days three weeks away', () => {
    const points = [...days(5, () => 70), { atMs: 27 * DAY_MS, value: 90 }];
    close(trendAt(points, [0])[0]?.value, 70, 1e-9);
    close(trendAt(points, [27 * DAY_MS])[0]?.value, 90, 1e-9);
    assert.deepEqual(trendAt(points, [100 * DAY_MS]), []);
  });

  it('includes days before the span, but starts with it', () => {
    const values = days(60, (day) => (day < 30 ? 90 : 80)).map(({ atMs, value }) => ({ takenMs: atMs, value }));
    const { points, trend } = courseOf(values, { fromMs: 30 * DAY_MS, toMs: 60 * DAY_MS }, 400);
    assert.equal(points.length, 30);
    assert.equal(trend.length, 30);
    assert.ok((trend[0]?.value ?? 0) > 82);
  });

  it('changes from a moment to the newest day by a full steady rise, except the damped end', () => {
    const rising = days(60, (day) => 80 + day / 10).map(({ atMs, value }) => ({ takenMs: atMs, value }));
    const newestMs = rising.at(-1)?.takenMs ?? 0;
    const change = trendChange(rising, newestMs - 30 * DAY_MS) ?? 0;
    assert.ok(change > 2.7 && change <= 3, String(change));
  });

  it('has no change without a weigh-in within a week, without enough weigh-ins, or ahead', () => {
    const away = days(60, () => 80)
      .filter((_, day) => day < 10 || day > 35)
      .map(({ atMs, value }) => ({ takenMs: atMs, value }));
    const startMs = away[0]?.takenMs ?? 0;
    assert.equal(trendChange(away, startMs + 22 * DAY_MS), undefined, 'in the gap');
    assert.ok(Math.abs(trendChange(away, startMs + 12 * DAY_MS) ?? 9) < 0.001, 'near its edge');
    assert.equal(trendChange(away.slice(0, 2), startMs), undefined, 'two days');
    assert.equal(trendChange(away, startMs + 100 * DAY_MS), undefined, 'ahead');
    assert.equal(trendChange([], 0), undefined);
  });

  it('fades in its last five days, which the next weigh-ins still change', () => {
    const values = days(60, () => 80).map(({ atMs, value }) => ({ takenMs: atMs, value }));
    const course = courseOf(values, { fromMs: 0, toMs: 60 * DAY_MS }, 400);
    const quantity = quantityOf('weight', 'kg');
    const paths = pathsOf(course, valueAxis(quantity, 79, 81, { about: 5, least: 4 }), quantity);
    const pointsIn = (path: string) => path.slice(1).split(' ').length / 2;
    assert.deepEqual([pointsIn(paths.trend), pointsIn(paths.tail)], [55, 6]);
    assert.ok(paths.tail.startsWith(`M${paths.trend.split(' ').slice(-2).join(' ')} `), 'begins where the line ends');
  });

  it('has a gap of three missing weeks, in the line and in the band', () => {
    const values = days(60, () => 80)
      .filter((_, day) => day < 10 || day > 35)
      .map(({ atMs, value }) => ({ takenMs: atMs, value }));
    const course = courseOf(values, { fromMs: 0, toMs: 60 * DAY_MS }, 400);
    const quantity = quantityOf('weight', 'kg');
    const paths = pathsOf(course, valueAxis(quantity, 79, 81, { about: 5, least: 4 }), quantity);
    assert.equal(paths.trend.match(/M/g)?.length, 2);
    assert.equal(paths.band.match(/M/g)?.length, 2);
    assert.equal(paths.dots.match(/M/g)?.length, course.points.length);
  });

  it('has no gap for a holiday, however coarse the points are', () => {
    const now = 400 * DAY_MS;
    const away = (from: number, to: number) =>
      Array.from({ length: 365 }, (_, day) => ({ takenMs: now - (365 - day) * DAY_MS, value: 20 })).filter(
        ({ takenMs }) => takenMs < now - from * DAY_MS || takenMs > now - to * DAY_MS,
      );
    const linesOf = (values: readonly { takenMs: number; value: number }[], most: number) => {
      const course = courseOf(values, { fromMs: now - 365 * DAY_MS, toMs: now }, most);
      const quantity = quantityOf('weight', 'kg');
      return pathsOf(course, valueAxis(quantity, 19, 21, { about: 5, least: 4 }), quantity).trend.split('M').length - 1;
    };
    for (const most of [400, 60]) {
      assert.equal(linesOf(away(118, 103), most), 1, `15 days, ${most} points`);
      assert.equal(linesOf(away(118, 95), most), 2, `23 days, ${most} points`);
    }
  });
});

describe('the trend now', () => {
  const NOON = new Date(2026, 2, 20, 12).getTime();
  /** Returns a weight at noon on each of these days before the newest one. */
  const weights = (daysAgo: readonly number[], value: (day: number) => number) =>
    daysAgo.toSorted((one, other) => other - one).map((day) => ({ takenMs: NOON - day * DAY_MS, value: value(day) }));
  const everyDay = Array.from({ length: 60 }, (_, day) => day);

  it('measures a steady weekly loss exactly to the gram', () => {
    const found = trendNow(weights(everyDay, (day) => 80 + day * 0.05));
    close(found?.perWeek, -0.35, 1e-9);
    close(found?.value, 80, 0.12);
  });

  it('exists with three days, from a Monday to the next Sunday', () => {
    assert.notEqual(trendNow(weights([0, 3, 6], () => 80)), undefined);
    assert.notEqual(trendNow(weights([0, 7, 14], () => 80)), undefined);
  });

  it('is missing with fewer days, with days of half a week, and after three weeks without any', () => {
    for (const days of [[], [0], [0, 7], [0, 1, 2, 3, 4, 5], [0, 25, 26, 27, 28]])
      assert.equal(trendNow(weights(days, () => 80)), undefined, days.join());
    const often = [0, 0.001, 0.002, 0.003, 7];
    assert.equal(trendNow(weights(often, () => 80)), undefined, 'many weigh-ins of two days');
  });

  it('equals the last point of each daily chart in all digits', () => {
    const random = createRandom(3);
    const values = weights(
      [...everyDay, 0.1, 3.2].filter(() => random() < 0.7),
      () => 80 + random(),
    );
    const found = trendNow(values);
    for (const days of [30, 90, 365])
      assert.equal(
        courseOf(values, { fromMs: NOON - days * DAY_MS, toMs: NOON + DAY_MS }, 400).trend.at(-1)?.value,
        found?.value,
      );
  });
});
