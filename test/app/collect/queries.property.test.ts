import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { covers, createQueries, union } from '../../../src/app/collect/queries.ts';
import type { MeasureQuery, TimeWindow } from '../../../src/domain/measure.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { check } from '../../support/property.ts';

const START = new Date('2026-11-20T06:00:00Z');
const SAME_CALL_MS = 12_000;

const moment = fc.integer({ min: 0, max: 4_102_444_800 }).map((seconds) => new Date(seconds * 1000));
const window: fc.Arbitrary<TimeWindow> = fc
  .tuple(moment, fc.nat(86_400))
  .map(([start, seconds]) => ({ start, end: new Date(start.getTime() + seconds * 1000) }));

/** The time before each query, and the change of the wall clock in between. */
const steps = (move: fc.Arbitrary<number>) =>
  fc.array(fc.record({ passMs: fc.nat(14_500), moveMs: fc.oneof(fc.constant(0), move) }), { maxLength: 60 });

function assertNoTwins(taken: readonly { readonly passMs: number; readonly moveMs: number }[]): void {
  let elapsedMs = 0;
  let movedMs = 0;
  const now = () => new Date(START.getTime() + elapsedMs + movedMs);
  const queries = createQueries({ ...createFakeClock(), now, elapsedMs: () => elapsedMs });
  const asked = new Map<string, number>();
  for (const { passMs, moveMs } of taken) {
    elapsedMs += passMs;
    movedMs += moveMs;
    const text = JSON.stringify(queries.since(START));
    const agoMs = elapsedMs - (asked.get(text) ?? Number.NEGATIVE_INFINITY);
    assert.ok(agoMs >= SAME_CALL_MS, `the same as ${agoMs} ms ago`);
    asked.set(text, elapsedMs);
  }
}

test('no two queries within twelve seconds are equal, even if the clock is set back', () => {
  check(fc.property(steps(fc.integer({ min: -366 * 86_400_000, max: 0 })), assertNoTwins));
});

test('no two queries within twelve seconds are equal, even if the clock is set forward', () => {
  const rounds = fc.nat(1000).map((count) => count * 14_000);
  const forward = fc.oneof(fc.nat(366 * 86_400_000), rounds);
  check(fc.property(steps(forward), assertNoTwins));
});

test('a query covers all of its window, and everything since its cursor', () => {
  const { start, end }: TimeWindow = { start: new Date(0), end: new Date(8.64e15) };
  const asksFor = (query: MeasureQuery) => ('window' in query ? query.window : { start: query.since, end });
  check(
    fc.property(window, moment, moment, (about, cursor, now) => {
      const queries = createQueries(createFakeClock(now));
      assert.ok(covers(asksFor(queries.window(about)), about));
      assert.ok(covers(asksFor(queries.since(cursor)), { start: cursor, end }));
      assert.ok(asksFor(queries.since(cursor)).start >= start);
    }),
  );
});

test('the union of windows is the smallest range that covers them, in any order', () => {
  check(
    fc.property(window, window, window, (one, other, third) => {
      const both = union(one, other);
      assert.deepEqual(both, union(other, one));
      assert.deepEqual(union(both, third), union(one, union(other, third)));
      assert.ok(covers(both, one) && covers(both, other));
      assert.ok(!covers(third, one) || !covers(third, other) || covers(third, both));
    }),
  );
});
