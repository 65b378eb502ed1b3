import { strict as assert } from 'node:assert';
import { describe, test } from 'node:test';
import { createSchedule } from '../../../src/app/collect/schedule.ts';
import { createLiveStatus, type PublisherSource } from '../../../src/app/status/live-status.ts';
import { readStoredStatus } from '../../../src/app/status/stored-status.ts';
import { createPublisherTroubles, createTroubles } from '../../../src/app/status/troubles.ts';
import { createLinkedUsers } from '../../../src/app/tokens/linked-users.ts';
import type { NumberedBedEvent } from '../../../src/domain/bed.ts';
import { NOTHING_DERIVED } from '../../../src/domain/derived.ts';
import type { GroupState } from '../../../src/domain/reading.ts';
import { type Hitch, isWell, NOTHING_KNOWN, type PersonState } from '../../../src/domain/status.ts';
import type { RefreshToken, UserId } from '../../../src/domain/token.ts';
import { type Recovery, Trouble } from '../../../src/domain/trouble.ts';
import { bedEvent } from '../../support/beds.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createMemoryTokens } from '../../support/memory-tokens.ts';
import { ANNA, accessToken, BO, refreshToken, userId } from '../../support/people.ts';
import { createRecordingLog } from '../../support/recording-log.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const START = new Date('2026-11-20T06:00:00Z');
const before = (ms: number) => new Date(START.getTime() - ms);
const REFUSED: Hitch = { since: before(HOUR), reason: 'refused' };
const UNREACHABLE = { ...REFUSED, code: 'callback_unreachable' };

/** Creates the status over files in memory, as at the start of the daemon. */
function createBench(options: { readonly intervalMs?: number; readonly hasCallback?: boolean } = {}) {
  const clock = createFakeClock(START);
  const log = createRecordingLog();
  const logins = new Map<UserId, RefreshToken>([[ANNA, refreshToken('anna')]]);
  const tokens = createMemoryTokens(logins);
  /** The people with a new access token, the dates of all logins, the status files and the cursors. */
  const handedOut = new Set<UserId>();
  const written = new Map<UserId, Date>();
  const personStates = new Map<UserId, PersonState>();
  const cursors = new Map<UserId, Date>();
  const reads: UserId[] = [];
  const held = new Map<UserId, readonly GroupState[]>();
  const unreadable = new Map<UserId, number>();
  const beds = new Map<UserId, NumberedBedEvent>();
  const broken: { list?: Error; load?: Error; frozen?: Promise<void> | undefined } = {};
  const people = { names: new Map([[ANNA, 'Anna']]), unit: 'kg' } as const;
  const store = {
    ...tokens,
    list: async () => {
      if (broken.list) throw broken.list;
      await broken.frozen;
      return await tokens.list();
    },
    load: (user: UserId) => (broken.load ? Promise.reject(broken.load) : tokens.load(user)),
  };
  const access = {
    issuedAt: new Date('2026-11-20T05:00:00Z'),
    accessToken: accessToken('a'),
    expiresAt: START,
    scope: undefined,
  };
  const fetches = createTroubles({ clock, log, people });
  const subscribing = createTroubles({ clock, log, people });
  const publishers: PublisherSource[] = [];
  const liveStatus = createLiveStatus({
    linkedUsers: createLinkedUsers({ tokens: store, clock }),
    readStoredStatus: (user) => {
      reads.push(user);
      return readStoredStatus(
        {
          tokens: store,
          accesses: { load: async (each) => (handedOut.has(each) ? access : undefined) },
          cursors: { load: async (each) => cursors.get(each) },
          people: { load: async (each) => personStates.get(each) ?? NOTHING_KNOWN },
          loginWritten: async (each) => written.get(each),
        },
        user,
      );
    },
    remembered: (user) => personStates.get(user),
    troubles: [fetches, subscribing],
    publishers: () => publishers,
    journal: {
      lastWeighIn: (user) => (user === ANNA ? { kilograms: 81.25, takenAt: before(2 * MINUTE) } : undefined),
      heldOf: (user) => held.get(user) ?? [],
    },
    unreadable: { countOf: (user) => unreadable.get(user) ?? 0 },
    derive: () => NOTHING_DERIVED,
    beds: { newest: (user) => beds.get(user) },
    people,
    schedule: createSchedule({
      hasCallback: options.hasCallback ?? true,
      pollMs: 10 * MINUTE,
      reconcileMs: options.intervalMs ?? 6 * HOUR,
      maxAgeMs: HOUR,
      remembered: (user) => personStates.get(user),
    }),
    clock,
  });
  const look = async () => {
    const looking = liveStatus.look();
    await clock.advance(1000);
    return await looking;
  };
  const anna = async () => {
    const [person] = (await look()).people;
    assert(person !== undefined);
    return person;
  };
  const note = (user: UserId, changes: Partial<PersonState>) =>
    personStates.set(user, { ...(personStates.get(user) ?? NOTHING_KNOWN), ...changes });
  const publish = (name: string) => {
    const troubles = createPublisherTroubles({ clock, log, publisher: name });
    publishers.push({ name, troubles, behindBytes: 330 });
    return troubles;
  };
  const files = { logins, handedOut, written, cursors, reads, broken, held, unreadable, beds, note };
  return { clock, ...files, fetches, subscribing, publish, liveStatus, look, anna };
}

