import { strict as assert } from 'node:assert';
import { describe, test } from 'node:test';
import { createPersonStates } from '../../../src/app/status/person-states.ts';
import { createTroubles } from '../../../src/app/status/troubles.ts';
import { createKeeper } from '../../../src/app/subscribe/keep-subscribed.ts';
import { createSubscriptions } from '../../../src/app/subscribe/subscriptions.ts';
import { NOTHING_KNOWN, type PersonState } from '../../../src/domain/status.ts';
import { isOurs, type Subscription } from '../../../src/domain/subscription.ts';
import type { UserId } from '../../../src/domain/token.ts';
import { Trouble } from '../../../src/domain/trouble.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { freePort } from '../../support/free-port.ts';
import { CALLBACK_PATH, startHome } from '../../support/home.ts';
import { ANNA, accessToken, BO } from '../../support/people.ts';
import { createRecordingLog } from '../../support/recording-log.ts';

const URL_NOW = 'https://wb.example.net/withingsWebhook/new-secret';
const FOREIGN = 'https://home.example.org/api/webhook/9f2c';
const HOUR = 3_600_000;
const MINUTE = 60_000;

/** A notify service of Withings in memory, with the code that maintains the subscriptions. */
function createBench({ applis = [1], users = [ANNA] }: { applis?: readonly number[]; users?: readonly UserId[] } = {}) {
  const clock = createFakeClock();
  const log = createRecordingLog();
  const calls: { readonly atMs: number; readonly what: string }[] = [];
  const stored = new Map<UserId, Subscription[]>();
  const state = {
    failure: undefined as Trouble | undefined,
    refused: 0,
    needLogin: [] as UserId[],
    people: new Map<UserId, PersonState>(),
    scopes: new Map<UserId, string>(),
  };
  const of = (userId: UserId) => stored.get(userId) ?? [];
  const arrive = (what: string) => {
    calls.push({ atMs: clock.elapsedMs(), what });
    if (state.failure !== undefined) throw state.failure;
  };
  const service = {
    async list({ userId }: { userId: UserId }) {
      arrive(`list ${userId}`);
      return of(userId);
    },
    async subscribe({ userId }: { userId: UserId }, subscription: Subscription) {
      arrive(`subscribe ${userId} ${subscription.appli}`);
      if (subscription.appli === state.refused) throw notAllowed();
      stored.set(userId, [...of(userId), subscription]);
    },
    async revoke({ userId }: { userId: UserId }, { appli, callbackUrl }: Subscription) {
      arrive(`revoke ${userId} ${appli}`);
      stored.set(
        userId,
        of(userId).filter((each) => each.appli !== appli || each.callbackUrl !== callbackUrl),
      );
    },
  };
  const stop = new AbortController();
  const people = { names: new Map([[ANNA, 'Anna']]), unit: 'kg' } as const;
  const store = {
    load: async (userId: UserId) => state.people.get(userId) ?? NOTHING_KNOWN,
    save: async (userId: UserId, person: PersonState) => void state.people.set(userId, person),
  };
  const subscriptions = createSubscriptions({
    service,
    scopeOf: (userId) => state.scopes.get(userId),
    withAccess: (userId, { urgent }, call) => call({ userId, urgent, accessToken: accessToken('a') }),
    personStates: createPersonStates({ people: store, log }),
    callbackUrl: URL_NOW,
    applis,
    people,
    clock,
    log,
    signal: stop.signal,
  });
  const start = () =>
    createKeeper({
      subscriptions,
      linkedUsers: { has: (userId) => users.includes(userId), refresh: async () => users },
      collector: { needLogin: () => state.needLogin },
      troubles: createTroubles({ clock, log, people }),
      intervalMs: 6 * HOUR,
      clock,
      random: () => 1,
      signal: stop.signal,
    }).run();
  const whats = () => calls.map(({ what }) => what);
  return { clock, log, calls, whats, stored, state, stop, start, subscriptions };
}

const subscription = (callbackUrl: string, appli = 1, comment?: string): Subscription => ({
  appli,
  callbackUrl,
  comment,
});
const unreachable = () =>
  new Trouble('293', { code: 'callback_unreachable', recovery: 'retry', hint: 'no 200 from outside' });

const notAllowed = () => new Trouble('277', { code: 'not_allowed', recovery: 'settings' });

