import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { WITHINGS_LIMITS } from '../../src/sandbox/limits.ts';
import { type Sandbox, type SandboxOptions, startSandbox } from '../../src/sandbox/sandbox.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { CLIENT } from '../support/home.ts';
import { startScriptedServer } from '../support/scripted-server.ts';

const START = new Date('2026-11-20T06:00:00Z').getTime() / 1000;
const REDIRECT = 'https://app.example.org/back?from=withings';
const HOUR_MS = 3_600_000;

interface Reply {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: any answer of any service
  readonly body: any;
  readonly error?: string;
}

async function setUp(options: Partial<SandboxOptions> = {}) {
  const clock = createFakeClock();
  const sandbox = await startSandbox({ clock, client: CLIENT, ...options });
  const { accessToken } = sandbox.grants.start('1234');
  const send = async (path: string, init: RequestInit): Promise<Reply> => {
    const answer = await fetch(new URL(path, sandbox.url), init);
    assert.deepEqual([answer.status, answer.headers.get('content-type')], [200, 'application/json'], path);
    return (await answer.json()) as Reply;
  };
  const call = (path: string, fields: Readonly<Record<string, string>>, token = accessToken) =>
    send(path, { method: 'POST', headers: { authorization: `Bearer ${token}` }, body: new URLSearchParams(fields) });
  return { clock, sandbox, accessToken, send, call, [Symbol.asyncDispose]: () => sandbox[Symbol.asyncDispose]() };
}

const SECRET = { client_id: CLIENT.clientId, client_secret: CLIENT.clientSecret };
const sign = (text: string) => createHmac('sha256', CLIENT.clientSecret).update(text).digest('hex');
const grpids = ({ body }: Reply): number[] => body.measuregrps.map(({ grpid }: { grpid: number }) => grpid);

/** The code that the browser brings back. */
async function agree(sandbox: Sandbox, parameters: Readonly<Record<string, string>> = {}): Promise<string> {
  const link = new URL('/oauth2_user/authorize2', sandbox.url);
  const given = { response_type: 'code', client_id: CLIENT.clientId, state: 's 1', scope: 'user.metrics' };
  link.search = new URLSearchParams({ ...given, redirect_uri: REDIRECT, ...parameters }).toString();
  const answer = await fetch(link, { redirect: 'manual' });
  const target = new URL(answer.headers.get('location') ?? '');
  assert.deepEqual([target.host, target.searchParams.get('from')], ['app.example.org', 'withings']);
  assert.equal(target.searchParams.get('state'), 's 1');
  return target.searchParams.get('code') ?? '';
}

describe('a code', () => {
  const trade = (code: string, redirect_uri = REDIRECT) => {
    return { action: 'requesttoken', grant_type: 'authorization_code', ...SECRET, code, redirect_uri };
  };

  it('is exchanged once, with the redirect_uri of the consent, for the requested scope', async () => {
    await using place = await setUp();
    const scope = 'user.metrics,user.sleepevents';
    const code = await agree(place.sandbox, { scope });
    const { status, body } = await place.call('/v2/oauth2', trade(code));
    assert.deepEqual([status, body.userid, body.scope, body.expires_in], [0, '1234', scope, 10_800]);
    const { body: next } = await place.call('/v2/oauth2', {
      ...{ action: 'requesttoken', grant_type: 'refresh_token', ...SECRET },
      refresh_token: body.refresh_token,
    });
    assert.deepEqual([next.userid, next.scope], [1234, scope]);
    await place.clock.advance(10_001);
    assert.equal((await place.call('/v2/oauth2', trade(code))).error, 'Invalid Params: invalid code');
  });

  it('is rejected and used up with another redirect_uri', async () => {
    await using place = await setUp();
    const code = await agree(place.sandbox);
    const other = await place.call('/v2/oauth2', trade(code, 'https://app.example.org/'));
    assert.equal(other.error, 'Invalid Params: invalid redirect_uri');
    assert.equal((await place.call('/v2/oauth2', trade(code))).error, 'Invalid Params: invalid code');
  });

  it('expires after 30 seconds', async () => {
    await using place = await setUp();
    const code = await agree(place.sandbox);
    await place.clock.advance(30_000);
    assert.equal((await place.call('/v2/oauth2', trade(code))).error, 'Invalid Params: invalid code');
  });
});

