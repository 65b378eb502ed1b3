import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { CLIENT } from '../support/home.ts';
import { startScriptedServer } from '../support/scripted-server.ts';

const PEOPLE = [
  { userId: '1234', name: '<b>Anna</b>' },
  { userId: '5678', name: 'Bo "the scale"' },
];
const BROWSER = { accept: 'text/html,*/*' };

async function setUp() {
  const clock = createFakeClock();
  const sandbox = await startSandbox({
    ...{ clock, client: CLIENT, people: PEOPLE },
    limits: { callsPerMinute: 1000, sameArgumentsMs: 0 },
  });
  const { accessToken } = sandbox.grants.start('1234');
  const post = (
    path: string,
    fields: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string>> = {},
  ) =>
    fetch(new URL(path, sandbox.url), {
      ...{ method: 'POST', redirect: 'manual', headers },
      body: new URLSearchParams(fields),
    });
  const play = async (action: string, fields: Readonly<Record<string, string>> = {}) => {
    const answer = await post(`/control/${action}`, fields);
    // biome-ignore lint/suspicious/noExplicitAny: any result of any action
    return { code: answer.status, result: (await answer.json()) as any };
  };
  const call = async (fields: Readonly<Record<string, string>> = { action: 'getmeas' }) =>
    await post('/measure', fields, { authorization: `Bearer ${accessToken}` });
  return { clock, sandbox, post, play, call, [Symbol.asyncDispose]: () => sandbox[Symbol.asyncDispose]() };
}

describe('the consent page', () => {
  const link = (sandbox: { readonly url: URL }, more: Readonly<Record<string, string>> = {}) => {
    const url = new URL('/oauth2_user/authorize2', sandbox.url);
    const given = { response_type: 'code', client_id: CLIENT.clientId, state: 's', scope: '<i>,user.metrics' };
    url.search = new URLSearchParams({ ...given, redirect_uri: 'app://back', ...more }).toString();
    return url;
  };
  const goal = (answer: Response) => new URL(answer.headers.get('location') ?? '').searchParams;

  it('asks for the person who agrees, escapes everything, and redirects the browser back', async () => {
    await using place = await setUp();
    const url = link(place.sandbox);
    const answer = await fetch(url);
    const page = await answer.text();
    assert.ok(!page.includes('<b>Anna') && !page.includes('<i>') && page.includes('&#60;b&#62;Anna'), page);
    assert.match(answer.headers.get('content-security-policy') ?? '', /default-src 'none'.*frame-ancestors 'none'/);
    const agreed = goal(await place.post(url.href, { answer: '5678' }, { origin: place.sandbox.url.origin }));
    const pair = place.sandbox.grants.exchange(agreed.get('code') ?? '', 'app://back');
    assert.ok(typeof pair === 'object' && pair.userId === '5678' && agreed.get('state') === 's');
    const denied = goal(await place.post(url.href, { answer: 'deny' }));
    assert.deepEqual(
      [...denied],
      [
        ['error', 'access_denied'],
        ['state', 's'],
      ],
    );
  });

  it('asks no question if the link names the person, and rejects a wrong link', async () => {
    await using place = await setUp();
    const ask = (more: Readonly<Record<string, string>>) => fetch(link(place.sandbox, more), { redirect: 'manual' });
    assert.match(goal(await ask({ as: '1234' })).get('code') ?? '', /^[0-9a-f]{40}$/);
    for (const wrong of [{ as: '99' }, { redirect_uri: 'back' }, { scope: 'a b' }, { client_id: 'x' }, { state: '' }]) {
      assert.equal((await ask(wrong)).status, 400, JSON.stringify(wrong));
    }
  });

  it('and every other path reject other sites and other names of this machine', async () => {
    await using place = await setUp();
    const { host, origin } = place.sandbox.url;
    const { request } = await import('node:http');
    const ask = (method: string, path: string, headers: Readonly<Record<string, string>>) =>
      new Promise<number>((resolve) => {
        const asking = request(new URL(path, origin), { method, headers }, (answer) => {
          answer.resume();
          resolve(answer.statusCode ?? 0);
        });
        asking.end();
      });
    const consent = link(place.sandbox, { as: '1234' });
    for (const path of [
      '/control',
      '/control/expire',
      '/measure',
      '/v2/oauth2',
      '/notify',
      `${consent.pathname}${consent.search}`,
    ]) {
      for (const headers of [{ origin: 'https://evil.example' }, { origin: 'null' }, { host: 'evil.example' }]) {
        assert.equal(await ask('POST', path, { host, ...headers }), 403, `${path} ${JSON.stringify(headers)}`);
      }
    }
    assert.equal(await ask('POST', '/control/expire', { host, origin }), 200);
    const asks = link(place.sandbox);
    assert.equal(await ask('GET', `${consent.pathname}${consent.search}`, { 'sec-fetch-site': 'cross-site' }), 403);
    assert.equal(await ask('GET', `${asks.pathname}${asks.search}`, { 'sec-fetch-site': 'cross-site' }), 200);
  });

  it('and every other path accept no more than 1 MB', async () => {
    await using place = await setUp();
    await assert.rejects(place.call({ action: 'x'.repeat(1024 * 1024) }));
    assert.equal((await place.call({ action: 'x'.repeat(1024 * 1000) })).status, 200);
  });
});

