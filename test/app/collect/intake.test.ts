import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import type { BedIntake } from '../../../src/app/collect/bed-intake.ts';
import { createIntake } from '../../../src/app/collect/intake.ts';
import { createLinkedUsers } from '../../../src/app/tokens/linked-users.ts';
import type { Notification } from '../../../src/domain/notification.ts';
import type { UserId } from '../../../src/domain/token.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { ANNA, BO, userId } from '../../support/people.ts';
import { createRecordingLog } from '../../support/recording-log.ts';

const HOUR = 3_600_000;
const CALLER = '203.0.113.9';
const window = { start: new Date(1000), end: new Date(2000) };

function createBench(users: UserId[], bed?: BedIntake) {
  const clock = createFakeClock();
  const log = createRecordingLog();
  const notified: { readonly userId: UserId; readonly window: unknown }[] = [];
  const forgotten: UserId[] = [];
  let looks = 0;
  const tokens = {
    list: () => {
      looks += 1;
      return Promise.resolve([...users]);
    },
    load: () => Promise.reject(new Error('not asked for')),
    lock: () => Promise.reject(new Error('not asked for')),
    reserve: () => Promise.reject(new Error('not asked for')),
  };
  const collector = {
    notify: (userId: UserId, about: unknown) => void notified.push({ userId, window: about }),
    reconcile: () => Promise.resolve(),
    needLogin: () => [],
    awaitCheck: () => [],
    oldestAttemptMs: () => 0,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const accessTokens = {
    get: () => Promise.reject(new Error('not asked for')),
    forget: (userId: UserId) => void forgotten.push(userId),
    accept: () => undefined,
    isFresh: () => false,
    refuse: () => undefined,
    hasOtherLogin: () => Promise.resolve(false),
    scopeOf: () => undefined,
    adopt: () => Promise.resolve(),
  };
  const linkedUsers = createLinkedUsers({ tokens, clock });
  const intake = createIntake({ linkedUsers, accessTokens, collector, bed, clock, log });
  const warnings = () => log.entries.filter(({ level }) => level === 'warn').map(({ text }) => text);
  /** Delivers all notifications at once, and advances the clock until each one is processed. */
  const deliver = async (...notifications: readonly Notification[]) => {
    const done = Promise.all(notifications.map((notification) => intake(notification, CALLER)));
    await clock.advance(2000);
    await done;
  };
  return { clock, log, deliver, notified, forgotten, warnings, looks: () => looks, users };
}

const about = (who: UserId, appli: number, action?: string) => ({
  userId: who,
  appli,
  window,
  action,
  at: undefined,
  deviceId: undefined,
});

test('a notification about measures goes to the collector with its window', async () => {
  const { deliver, notified } = createBench([ANNA]);
  await deliver(...[1, 2, 4, 58, 62].map((appli) => about(ANNA, appli)));
  assert.deepEqual(notified, Array(5).fill({ userId: ANNA, window }));
});

test('a bed notification goes to its own intake, for linked people only and if APPLIS names beds', async () => {
  const got: Notification[] = [];
  const { deliver, notified, warnings } = createBench([ANNA], async (notification) => {
    got.push(notification);
    return true;
  });
  await deliver(about(ANNA, 50), about(ANNA, 51), about(BO, 50), about(ANNA, 52));
  assert.deepEqual(
    got.map(({ userId: who, appli }) => [who, appli]),
    [
      [ANNA, 50],
      [ANNA, 51],
    ],
  );
  assert.deepEqual([notified, warnings().length], [[], 2]);
  const without = createBench([ANNA]);
  await without.deliver(about(ANNA, 50));
  assert.match(without.warnings()[0] ?? '', /You can remove this subscription/);
});

test('a notification about an unknown user causes one warning an hour and nothing else', async () => {
  const { clock, deliver, notified, warnings } = createBench([ANNA]);
  await deliver(...Array(100).fill(about(BO, 1)));
  assert.equal(warnings().length, 1);
  assert.match(warnings()[0] ?? '', /5678.*from 203\.0\.113\.9/);
  await clock.advance(HOUR);
  await deliver(about(BO, 1));
  assert.equal(warnings().length, 2);
  assert.deepEqual(notified, []);
});

test('each line about a notification has the caller', async () => {
  const { log, deliver } = createBench([ANNA]);
  await deliver(about(ANNA, 1), about(ANNA, 46, 'unlink'), about(ANNA, 52), about(BO, 1));
  assert.deepEqual(log.entries.map(({ event, appli, caller }) => `${event} ${appli} ${caller}`).toSorted(), [
    `notification 1 ${CALLER}`,
    `notification 1 ${CALLER}`,
    `notification 46 ${CALLER}`,
    `notification 52 ${CALLER}`,
    `unknown_appli 52 ${CALLER}`,
    `unknown_user undefined ${CALLER}`,
    `unlinked undefined ${CALLER}`,
  ]);
});

test('a person who linked since is accepted at the next notification', async () => {
  const { clock, deliver, notified, users } = createBench([ANNA]);
  await deliver(about(BO, 1));
  users.push(BO);
  await clock.advance(1000);
  await deliver(about(BO, 1));
  assert.deepEqual(
    notified.map(({ userId }) => userId),
    [BO],
  );
});

test('invented users cause at most fifty lines an hour and one directory read a second', async () => {
  const { deliver, warnings, looks } = createBench([ANNA]);
  await deliver(...Array.from({ length: 5000 }, (_, index) => about(userId(`${100_000 + index}`), 1)));
  assert.equal(warnings().length, 50);
  assert(looks() <= 2);
});

test('invented users do not suppress warnings about a category', async () => {
  const { deliver, warnings } = createBench([ANNA]);
  await deliver(...Array.from({ length: 5000 }, (_, index) => about(userId(`${100_000 + index}`), 1)));
  await deliver(...Array.from({ length: 100 }, (_, index) => about(ANNA, 1000 + index)));
  assert.equal(warnings().filter((text) => text.includes('ignored a notification of category')).length, 20);
  await deliver(about(ANNA, 46, 'unlink'));
  assert.match(warnings().at(-1) ?? '', /unlink/);
});

test('invented categories do not suppress warnings about users', async () => {
  const { deliver, warnings } = createBench([ANNA]);
  await deliver(...Array.from({ length: 100 }, (_, index) => about(ANNA, 1000 + index)));
  await deliver(about(BO, 1));
  assert.match(warnings().at(-1) ?? '', /unknown user 5678/);
});

test('an unused category causes one warning an hour per user and no fetch', async () => {
  const { deliver, notified, warnings } = createBench([ANNA, BO]);
  await deliver(...Array(10).fill(about(ANNA, 44)));
  await deliver(about(BO, 44));
  assert.equal(warnings().length, 2);
  assert.deepEqual(notified, []);
});

test('a notification that a person unlinked is verified by a fetch once an hour', async () => {
  for (const action of ['unlink', 'delete']) {
    const { deliver, notified, forgotten, warnings } = createBench([ANNA]);
    await deliver(...Array(10).fill(about(ANNA, 46, action)));
    assert.deepEqual(forgotten, [ANNA]);
    assert.deepEqual(notified, [{ userId: ANNA, window: undefined }]);
    assert.match(warnings()[0] ?? '', new RegExp(`${action}.*from 203`));
  }
});

test('a changed profile needs no action', async () => {
  const { deliver, notified, warnings } = createBench([ANNA]);
  await deliver(about(ANNA, 46, 'update'));
  assert.deepEqual([notified, warnings()], [[], []]);
});
