import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { toReading } from '../../../src/domain/reading.ts';
import { Trouble } from '../../../src/domain/trouble.ts';
import { answerOf, createCollectorBench, type RecordedCall } from '../../support/collector-bench.ts';
import { ANNA, BO, weighIn } from '../../support/people.ts';

const TAKEN = new Date('2026-11-20T05:58:00Z');
const WINDOW = { start: TAKEN, end: new Date(TAKEN.getTime() + 1000) };
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** The one weigh-in of most tests. */
const GROUP = weighIn(81.25, TAKEN);

const times = (calls: readonly RecordedCall[]) => calls.map(({ atMs }) => atMs);
const trouble = (recovery: Trouble['recovery'], waitMs?: number) => new Trouble('no', { code: 'no', recovery, waitMs });

test('a notification is fetched at once, and once', async () => {
  const group = weighIn(81.25, TAKEN);
  const bench = createCollectorBench(() => answerOf([group], TAKEN));
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(HOUR);
  assert.deepEqual(times(bench.calls), [0]);
  assert.deepEqual(
    bench.journal.lines.map(({ measures }) => measures),
    [{ weight: 81.25 }],
  );
});

test('the query covers the window of the notification, with a margin on both sides', async () => {
  const bench = createCollectorBench(() => answerOf([GROUP], TAKEN));
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(0);
  const query = bench.calls[0]?.query;
  assert(query !== undefined && 'window' in query);
  assert(query.window.start < WINDOW.start && query.window.end > WINDOW.end);
});

test('ten thousand notifications in a burst cause at most three fetches and one announcement', async () => {
  const group = weighIn(81.25, TAKEN);
  const bench = createCollectorBench(async () => {
    await bench.clock.sleep(300);
    return answerOf([group], TAKEN);
  });
  for (let second = 0; second < 100; second += 1) {
    for (let count = 0; count < 100; count += 1) {
      const shift = ((second * 100 + count) % 3600) * SECOND;
      bench.collector.notify(ANNA, { start: new Date(TAKEN.getTime() - shift), end: TAKEN });
    }
    await bench.clock.advance(250);
  }
  await bench.clock.advance(HOUR);
  assert(bench.calls.length <= 3, `${bench.calls.length} fetches`);
  assert.equal(bench.announced.length, 1);
});

test('a notification during a fetch causes another fetch twelve seconds later', async () => {
  const groups = [weighIn(81.25, TAKEN)];
  const bench = createCollectorBench(async () => {
    const answer = answerOf([...groups], TAKEN);
    await bench.clock.sleep(SECOND);
    return answer;
  });
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(500);
  groups.push(weighIn(81.25, TAKEN, { measures: [{ type: 11, value: 64, position: undefined }] }));
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(HOUR);
  assert.deepEqual(times(bench.calls), [0, 12 * SECOND]);
  assert.equal(bench.journal.lines.length, 2);
});

test('notifications without new data are fetched less and less often', async () => {
  const group = weighIn(81.25, TAKEN);
  const bench = createCollectorBench(() => answerOf([group], TAKEN));
  for (let count = 0; count < 3600; count += 1) {
    const shift = (count % 600) * SECOND;
    bench.collector.notify(ANNA, { start: new Date(TAKEN.getTime() - shift), end: TAKEN });
    await bench.clock.advance(SECOND);
  }
  assert(bench.calls.length <= 10, `${bench.calls.length} fetches in an hour`);
});

test('half an hour after a flood of notifications, a notification is fetched at once again', async () => {
  const bench = createCollectorBench(() => answerOf([], TAKEN));
  for (let count = 0; count < 600; count += 1) {
    bench.collector.notify(ANNA, WINDOW);
    await bench.clock.advance(SECOND);
  }
  await bench.clock.advance(26 * MINUTE);
  const before = bench.calls.length;
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(0);
  assert.equal(bench.calls.length, before + 1);
});

test('a weigh-in arrives within twenty minutes although a stranger keeps sending forged notifications about the person', async () => {
  const start = Date.parse('2026-11-20T06:00:00Z');
  for (const minutes of [0, 1, 7, 30, 55]) {
    const takenAt = new Date(start + minutes * MINUTE);
    const group = weighIn(81.25, takenAt);
    const bench = createCollectorBench(({ query }) => {
      const isAsked = 'since' in query || (query.window.start < takenAt && query.window.end > takenAt);
      return answerOf(isAsked && bench.clock.now() >= takenAt ? [group] : [], bench.clock.now());
    });
    for (let second = 0; second < (minutes + 20) * 60; second += 1) {
      const lie = new Date(start - ((second * 7_919) % 80_000) * SECOND);
      bench.collector.notify(ANNA, { start: lie, end: new Date(lie.getTime() + SECOND) });
      if (second === minutes * 60) bench.collector.notify(ANNA, { start: takenAt, end: takenAt });
      await bench.clock.advance(SECOND);
    }
    assert.equal(bench.journal.lines.length, 1, `after ${minutes} min`);
  }
});