describe('a category without the granted scope', () => {
  const lacks = /^the login lacks the scope user\.sleepevents, which APPLIS needs$/;

  test('is reported if Withings rejects it, and all others are subscribed', async () => {
    const { stored, state, subscriptions, clock } = createBench({ applis: [1, 50] });
    state.people.set(ANNA, { ...NOTHING_KNOWN, scope: 'user.info,user.metrics' });
    state.refused = 50;
    const repaired = subscriptions.repair(ANNA, { urgent: true });
    const refusal = assert.rejects(repaired, { code: 'scope_missing', message: lacks });
    await clock.advance(MINUTE);
    await refusal;
    assert.deepEqual(
      stored.get(ANNA)?.map(({ appli }) => appli),
      [1],
    );
    assert.match(state.people.get(ANNA)?.subscription?.hitch?.reason ?? '', lacks);
  });

  test('is requested anyway, and keeps the reason of another rejection', async () => {
    const { stored, state, subscriptions, clock } = createBench({ applis: [1, 50] });
    state.people.set(ANNA, { ...NOTHING_KNOWN, scope: 'user.info,user.metrics' });
    const repaired = subscriptions.repair(ANNA, { urgent: true });
    await clock.advance(MINUTE);
    await repaired;
    assert.equal(stored.get(ANNA)?.length, 2);
    stored.set(ANNA, []);
    state.refused = 50;
    // The current login is more reliable than the stored status.
    state.scopes.set(ANNA, 'user.metrics,user.sleepevents');
    const refusal = assert.rejects(subscriptions.repair(ANNA, { urgent: true }), { code: 'not_allowed' });
    await clock.advance(MINUTE);
    await refusal;
    assert.equal(state.people.get(ANNA)?.scope, 'user.metrics,user.sleepevents');
  });

  test('is logged by the daemon at once', async () => {
    const { state, start, stop, clock, log } = createBench({ applis: [50] });
    state.people.set(ANNA, { ...NOTHING_KNOWN, scope: 'user.metrics' });
    state.refused = 50;
    const running = start();
    await clock.advance(MINUTE);
    assert.match(log.texts('needs_login').join('\n'), /^Anna \(1234\): the login lacks .*Run "weighbridge login"/);
    stop.abort();
    await running;
  });
});

