import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import type { MeasureQuery } from '../../src/domain/measure.ts';
import type { AccessToken, RefreshToken, UserId } from '../../src/domain/token.ts';
import { Trouble } from '../../src/domain/trouble.ts';
import { realClock } from '../../src/runtime/real-clock.ts';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { createWithingsClient, type WithingsClientOptions } from '../../src/withings/client.ts';
import { createRateLimit } from '../../src/withings/rate-limit.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { fixture, fixtures } from '../support/fixture.ts';
import { cut, half, hang, http, type Step, says, startScriptedServer } from '../support/scripted-server.ts';

const clientId = 'CLIENT-ID';
const clientSecret = '5ec4e7c11e475ec4e7c11e47';
const accessToken = 'acce55acce55acce55acce55' as AccessToken;
const refreshToken = '4ef4e5484ef4e5484ef4e548' as RefreshToken;
const userId = '27182818' as UserId;

const START = 1793685000;
const WINDOW: MeasureQuery = { window: { start: new Date(START * 1000), end: new Date((START + 1000) * 1000) } };
const TOKENS = fixtures('tokens.json');
const ERRORS = fixtures('errors.json');
const PAGES = fixtures('pages.json');
const EMPTY = says(PAGES['empty'] ?? '');

/** A pace that never waits, and remembers. */
function recordingPace() {
  const turns: { readonly key: string; readonly urgent: boolean }[] = [];
  const pauses: number[] = [];
  return {
    turns,
    pauses,
    turn: async (call: { readonly key: string; readonly urgent: boolean }) => void turns.push(call),
    pause: (ms: number) => void pauses.push(ms),
  };
}

function createClient(apiUrl: URL, options: Partial<WithingsClientOptions> = {}) {
  const signal = new AbortController().signal;
  const client = createWithingsClient({
    apiUrl,
    clientId,
    clientSecret,
    rateLimit: recordingPace(),
    clock: realClock,
    signal,
    ...options,
  });
  return {
    refresh: () => client.refresh(refreshToken, { urgent: true }),
    getScales: () => client.getScales({ userId, accessToken, urgent: false }),
    getHeights: () => client.getHeights({ userId, accessToken, urgent: false }),
    getMeas: (query = WINDOW, user = userId, offset?: number) =>
      client.getMeas({ userId: user, accessToken, query, urgent: true, offset }),
  };
}

/** Returns the `Trouble` of a failed request. Any other result fails the test. */
async function troubleOf(call: Promise<unknown>): Promise<Trouble> {
  const error = await call.then(
    () => assert.fail('it succeeded'),
    (reason: unknown) => reason,
  );
  return error instanceof Trouble ? error : assert.fail(`not a Trouble: ${inspect(error)}`);
}

/** Returns one group of a page by its id and the time of its last change. */
function group(grpid: number, modified: number, kilograms = 72, date = START) {
  const measures = [{ value: kilograms * 1000, type: 1, unit: -3 }];
  return { grpid, attrib: 0, date, created: date, modified, category: 1, measures };
}

function page(measuregrps: readonly unknown[], more: object = {}): Step {
  return says({ status: 0, body: { updatetime: START, timezone: 'Europe/Vienna', measuregrps, ...more } });
}