const trouble = (recovery: Recovery, code = 'no') => new Trouble('it broke', { code, recovery, hint: 'fix it' });

describe('a login', () => {
  test('without an attempt yet is not checked yet', async () => {
    const { anna } = createBench();
    assert.deepEqual((await anna()).login, { state: 'not_tried' });
  });

  test('that Withings just issued works, before its first use', async () => {
    const { anna, handedOut } = createBench();
    handedOut.add(ANNA);
    assert.deepEqual((await anna()).login, { state: 'works' });
  });

  test('works after a successful fetch', async () => {
    const { anna, liveStatus } = createBench();
    liveStatus.contacted(ANNA);
    assert.deepEqual((await anna()).login, { state: 'works' });
  });

  test('that was rejected before the restart must be linked again since then, for the same reason', async () => {
    const { anna, note, handedOut, look } = createBench();
    handedOut.add(ANNA);
    note(ANNA, { needsLogin: REFUSED });
    assert.deepEqual((await anna()).login, { state: 'needs_login', ...REFUSED });
    assert.equal(isWell(await look()), false);
  });

  test('that was replaced after a rejection is not checked yet', async () => {
    const { anna, note, written } = createBench();
    note(ANNA, { needsLogin: REFUSED });
    written.set(ANNA, before(MINUTE));
    assert.deepEqual((await anna()).login, { state: 'not_tried' });
  });

  test('that was replaced and is rejected again must be linked again', async () => {
    const { anna, note, written, fetches } = createBench();
    note(ANNA, { needsLogin: REFUSED });
    written.set(ANNA, before(MINUTE));
    fetches.report(ANNA, trouble('login'));
    assert.deepEqual((await anna()).login, { state: 'needs_login', ...REFUSED });
  });

  test('works as soon as the person links again, before the next fetch', async () => {
    const { clock, anna, note, look, handedOut, fetches } = createBench();
    note(ANNA, { needsLogin: REFUSED });
    fetches.report(ANNA, trouble('login', 'token_refused'));
    assert.equal((await anna()).login.state, 'needs_login');
    note(ANNA, { needsLogin: undefined, linkedAt: clock.now() });
    handedOut.add(ANNA);
    await clock.advance(5000);
    assert.deepEqual((await anna()).login, { state: 'works' });
    assert.deepEqual((await look()).troubles, []);
  });

  test('with a file that holds no token must be linked again, with the fault of the file', async () => {
    const { anna, broken } = createBench();
    broken.load = trouble('login');
    assert.deepEqual((await anna()).login, { state: 'needs_login', since: undefined, reason: 'it broke' });
  });

  test('with an unreachable file is unknown', async () => {
    const { anna, broken, look } = createBench();
    broken.load = trouble('retry');
    assert.deepEqual((await anna()).login, { state: 'unknown', reason: 'it broke' });
    assert.equal(isWell(await look()), false);
  });
});

