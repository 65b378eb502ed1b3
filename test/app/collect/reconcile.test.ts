import { strict as assert } from 'node:assert';
import { describe, test } from 'node:test';
import { reconcileForever } from '../../../src/app/collect/reconcile.ts';
import { createSchedule } from '../../../src/app/collect/schedule.ts';
import { createLinkedUsers } from '../../../src/app/tokens/linked-users.ts';
import { NOTHING_KNOWN, type PersonState } from '../../../src/domain/status.ts';
import type { UserId } from '../../../src/domain/token.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { ANNA, BO } from '../../support/people.ts';
import { createRecordingLog } from '../../support/recording-log.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function start(options: { readonly users: UserId[]; readonly takesMs?: number; readonly hasCallback?: boolean }) {
  const { users, takesMs = 0, hasCallback = true } = options;
  const states = new Map<UserId, PersonState>();
  const schedule = createSchedule({
    hasCallback,
    pollMs: 600_000,
    reconcileMs: 6 * HOUR,
    maxAgeMs: HOUR,
    remembered: (userId) => states.get(userId),
  });
  const clock = createFakeClock();
  const log = createRecordingLog();
  const stop = new AbortController();
  const done: { readonly userId: UserId; readonly atMs: number }[] = [];
  const logins = { stuck: [] as UserId[], linkedAgain: false };
  let running = 0;
  let most = 0;
  const tokens = {
    list: () => Promise.resolve([...users]),
    load: () => Promise.reject(new Error('not asked for')),
    lock: () => Promise.reject(new Error('not asked for')),
    reserve: () => Promise.reject(new Error('not asked for')),
  };
  const collector = {
    async reconcile(userId: UserId) {
      most = Math.max(most, ++running);
      await clock.sleep(takesMs);
      running -= 1;
      done.push({ userId, atMs: clock.elapsedMs() });
    },
    notify: () => undefined,
    needLogin: () => logins.stuck,
    awaitCheck: () => [],
    oldestAttemptMs: () => 0,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const accessTokens = {
    get: () => Promise.reject(new Error('not asked for')),
    forget: () => undefined,
    accept: () => undefined,
    isFresh: () => false,
    refuse: () => undefined,
    hasOtherLogin: () => Promise.resolve(logins.linkedAgain),
    scopeOf: () => undefined,
    adopt: () => Promise.resolve(),
  };
  const linkedUsers = createLinkedUsers({ tokens, clock });
  const { signal } = stop;
  let rounds = 0;
  const onRound = () => {
    rounds += 1;
  };
  const people = { names: new Map(), unit: 'kg' as const };
  const ports = { linkedUsers, accessTokens, collector, onRound, schedule, people, clock, log, signal };
  const ended = reconcileForever(ports);
  return {
    states,
    schedule,
    rounds: () => rounds,
    clock,
    log,
    done,
    users,
    logins,
    stop,
    ended,
    tokens,
    most: () => most,
  };
}

test('every person is checked at start and at every interval', async () => {
  const { clock, done } = start({ users: [ANNA, BO] });
  await clock.advance(0);
  assert.deepEqual(
    done.map(({ userId }) => userId),
    [ANNA, BO],
  );
  await clock.advance(13 * HOUR);
  assert.deepEqual(
    done.filter(({ userId }) => userId === ANNA).map(({ atMs }) => atMs / HOUR),
    [0, 6, 12],
  );
});

test('a token that is put into the directory by hand is noticed within a minute', async () => {
  const { clock, done, users } = start({ users: [ANNA] });
  await clock.advance(HOUR);
  users.push(BO);
  await clock.advance(60_000);
  assert.deepEqual(
    done.map(({ userId }) => userId),
    [ANNA, BO],
  );
});

test('a person whose token disappears and returns is checked again', async () => {
  const { clock, done, users } = start({ users: [ANNA] });
  await clock.advance(HOUR);
  users.pop();
  await clock.advance(HOUR);
  users.push(ANNA);
  await clock.advance(60_000);
  assert.equal(done.length, 2);
});