describe('subscriptions', () => {
  test('are listed first: missing ones are added, old ones of weighbridge removed, foreign ones left', async () => {
    const { stored, subscriptions, clock, whats } = createBench();
    const foreign = [subscription(FOREIGN), subscription(FOREIGN, 50)];
    stored.set(ANNA, [
      subscription('https://wb.example.net/withingsWebhook/old-secret'),
      subscription('https://wb.example.net/withingsWebhook/old-secret', 4, 'weighbridge'),
      subscription(URL_NOW, 16),
      ...foreign,
    ]);
    const healed = subscriptions.repair(ANNA, { urgent: true });
    await clock.advance(MINUTE);
    await healed;
    assert.deepEqual(stored.get(ANNA), [...foreign, subscription(URL_NOW, 1, 'weighbridge')]);
    assert.deepEqual(whats(), ['list 1234', 'subscribe 1234 1', 'revoke 1234 1', 'revoke 1234 4', 'revoke 1234 16']);
  });

  test('are left unchanged if they are correct, however often they are checked', async () => {
    const { stored, subscriptions, whats } = createBench();
    stored.set(ANNA, [subscription(URL_NOW)]);
    await subscriptions.repair(ANNA, { urgent: true });
    await subscriptions.repair(ANNA, { urgent: true });
    assert.deepEqual(whats(), ['list 1234', 'list 1234']);
  });

  test('are requested 5 s apart and removed 1 s apart', async () => {
    const { stored, subscriptions, clock, calls } = createBench({ applis: [1, 2, 4] });
    stored.set(ANNA, [subscription(`${URL_NOW}?old`, 1), subscription(`${URL_NOW}?old`, 2)]);
    const healed = subscriptions.repair(ANNA, { urgent: true });
    await clock.advance(MINUTE);
    await healed;
    assert.deepEqual(
      calls.map(({ atMs }) => atMs),
      [0, 0, 5_000, 10_000, 11_000, 12_000],
    );
  });

  test('that work now are not given up for new ones that Withings rejects', async () => {
    const { stored, subscriptions, state } = createBench();
    const old = subscription('https://wb.example.net/withingsWebhook/old-secret');
    stored.set(ANNA, [old]);
    state.refused = 1;
    await assert.rejects(subscriptions.repair(ANNA, { urgent: true }), { code: 'not_allowed' });
    assert.deepEqual(stored.get(ANNA), [old]);
    assert.match(state.people.get(ANNA)?.subscription?.hitch?.reason ?? '', /277/);
  });

  test('of one rejected category delay neither the others nor the clean-up', async () => {
    const { stored, subscriptions, state, clock } = createBench({ applis: [4, 1] });
    const old = subscription('https://wb.example.net/withingsWebhook/old-secret', 1);
    const oldOfRefused = subscription('https://wb.example.net/withingsWebhook/old-secret', 4);
    stored.set(ANNA, [old, oldOfRefused]);
    state.refused = 4;
    const healed = subscriptions.repair(ANNA, { urgent: true }).catch((error: unknown) => error);
    await clock.advance(MINUTE);
    assert((await healed) instanceof Trouble, 'it is told');
    assert.deepEqual(stored.get(ANNA), [oldOfRefused, subscription(URL_NOW, 1, 'weighbridge')]);
    assert.deepEqual(state.people.get(ANNA)?.subscription?.applis, [1]);
  });

  test('are recognised in any spelling of the same URL', async () => {
    const { stored, subscriptions, whats } = createBench();
    stored.set(ANNA, [subscription(URL_NOW.replace('wb.example.net', 'WB.example.net:443'))]);
    await subscriptions.repair(ANNA, { urgent: true });
    assert.deepEqual(whats(), ['list 1234']);
  });

  test('are all removed on request, and foreign ones are left', async () => {
    const { stored, subscriptions, clock } = createBench({ applis: [1, 4] });
    const foreign = subscription(FOREIGN);
    stored.set(ANNA, [subscription(URL_NOW), subscription(URL_NOW, 4), foreign]);
    const removed = subscriptions.remove(ANNA, { urgent: true });
    await clock.advance(MINUTE);
    assert.deepEqual(await removed, { removed: 2, left: 0 });
    assert.deepEqual(stored.get(ANNA), [foreign]);
  });

  /** Creates so many old subscriptions of weighbridge, as after repeated faults of Withings. */
  const old = (count: number) => Array.from({ length: count }, (_, index) => subscription(`${URL_NOW}?old=${index}`));

  test('are left if they are foreign, however many there are', async () => {
    const { stored, subscriptions, whats } = createBench({ applis: [1, 4] });
    const foreign = Array.from({ length: 20_000 }, (_, index) => subscription(`${FOREIGN}?${index}`, 1, 'weighbridge'));
    stored.set(ANNA, [...foreign, subscription(URL_NOW), subscription(URL_NOW, 4)]);
    await subscriptions.repair(ANNA, { urgent: false });
    assert.deepEqual(whats(), ['list 1234']);
  });

  test('are removed fifty a round if there are thousands, and the next round continues', async () => {
    const { stored, subscriptions, clock, whats } = createBench();
    const foreign = subscription(FOREIGN);
    stored.set(ANNA, [...old(20_000), foreign, subscription(URL_NOW)]);
    for (const left of [19_950, 19_900]) {
      const round = subscriptions.keep(ANNA);
      await clock.advance(HOUR);
      await round;
      assert.deepEqual(stored.get(ANNA), [...old(20_000).slice(-left), foreign, subscription(URL_NOW)]);
    }
    assert.equal(whats().filter((what) => what.startsWith('revoke')).length, 100);
  });

  test('are removed fifty at most on request as well, and the rest is counted', async () => {
    const { stored, subscriptions, clock } = createBench();
    stored.set(ANNA, old(60));
    const removed = subscriptions.remove(ANNA, { urgent: true });
    await clock.advance(HOUR);
    assert.deepEqual(await removed, { removed: 50, left: 10 });
  });

  test('that Withings lists several times are removed once', async () => {
    const { stored, subscriptions, clock, whats } = createBench();
    const [one] = old(1);
    assert.ok(one);
    stored.set(ANNA, [
      one,
      { ...one, comment: 'weighbridge' },
      { ...one },
      { ...one, appli: 4 },
      subscription(URL_NOW),
    ]);
    const round = subscriptions.repair(ANNA, { urgent: true });
    await clock.advance(MINUTE);
    await round;
    assert.deepEqual(whats(), ['list 1234', 'revoke 1234 1', 'revoke 1234 4']);
  });

  test('that fail are stored with the time of the first failure in a row', async () => {
    const { stored, subscriptions, state, clock } = createBench();
    const hitch = () => state.people.get(ANNA)?.subscription?.hitch;
    state.refused = 1;
    const began = clock.now();
    for (const _ of [1, 2, 3]) {
      await assert.rejects(subscriptions.repair(ANNA, { urgent: true }));
      await clock.advance(HOUR);
    }
    assert.deepEqual(hitch()?.since, began);
    state.refused = 0;
    await subscriptions.repair(ANNA, { urgent: true });
    assert.equal(hitch(), undefined);
    stored.set(ANNA, []);
    state.refused = 1;
    const again = clock.now();
    await assert.rejects(subscriptions.repair(ANNA, { urgent: true }));
    assert.deepEqual(hitch()?.since, again);
  });
});

