import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { createRateLimit } from '../../src/withings/rate-limit.ts';
import { createFakeClock } from '../support/fake-clock.ts';

const MINUTE = 60_000;

function createBench() {
  const clock = createFakeClock();
  const stop = new AbortController();
  const rateLimit = createRateLimit({ clock, signal: stop.signal });
  const went: number[] = [];
  let count = 0;
  const call = async (options: { readonly key?: string; readonly urgent?: boolean } = {}) => {
    const { key = `call ${++count}`, urgent = true } = options;
    await rateLimit.turn({ key, urgent });
    went.push(clock.elapsedMs());
  };
  return { clock, rateLimit, stop, went, call };
}

function mostInAMinute(times: readonly number[]): number {
  return Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + MINUTE).length));
}

test('there are never more than 120 calls in any minute, and all of them go out', async () => {
  const { clock, went, call } = createBench();
  for (let count = 0; count < 500; count += 1) void call();
  await clock.advance(10 * MINUTE);
  assert.equal(went.length, 500);
  assert.equal(mostInAMinute(went), 120);
});

test('nor do more than 120 arrive in any minute where the first are two seconds on their way and the next are not', async () => {
  const { clock, went, call } = createBench();
  for (let count = 0; count < 240; count += 1) void call();
  await clock.advance(10 * MINUTE);
  const arrived = went.map((at, index) => (index < 120 ? at + 1_999 : at));
  assert.equal(mostInAMinute(arrived), 120);
});

test('background work leaves room, so that a person on the scale is served at once', async () => {
  const { clock, went, call } = createBench();
  for (let count = 0; count < 500; count += 1) void call({ urgent: false });
  await clock.advance(90_000);
  assert(mostInAMinute(went) <= 90);
  const before = went.length;
  await call();
  assert.equal(went.length, before + 1);
  assert.equal(went.at(-1), 90_000);
});

test('the same call waits for twelve seconds; another does not', async () => {
  const { clock, went, call } = createBench();
  void call({ key: 'same' });
  void call({ key: 'same' });
  void call({ key: 'other' });
  await clock.advance(MINUTE);
  assert.deepEqual(went, [0, 0, 12_000]);
});

test('when Withings has had enough, nobody calls, and everybody is told for how long', async () => {
  const { clock, rateLimit, went, call } = createBench();
  rateLimit.pause(42_000);
  await assert.rejects(call(), { code: 'throttled', recovery: 'throttled', waitMs: 42_000 });
  await clock.advance(42_000);
  await call();
  assert.deepEqual(went, [42_000]);
});

test('a pause that begins while somebody waits for a turn ends the waiting', async () => {
  const { clock, rateLimit, call } = createBench();
  await call({ key: 'same' });
  const waiting = assert.rejects(call({ key: 'same' }), { recovery: 'throttled' });
  rateLimit.pause(60_000);
  await clock.advance(12_000);
  await waiting;
});

test('whoever waits for a turn is let go when the program stops', async () => {
  const { clock, stop, call } = createBench();
  await call({ key: 'same' });
  const waiting = assert.rejects(call({ key: 'same' }));
  stop.abort();
  await clock.advance(0);
  await waiting;
});