describe('the last contact', () => {
  test('is the last successful fetch, and before the first one the time of the cursor', async () => {
    const { clock, anna, cursors, liveStatus } = createBench();
    cursors.set(ANNA, before(3 * HOUR));
    assert.deepEqual((await anna()).lastContact?.at, before(3 * HOUR));
    liveStatus.contacted(ANNA);
    await clock.advance(MINUTE);
    assert.equal((await anna()).lastContact?.agoMs, MINUTE);
  });

  test('is a trouble if it is older than two reconcile intervals', async () => {
    const { clock, look, liveStatus } = createBench({ intervalMs: HOUR });
    liveStatus.contacted(ANNA);
    await clock.advance(2 * HOUR - 10_000);
    assert.equal(isWell(await look()), true);
    await clock.advance(10_000);
    const { troubles } = await look();
    assert.deepEqual(
      troubles.map(({ code, userId: user, since, text }) => [code, user, since, text]),
      [['no_contact', ANNA, START, 'Anna (1234): no successful check for 2 h. See the log.']],
    );
    assert.equal(isWell(await look()), false);
    liveStatus.contacted(ANNA);
    assert.equal(isWell(await look()), true);
  });

  test('counts from the first sight of the person if there was none', async () => {
    const { clock, look } = createBench({ intervalMs: HOUR });
    assert.equal(isWell(await look()), true);
    await clock.advance(2 * HOUR);
    assert.equal(isWell(await look()), false);
  });

  test('does not depend on the wall clock after the first contact', async () => {
    const { clock, look, liveStatus } = createBench({ intervalMs: HOUR });
    liveStatus.contacted(ANNA);
    clock.jumpTo(new Date('2030-01-01T00:00:00Z'));
    const vital = await look();
    assert.equal(isWell(vital), true);
    assert.equal(vital.people[0]?.lastContact?.agoMs, 0);
    assert.equal(vital.uptimeMs, 0);
  });

  test('is just now if it is in the future by a wrong clock', async () => {
    const { clock, anna, cursors } = createBench();
    cursors.set(ANNA, START);
    clock.jumpTo(new Date(0));
    assert.equal((await anna()).lastContact?.agoMs, 0);
  });
});

describe('a notification', () => {
  test('is remembered for linked people only', async () => {
    const { anna, look, logins, clock, liveStatus } = createBench();
    await look();
    liveStatus.notified(ANNA);
    liveStatus.notified(BO);
    logins.set(BO, refreshToken('bo'));
    await clock.advance(5000);
    const { people } = await look();
    assert.deepEqual(
      people.map((each) => [each.userId, each.lastNotification !== undefined]),
      [
        [ANNA, true],
        [BO, false],
      ],
    );
    assert((await anna()).lastNotification);
  });
});

describe('a subscription', () => {
  for (const [what, subscription, hasCallback, state] of [
    ['was not checked yet', undefined, true, 'none'],
    ['exists', { applis: [1], hitch: undefined }, true, 'works'],
    ['cannot be created', { applis: [], hitch: REFUSED }, true, 'lost'],
    ['is not used without a callback URL', { applis: [], hitch: REFUSED }, false, 'polling'],
    ['waits for a reachable callback URL', { applis: [], hitch: UNREACHABLE }, true, 'polling'],
  ] as const) {
    test(`that ${what} is "${state}"`, async () => {
      const { anna, note, look } = createBench({ hasCallback });
      note(ANNA, { subscription });
      assert.equal((await anna()).subscription.state, state);
      assert.equal(isWell(await look()), state !== 'lost');
    });
  }
});

describe('polling', () => {
  test('shows its interval and its reason', async () => {
    const { anna } = createBench({ hasCallback: false });
    assert.deepEqual((await anna()).subscription, {
      state: 'polling',
      applis: [],
      since: undefined,
      reason: 'no CALLBACK_URL',
      pollMs: 10 * MINUTE,
    });
  });

  test('makes an unreachable callback URL harmless, however long it lasts', async () => {
    const { clock, look, note, subscribing } = createBench();
    note(ANNA, { subscription: { applis: [], hitch: UNREACHABLE } });
    subscribing.report(ANNA, trouble('retry', 'callback_unreachable'));
    await clock.advance(6 * HOUR);
    const status = await look();
    assert.deepEqual(
      status.troubles.map(({ code, isLasting }) => [code, isLasting]),
      [['callback_unreachable', false]],
    );
    assert.equal(isWell(status), true);
  });

  test('without an answer for an hour is a reason for alarm', async () => {
    const { clock, look, liveStatus } = createBench({ hasCallback: false });
    await look();
    liveStatus.contacted(ANNA);
    await clock.advance(59 * MINUTE);
    assert.equal(isWell(await look()), true);
    await clock.advance(MINUTE);
    assert.deepEqual(
      (await look()).troubles.map(({ code }) => code),
      ['no_contact'],
    );
  });
});