describe('the owner of a subscription', () => {
  const hook = new URL('https://wb.example.net/hook?k=SECRET');
  const route = new URL(URL_NOW);
  for (const [what, ours, callbackUrl, comment, expected] of [
    ['the callback itself', hook, 'https://wb.example.net/hook?k=SECRET', undefined, true],
    ['an older secret in the query', hook, 'https://wb.example.net/hook?k=OLDSECRET', undefined, true],
    ['no secret at all', hook, 'https://wb.example.net/hook', undefined, true],
    [
      'an older secret at the end of the documented route',
      route,
      'https://wb.example.net/withingsWebhook/old',
      undefined,
      true,
    ],
    ['the documented route without a secret', route, 'https://wb.example.net/withingsWebhook', undefined, true],
    [
      'another path of the same parent that we have marked',
      new URL('https://wb.example.net/x/1'),
      'https://wb.example.net/x/2',
      'weighbridge',
      true,
    ],
    [
      'another path of the same parent without a mark',
      new URL('https://wb.example.net/x/1'),
      'https://wb.example.net/x/2',
      undefined,
      false,
    ],
    ['another path', hook, 'https://wb.example.net/api/webhook/1', 'weighbridge', false],
    ['another port', hook, 'https://wb.example.net:8443/hook?k=SECRET', 'weighbridge', false],
    ['another host with our path', hook, 'https://other.example.org/hook?k=SECRET', 'weighbridge', false],
    ['another host that ends like ours', hook, 'https://evil-wb.example.net/hook', undefined, false],
    ['no URL at all', hook, 'nonsense', 'weighbridge', false],
  ] as const) {
    test(`of ${what} is ${expected ? 'weighbridge' : 'another program'}`, () => {
      assert.equal(isOurs(subscription(callbackUrl, 1, comment), ours), expected);
    });
  }
});

describe('keeping subscriptions', () => {
  test('every person is checked at start and at every interval, and a loss is repaired and logged once', async () => {
    const { start, stored, clock, stop, log, whats } = createBench({ users: [ANNA, BO] });
    const ended = start();
    await clock.advance(MINUTE);
    assert.deepEqual([stored.get(ANNA)?.length, stored.get(BO)?.length], [1, 1]);
    stored.set(ANNA, []);
    await clock.advance(5 * HOUR);
    assert.deepEqual(stored.get(ANNA), []);
    await clock.advance(HOUR + MINUTE);
    assert.equal(stored.get(ANNA)?.length, 1);
    assert.deepEqual(log.texts('subscribed').length, 3);
    assert.equal(whats().filter((what) => what.startsWith('list')).length, 4);
    stop.abort();
    await ended;
  });

  test('no request is sent in the first 12 s, because the previous process may have sent one', async () => {
    const { start, clock, stop, calls } = createBench();
    const ended = start();
    await clock.advance(11_999);
    assert.deepEqual(calls, []);
    await clock.advance(2_000);
    assert(calls.length > 0);
    stop.abort();
    await ended;
  });

  test('an unreachable callback is retried with growing delays, logged once in six hours, and logged when resolved', async () => {
    const { start, state, stored, clock, stop, log, calls } = createBench();
    state.failure = unreachable();
    const ended = start();
    await clock.advance(24 * HOUR);
    const tries = calls.length;
    assert(tries >= 24 && tries <= 40, `${tries} tries in a day`);
    const told = log.entries.filter(({ event, level }) => event === 'trouble' && level === 'warn');
    assert(told.length <= 5, `${told.length} lines in a day`);
    assert.match(told[0]?.text ?? '', /no 200 from outside/);
    state.failure = undefined;
    await clock.advance(HOUR + MINUTE);
    assert.equal(stored.get(ANNA)?.length, 1);
    assert.equal(log.texts('recovered').length, 1);
    stop.abort();
    await ended;
  });

  test('a person who must link again is not requested until the link', async () => {
    const { start, state, clock, stop, calls } = createBench();
    state.needLogin = [ANNA];
    const ended = start();
    await clock.advance(24 * HOUR);
    assert.deepEqual(calls, []);
    state.needLogin = [];
    await clock.advance(MINUTE);
    assert(calls.length > 0);
    stop.abort();
    await ended;
  });

  test('an outage that fetches report is not reported twice, unless it lasts longer here', async () => {
    const { start, state, clock, stop, log } = createBench();
    state.failure = new Trouble('cannot reach Withings', { code: 'unreachable', recovery: 'retry' });
    const ended = start();
    await clock.advance(MINUTE);
    assert.deepEqual(log.texts('trouble'), []);
    await clock.advance(HOUR);
    assert(log.texts('trouble').length > 0);
    stop.abort();
    await ended;
  });

  test('a person who links again is checked at once', async () => {
    const { start, state, stored, clock, stop } = createBench();
    const ended = start();
    await clock.advance(MINUTE);
    stored.set(ANNA, []);
    state.needLogin = [ANNA];
    await clock.advance(10 * MINUTE);
    state.needLogin = [];
    await clock.advance(MINUTE);
    assert.equal(stored.get(ANNA)?.length, 1);
    stop.abort();
    await ended;
  });

  test('a person without notifications on purpose is left unchanged until the next subscribe', async () => {
    const { start, stored, clock, stop, subscriptions } = createBench();
    const ended = start();
    await clock.advance(MINUTE);
    const removed = subscriptions.remove(ANNA, { urgent: true });
    await clock.advance(MINUTE);
    await removed;
    await clock.advance(24 * HOUR);
    assert.deepEqual(stored.get(ANNA), []);
    await subscriptions.repair(ANNA, { urgent: true });
    stored.set(ANNA, []);
    await clock.advance(7 * HOUR);
    assert.equal(stored.get(ANNA)?.length, 1);
    stop.abort();
    await ended;
  });

  test('the check does not start while the clock is wrong', async () => {
    const { start, clock, stop, calls } = createBench();
    clock.jumpTo(new Date('1970-01-01T00:01:00Z'));
    const ended = start();
    await clock.advance(HOUR);
    assert.deepEqual(calls, []);
    stop.abort();
    await ended;
  });
});

