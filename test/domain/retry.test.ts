import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type RetryOptions, retry, retryDelayMs, WHILE_WAITED_FOR } from '../../src/domain/retry.ts';
import { explainAtEnd, type Recovery, Trouble } from '../../src/domain/trouble.ts';
import { createFakeClock } from '../support/fake-clock.ts';

const HOUR_MS = 3_600_000;
const trouble = (recovery: Recovery, waitMs?: number) => new Trouble('no', { code: 'no', recovery, waitMs });

describe('the delay before a retry', () => {
  test('doubles from 15 s to an hour, and is spread over its upper half', () => {
    const delays = (random: number) =>
      [1, 2, 3, 20].map((failures) => retryDelayMs(trouble('retry'), failures, random));
    assert.deepEqual(delays(1), [15_000, 30_000, 60_000, HOUR_MS]);
    assert.deepEqual(delays(0), [7_500, 15_000, 30_000, HOUR_MS / 2]);
  });

  test('is the delay in the trouble, if there is one', () => {
    assert.equal(retryDelayMs(trouble('throttled', 42), 9, 0), 42);
    assert.equal(retryDelayMs(trouble('retry', 42), 9, 0), 42);
  });

  test('is a minute after a throttled request without a delay', () => {
    assert.equal(retryDelayMs(trouble('throttled'), 9, 0), 60_000);
  });

  for (const recovery of ['login', 'unlinked', 'settings', 'defect'] as const) {
    test(`is an hour for Withings if waiting does not help (${recovery}), and a back-off elsewhere`, () => {
      assert.equal(retryDelayMs(trouble(recovery), 1, 0), HOUR_MS);
      assert.equal(retryDelayMs(trouble(recovery), 3, 1, { firstMs: 1_000, longestMs: 60_000 }), 4_000);
    });
  }
});

/** Returns work that fails with each of these errors in turn, and then succeeds. */
function start(failures: readonly unknown[], options: Partial<RetryOptions> = {}) {
  const clock = createFakeClock();
  const stop = new AbortController();
  const left = [...failures];
  const triesMs: number[] = [];
  const work = async () => {
    triesMs.push(clock.elapsedMs());
    if (left.length > 0) throw left.shift();
    return 'done';
  };
  const done = retry(work, { clock, random: () => 1, signal: stop.signal, ...options });
  done.catch(() => undefined);
  return { clock, stop, done, triesMs };
}

describe('a retry', () => {
  test('follows every temporary trouble, and counts no failure with a known delay', async () => {
    const failures = [trouble('retry'), trouble('throttled', 1_000), trouble('retry')];
    const { clock, done, triesMs } = start(failures);
    await clock.advance(HOUR_MS);
    assert.equal(await done, 'done');
    assert.deepEqual(triesMs, [0, 15_000, 16_000, 46_000]);
  });

  for (const [what, error] of [
    ['a trouble that does not pass', trouble('settings')],
    ['a mistake in the program', new TypeError('x is not a function')],
  ] as const) {
    test(`does not follow ${what}`, async () => {
      const { done, triesMs } = start([error]);
      await assert.rejects(done, error);
      assert.equal(triesMs.length, 1);
    });
  }

  test('is not made more often than allowed, and the last failure is thrown', async () => {
    const last = trouble('retry', 1);
    const { clock, done, triesMs } = start([trouble('retry', 1), trouble('retry', 1), last, trouble('retry')], {
      most: 2,
    });
    await clock.advance(HOUR_MS);
    await assert.rejects(done, last);
    assert.equal(triesMs.length, 3);
  });

  test('for a waiting person follows only a throttled request, three times', async () => {
    const { clock, done, triesMs } = start(Array(9).fill(trouble('throttled', 12_000)), WHILE_WAITED_FOR);
    await clock.advance(HOUR_MS);
    await assert.rejects(done, /no/);
    assert.deepEqual(triesMs, [0, 12_000, 24_000, 36_000]);
    await assert.rejects(start([trouble('retry')], WHILE_WAITED_FOR).done, /no/);
  });

  test('is reported with its delay, which can be rejected', async () => {
    const waits: number[] = [];
    const { clock, done } = start([trouble('retry'), trouble('retry')], {
      onWait(_trouble, waitMs) {
        waits.push(waitMs);
        if (waits.length === 2) throw new Error('enough');
      },
    });
    await clock.advance(HOUR_MS);
    await assert.rejects(done, /enough/);
    assert.deepEqual(waits, [15_000, 30_000]);
  });

  test('ends on an abort during a wait, with the reason of the signal', async () => {
    const { clock, stop, done, triesMs } = start([trouble('retry')]);
    await clock.advance(1_000);
    stop.abort(new Error('stop'));
    await assert.rejects(done, /stop/);
    assert.equal(triesMs.length, 1);
    assert.equal(clock.sleepers, 0);
  });
});

describe('the explanation of a trouble at the end of a command', () => {
  for (const [hint, left] of [
    ['Check the network connection. weighbridge retries automatically.', ' Check the network connection.'],
    ['Run "weighbridge login". weighbridge retries every hour.', ' Run "weighbridge login".'],
    [
      'Run "weighbridge doctor". weighbridge polls until it works, and retries automatically.',
      ' Run "weighbridge doctor".',
    ],
    ['weighbridge retries automatically. Check the log of the broker.', ' Check the log of the broker.'],
    ['weighbridge retries automatically.', ''],
    [undefined, ''],
  ] as const)
    test(`promises no retry: ${hint}`, () => {
      assert.equal(explainAtEnd({ message: 'It failed.', hint }), `It failed.${left}`);
    });
});