test('a second weigh-in right after the first is fetched at once', async () => {
  const bench = createCollectorBench(() => answerOf([GROUP], TAKEN));
  await bench.collector.reconcile(ANNA);
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(2 * SECOND);
  bench.collector.notify(ANNA, { start: new Date(TAKEN.getTime() + MINUTE), end: new Date(TAKEN.getTime() + MINUTE) });
  await bench.clock.advance(SECOND);
  assert.deepEqual(times(bench.calls), [0, 0, 2 * SECOND]);
});

test('an empty window is fetched again after 15 s, 60 s, 5 min and 10 min, then by the reconcile', async () => {
  const bench = createCollectorBench(() => answerOf([], TAKEN));
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(HOUR);
  assert.deepEqual(times(bench.calls), [0, 15 * SECOND, 75 * SECOND, 375 * SECOND, 975 * SECOND]);
});

test('a measurement that appears late is found by the second fetch', async () => {
  const group = weighIn(81.25, TAKEN);
  const bench = createCollectorBench(({ atMs }) => answerOf(atMs === 0 ? [] : [group], TAKEN));
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(HOUR);
  assert.equal(bench.calls.length, 2);
  assert.equal(bench.journal.lines.length, 1);
});

test('a window of years is not fetched, because the cursor finds its changes', async () => {
  const bench = createCollectorBench(() => answerOf([GROUP], TAKEN));
  bench.collector.notify(ANNA, { start: new Date(0), end: TAKEN });
  await bench.clock.advance(0);
  assert.deepEqual(
    bench.calls.map(({ query }) => Object.keys(query)),
    [['since']],
  );
});

test('a temporary failure is retried with growing delays, and no data is lost', async () => {
  const bench = createCollectorBench(({ atMs }) => {
    if (atMs < 12 * HOUR) throw trouble('retry');
    return answerOf([GROUP], TAKEN);
  });
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(24 * HOUR);
  const gaps = times(bench.calls).map((at, index, all) => at - (all[index - 1] ?? 0));
  assert.deepEqual(gaps.slice(0, 5), [0, 15 * SECOND, 30 * SECOND, 60 * SECOND, 120 * SECOND]);
  assert.equal(Math.max(...gaps), HOUR);
  assert.equal(bench.journal.lines.length, 1);
  assert.equal(bench.log.texts('trouble').length > 0, true);
  assert.equal(bench.log.texts('recovered').length, 1);
});

test('after a failure the collector requests the window again, and then everything since the cursor', async () => {
  const bench = createCollectorBench(({ atMs }) => {
    if (atMs === 0) throw trouble('retry');
    return answerOf([GROUP], TAKEN);
  });
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(MINUTE);
  assert.deepEqual(
    bench.calls.map(({ query }) => Object.keys(query)[0]),
    ['window', 'window', 'since'],
  );
});

test('a notification during an outage brings the next attempt forward, but keeps twelve seconds between attempts', async () => {
  const bench = createCollectorBench(() => {
    throw trouble('retry');
  });
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(2 * HOUR);
  const before = bench.calls.length;
  for (let second = 0; second < 60; second += 1) {
    bench.collector.notify(ANNA, WINDOW);
    await bench.clock.advance(SECOND);
  }
  assert(bench.calls.length > before && bench.calls.length - before <= 6);
});

test('a throttled request waits exactly as long as Withings requires, despite new notifications', async () => {
  const bench = createCollectorBench(({ atMs }) => {
    if (atMs === 0) throw trouble('throttled', 42 * SECOND);
    return answerOf([GROUP], TAKEN);
  });
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(20 * SECOND);
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(MINUTE);
  assert.deepEqual(times(bench.calls), [0, 42 * SECOND]);
});

test('a clock that was wrong for hours does not delay later fetches', async () => {
  const start = new Date('2026-11-20T06:00:00Z');
  const bench = createCollectorBench(() => {
    throw trouble('retry');
  });
  bench.clock.jumpTo(new Date(0));
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(5 * HOUR);
  bench.clock.jumpTo(start);
  await bench.clock.advance(MINUTE + 30 * SECOND);
  const gaps = times(bench.calls).map((at, index, all) => at - (all[index - 1] ?? at));
  assert.deepEqual(gaps.slice(0, 3), [0, 15 * SECOND, 30 * SECOND]);
});