describe('a refresh', () => {
  test('is the documented form, sent with the client secret and no Authorization', async () => {
    await using server = await startScriptedServer(says(TOKENS['refresh'] ?? ''));
    await createClient(server.url).refresh();
    const [sent] = server.received;
    assert.equal(server.received.length, 1);
    assert.deepEqual([sent?.method, sent?.url], ['POST', '/v2/oauth2']);
    assert.match(sent?.headers['content-type'] ?? '', /^application\/x-www-form-urlencoded\b/);
    assert.equal(sent?.headers.authorization, undefined);
    assert.deepEqual(sent?.form, {
      action: 'requesttoken',
      client_id: clientId,
      client_secret: clientSecret,
      grant_type: 'refresh_token',
      refresh_token: refreshToken,
    });
  });

  test('returns the new pair', async () => {
    await using server = await startScriptedServer(says(TOKENS['refresh'] ?? ''));
    assert.deepEqual(await createClient(server.url).refresh(), {
      userId,
      accessToken: 'ACCESS-TWO',
      refreshToken: 'REFRESH-TWO',
      expiresInMs: 10_800_000,
      scope: 'user.info,user.metrics',
    });
  });

  test('escapes characters that a form cannot contain', async () => {
    await using server = await startScriptedServer(says(TOKENS['refresh'] ?? ''));
    await createClient(server.url, { clientSecret: 'a+b&c=d e%' }).refresh();
    assert.equal(server.received[0]?.form['client_secret'], 'a+b&c=d e%');
  });

  test('is completed although the program stops, because the answer is the login', async () => {
    const stop = new AbortController();
    const stopped: Step = (response, received) => {
      stop.abort();
      setImmediate(() => says(TOKENS['refresh'] ?? '')(response, received));
    };
    await using server = await startScriptedServer(stopped);
    const tokens = await createClient(server.url, { signal: stop.signal }).refresh();
    assert.equal(tokens.refreshToken, 'REFRESH-TWO');
  });

  test('waits for more than two minutes, because some answers took so long', async () => {
    const clock = createFakeClock();
    let answer = () => {};
    await using server = await startScriptedServer((response, received) => {
      answer = () => says(TOKENS['refresh'] ?? '')(response, received);
    });
    const refreshed = createClient(server.url, { clock }).refresh();
    await server.receivedAtLeast(1);
    await clock.advance(150_000);
    answer();
    assert.equal((await refreshed).refreshToken, 'REFRESH-TWO');
  });

  test('has a time limit', async () => {
    const clock = createFakeClock();
    await using server = await startScriptedServer(hang);
    const trouble = troubleOf(createClient(server.url, { clock }).refresh());
    await server.receivedAtLeast(1);
    await clock.advance(600_000);
    assert.equal((await trouble).recovery, 'retry');
  });

  const refusals: readonly (readonly [name: string, code: string])[] = [
    ['invalidRefreshToken', 'token_refused'],
    ['invalidClient', 'wrong_client'],
    ['sameArguments', 'same_arguments'],
  ];
  for (const [name, code] of refusals) {
    test(`that ends with ${name} is reported as ${code}, and sent once`, async () => {
      await using server = await startScriptedServer(says(ERRORS[name] ?? ''));
      assert.equal((await troubleOf(createClient(server.url).refresh())).code, code);
      assert.equal(server.received.length, 1);
    });
  }

  for (const answer of JSON.parse(fixture('token-errors.json'))) {
    test(`that ends with ${answer.status} "${answer.error}" is reported as a login that must be linked again`, async () => {
      await using server = await startScriptedServer(says(JSON.stringify(answer)));
      const { code, recovery } = await troubleOf(createClient(server.url).refresh());
      assert.deepEqual([code, recovery], ['token_refused', 'login']);
    });
  }

  test('that ends with HTTP 503 is retried, whatever the status 503 would mean', async () => {
    await using server = await startScriptedServer(http(503, {}, 'Service Unavailable'));
    assert.equal((await troubleOf(createClient(server.url).refresh())).recovery, 'retry');
  });

  test('that returns no tokens names the field', async () => {
    await using server = await startScriptedServer(says({ status: 0, body: { access_token: 'A' } }));
    const trouble = await troubleOf(createClient(server.url).refresh());
    assert.equal(trouble.recovery, 'retry');
    assert.match(trouble.message, /body\.refresh_token/);
  });
});