test('the real daemon restores a lost subscription, removes one with an old secret, and leaves a foreign one', async () => {
  await using home = await startHome();
  await home.link('1234');
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  const old = { userId: '1234', appli: 1, callbackurl: `${base}/withingsWebhook/old-secret`, comment: null };
  const foreign = { userId: '1234', appli: 1, callbackurl: FOREIGN, comment: null };
  for (const each of [old, foreign]) home.sandbox.subscriptions.put(each);
  const env = { PORT: `${port}`, CALLBACK_URL: base + CALLBACK_PATH };
  await using daemon = await home.serve(env);
  await daemon.line(({ event }) => event === 'subscribed');
  await daemon.line(({ event }) => event === 'unsubscribed');
  const urls = home.sandbox.subscriptions.of('1234').map(({ callbackurl }) => callbackurl);
  assert.deepEqual(urls, [FOREIGN, base + CALLBACK_PATH]);

  const listed = await home.start({ ...env, LOG_FORMAT: 'text', LOG_LEVEL: 'info' }, ['subscriptions', '--json'])
    .exited;
  assert.equal(listed.code, 0, listed.stderr);
  assert.deepEqual(
    listed.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
    [
      { userid: '1234', appli: 1, host: 'home.example.org', ours: false, current: false, comment: undefined },
      { userid: '1234', appli: 1, host: `127.0.0.1:${port}`, ours: true, current: true, comment: 'weighbridge' },
    ].map((each) => JSON.parse(JSON.stringify(each))),
  );
  assert(!listed.stdout.includes('url-secret'));

  const said = { ...env, LOG_FORMAT: 'text', USER_NAMES: '1234:Anna' };
  const refused = await home.start(said, ['unsubscribe']).exited;
  assert.equal(refused.code, 2, 'it does not unsubscribe everyone');
  assert.equal(home.sandbox.subscriptions.of('1234').length, 2);
  const both = await home.start(said, ['unsubscribe', '1234', '--all']).exited;
  assert.deepEqual([both.code, both.stderr], [2, 'error: Give a user id or --all, not both.\n']);
  const { code, stderr } = await home.start(said, ['unsubscribe', '1234']).exited;
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^Anna \(1234\): unsubscribed from notifications$/m);
  assert.doesNotMatch(stderr, /old subscription|removed/);
  home.sandbox.subscriptions.drop(({ callbackurl }) => callbackurl === FOREIGN);
  const none = await home.start(said, ['subscriptions']).exited;
  assert.deepEqual([none.code, none.stdout], [0, 'Anna (1234): no subscription\n']);
});