describe('the control page', () => {
  it('shows people, groups and subscriptions, all escaped', async () => {
    await using place = await setUp();
    place.sandbox.store('1234', { kilograms: 81.25, date: 1_795_154_462 });
    const callbackurl = 'http://127.0.0.1:9/?<script>';
    place.sandbox.subscriptions.put({ userId: '1234', appli: 1, callbackurl, comment: null });
    const page = await (await fetch(new URL('/control', place.sandbox.url))).text();
    assert.match(page, /1: 81\.25, 6: /);
    for (const raw of ['<script', '<b>', 'Bo "']) assert.ok(!page.includes(raw), raw);
  });

  it('redirects a browser back to the page, and answers others in JSON', async () => {
    await using place = await setUp();
    const { origin } = place.sandbox.url;
    const answer = await place.post('/control/battery', { person: '1234', level: 'low' }, { ...BROWSER, origin });
    assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/control']);
    assert.deepEqual(await place.play('battery', { person: '1234', level: 'low' }), { code: 200, result: {} });
  });

  it('rejects invalid input, and changes nothing on a GET', async () => {
    await using place = await setUp();
    const wrong: readonly [string, Readonly<Record<string, string>>, number][] = [
      ['weigh', { person: '99', kilograms: '80' }, 400],
      ['weigh', { person: '1234', kilograms: 'many' }, 400],
      ['take-back', { person: '1234', grpid: '1', how: 'emptied' }, 400],
      ['fail', { how: 'otherwise', calls: '1' }, 400],
      ['toString', {}, 404],
    ];
    for (const [action, fields, code] of wrong) assert.equal((await place.play(action, fields)).code, code, action);
    assert.equal((await fetch(new URL('/control/expire', place.sandbox.url))).status, 405);
    assert.equal(((await (await place.call()).json()) as { status: number }).status, 0);
  });

  it('simulates a weigh-in and its deletion, with and without a notification', async () => {
    await using place = await setUp();
    await using client = await startScriptedServer((response) => response.end());
    for (const userId of ['1234', '5678']) await place.sandbox.subscribe(userId, client.url.href, 1);
    const { result } = await place.play('weigh', { person: '1234', kilograms: '81.25', notification: 'lost' });
    assert.equal(result[0].measures[0].value, 81_250);
    assert.equal(client.received.length, 2, 'two HEADs');
    const grpid = `${result[0].grpid}`;
    const moved = await place.play('take-back', { person: '1234', grpid, how: 'moved', to: '5678' });
    assert.equal(moved.result.userId, '5678');
    while (place.clock.sleepers < 2) await new Promise((resolve) => setImmediate(resolve));
    await place.clock.advance(0);
    await client.receivedAtLeast(4);
    assert.deepEqual(
      client.received
        .slice(2)
        .map(({ form }) => form['userid'])
        .sort(),
      ['1234', '5678'],
    );
    assert.deepEqual(
      place.sandbox.measures.of('5678').map((each) => each.grpid),
      [result[0].grpid],
    );
  });

  it('sends a notification about the bed, and ends a consent', async () => {
    await using place = await setUp();
    await using client = await startScriptedServer((response) => response.end());
    for (const appli of [46, 50]) await place.sandbox.subscribe('1234', client.url.href, appli);
    await place.play('bed', { person: '1234', way: 'in' });
    await place.clock.advance(0);
    await client.receivedAtLeast(3);
    assert.equal(client.received[2]?.body, 'userid=1234&appli=50&date=1795154400&deviceid=sandbox-bed');
    await place.play('unlink', { person: '1234' });
    await place.clock.advance(0);
    await client.receivedAtLeast(4);
    assert.equal(client.received[3]?.body, 'userid=1234&appli=46&action=unlink');
    assert.equal(((await (await place.call()).json()) as { status: number }).status, 401);
  });

  it('makes the next requests fail on demand', async () => {
    await using place = await setUp();
    const text = async () => {
      const answer = await place.call();
      return `${answer.status} ${await answer.text()}`;
    };
    const wanted = { 'HTTP 500': /^500 $/, HTML: /^502 <html>/, 'half an answer': /^200 .*\{$/, '601': /"status":601/ };
    for (const [how, expected] of Object.entries(wanted)) {
      await place.play('fail', { how, calls: '2' });
      assert.match(await text(), expected);
      assert.match(await text(), expected);
      assert.match(await text(), /"status":0/);
    }
    await place.play('fail', { how: 'cut', calls: '1' });
    await assert.rejects(text(), TypeError);
  });

  it('processes a request and loses its answer', async () => {
    await using place = await setUp();
    await using client = await startScriptedServer((response) => response.end());
    await place.play('fail', { how: 'lost', calls: '1' });
    const { accessToken } = place.sandbox.grants.start('1234');
    const fields = { action: 'subscribe', callbackurl: client.url.href, appli: '1' };
    await assert.rejects(place.post('/notify', fields, { authorization: `Bearer ${accessToken}` }), TypeError);
    assert.equal(place.sandbox.subscriptions.of('1234').length, 1);
  });

  it('answers late, and ends access tokens', async () => {
    await using place = await setUp();
    await place.play('slow', { seconds: '5' });
    const late = place.call();
    while (place.clock.sleepers === 0) await new Promise((resolve) => setImmediate(resolve));
    await place.clock.advance(5_000);
    assert.equal((await late).status, 200);
    await place.play('slow', { seconds: '0' });
    await place.play('expire');
    assert.equal(((await (await place.call()).json()) as { status: number }).status, 401);
  });
});