describe('getMeas', () => {
  test('is the documented form for a window, with the access token as Bearer', async () => {
    await using server = await startScriptedServer(EMPTY);
    await createClient(server.url).getMeas();
    const [sent] = server.received;
    assert.deepEqual([sent?.method, sent?.url], ['POST', '/measure']);
    assert.match(sent?.headers['content-type'] ?? '', /^application\/x-www-form-urlencoded\b/);
    assert.equal(sent?.headers.authorization, `Bearer ${accessToken}`);
    const form = { action: 'getmeas', category: '1', startdate: `${START}`, enddate: `${START + 1000}` };
    assert.deepEqual(sent?.form, form);
  });

  test('requests heights by their type, without dates', async () => {
    await using server = await startScriptedServer(EMPTY);
    assert.deepEqual((await createClient(server.url).getHeights()).groups, []);
    assert.deepEqual(server.received[0]?.form, { action: 'getmeas', category: '1', meastype: '4' });
  });

  test('requests the scales from the user service, with only the token', async () => {
    await using server = await startScriptedServer(says({ status: 0, body: { devices: [] } }));
    assert.deepEqual(await createClient(server.url).getScales(), []);
    const [sent] = server.received;
    assert.deepEqual([sent?.method, sent?.url, sent?.form], ['POST', '/v2/user', { action: 'getdevice' }]);
    assert.equal(sent?.headers.authorization, `Bearer ${accessToken}`);
  });

  test('requests changes since a moment without other dates', async () => {
    await using server = await startScriptedServer(EMPTY);
    await createClient(server.url).getMeas({ since: new Date(START * 1000) });
    assert.deepEqual(server.received[0]?.form, { action: 'getmeas', category: '1', lastupdate: `${START}` });
  });

  test('uses whole seconds and never a shorter range than requested', async () => {
    await using server = await startScriptedServer(EMPTY);
    const client = createClient(server.url);
    await client.getMeas({ window: { start: new Date(START * 1000 + 999), end: new Date(START * 1000 + 1001) } });
    await client.getMeas({ since: new Date(START * 1000 + 999) });
    assert.equal(server.received[0]?.form['startdate'], `${START}`);
    assert.equal(server.received[0]?.form['enddate'], `${START + 2}`);
    assert.equal(server.received[1]?.form['lastupdate'], `${START}`);
  });

  test('never sends the secrets of the token endpoint', async () => {
    await using server = await startScriptedServer(EMPTY);
    await createClient(server.url).getMeas();
    assert.ok(!inspect(server.received).includes(clientSecret));
  });

  test('supports an API under a path', async () => {
    await using server = await startScriptedServer(EMPTY);
    for (const path of ['/api', '/api/']) await createClient(new URL(path, server.url)).getMeas();
    assert.deepEqual(
      server.received.map(({ url }) => url),
      ['/api/measure', '/api/measure'],
    );
  });

  test('returns the groups oldest first, although Withings starts with the newest', async () => {
    await using server = await startScriptedServer(says(fixture('body-scan.json')));
    const { groups, updatedAt, unreadable } = await createClient(server.url).getMeas();
    assert.deepEqual(
      groups.map(({ groupId }) => groupId),
      [8122000301, 8122000304, 8122000309, 8122000317, 8122000605],
    );
    assert.deepEqual(updatedAt, new Date(1793772060_000));
    assert.deepEqual(unreadable, []);
  });

  test('returns nothing if there are no groups', async () => {
    await using server = await startScriptedServer(EMPTY);
    const { groups, unreadable } = await createClient(server.url).getMeas();
    assert.deepEqual([groups, unreadable], [[], []]);
  });
});

