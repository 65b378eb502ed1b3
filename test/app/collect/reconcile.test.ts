import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { reconcileForever } from '../../../src/app/collect/reconcile.ts';
import { createLinkedUsers } from '../../../src/app/tokens/linked-users.ts';
import type { UserId } from '../../../src/domain/token.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { ANNA, BO } from '../../support/people.ts';
import { createRecordingLog } from '../../support/recording-log.ts';

const HOUR = 3_600_000;

function start(options: { readonly users: UserId[]; readonly takesMs?: number }) {
  const { users, takesMs = 0 } = options;
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
    adopt: () => Promise.resolve(),
  };
  const linkedUsers = createLinkedUsers({ tokens, clock });
  const { signal } = stop;
  let rounds = 0;
  const onRound = () => {
    rounds += 1;
  };
  const ports = { linkedUsers, accessTokens, collector, onRound, intervalMs: 6 * HOUR, clock, log, signal };
  const ended = reconcileForever(ports);
  return { rounds: () => rounds, clock, log, done, users, logins, stop, ended, tokens, most: () => most };
}

test('everybody is checked at start and every interval', async () => {
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

test('somebody whose token is put into the directory by hand is noticed within a minute', async () => {
  const { clock, done, users } = start({ users: [ANNA] });
  await clock.advance(HOUR);
  users.push(BO);
  await clock.advance(60_000);
  assert.deepEqual(
    done.map(({ userId }) => userId),
    [ANNA, BO],
  );
});

test('somebody whose token goes away and comes back is checked again', async () => {
  const { clock, done, users } = start({ users: [ANNA] });
  await clock.advance(HOUR);
  users.pop();
  await clock.advance(HOUR);
  users.push(ANNA);
  await clock.advance(60_000);
  assert.equal(done.length, 2);
});

test('a dead login is tried as soon as another token is in its place', async () => {
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

test('a directory that cannot be read for a while is said, and read again', async () => {
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

test('it ends when it is asked to', async () => {
  const { clock, stop, ended } = start({ users: [ANNA] });
  await clock.advance(HOUR);
  stop.abort();
  await ended;
});