test('a fetch that returns one of two weigh-ins is repeated for the missing one', async () => {
  const later = new Date(TAKEN.getTime() + 10 * MINUTE);
  const second = weighIn(82, later);
  const bench = createCollectorBench(({ atMs }) => answerOf(atMs < MINUTE ? [GROUP] : [GROUP, second], TAKEN));
  bench.collector.notify(ANNA, WINDOW);
  bench.collector.notify(ANNA, { start: later, end: later });
  await bench.clock.advance(HOUR);
  assert.equal(bench.journal.lines.length, 2);
});

test('a reconcile that must wait delays no other person', async () => {
  const bench = createCollectorBench(() => {
    throw trouble('settings');
  });
  await bench.collector.reconcile(ANNA);
  await bench.collector.reconcile(ANNA);
  assert.equal(bench.calls.length, 1);
});

test('a request right after the end of the last fetch is not lost', async () => {
  for (let ticks = 0; ticks < 5; ticks += 1) {
    const bench = createCollectorBench(() => answerOf([], TAKEN));
    await bench.collector.reconcile(ANNA);
    for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
    void bench.collector.reconcile(ANNA);
    await bench.clock.advance(HOUR);
    assert.equal(bench.calls.length, 2, `after ${ticks} ticks`);
  }
});

test('the success of one person does not end the trouble of another', async () => {
  const bench = createCollectorBench(({ userId }) => {
    if (userId === BO) throw new Trouble('no', { code: 'unreadable', recovery: 'retry' });
    return answerOf([GROUP], TAKEN);
  });
  bench.collector.notify(BO, WINDOW);
  await bench.clock.advance(MINUTE);
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(HOUR);
  assert.deepEqual(bench.log.texts('recovered'), []);
  assert.match(bench.log.texts('trouble')[0] ?? '', /^User 5678: no/);
});

test('a rejected access token costs one refresh and one repeated request', async () => {
  const bench = createCollectorBench(({ token }) => {
    if (token === 'access-1') throw trouble('access');
    return answerOf([GROUP], TAKEN);
  });
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(MINUTE);
  assert.deepEqual(
    bench.calls.map(({ token }) => token),
    ['access-1', 'access-2'],
  );
  assert.equal(bench.journal.lines.length, 1);
});

test('a second rejection of the access token means a rejected login, which is retried hourly', async () => {
  const bench = createCollectorBench(() => {
    throw trouble('access');
  });
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(HOUR - 1);
  assert.equal(bench.calls.length, 2);
  assert.deepEqual(bench.collector.needLogin(), [ANNA]);
  await bench.clock.advance(1);
  assert.equal(bench.calls.length, 4);
});

test('a rejected login is reported once, retried hourly, and works once the person links again', async () => {
  const bench = createCollectorBench(() => answerOf([GROUP], TAKEN));
  bench.tokens.failure = trouble('login');
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(90 * MINUTE);
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(MINUTE);
  const told = bench.log.entries.filter(({ event, level }) => event === 'needs_login' && level === 'error');
  assert.equal(told.length, 1);
  bench.tokens.failure = undefined;
  await bench.collector.reconcile(ANNA);
  assert.equal(bench.journal.lines.length, 1);
  assert.deepEqual(bench.collector.needLogin(), []);
});

test('the trouble of one person does not delay another', async () => {
  const bench = createCollectorBench(async ({ userId }) => {
    if (userId === ANNA) await bench.clock.sleep(HOUR);
    return answerOf([GROUP], TAKEN);
  });
  bench.collector.notify(ANNA, WINDOW);
  bench.collector.notify(BO, WINDOW);
  await bench.clock.advance(SECOND);
  assert.deepEqual(
    bench.journal.lines.map(({ userId }) => userId),
    [BO],
  );
});

test('one person has one fetch at a time', async () => {
  let running = 0;
  let most = 0;
  const bench = createCollectorBench(async () => {
    most = Math.max(most, ++running);
    await bench.clock.sleep(30 * SECOND);
    running -= 1;
    return answerOf([GROUP], TAKEN);
  });
  for (let count = 0; count < 20; count += 1) {
    bench.collector.notify(ANNA, {
      start: new Date(TAKEN.getTime() + count * MINUTE),
      end: new Date(TAKEN.getTime() + count * MINUTE),
    });
    void bench.collector.reconcile(ANNA);
    await bench.clock.advance(5 * SECOND);
  }
  await bench.clock.advance(HOUR);
  assert.equal(most, 1);
});