describe('paging', () => {
  test('requests every page with the same parameters and the offset of Withings', async () => {
    const names = ['moreAsNumber', 'moreAsBoolean', 'lastWithKeys'];
    await using server = await startScriptedServer(...names.map((name) => says(PAGES[name] ?? '')));
    const { groups, updatedAt } = await createClient(server.url).getMeas();
    const form = { action: 'getmeas', category: '1', startdate: `${START}`, enddate: `${START + 1000}` };
    assert.deepEqual(
      server.received.map((sent) => sent.form),
      [form, { ...form, offset: '300' }, { ...form, offset: '600' }],
    );
    assert.ok(server.received.every(({ headers }) => headers.authorization === `Bearer ${accessToken}`));
    assert.deepEqual(
      groups.map(({ groupId }) => groupId),
      [8122000688, 8122000701],
    );
    assert.deepEqual(updatedAt, new Date(1793780000_000), 'the time of the first page');
  });

  for (const offset of [300, 299, 0, -1]) {
    test(`that goes from 300 to ${offset} fails instead of looping`, async () => {
      await using server = await startScriptedServer(
        page([group(1, START)], { more: 1, offset: 300 }),
        page([group(2, START)], { more: 1, offset }),
      );
      assert.equal((await troubleOf(createClient(server.url).getMeas())).recovery, 'retry');
      assert.equal(server.received.length, 2);
    });
  }

  test('without an end fails at last', async () => {
    const endless: Step = (response, received) =>
      page([], { more: 1, offset: Number(received.form['offset'] ?? 0) + 1 })(response, received);
    await using server = await startScriptedServer(endless);
    assert.equal((await troubleOf(createClient(server.url).getMeas())).recovery, 'retry');
  });

  test('ends a part of an answer at three thousand groups, and continues on request', async () => {
    let pages = 0;
    const endless: Step = (response, received) => {
      const offset = Number(received.form['offset'] ?? 0);
      pages += 1;
      const groups = Array.from({ length: 300 }, (_, index) => group(offset + index + 1, START + offset + index));
      page(groups, { more: 1, offset: offset + 300 })(response, received);
    };
    await using server = await startScriptedServer(endless);
    const client = createClient(server.url);
    const first = await client.getMeas();
    assert.deepEqual([first.groups.length, first.next, first.complete, pages], [3_000, 3_000, false, 10]);
    const second = await client.getMeas(WINDOW, undefined, first.next);
    assert.deepEqual([second.groups[0]?.groupId, second.next, pages], [3_001, 6_000, 20]);
  });

  test('ends a part of an answer at four million characters, however few groups it has', async () => {
    const endless: Step = (response, received) => {
      const offset = Number(received.form['offset'] ?? 0) + 1;
      page([{ ...group(offset, START), comment: 'x'.repeat(1_500_000) }], { more: 1, offset })(response, received);
    };
    await using server = await startScriptedServer(endless);
    const { groups, next, complete } = await createClient(server.url).getMeas();
    assert.deepEqual([groups.length, next, complete], [3, 3, false]);
  });

  for (const [what, changes, ascends] of [
    ['the oldest change first', [START, START, START + 60], true],
    ['the newest change first', [START, START + 60, START], false],
  ] as const) {
    test(`reports over all pages whether Withings sent ${what}`, async () => {
      const [one, two, three] = changes.map((modified, at) => ({ ...group(at + 1, START + 1000 - at), modified }));
      await using server = await startScriptedServer(page([one, two], { more: 1, offset: 2 }), page([three]));
      assert.equal((await createClient(server.url).getMeas()).ascends, ascends);
    });
  }

  test('fails entirely if one page is missing', async () => {
    await using server = await startScriptedServer(page([group(1, START)], { more: 1, offset: 300 }), http(502));
    assert.equal((await troubleOf(createClient(server.url).getMeas())).code, 'bad_answer');
  });

  for (const [where, modified] of [
    ['the first page', [START + 9, START + 5]],
    ['the second page', [START + 5, START + 9]],
  ] as const) {
    test(`keeps the newer version of a repeated group, here on ${where}`, async () => {
      const [first, second] = modified;
      await using server = await startScriptedServer(
        page([group(1, first, first - START)], { more: 1, offset: 300 }),
        page([group(1, second, second - START)]),
      );
      const { groups } = await createClient(server.url).getMeas();
      assert.deepEqual(
        groups.map(({ measures }) => measures[0]?.value),
        [9],
      );
    });
  }

  test('reports an unreadable group, and returns all others', async () => {
    await using server = await startScriptedServer(
      page([group(1, START), { ...group(2, START), date: 'today' }], { more: true, offset: 300 }),
      page([{ ...group(3, START), grpid: null }, group(4, START)]),
    );
    const { groups, unreadable } = await createClient(server.url).getMeas();
    assert.deepEqual(
      groups.map(({ groupId }) => groupId),
      [1, 4],
    );
    assert.deepEqual(
      unreadable.map(({ what }) => what),
      ['measuregrps[1].date is not a time', 'measuregrps[0].grpid is not an integer'],
    );
    assert.equal(JSON.parse(unreadable[0]?.raw ?? '').grpid, 2);
  });
});