describe('a trouble', () => {
  test('that may be temporary is shown at once, and is a reason for alarm after a quarter of an hour', async () => {
    const { clock, look, fetches } = createBench();
    fetches.report(ANNA, trouble('retry', 'unreachable'));
    const { troubles } = await look();
    assert.deepEqual(troubles, [
      { userId: undefined, code: 'unreachable', text: 'it broke. fix it', since: START, isLasting: false },
    ]);
    await clock.advance(15 * MINUTE);
    fetches.report(ANNA, trouble('retry', 'unreachable'));
    assert.equal(isWell(await look()), false);
    fetches.over(ANNA);
    assert.deepEqual((await look()).troubles, []);
  });

  for (const recovery of ['settings', 'defect'] as const) {
    test(`that needs a person is a reason for alarm at once: ${recovery}`, async () => {
      const { look, fetches } = createBench();
      fetches.report(ANNA, trouble(recovery));
      const liveStatus = await look();
      assert.deepEqual(
        liveStatus.troubles.map(({ text }) => text),
        ['Anna (1234): it broke. fix it'],
      );
      assert.equal(isWell(liveStatus), false);
    });
  }

  test('of fetches and subscriptions is shown once, the oldest first', async () => {
    const { clock, look, fetches, subscribing } = createBench();
    subscribing.report(ANNA, trouble('retry', 'callback_unreachable'));
    await clock.advance(MINUTE);
    fetches.report(ANNA, trouble('retry', 'unreachable'));
    subscribing.report(ANNA, trouble('retry', 'unreachable'));
    assert.deepEqual(
      (await look()).troubles.map(({ code }) => code),
      ['callback_unreachable', 'unreachable'],
    );
  });

  test('with a login that fetches do not share is shown as well', async () => {
    const { look, subscribing, liveStatus } = createBench();
    liveStatus.contacted(ANNA);
    subscribing.report(ANNA, trouble('login', 'access_refused'));
    const { people, troubles } = await look();
    assert.deepEqual([people[0]?.login.state, troubles.map(({ code }) => code)], ['works', ['access_refused']]);
  });

  test('of a person disappears with the token file', async () => {
    const { clock, look, fetches, logins } = createBench();
    fetches.report(ANNA, trouble('settings'));
    fetches.report(ANNA, trouble('retry', 'unreachable'));
    logins.delete(ANNA);
    await clock.advance(5000);
    const liveStatus = await look();
    assert.deepEqual([liveStatus.people, liveStatus.troubles], [[], []]);
    assert.equal(isWell(liveStatus), true);
  });

  test('with the tokens directory is shown, with all people seen before', async () => {
    const { clock, look, broken } = createBench();
    await look();
    broken.list = trouble('settings', 'no_permission');
    await clock.advance(5000);
    const liveStatus = await look();
    assert.deepEqual(
      [liveStatus.people.length, liveStatus.troubles.map(({ code, text }) => [code, text])],
      [1, [['no_permission', 'it broke. fix it']]],
    );
    delete broken.list;
    await clock.advance(5000);
    assert.deepEqual((await look()).troubles, []);
  });
});

describe('a publisher', () => {
  test('is not checked until its first connection, and works from then on', async () => {
    const { clock, look, publish } = createBench();
    const mqtt = publish('mqtt');
    const unknown = { since: undefined, problem: undefined, lastContact: undefined };
    assert.deepEqual((await look()).publishers, [{ name: 'mqtt', state: 'not_tried', behindBytes: 330, ...unknown }]);
    mqtt.contacted();
    const began = clock.now();
    await clock.advance(MINUTE);
    mqtt.contacted();
    const [liveStatus] = (await look()).publishers;
    assert.deepEqual([liveStatus?.state, liveStatus?.since, liveStatus?.lastContact?.agoMs], ['works', began, 0]);
  });

  test('shows the start and reason of its trouble, and works again after the trouble', async () => {
    const { clock, look, publish } = createBench();
    const hook = publish('hook');
    hook.contacted();
    await clock.advance(MINUTE);
    hook.report(trouble('retry', 'one'));
    const began = clock.now();
    await clock.advance(MINUTE);
    hook.report(trouble('retry', 'two'));
    const { publishers, troubles } = await look();
    const [liveStatus] = publishers;
    assert.deepEqual(
      [liveStatus?.state, liveStatus?.since, liveStatus?.problem],
      ['trouble', began, 'hook: it broke. fix it'],
    );
    assert.deepEqual(
      troubles.map(({ code, text, userId: user }) => [code, text, user]),
      [
        ['one', 'hook: it broke. fix it', undefined],
        ['two', 'hook: it broke. fix it', undefined],
      ],
    );
    hook.over(new Set(['one']));
    assert.equal((await look()).publishers[0]?.state, 'trouble');
    const mended = clock.now();
    hook.over(new Set(['two']));
    const after = await look();
    assert.deepEqual([after.publishers[0]?.state, after.publishers[0]?.since], ['works', mended]);
    assert.deepEqual(after.troubles, []);
  });

  test('without a connection is a reason for alarm only after a quarter of an hour', async () => {
    const { clock, look, publish, logins } = createBench();
    logins.clear();
    const mqtt = publish('mqtt');
    mqtt.report(trouble('retry', 'unreachable'));
    await clock.advance(15 * MINUTE - 3000);
    assert.equal(isWell(await look()), true);
    await clock.advance(3000);
    assert.equal(isWell(await look()), false, 'also without a linked person');
  });

  test('that needs a person is a reason for alarm at once', async () => {
    const { look, publish } = createBench();
    publish('mqtt').report(trouble('settings', 'mqtt_login'));
    assert.equal(isWell(await look()), false);
  });
});

