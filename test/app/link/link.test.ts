import assert from 'node:assert/strict';
import { readdir, readFile, truncate, utimes } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { createLinker, type LinkerPorts } from '../../../src/app/link/link.ts';
import { createPersonStates } from '../../../src/app/status/person-states.ts';
import type { Redirect } from '../../../src/domain/link.ts';
import { NOTHING_KNOWN } from '../../../src/domain/status.ts';
import type { UserId } from '../../../src/domain/token.ts';
import { Trouble } from '../../../src/domain/trouble.ts';
import { createLinkFiles } from '../../../src/storage/link-files.ts';
import { createConsent } from '../../../src/withings/authorize.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createRecordingLog } from '../../support/recording-log.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { ANNA, accessToken, BO, token } from '../../support/token-store.contract.ts';

const FOREVER = new Promise<void>(() => undefined);
const MINUTE = 60_000;
const unused = () => assert.fail('not a part of this');

/** A household with processes that start and end, and with codes of Withings by person. */
async function setUp() {
  const directory = await temporaryDirectory();
  const clock = createFakeClock();
  const log = createRecordingLog();
  const consent = createConsent({
    accountUrl: new URL('https://account.example'),
    clientId: 'id',
    clientSecret: 'secret',
    redirectUri: 'https://me.example/withingsWebhook',
    scopes: ['user.metrics'],
    clock,
  });
  const exchanged: string[] = [];
  const adopted: UserId[] = [];
  const codes = new Map<string, UserId>();
  const trouble: { adopt?: Trouble | undefined; exchange?: Promise<void>; fetch?: Trouble; scope?: string } = {};
  const ports: LinkerPorts = {
    consent,
    usedLinks: createLinkFiles(`${directory.path}/links`),
    redirectUri: 'https://me.example/withingsWebhook',
    issuer: {
      async exchange(code) {
        exchanged.push(code);
        await trouble.exchange;
        const userId = codes.get(code);
        if (userId === undefined) throw new Trouble('refused', { code: 'code_refused', recovery: 'retry' });
        const login = { refreshToken: token(code), accessToken: accessToken(code) };
        return { ...login, userId, expiresInMs: 10_800_000, scope: trouble.scope };
      },
    },
    tokens: { load: async (userId) => (adopted.includes(userId) ? token('stored') : undefined) },
    accessTokens: {
      get: unused,
      forget: unused,
      accept: unused,
      isFresh: unused,
      refuse: unused,
      hasOtherLogin: unused,
      scopeOf: unused,
      async adopt({ userId }) {
        if (trouble.adopt !== undefined) throw trouble.adopt;
        adopted.push(userId);
      },
    },
    applis: [1, 50, 51],
    subscriptions: { repair: async () => undefined, leave: async () => undefined },
    withAccess: unused,
    measures: { getMeas: unused },
    journal: { lastWeighIn: () => ({ kilograms: 81.25, takenAt: clock.now() }) },
    personStates: createPersonStates({
      people: { load: async () => NOTHING_KNOWN, save: async () => undefined },
      log,
    }),
    people: { names: new Map(), unit: 'kg' },
    clock,
    log,
    signal: new AbortController().signal,
    async fetch() {
      if (trouble.fetch !== undefined) throw trouble.fetch;
    },
    isDaemon: true,
  };
  return {
    clock,
    log,
    exchanged,
    adopted,
    trouble,
    directory: directory.path,
    /** Starts a process with a memory of its own. */
    start: () => createLinker(ports),
    /** Requests a link, and returns the redirect URL of the browser with a code of this user. */
    ask() {
      const state = consent.request({ demo: false, subscribe: true }).link.searchParams.get('state') ?? '';
      return (code: string, userId?: UserId): Redirect => {
        if (userId !== undefined) codes.set(code, userId);
        return { code, state, error: undefined };
      };
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

const kindOf = (outcome: object | 'working') =>
  'kind' in Object(outcome) ? (outcome as { kind: string }).kind : outcome;
const codeOf = (outcome: object | 'working') => (outcome as { code?: string }).code;

test('a person who did not grant all that APPLIS needs is linked, and the gaps are reported', async () => {
  await using at = await setUp();
  for (const [scope, hitches] of [
    ['user.info,user.metrics', 1],
    ['user.metrics,user.sleepevents', 0],
  ] as const) {
    at.trouble.scope = scope;
    const outcome = await at.start().link(at.ask()(`code-${hitches}`, hitches === 1 ? ANNA : BO), FOREVER);
    assert.ok(outcome !== 'working' && outcome.kind === 'linked');
    assert.equal(outcome.hitches.length, hitches);
    if (hitches === 1)
      assert.match(outcome.hitches[0] ?? '', /lacks the scope user\.sleepevents.*\. Run "weighbridge login"/);
  }
});

test('a person is linked although the first fetch fails, and page and log report why', async () => {
  await using at = await setUp();
  at.trouble.fetch = new Trouble('no disk', { code: 'disk_full', recovery: 'settings', hint: 'Delete files.' });
  const outcome = await at.start().link(at.ask()('code', ANNA), FOREVER);
  assert.ok(outcome !== 'working' && outcome.kind === 'linked');
  assert.deepEqual(outcome.hitches.slice(0, 1), ['no disk. Delete files.']);
  assert.deepEqual(at.log.texts('trouble'), ['User 1234: no disk. Delete files.']);
});

describe('a link that linked a person', () => {
  test('links no other person, before and after a restart, and in another process', async () => {
    await using at = await setUp();
    const back = at.ask();
    const first = at.start();
    assert.equal(kindOf(await first.link(back('anna', ANNA), FOREVER)), 'linked');
    for (const linker of [first, at.start(), at.start()]) {
      const outcome = await linker.link(back('stranger', BO), FOREVER);
      assert.deepEqual(outcome, { kind: 'already', userId: ANNA });
    }
    assert.deepEqual([at.exchanged, at.adopted], [['anna'], [ANNA]]);
  });

  test('is rejected also after the same person linked with another link', async () => {
    await using at = await setUp();
    const [back, next] = [at.ask(), at.ask()];
    await at.start().link(back('one', ANNA), FOREVER);
    await at.start().link(next('two', ANNA), FOREVER);
    assert.deepEqual(await at.start().link(back('stranger', BO), FOREVER), { kind: 'already', userId: ANNA });
  });

  test('links one of two people who reach two processes at the same moment', async () => {
    await using at = await setUp();
    let answer = () => {};
    at.trouble.exchange = new Promise((resolve) => {
      answer = resolve;
    });
    const back = at.ask();
    const both = [back('anna', ANNA), back('stranger', BO)].map((redirect) => at.start().link(redirect, FOREVER));
    while (at.exchanged.length < 2) await new Promise((resolve) => setImmediate(resolve));
    answer();
    assert.deepEqual((await Promise.all(both)).map(kindOf).toSorted(), ['already', 'linked']);
    assert.equal(at.adopted.length, 1);
  });

  test('is rejected if the clock is set back', async () => {
    await using at = await setUp();
    const back = at.ask();
    await at.start().link(back('anna', ANNA), FOREVER);
    const usedAt = at.clock.now();
    await at.clock.advance(24 * 60 * MINUTE);
    await at.start().link(at.ask()('other', ANNA), FOREVER);
    at.clock.jumpTo(usedAt);
    assert.equal(kindOf(await at.start().link(back('stranger', BO), FOREVER)), 'already');
  });

  test('leaves a file, which the next link removes after a month', async () => {
    await using at = await setUp();
    await at.start().link(at.ask()('one', ANNA), FOREVER);
    const [old = ''] = await readdir(`${at.directory}/links`);
    const long = new Date(Date.now() - 31 * 24 * 60 * MINUTE);
    await utimes(`${at.directory}/links/${old}`, long, long);
    await at.start().link(at.ask()('two', ANNA), FOREVER);
    const left = await readdir(`${at.directory}/links`);
    assert.equal(left.length, 1);
    assert.notEqual(left[0], old);
  });
});

describe('a link that did not link a person yet', () => {
  test('can be opened again a minute after a disk failure during the link', async () => {
    await using at = await setUp();
    const back = at.ask();
    await at.start().link(back('one', ANNA), FOREVER);
    const [name = ''] = await readdir(`${at.directory}/links`);
    const path = `${at.directory}/links/${name}`;
    await truncate(path);
    assert.equal(kindOf(await at.start().link(back('two', ANNA), FOREVER)), 'already', 'another process may write it');
    const before = new Date(Date.now() - 2 * MINUTE);
    await utimes(path, before, before);
    assert.equal(kindOf(await at.start().link(back('three', ANNA), FOREVER)), 'linked');
    assert.match(await readFile(path, 'utf8'), /^[0-9]+\n$/);
  });

  test('can be opened again if the login could not be stored', async () => {
    await using at = await setUp();
    const back = at.ask();
    at.trouble.adopt = new Trouble('full', { code: 'disk_full', recovery: 'retry' });
    assert.equal(codeOf(await at.start().link(back('one', ANNA), FOREVER)), 'disk_full');
    at.trouble.adopt = undefined;
    assert.equal(kindOf(await at.start().link(back('two', ANNA), FOREVER)), 'linked');
  });

  test('accepts each code once, and ten codes at most', async () => {
    await using at = await setUp();
    const [back, linker] = [at.ask(), at.start()];
    for (let number = 0; number < 10; number += 1)
      assert.equal(codeOf(await linker.link(back(`wrong${number}`), FOREVER)), 'code_refused');
    assert.equal(codeOf(await linker.link(back('wrong0'), FOREVER)), 'code_used');
    assert.equal(codeOf(await linker.link(back('anna', ANNA), FOREVER)), 'state_expired');
    assert.equal(at.exchanged.length, 10);
  });

  test('is valid for a quarter of an hour', async () => {
    await using at = await setUp();
    const [early, late] = [at.ask(), at.ask()];
    await at.clock.advance(15 * MINUTE - 1_000);
    assert.equal(kindOf(await at.start().link(early('anna', ANNA), FOREVER)), 'linked');
    await at.clock.advance(1_000);
    assert.equal(codeOf(await at.start().link(late('bo', BO), FOREVER)), 'state_expired');
  });
});