describe('a failed request', () => {
  const table: readonly (readonly [what: string, step: Step, code: string])[] = [
    ['status 401', says(ERRORS['invalidToken'] ?? ''), 'access_refused'],
    ['HTTP 401', http(401, {}, 'no'), 'access_refused'],
    ['status 601', says(ERRORS['tooManyRequests'] ?? ''), 'throttled'],
    ['HTTP 429', http(429), 'throttled'],
    ['an unknown status', says({ status: 98765 }), 'withings_error'],
    ['HTTP 500', http(500, { 'content-type': 'text/html' }, '<html>Internal error</html>'), 'bad_answer'],
    ['HTTP 500 around an answer', http(500, {}, PAGES['empty']), 'bad_answer'],
    ['HTTP 404 around an answer', http(404, {}, PAGES['empty']), 'bad_answer'],
    ['HTTP 204', http(204), 'bad_answer'],
    ['HTML with HTTP 200', http(200, { 'content-type': 'text/html' }, '<html>Maintenance</html>'), 'bad_answer'],
    ['garbage', says('{"status":0,"body":{"measuregrps":[}'), 'bad_answer'],
    ['nothing', says(''), 'bad_answer'],
    ['a body without measures', says({ status: 0, body: {} }), 'bad_answer'],
    ['no body', says({ status: 0 }), 'bad_answer'],
    ['a cut connection', cut, 'unreachable'],
    ['half an answer', half, 'unreachable'],
  ];
  for (const [what, step, code] of table) {
    test(`with ${what} is reported as ${code}, and sent once`, async () => {
      await using server = await startScriptedServer(step);
      assert.equal((await troubleOf(createClient(server.url).getMeas())).code, code);
      assert.equal(server.received.length, 1);
    });
  }

  test('with a redirect is not followed: the token is for Withings only', async () => {
    await using elsewhere = await startScriptedServer(EMPTY);
    for (const status of [301, 302, 307, 308]) {
      await using server = await startScriptedServer(http(status, { location: elsewhere.url.href }));
      assert.equal((await troubleOf(createClient(server.url).getMeas())).code, 'bad_answer');
    }
    assert.deepEqual(elsewhere.received, []);
  });

  test('without a server names its address', async () => {
    const server = await startScriptedServer();
    await server[Symbol.asyncDispose]();
    const trouble = await troubleOf(createClient(server.url).getMeas());
    assert.equal(trouble.code, 'unreachable');
    assert.equal(trouble.recovery, 'retry');
    assert.ok(trouble.message.includes(server.url.host) && trouble.message.includes('ECONNREFUSED'), trouble.message);
  });

  test('with an oversized answer does not fill the memory', async () => {
    await using server = await startScriptedServer(says(`${PAGES['empty']}${' '.repeat(64 * 1024 * 1024)}`));
    assert.equal((await troubleOf(createClient(server.url).getMeas())).recovery, 'retry');
  });

  test('with a long error is reported in a line fit for a log', async () => {
    await using server = await startScriptedServer(says({ status: 98765, error: `a\nb${'x'.repeat(10_000)}` }));
    assert.match((await troubleOf(createClient(server.url).getMeas())).message, /^.{1,400}$/);
  });

  test('without an answer ends, and is reported', async () => {
    const clock = createFakeClock();
    await using server = await startScriptedServer(hang);
    const trouble = troubleOf(createClient(server.url, { clock }).getMeas());
    await server.receivedAtLeast(1);
    await clock.advance(60_000);
    assert.deepEqual([(await trouble).code, (await trouble).recovery], ['unreachable', 'retry']);
  });
});