test('a rejected login is retried as soon as a new token replaces it', async () => {
  const { clock, done, logins } = start({ users: [ANNA] });
  logins.stuck = [ANNA];
  await clock.advance(HOUR);
  assert.equal(done.length, 1);
  logins.linkedAgain = true;
  await clock.advance(60_000);
  assert.equal(done.length, 2);
});

test('thousands of people are checked a few at a time', async () => {
  const users = Array.from({ length: 2000 }, (_, index) => `${index + 1}` as UserId);
  const { clock, done, most } = start({ users, takesMs: 1000 });
  await clock.advance(HOUR);
  assert.equal(done.length, 2000);
  assert.equal(most(), 2);
});

test('a temporarily unreadable directory is reported and read again', async () => {
  const { clock, log, done, tokens } = start({ users: [ANNA] });
  const { list } = tokens;
  await clock.advance(5 * HOUR);
  tokens.list = () => Promise.reject(new Error('EIO'));
  await clock.advance(2 * HOUR);
  tokens.list = list;
  await clock.advance(HOUR);
  assert.match(log.texts('trouble')[0] ?? '', /EIO/);
  assert.equal(done.length, 2);
});

describe('without a callback URL', () => {
  const gapsOf = (done: readonly { readonly userId: UserId; readonly atMs: number }[], userId: UserId) => {
    const times = done.filter((each) => each.userId === userId).map(({ atMs }) => atMs);
    return times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0));
  };

  test('each person is polled about every ten minutes, and never sooner', async () => {
    const { clock, done } = start({ users: [ANNA, BO], takesMs: 700, hasCallback: false });
    await clock.advance(24 * HOUR);
    for (const userId of [ANNA, BO]) {
      const [first = 0, ...others] = gapsOf(done, userId);
      assert.ok(first >= 10 * MINUTE && first <= 11.5 * MINUTE, `${first}`);
      for (const gap of others) assert.ok(gap >= 10 * MINUTE && gap <= 10.5 * MINUTE, `${gap}`);
      assert.ok(others.length >= 138 && others.length <= 141, `${others.length}`);
    }
  });

  test('people who were polled together at start are polled at different times later', async () => {
    const users = Array.from({ length: 6 }, (_, index) => `${index + 1}` as UserId);
    const { clock, done } = start({ users, hasCallback: false });
    await clock.advance(HOUR);
    const times = users.map((user) => done.filter(({ userId }) => userId === user).at(-1)?.atMs ?? 0);
    for (const [index, atMs] of times.entries())
      assert.ok(index === 0 || atMs - (times[index - 1] ?? 0) >= 9_000, `${times}`);
  });

  test('a rejected login is left to the collector, which retries it hourly', async () => {
    const { clock, done, logins } = start({ users: [ANNA], hasCallback: false });
    logins.stuck = [ANNA];
    await clock.advance(6 * HOUR);
    assert.equal(done.length, 1);
  });
});

test('a person is polled until notifications work again, and the log reports both changes', async () => {
  const { clock, done, states, log } = start({ users: [ANNA, BO] });
  await clock.advance(HOUR);
  const hitch = { since: clock.now(), reason: 'no head', code: 'callback_unreachable' };
  states.set(ANNA, { ...NOTHING_KNOWN, subscription: { applis: [], hitch } });
  await clock.advance(HOUR);
  const polls = done.filter(({ userId, atMs }) => userId === ANNA && atMs > 0);
  assert.ok(polls.length >= 5 && (polls[0]?.atMs ?? 0) <= HOUR + MINUTE, `${polls.length}`);
  states.set(ANNA, { ...NOTHING_KNOWN, subscription: { applis: [1], hitch: undefined } });
  await clock.advance(5 * HOUR);
  assert.equal(done.filter(({ userId, atMs }) => userId === ANNA && atMs > 0).length, polls.length);
  assert.equal(done.filter(({ userId }) => userId === BO).length, 2);
  assert.deepEqual(log.texts('polling'), [
    'User 1234: polling every 10 min: Withings cannot reach CALLBACK_URL',
    'User 1234: no longer polling: Withings sends notifications',
  ]);
});

test('polling ends on request', async () => {
  const { clock, stop, ended } = start({ users: [ANNA] });
  await clock.advance(HOUR);
  stop.abort();
  await ended;
});
