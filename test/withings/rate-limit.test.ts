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

test('the limiter sends at most 120 requests in any minute, and all of them in the end', async () => {
  const { clock, went, call } = createBench();
  for (let count = 0; count < 500; count += 1) void call();
  await clock.advance(10 * MINUTE);
  assert.equal(went.length, 500);
  assert.equal(mostInAMinute(went), 120);
});

test('the limiter lets at most 120 requests arrive in any minute, whatever their delays are', async () => {
  const { clock, went, call } = createBench();
  for (let count = 0; count < 240; count += 1) void call();
  await clock.advance(10 * MINUTE);
  const arrived = went.map((at, index) => (index < 120 ? at + 1_999 : at));
  assert.equal(mostInAMinute(arrived), 120);
});

test('background work leaves room, so that a new weigh-in is fetched at once', async () => {
  const { clock, went, call } = createBench();
  for (let count = 0; count < 500; count += 1) void call({ urgent: false });
  await clock.advance(90_000);
  assert(mostInAMinute(went) <= 90);
  const before = went.length;
  await call();
  assert.equal(went.length, before + 1);
  assert.equal(went.at(-1), 90_000);
});

test('an equal request waits for twelve seconds, and another does not', async () => {
  const { clock, went, call } = createBench();
  void call({ key: 'same' });
  void call({ key: 'same' });
  void call({ key: 'other' });
  await clock.advance(MINUTE);
  assert.deepEqual(went, [0, 0, 12_000]);
});

test('a throttle stops all requests, and every caller gets the remaining time', async () => {
  const { clock, rateLimit, went, call } = createBench();
  rateLimit.pause(42_000);
  await assert.rejects(call(), { code: 'throttled', recovery: 'throttled', waitMs: 42_000 });
  await clock.advance(42_000);
  await call();
  assert.deepEqual(went, [42_000]);
});

test('a throttle ends the waits that began before it', async () => {
  const { clock, rateLimit, call } = createBench();
  await call({ key: 'same' });
  const waiting = assert.rejects(call({ key: 'same' }), { recovery: 'throttled' });
  rateLimit.pause(60_000);
  await clock.advance(12_000);
  await waiting;
});

test('a waiting caller is released when the program stops', async () => {
  const { clock, stop, call } = createBench();
  await call({ key: 'same' });
  const waiting = assert.rejects(call({ key: 'same' }));
  stop.abort();
  await clock.advance(0);
  await waiting;
});