describe('no failure contains a secret', () => {
  const echo: Step = (response, { body, headers }) => {
    says({ status: 503, error: `Invalid Params: ${body} ${headers.authorization}` })(response, { ...NOTHING, body });
  };
  const longEcho: Step = (response, { body, headers }) => {
    const secret = headers.authorization ?? /refresh_token=(.*)$/.exec(body)?.[1];
    says({ status: 503, error: `${'x'.repeat(188)}${secret}` })(response, { ...NOTHING, body });
  };
  const NOTHING = { method: undefined, url: undefined, headers: {}, form: {} };
  const steps: readonly (readonly [what: string, step: Step])[] = [
    ['a refusal', says(ERRORS['invalidRefreshToken'] ?? '')],
    ['HTTP 500', http(500, {}, '<html></html>')],
    ['a front end that repeats the request', (response, { body }) => void response.writeHead(500).end(body)],
    ['an error that repeats the request', echo],
    ['a long error that is cut within a secret', longEcho],
    ['garbage with tokens in it', says(`{"access_token":"${accessToken}","refresh_token":"${refreshToken}"`)],
    ['tokens with one that is none', says({ status: 0, body: { access_token: accessToken, refresh_token: ' ' } })],
    ['a cut connection', cut],
    ['half an answer', half],
  ];
  for (const [what, step] of steps) {
    test(`from ${what}`, async () => {
      await using server = await startScriptedServer(step);
      const client = createClient(server.url);
      for (const trouble of [await troubleOf(client.refresh()), await troubleOf(client.getMeas())]) {
        const told = [
          String(trouble),
          trouble.stack,
          trouble.hint,
          JSON.stringify(trouble),
          inspect(trouble, { depth: 10, showHidden: true }),
        ].join('\n');
        for (const secret of [clientSecret, accessToken, refreshToken]) {
          assert.ok(!told.includes(secret.slice(0, 8)), `${secret.slice(0, 8)} in ${told}`);
        }
        assert.equal(trouble.cause, undefined);
      }
    });
  }
});

describe('no trouble contains a secret of the request, even if short and without a label:', () => {
  const secrets = {
    client: 'c5',
    access: 'a5/x+y' as AccessToken,
    refresh: 'r5 z' as RefreshToken,
    code: 'k5',
    callbackUrl: 'https://me.example.org/weight/u5?key=v5',
  };
  const account = { userId, accessToken: secrets.access, urgent: true };
  const subscription = { appli: 1, callbackUrl: secrets.callbackUrl, comment: 'weighbridge' };
  type Client = ReturnType<typeof createWithingsClient>;
  const calls: Readonly<Record<string, readonly [call: (client: Client) => Promise<unknown>, ...secrets: string[]]>> = {
    refresh: [({ refresh }) => refresh(secrets.refresh, { urgent: true }), secrets.client, secrets.refresh],
    exchange: [
      ({ exchange }) => exchange(secrets.code, secrets.callbackUrl),
      secrets.client,
      secrets.code,
      secrets.callbackUrl,
      '/weight/u5?key=v5',
    ],
    getMeas: [({ getMeas }) => getMeas({ ...account, query: WINDOW }), secrets.access],
    list: [({ list }) => list(account), secrets.access],
    subscribe: [
      ({ subscribe }) => subscribe(account, subscription),
      secrets.access,
      secrets.callbackUrl,
      '/weight/u5?key=v5',
    ],
    revoke: [({ revoke }) => revoke(account, subscription), secrets.access, secrets.callbackUrl, '/weight/u5?key=v5'],
    checkCredentials: [({ checkCredentials }) => checkCredentials(), secrets.client],
  };
  const forms: Readonly<Record<string, (secret: string) => string>> = {
    'as it is': (secret) => secret,
    'as a form writes it': encodeURIComponent,
    'as a form with small digits writes it': (secret) =>
      encodeURIComponent(secret).replace(/%../g, (it) => it.toLowerCase()),
  };
  for (const [name, [call, ...hidden]] of Object.entries(calls)) {
    for (const [how, write] of Object.entries(forms)) {
      test(`${name}, ${how}`, async () => {
        for (const secret of hidden) {
          const echoed = write(secret);
          await using server = await startScriptedServer(
            says({ status: 98765, error: `No <${echoed}> or x${echoed}x` }),
          );
          const client = createWithingsClient({
            apiUrl: server.url,
            clientId,
            clientSecret: secrets.client,
            rateLimit: recordingPace(),
            clock: realClock,
            signal: new AbortController().signal,
          });
          const { message } = await troubleOf(call(client));
          assert.match(message, /"No <\*\*\*> or x\*\*\*x"/);
        }
      });
    }
  }

  test('a token of another request is hidden by its look or its label', async () => {
    const token = '0123456789abcdef0123456789abcdef01234567';
    for (const error of [`invalid refresh_token ${token}`, `refused: refresh_token=${token}&client_secret=hush`]) {
      await using server = await startScriptedServer(says({ status: 503, error }));
      const { message, recovery } = await troubleOf(createClient(server.url).refresh());
      assert.doesNotMatch(message, /0123456789|hush/);
      assert.match(recovery, /login|settings/);
    }
  });
});