describe('the previous refresh token', () => {
  it('lives for 8 hours after a rotation', async () => {
    const { clock, sandbox } = await setUp();
    await using _ = sandbox;
    const first = sandbox.grants.link('5678');
    assert.ok(sandbox.grants.refresh(first));
    await clock.advance(8 * HOUR_MS - 1);
    assert.ok(sandbox.grants.accepts(first));
    await clock.advance(1);
    assert.ok(!sandbox.grants.accepts(first));
  });

  it('expires with the first use of the new access token', async () => {
    await using place = await setUp();
    const first = place.sandbox.grants.link('5678');
    const next = place.sandbox.grants.refresh(first);
    assert.ok(place.sandbox.grants.accepts(first));
    await place.call('/measure', { action: 'getmeas' }, next?.accessToken);
    assert.ok(!place.sandbox.grants.accepts(first));
  });
});

describe('a signed call', () => {
  const nonceOf = async (place: Awaited<ReturnType<typeof setUp>>): Promise<string> => {
    const fields = { action: 'getnonce', client_id: CLIENT.clientId, timestamp: '1795154462' };
    const signature = sign(`getnonce,${CLIENT.clientId},${fields.timestamp}`);
    return (await place.call('/v2/signature', { ...fields, signature })).body.nonce;
  };
  const revoke = (nonce: string, action = 'revoke') => {
    const signature = sign(`${action},${CLIENT.clientId},${nonce}`);
    return { action: 'revoke', client_id: CLIENT.clientId, userid: '1234', nonce, signature };
  };

  it('works once with its nonce, and a second nonce within 10 seconds is accepted', async () => {
    await using place = await setUp();
    const [one, other] = [await nonceOf(place), await nonceOf(place)];
    assert.notEqual(one, other);
    place.sandbox.subscriptions.put({ userId: '1234', appli: 1, callbackurl: 'http://127.0.0.1:9/', comment: null });
    assert.equal((await place.call('/v2/oauth2', revoke(one))).status, 0);
    assert.equal((await place.call('/measure', { action: 'getmeas' })).status, 401);
    assert.deepEqual(place.sandbox.subscriptions.of('1234'), []);
    await place.clock.advance(10_001);
    assert.equal((await place.call('/v2/oauth2', revoke(one))).error, 'Invalid Params: invalid signature');
  });

  it('is rejected with the signature of another action, an old nonce or none', async () => {
    await using place = await setUp();
    const refused = 'Invalid Params: invalid signature';
    assert.equal((await place.call('/v2/oauth2', revoke(await nonceOf(place), 'listusers'))).error, refused);
    const old = await nonceOf(place);
    await place.clock.advance(30 * 60_000);
    assert.equal((await place.call('/v2/oauth2', revoke(old))).error, refused);
    const unsigned = await place.call('/v2/oauth2', { action: 'revoke', ...SECRET, userid: '1234' });
    assert.equal(unsigned.error, refused);
    const wrong = { action: 'list', client_id: CLIENT.clientId, nonce: await nonceOf(place), signature: 'f00' };
    assert.equal((await place.call('/notify', wrong)).error, refused);
  });

  it('needs no secret for a token', async () => {
    await using place = await setUp();
    const refresh_token = place.sandbox.grants.link('1234');
    const nonce = await nonceOf(place);
    const signature = sign(`requesttoken,${CLIENT.clientId},${nonce}`);
    const fields = { action: 'requesttoken', grant_type: 'refresh_token', client_id: CLIENT.clientId, refresh_token };
    assert.equal((await place.call('/v2/oauth2', fields)).error, 'Invalid Params: invalid client id/secret');
    assert.equal((await place.call('/v2/oauth2', { ...fields, nonce, signature })).status, 0);
  });
});

