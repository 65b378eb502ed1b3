import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { createQueries, union } from '../../../src/app/collect/queries.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

const CURSOR = new Date('2026-11-20T05:00:00Z');
const WINDOW = { start: CURSOR, end: CURSOR };

test('no two queries within twelve seconds have equal arguments, however fast they follow', async () => {
  const clock = createFakeClock();
  const queries = createQueries(clock);
  const recent: { readonly atMs: number; readonly text: string }[] = [];
  for (let count = 0; count < 2000; count += 1) {
    const text = JSON.stringify(queries.since(CURSOR));
    const atMs = clock.elapsedMs();
    const twin = recent.find((other) => other.text === text && atMs - other.atMs < 12_000);
    assert.equal(twin, undefined, `${twin?.atMs} and ${atMs}`);
    recent.push({ atMs, text });
    await clock.advance(count % 3 === 0 ? 1 : 47);
  }
});

test('a restarted process does not repeat the query of the previous process', async () => {
  const clock = createFakeClock();
  const seen = new Set<string>();
  for (let restart = 0; restart < 40; restart += 1) {
    seen.add(JSON.stringify(createQueries(clock).window(WINDOW)));
    await clock.advance(250);
  }
  assert.equal(seen.size, 40);
});

test('a query since a cursor starts between two hours and two hours twelve minutes before it', async () => {
  const clock = createFakeClock();
  const queries = createQueries(clock);
  for (let count = 0; count < 700; count += 1) {
    const query = queries.since(CURSOR);
    const before = 'since' in query ? CURSOR.getTime() - query.since.getTime() : 0;
    assert(before >= 2 * 3_600_000 && before <= 2 * 3_600_000 + 720_000);
    await clock.advance(20);
  }
});

test('a query never covers a time before 1970', () => {
  const queries = createQueries(createFakeClock());
  assert.deepEqual(queries.since(new Date(1000)), { since: new Date(0) });
});

test('the union of two windows contains both, in any order', () => {
  const early = { start: new Date(1000), end: new Date(2000) };
  const late = { start: new Date(5000), end: new Date(6000) };
  const both = { start: new Date(1000), end: new Date(6000) };
  assert.deepEqual(union(early, late), both);
  assert.deepEqual(union(late, early), both);
  assert.deepEqual(union(undefined, late), late);
});