describe('the rate limit', () => {
  test('is applied before every request, by caller and by request', async () => {
    const rateLimit = recordingPace();
    await using server = await startScriptedServer(page([], { more: 1, offset: 300 }), EMPTY);
    const signal = new AbortController().signal;
    const client = createWithingsClient({
      apiUrl: server.url,
      clientId,
      clientSecret,
      rateLimit,
      clock: realClock,
      signal,
    });
    for (const [user, urgent] of [
      [userId, false],
      [userId, false],
      ['31415926' as UserId, true],
    ] as const) {
      await client.getMeas({ userId: user, accessToken, query: WINDOW, urgent });
    }
    assert.deepEqual(
      rateLimit.turns.map(({ urgent }) => urgent),
      [false, false, false, true],
    );
    const [first, second, again, other] = rateLimit.turns.map(({ key }) => key);
    assert.equal(again, first, 'the same call is the same');
    assert.equal(new Set([first, second, other]).size, 3, 'another page and another user are not');
  });

  test('prevents the request by its rejection', async () => {
    await using server = await startScriptedServer(EMPTY);
    const rateLimit = { turn: () => Promise.reject(new Error('stopping')), pause: () => {} };
    await assert.rejects(createClient(server.url, { rateLimit }).getMeas(), /stopping/);
    assert.deepEqual(server.received, []);
  });

  const pausing: readonly (readonly [what: string, step: Step, pauses: readonly number[]])[] = [
    ['pauses for as long as wait_seconds says', says(ERRORS['tooManyRequests'] ?? ''), [68_000]],
    ['pauses a minute where Withings does not say', says(ERRORS['tooManyRequestsWithoutWait'] ?? ''), [60_000]],
    ['pauses for the Retry-After of HTTP 429', http(429, { 'retry-after': '30' }), [30_000]],
    ['pauses a minute for HTTP 429 without one', http(429), [60_000]],
    ['pauses 12 s for almost nothing', says({ status: 601, error: 'x', body: { wait_seconds: 0.001 } }), [12_000]],
    ['pauses 12 s for a Retry-After of almost nothing', http(429, { 'retry-after': '0.5' }), [12_000]],
    ['pauses a minute for a Retry-After of nothing', http(429, { 'retry-after': '0' }), [60_000]],
    ['pauses an hour at most', http(429, { 'retry-after': '1e9' }), [3_600_000]],
    ['does not stop all requests after one repeated request', says(ERRORS['sameArguments'] ?? ''), []],
    ['does not pause for a refused token', says(ERRORS['invalidToken'] ?? ''), []],
    ['does not pause for HTTP 500', http(500), []],
  ];
  for (const [what, step, pauses] of pausing) {
    test(what, async () => {
      const rateLimit = recordingPace();
      await using server = await startScriptedServer(step);
      const { waitMs } = await troubleOf(createClient(server.url, { rateLimit }).getMeas());
      assert.deepEqual(rateLimit.pauses, pauses);
      if (pauses[0] !== undefined) assert.equal(waitMs, pauses[0]);
    });
  }

  test('keeps equal requests 12 s apart, and stops all requests while Withings throttles', async () => {
    const clock = createFakeClock();
    const signal = new AbortController().signal;
    await using server = await startScriptedServer(EMPTY, EMPTY, says(ERRORS['tooManyRequests'] ?? ''), EMPTY);
    const client = createClient(server.url, { rateLimit: createRateLimit({ clock, signal }), signal });
    await client.getMeas();

    const again = client.getMeas();
    await clock.advance(11_999);
    assert.equal(server.received.length, 1, 'too early');
    await clock.advance(1);
    await again;
    assert.equal(server.received.length, 2);

    assert.equal((await troubleOf(client.getMeas({ since: new Date(START * 1000) }))).waitMs, 68_000);
    const other = () => client.getMeas(WINDOW, '31415926' as UserId);
    await clock.advance(67_999);
    assert.equal((await troubleOf(other())).waitMs, 1, 'another user is kept away, too');
    assert.equal(server.received.length, 3);
    await clock.advance(1);
    await other();
    assert.equal(server.received.length, 4);
  });
});