describe('getmeas', () => {
  /** Creates three weigh-ins of two groups, a minute apart. The pulse of the newest comes last. */
  async function withGroups(options: Partial<SandboxOptions> = {}) {
    const place = await setUp({ limits: { callsPerMinute: 1000, sameArgumentsMs: 0 }, ...options });
    const groups = [0, 60, 120].flatMap((after) =>
      place.sandbox.store('1234', { kilograms: 80 + after / 100, date: START + after }, START + after + 30),
    );
    const get = (fields: Readonly<Record<string, string>>) => place.call('/measure', { action: 'getmeas', ...fields });
    return { ...place, groups, get };
  }

  it('returns everything without dates, newest first, with the fields that other clients need', async () => {
    await using place = await withGroups();
    const { body } = await place.get({});
    assert.equal(body.measuregrps.length, 6);
    const [first] = body.measuregrps;
    assert.deepEqual([first.date, first.hash_deviceid, first.comment], [START + 120, first.deviceid, null]);
  });

  it('has each value with its own power of ten', async () => {
    await using place = await withGroups();
    const weighIn = { kilograms: 80, date: START + 600, body: { fatRatio: 20, pulse: 60 } };
    place.sandbox.store('1234', weighIn, START + 630);
    const { body } = await place.get({ startdate: `${START + 600}` });
    const values: [number, number][] = body.measuregrps
      .flatMap(({ measures }: { measures: { type: number; value: number; unit: number }[] }) => measures)
      .map(({ type, value, unit }: { type: number; value: number; unit: number }) => [type, value / 10 ** -unit]);
    assert.deepEqual(Object.fromEntries(values), { 1: 80, 5: 64, 6: 20, 8: 16, 11: 60, 76: 60.8, 88: 3.01 });
  });

  it('filters by measure type and category', async () => {
    await using place = await withGroups();
    const typesOf = ({ body }: Reply) => body.measuregrps[0].measures.map(({ type }: { type: number }) => type);
    assert.deepEqual(typesOf(await place.get({ meastype: '1' })), [1]);
    assert.equal(grpids(await place.get({ meastype: '11' })).length, 3);
    assert.deepEqual(typesOf(await place.get({ meastypes: '1,8,76' })), [1, 8, 76]);
    assert.deepEqual(grpids(await place.get({ meastypes: '4' })), []);
    assert.deepEqual(grpids(await place.get({ category: '2' })), []);
    assert.equal(grpids(await place.get({ category: '1' })).length, 6);
  });

  it('accepts one date alone, and rejects a text as a number and a window with lastupdate', async () => {
    await using place = await withGroups();
    assert.equal(grpids(await place.get({ startdate: `${START + 60}` })).length, 4);
    assert.equal(grpids(await place.get({ enddate: `${START + 59}` })).length, 2);
    assert.equal(grpids(await place.get({ lastupdate: `${START + 90}` })).length, 4);
    for (const wrong of [{ startdate: 'monday' }, { meastype: '1;4' }, { lastupdate: '1', enddate: '2' }]) {
      assert.equal((await place.get(wrong)).status, 503);
    }
  });

  it('finds the group of a notification by its window, sent back unchanged', async () => {
    for (const [strict, found] of [
      [false, 2],
      [true, 0],
    ] as const) {
      await using place = await withGroups({ strict });
      await using client = await startScriptedServer((response) => response.end());
      assert.ok(await place.sandbox.subscribe('1234', client.url.href, 1));
      const notified = place.sandbox.notify('1234', place.groups.slice(2, 3));
      await place.clock.advance(0);
      await notified;
      const { startdate = '', enddate = '' } = client.received.at(-1)?.form ?? {};
      assert.equal(grpids(await place.get({ startdate, enddate })).length, found, `strict: ${strict}`);
    }
  });

  it('is returned page by page', async () => {
    await using place = await withGroups({ pageSize: 4 });
    const first = await place.get({});
    assert.deepEqual([first.body.more, first.body.offset], [1, 4]);
    const second = await place.get({ offset: '4' });
    assert.deepEqual([second.body.more, second.body.offset], [0, 0]);
    assert.equal(new Set([...grpids(first), ...grpids(second)]).size, 6);
  });

  it('accepts its parameters in the query and the token as a parameter, the header in any case', async () => {
    await using place = await withGroups();
    const { accessToken, send } = place;
    const ways: readonly [string, RequestInit][] = [
      [`/measure?action=getmeas&access_token=${accessToken}`, {}],
      ['/measure?action=getmeas', { headers: { authorization: `bearer ${accessToken}` } }],
      ['/measure?action=getmeas', { method: 'POST', headers: { authorization: `BEARER ${accessToken}` } }],
      ['/measure', { method: 'POST', body: new URLSearchParams({ action: 'getmeas', access_token: accessToken }) }],
    ];
    for (const [path, init] of ways) assert.equal(grpids(await send(path, init)).length, 6);
  });
});

describe('the guard against repeated arguments', () => {
  for (const strict of [false, true]) {
    it(`rejects getmeas, and ${strict ? '/notify where it is strict' : 'spares /notify'}`, async () => {
      await using place = await setUp({ strict });
      const twice = async (path: string, action: string) => {
        await place.call(path, { action });
        return (await place.call(path, { action })).status;
      };
      assert.equal(await twice('/measure', 'getmeas'), 601);
      assert.equal(await twice('/notify', 'list'), strict ? 601 : 0);
    });
  }
});