test('a notification does not wait behind background work', async () => {
  const bench = createCollectorBench(async ({ urgent }) => {
    await bench.clock.sleep(urgent ? 100 : HOUR);
    return answerOf([GROUP], TAKEN);
  });
  for (const id of ['1', '2', '3', '4', '5', '6']) void bench.collector.reconcile(`${id}` as typeof ANNA);
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(SECOND);
  assert.equal(bench.journal.lines.length, 1);
});

test('a notification moves a waiting person to the front of the queue', async () => {
  const bench = createCollectorBench(async ({ urgent }) => {
    await bench.clock.sleep(urgent ? 100 : HOUR);
    return answerOf([GROUP], TAKEN);
  });
  for (const id of ['1', '2', '3', '4', '5', ANNA]) void bench.collector.reconcile(`${id}` as typeof ANNA);
  await bench.clock.advance(SECOND);
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(SECOND);
  assert.deepEqual(
    bench.journal.lines.map(({ userId }) => userId),
    [ANNA],
  );
});

for (const recovery of ['unlinked', 'login', 'settings', 'retry'] as const) {
  test(`a reconcile during an attempt ends with a failure of that attempt: "${recovery}"`, async () => {
    const bench = createCollectorBench(async () => {
      await bench.clock.sleep(SECOND);
      throw trouble(recovery);
    });
    const ended: string[] = [];
    void bench.collector.reconcile(ANNA).then(() => ended.push('first'));
    await bench.clock.advance(SECOND / 2);
    void bench.collector.reconcile(ANNA).then(() => ended.push('late'));
    await bench.clock.advance(0);
    assert.deepEqual(ended, [], 'both wait');
    await bench.clock.advance(SECOND / 2);
    assert.deepEqual(ended, ['first', 'late']);
  });
}

test('while the clock shows 1970, the collector requests nothing; later it fetches everything', async () => {
  const bench = createCollectorBench(() => answerOf([GROUP], TAKEN));
  bench.clock.jumpTo(new Date(5000));
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(10 * MINUTE);
  assert.equal(bench.calls.length, 0);
  assert.match(bench.log.texts('trouble')[0] ?? '', /clock shows 1970/);
  bench.clock.jumpTo(new Date('2026-11-20T06:00:00Z'));
  await bench.clock.advance(MINUTE);
  assert.equal(bench.journal.lines.length, 1);
});

test('a bug does not stop the queue, and is logged with its location', async () => {
  const bench = createCollectorBench(({ atMs }) => {
    if (atMs === 0) throw new TypeError('undefined is not a function');
    return answerOf([GROUP], TAKEN);
  });
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(2 * HOUR);
  assert.match(bench.log.texts('trouble')[0] ?? '', /bug in weighbridge: TypeError/);
  assert.equal(bench.journal.lines.length, 1);
});

test('a person who is no longer linked is not fetched', async () => {
  const bench = createCollectorBench(() => answerOf([], TAKEN));
  bench.tokens.failure = trouble('unlinked');
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(24 * HOUR);
  assert.equal(bench.log.texts('trouble').length, 1);
  assert.equal(bench.clock.sleepers, 0);
});

test('disposing waits for the current fetch and starts no other', async () => {
  let finish = () => {};
  const bench = createCollectorBench(async () => {
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
    return answerOf([GROUP], TAKEN);
  });
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(SECOND);
  bench.collector.notify(ANNA, WINDOW);
  const disposed = bench.collector[Symbol.asyncDispose]();
  finish();
  await disposed;
  await bench.clock.advance(HOUR);
  assert.equal(bench.calls.length, 1);
  assert.equal(bench.journal.lines.length, 1);
});

test('weigh-ins missed during downtime do not wait behind notifications without new data', async () => {
  const missed = weighIn(80, new Date(TAKEN.getTime() - 3 * HOUR));
  const bench = createCollectorBench(({ query }) => answerOf('since' in query ? [missed] : [GROUP], TAKEN));
  await bench.journal.append([toReading(ANNA, GROUP)]);
  bench.collector.notify(ANNA, WINDOW);
  await bench.clock.advance(SECOND);
  bench.collector.notify(ANNA, { start: new Date(TAKEN.getTime() - HOUR), end: TAKEN });
  await bench.clock.advance(SECOND);
  void bench.collector.reconcile(ANNA);
  await bench.clock.advance(SECOND);
  assert.equal(bench.journal.lines.length, 2);
});