describe('the end of the program', () => {
  test('cancels a data request that waits for its answer', async () => {
    const stop = new AbortController();
    await using server = await startScriptedServer(hang);
    const ended = assert.rejects(createClient(server.url, { signal: stop.signal }).getMeas(), (error) => {
      assert.ok(error instanceof Error);
      assert.doesNotMatch(error.message, /no answer in 60 s/, 'it has not waited for so long');
      return true;
    });
    await server.receivedAtLeast(1);
    stop.abort();
    await ended;
  });

  test('prevents a data request', async () => {
    await using server = await startScriptedServer(hang);
    await assert.rejects(createClient(server.url, { signal: AbortSignal.abort() }).getMeas());
    assert.deepEqual(server.received, []);
  });

  test('prevents the request for the next page', async () => {
    const stop = new AbortController();
    const rateLimit = { turn: async () => void (server.received.length === 1 && stop.abort()), pause: () => {} };
    await using server = await startScriptedServer(page([], { more: 1, offset: 300 }), hang);
    await assert.rejects(createClient(server.url, { rateLimit, signal: stop.signal }).getMeas());
    assert.equal(server.received.length, 1);
  });
});

describe('with the sandbox', () => {
  const client = { clientId, clientSecret };

  test('a login is rotated, and its weigh-ins are fetched page by page', async () => {
    const clock = createFakeClock();
    await using sandbox = await startSandbox({ clock, client, pageSize: 1, strict: true });
    const signal = new AbortController().signal;
    const rateLimit = recordingPace();
    const withings = createWithingsClient({ apiUrl: sandbox.url, ...client, rateLimit, clock: realClock, signal });
    sandbox.store(userId, { kilograms: 72.18, date: START });
    sandbox.store(userId, { kilograms: 72.35, date: START + 60 });
    sandbox.store('31415926', { kilograms: 99, date: START });

    const tokens = await withings.refresh(sandbox.grants.link(userId) as RefreshToken, { urgent: true });
    assert.equal(tokens.userId, userId);
    assert.ok(sandbox.grants.accepts(tokens.refreshToken));

    const { groups, updatedAt } = await withings.getMeas({
      userId,
      accessToken: tokens.accessToken,
      query: { window: { start: new Date((START - 1) * 1000), end: new Date((START + 61) * 1000) } },
      urgent: true,
    });
    assert.equal(groups.length, 4);
    const weights = groups.flatMap(({ measures }) => measures.filter(({ type }) => type === 1));
    assert.deepEqual(
      weights.map(({ value }) => value),
      [72.18, 72.35],
    );
    assert.deepEqual(updatedAt, clock.now());
  });

  test('an expired access token is distinct from an expired login', async () => {
    await using sandbox = await startSandbox({ clock: createFakeClock(), client });
    const signal = new AbortController().signal;
    const withings = createWithingsClient({
      apiUrl: sandbox.url,
      ...client,
      rateLimit: recordingPace(),
      clock: realClock,
      signal,
    });
    const tokens = await withings.refresh(sandbox.grants.link(userId) as RefreshToken, { urgent: true });
    const call = { userId, accessToken: tokens.accessToken, query: WINDOW, urgent: true };

    sandbox.grants.expireAccess();
    assert.equal((await troubleOf(withings.getMeas(call))).recovery, 'access');

    sandbox.grants.unlink(userId);
    const refreshed = withings.refresh(tokens.refreshToken, { urgent: true });
    assert.equal((await troubleOf(refreshed)).recovery, 'login');
  });
});