it('refuses more calls than the limit, and says when the next is allowed', async () => {
  await using place = await setUp({ limits: { ...WITHINGS_LIMITS, sameArgumentsMs: 0 } });
  const ask = () => place.call('/measure', { action: 'getmeas' });
  await ask();
  await place.clock.advance(20_000);
  for (let calls = 2; calls <= 120; calls += 1) assert.equal((await ask()).status, 0, `${calls} calls in a minute`);
  const { status, body } = await ask();
  assert.deepEqual([status, body], [601, { wait_seconds: 40 }]);
  await place.clock.advance(40_000);
  assert.equal((await ask()).status, 0);
});

describe('notify', () => {
  it('subscribes after a HEAD, gets, updates one thing, lists and revokes', async () => {
    await using place = await setUp();
    await using client = await startScriptedServer((response) => response.end());
    const [callbackurl, moved] = [`${client.url.href}a`, `${client.url.href}b`];
    const ask = (action: string, fields: Readonly<Record<string, string>> = {}) =>
      place.call('/notify', { action, ...fields });
    assert.equal((await ask('get', { callbackurl })).status, 286);
    assert.equal((await ask('subscribe', { callbackurl, appli: '4', comment: 'hello' })).status, 0);
    assert.equal(client.received[0]?.method, 'HEAD');
    assert.deepEqual((await ask('get', { callbackurl, appli: '4' })).body, { appli: 4, callbackurl, comment: 'hello' });
    const both = { callbackurl, appli: '4', comment: 'new', new_callbackurl: moved };
    assert.equal((await ask('update', both)).status, 503);
    assert.equal((await ask('update', { callbackurl, appli: '4', new_callbackurl: moved })).status, 0);
    assert.equal((await ask('update', { callbackurl: moved, appli: '4', new_appli: '2' })).status, 0);
    assert.equal((await ask('update', { callbackurl: moved, appli: '2', comment: 'new' })).status, 0);
    const unreachable = { callbackurl: moved, appli: '2', new_callbackurl: 'http://127.0.0.1:9/' };
    assert.equal((await ask('update', unreachable)).status, 293);
    const profiles = [{ appli: 2, callbackurl: moved, comment: 'new', expires: 2_147_483_647 }];
    assert.deepEqual((await ask('list')).body, { profiles });
    assert.equal((await ask('revoke', { callbackurl: moved, appli: '2' })).status, 0);
    assert.equal((await ask('revoke', { callbackurl: moved, appli: '2' })).status, 294);
  });

  it('makes each attempt twice: at once, and after 10 seconds, a minute, one hour and four hours', async () => {
    await using place = await setUp();
    await using client = await startScriptedServer((response, { method }) => {
      response.writeHead(method === 'HEAD' ? 200 : 500).end();
    });
    await place.sandbox.subscribe('1234', client.url.href, 1);
    const tries = () => client.received.length - 1;
    const delivered = place.sandbox.weigh('1234', { kilograms: 80, date: START, body: 'unknown' });
    await client.receivedAtLeast(1);
    const seen: number[] = [];
    for (const seconds of [0, 10, 60, 3600, 4 * 3600]) {
      while (place.clock.sleepers === 0) await new Promise((resolve) => setImmediate(resolve));
      await place.clock.advance(seconds * 1000);
      await client.receivedAtLeast(1 + 2 * (seen.length + 1));
      seen.push(tries());
    }
    await delivered;
    assert.deepEqual(seen, [2, 4, 6, 8, 10]);
  });
});

it('getdevice lists the scales that measured a user, with battery and contact', async () => {
  await using place = await setUp({ limits: { callsPerMinute: 100, sameArgumentsMs: 0 } });
  const ask = async () => (await place.call('/v2/user', { action: 'getdevice' })).body.devices;
  assert.deepEqual(await ask(), []);
  place.sandbox.store('1234', { kilograms: 80, date: START }, START + 30);
  place.sandbox.store('1234', { kilograms: 80, date: START + 600 }, START + 660);
  place.sandbox.devices.setBattery('1234', 'low');
  const [{ model, battery, deviceid, hash_deviceid, first_session_date, last_session_date }] = await ask();
  assert.deepEqual([model, battery, hash_deviceid], ['Body+', 'low', deviceid]);
  assert.deepEqual([first_session_date, last_session_date], [START + 30, START + 660]);
});

it('an unknown service or action is answered in JSON', async () => {
  await using place = await setUp();
  for (const path of ['/v2/sleep', '/nowhere', '/constructor', '/control']) {
    assert.deepEqual(await place.call(path, { action: 'get' }), { status: 2554, body: {}, error: 'Not implemented' });
  }
  assert.equal((await place.call('/notify', { action: 'toString' })).status, 2554);
});