test('ten thousand people are read once, and then checked in a moment', async () => {
  const { clock, look, logins, reads } = createBench();
  logins.clear();
  for (let number = 1; number <= 10_000; number += 1) {
    logins.set(userId(`${number}`), refreshToken(`token-${number}`));
  }
  assert.equal((await look()).people.length, 10_000);
  assert.equal(reads.length, 10_000);
  await clock.advance(10_000);
  const used = process.cpuUsage();
  const { people } = await look();
  const { user, system } = process.cpuUsage(used);
  assert.ok(user + system < 2_000_000, `${user + system} µs of processor time`);
  assert.deepEqual([people.length, people[9999]?.userId, reads.length], [10_000, '10000', 10_000]);
});

describe('a held weigh-in', () => {
  const group = (groupId: number, takenAt: Date): GroupState => ({
    groupId,
    takenAt,
    weight: 116.25,
    counts: false,
    held: 'jump',
    withdrawn: undefined,
  });

  test('is shown for 30 days and never causes an alarm', async () => {
    const { anna, held, unreadable, look } = createBench();
    const days = (count: number) => before(count * 24 * HOUR);
    held.set(ANNA, [group(1, days(31)), group(2, days(29)), group(3, days(-400))]);
    unreadable.set(ANNA, 2);
    const person = await anna();
    assert.deepEqual(
      person.held.map(({ groupId }) => groupId),
      [2, 3],
    );
    assert.deepEqual([person.unreadable, person.lastWeighIn?.kilograms], [2, 81.25]);
    assert(isWell(await look()));
  });
});

test('a trouble of both fetches and subscriptions is listed once', async () => {
  const { fetches, subscribing, look } = createBench();
  const both = trouble('settings', 'wrong_client');
  fetches.report(ANNA, both);
  subscribing.report(ANNA, new Trouble('it broke elsewhere', { code: 'wrong_client', recovery: 'settings' }));
  subscribing.report(ANNA, trouble('settings', 'not_allowed'));
  const listed = (await look()).troubles.map(({ code, text }) => [code, text.includes('elsewhere')]);
  assert.deepEqual(listed, [
    ['wrong_client', false],
    ['not_allowed', false],
  ]);
});

test('a disk that does not answer delays no reader: the last status and the silent disk are shown', async () => {
  const { clock, look, liveStatus, broken } = createBench();
  await look();
  let thaw = () => {};
  broken.frozen = new Promise((resolve) => {
    thaw = resolve;
  });
  await clock.advance(5_000);
  const looking = liveStatus.look();
  await clock.advance(5_000);
  const { people, troubles } = await looking;
  assert.deepEqual([people.length, troubles.map(({ code }) => code)], [1, ['file_hangs']]);
  thaw();
  broken.frozen = undefined;
  await clock.advance(0);
  await clock.advance(5_000);
  assert.deepEqual((await look()).troubles, []);
});

test('a bed event from before the link is not shown', async () => {
  const { anna, beds, note } = createBench();
  beds.set(ANNA, { ...bedEvent('in_bed', before(HOUR)), number: 1 });
  assert.equal((await anna()).bed?.kind, 'in_bed');
  note(ANNA, { linkedAt: before(2 * HOUR) });
  assert.equal((await anna()).bed?.kind, 'in_bed');
  note(ANNA, { linkedAt: before(MINUTE) });
  assert.equal((await anna()).bed, undefined);
});
