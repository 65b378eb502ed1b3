import { strict as assert } from 'node:assert';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { NOTHING_DERIVED } from '../../../src/domain/derived.ts';
import type { Status } from '../../../src/domain/status.ts';
import { BO } from '../../support/people.ts';
import { ask, basic, NO_PEOPLE, openPort, WELL } from '../../support/private-port.ts';

const NO_SUBSCRIPTION = { state: 'none', applis: [], since: undefined, reason: undefined } as const;
const SINCE = new Date('2026-11-20T05:00:00Z');
const bo = (changes: Partial<Status['people'][number]>): Status => ({
  ...NO_PEOPLE,
  people: [
    {
      userId: BO,
      name: undefined,
      login: { state: 'works' },
      lastNotification: undefined,
      lastContact: undefined,
      lastWeighIn: undefined,
      derived: NOTHING_DERIVED,
      held: [],
      unreadable: 0,
      subscription: NO_SUBSCRIPTION,
      scales: [],
      ...changes,
    },
  ],
});
const trouble = (isLasting: boolean): Status => ({
  ...WELL,
  troubles: [{ userId: undefined, code: 'disk_full', text: 'the disk is full', since: SINCE, isLasting }],
});

describe('/healthz', () => {
  test('reports the number of held weigh-ins, the newest one, and the number of unreadable ones', async () => {
    const state = { counts: false, withdrawn: undefined } as const;
    const held = [
      { ...state, groupId: 7, takenAt: new Date('2026-11-19T07:00:00Z'), weight: 116.25, held: 'jump' },
      { ...state, groupId: 8, takenAt: new Date('2027-11-20T07:00:00Z'), weight: undefined, held: 'future' },
    ] as const;
    await using port = await openPort({ look: async () => bo({ held, unreadable: 2 }) });
    const { status, body } = await ask(port.port);
    const [user] = JSON.parse(body).users;
    assert.deepEqual([status, user.unreadable], [200, 2]);
    assert.deepEqual(user.held, {
      count: 2,
      newest: { grpid: 8, weight: null, date: '2027-11-20T07:00:00+00:00', reason: 'future' },
    });
  });

  test('warns of a low battery, once for all who use the scale, and stays green', async () => {
    const at = new Date('2026-11-20T05:58:00Z');
    const scale = { id: 'b0d7', model: 'Body+', battery: 'low', lastContact: at, seenAt: at } as const;
    const people = [...WELL.people, ...bo({}).people].map((person) => ({ ...person, scales: [scale] }));
    await using port = await openPort({ look: async () => ({ ...WELL, people }) });
    const { status, body } = await ask(port.port);
    const { users, warnings, status: word } = JSON.parse(body);
    const text = 'The battery of the Body+ is low. Replace or charge it.';
    assert.deepEqual(
      [status, word, warnings],
      [200, 'ok', [{ code: 'battery_low', text, deviceid: 'b0d7', userids: ['1234', '5678'] }]],
    );
    const told = { deviceid: 'b0d7', model: 'Body+', battery: 'low', last_contact: '2026-11-20T05:58:00+00:00' };
    assert.deepEqual([users[0].scales, users[1].scales], [[told], [told]]);
  });

  test('reports all data of every person', async () => {
    await using port = await openPort();
    const { status, headers, body } = await ask(port.port);
    assert.equal(status, 200);
    assert.match(headers['content-type'] ?? '', /^application\/json/);
    assert.deepEqual(JSON.parse(body), {
      status: 'ok',
      version: '1.2.3',
      uptime_s: 61,
      started_at: '2026-11-20T06:00:00+00:00',
      users: [
        {
          userid: '1234',
          name: 'Anna',
          login: 'works',
          last_notification: '2026-11-20T06:00:30+00:00',
          last_contact: '2026-11-20T06:00:31+00:00',
          last_contact_age_s: 30,
          last_weigh_in: { weight: 81.25, date: '2026-11-20T05:58:00+00:00', age_s: 181 },
          bmi: 25.1,
          weight_trend: 81.4,
          weight_per_week: -0.35,
          weight_goal: 78,
          weight_to_goal: -3.25,
          held: { count: 0, newest: null },
          unreadable: 0,
          subscription: { state: 'works', applis: [1, 4], since: null, reason: null },
          scales: [],
        },
      ],
      publishers: {
        mqtt: {
          state: 'trouble',
          since: '2026-11-20T06:00:40+00:00',
          problem: 'mqtt: the broker is away; it is called again',
          last_contact: '2026-11-20T06:00:20+00:00',
          behind_bytes: 330,
        },
        hook: { state: 'not_tried', since: null, problem: null, last_contact: null, behind_bytes: null },
      },
      troubles: [],
      warnings: [],
    });
  });

  test('is read afresh each time, and not cached', async () => {
    await using port = await openPort();
    const { headers } = await ask(port.port);
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
    assert.equal(headers['x-powered-by'], undefined);
    assert.equal(headers['etag'], undefined);
    assert.equal(headers['access-control-allow-origin'], undefined);
  });

  test('answers HEAD like GET, without a body', async () => {
    await using port = await openPort();
    const { status, headers, body } = await ask(port.port, {}, { method: 'HEAD' });
    assert.deepEqual([status, body], [200, '']);
    assert.match(headers['content-type'] ?? '', /json/);
  });

  for (const [what, known, status] of [
    ['no person is linked yet', NO_PEOPLE, 200],
    ['a login has not been tried yet', bo({ login: { state: 'not_tried' } }), 200],
    ['there was never a callback URL', bo({ subscription: { ...NO_SUBSCRIPTION, state: 'off' } }), 200],
    ['a trouble has just begun', trouble(false), 200],
    ['a trouble lasts', trouble(true), 503],
    ['a person must link again', bo({ login: { state: 'needs_login', since: SINCE, reason: 'refused' } }), 503],
    ['a token file cannot be reached', bo({ login: { state: 'unknown', reason: 'EACCES' } }), 503],
    ['a subscription is lost', bo({ subscription: { ...NO_SUBSCRIPTION, state: 'lost' } }), 503],
  ] as const) {
    test(`answers ${status} when ${what}`, async () => {
      await using port = await openPort({ look: () => Promise.resolve(known) });
      const { status: got, body } = await ask(port.port);
      assert.deepEqual([got, JSON.parse(body).status], [status, status === 200 ? 'ok' : 'trouble']);
    });
  }

  test('reports since when and why a person must link again, and all other troubles', async () => {
    const login = { state: 'needs_login', since: SINCE, reason: 'Withings rejected the login' } as const;
    const status = { ...bo({ login }), troubles: trouble(true).troubles };
    await using port = await openPort({ look: () => Promise.resolve(status) });
    const { users, troubles } = JSON.parse((await ask(port.port)).body);
    const { login: state, needs_login_since, reason, last_contact, last_weigh_in } = users[0];
    assert.deepEqual(
      [state, needs_login_since, reason, last_contact, last_weigh_in],
      ['needs_login', '2026-11-20T05:00:00+00:00', 'Withings rejected the login', null, null],
    );
    assert.deepEqual(troubles, [{ code: 'disk_full', text: 'the disk is full', since: '2026-11-20T05:00:00+00:00' }]);
  });

  test('answers a bug with 500 and an empty body, and logs its location', async () => {
    await using port = await openPort({ look: () => Promise.reject(new Error('oops')) });
    const { status, body } = await ask(port.port);
    assert.deepEqual([status, body], [500, '']);
    assert.match(port.log.texts('defect')[0] ?? '', /oops/);
  });
});

describe('everything else', () => {
  for (const path of [
    '/healthz/',
    '/Healthz',
    '/healthz/x',
    '//healthz',
    '/%68ealthz',
    '/%',
    '/withingsWebhook',
    '/..',
  ]) {
    test(`is 404 with one line and a link to the page: ${path}`, async () => {
      await using port = await openPort();
      const { status, body, headers } = await ask(port.port, {}, { path });
      assert.equal(status, 404);
      const [, link = ''] = /^<p>No page here\. Open the <a href="([./]+)">status page<\/a>\.<\/p>\n$/.exec(body) ?? [];
      assert.equal(new URL(link, `http://x${path}`).pathname, '/', body);
      assert.equal(headers['cache-control'], 'no-store');
      assert.equal(port.looks(), 0);
    });
  }

  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND']) {
    test(`is 405 with the allowed methods: ${method} /healthz`, async () => {
      await using port = await openPort();
      const { status, headers } = await ask(port.port, {}, { method });
      assert.deepEqual([status, headers.allow], [405, 'GET, HEAD']);
      assert.equal(port.looks(), 0);
    });
  }

  test('is closed if the target is not a path', async () => {
    await using port = await openPort();
    const socket = connect(port.port, '127.0.0.1');
    socket.end('GET http://evil.example/healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n');
    assert.match(await text(socket), /^HTTP\/1\.1 404 /);
  });
});

describe('the host name in a request', () => {
  const OWN = ['127.0.0.1', '127.0.0.1:3001', 'localhost', 'LOCALHOST:3001', '[::1]:3001', '[::1]', '192.168.1.7:3001'];
  for (const host of OWN) {
    test(`can be ${host}`, async () => {
      await using port = await openPort();
      assert.equal((await ask(port.port, { host })).status, 200);
    });
  }

  for (const host of [
    'evil.example',
    'evil.example:3001',
    '127.0.0.1.evil.example',
    '127.0.0.1.nip.io:3001',
    'localhost.evil.example',
    'localhost.',
    'raspberrypi',
    'raspberrypi.local',
    '2130706433',
    '0x7f.0.0.1',
    '127.1',
    '[evil.example]',
    '[127.0.0.1]',
    '::1',
    'user@127.0.0.1',
    '127.0.0.1:3001:80',
    '127.0.0.1, evil.example',
  ]) {
    test(`cannot be "${host}", which a stranger could point at any address`, async () => {
      await using port = await openPort();
      const { status, body, headers } = await ask(port.port, { host });
      assert.equal(status, 421);
      assert.match(headers['content-type'] ?? '', /^text\/plain/);
      assert.equal(body, `Open this page by IP address or as localhost, e.g. http://127.0.0.1:${port.port}/\n`);
      assert.equal(port.looks(), 0);
    });
  }

  for (const head of ['HTTP/1.0', 'HTTP/1.1\r\nHost:']) {
    test(`is required, but missing in "${head.replace('\r\n', ' ')}"`, async () => {
      await using port = await openPort();
      const socket = connect(port.port, '127.0.0.1');
      socket.end(`GET /healthz ${head}\r\n\r\n`);
      assert.match(await text(socket), /^HTTP\/1\.1 421 /);
    });
  }

  test('can be the name of this machine if the port faces the network, and no other', async () => {
    await using port = await openPort({ names: ['RaspberryPi', 'RaspberryPi.local'] });
    for (const host of ['raspberrypi:3001', 'raspberrypi.local', 'RASPBERRYPI.LOCAL:3001'])
      assert.equal((await ask(port.port, { host })).status, 200, host);
    for (const host of ['raspberrypi.local.evil.example', 'raspberrypi.evil.example', 'otherpi.local'])
      assert.equal((await ask(port.port, { host })).status, 421, host);
  });
});

describe('another site in the browser', () => {
  test('gets nothing', async () => {
    await using port = await openPort();
    assert.equal((await ask(port.port, { 'sec-fetch-site': 'cross-site' })).status, 403);
    assert.equal(port.looks(), 0);
  });

  for (const site of ['none', 'same-origin', 'same-site']) {
    test(`is not the sender of a request if the browser reports ${site}`, async () => {
      await using port = await openPort();
      assert.equal((await ask(port.port, { 'sec-fetch-site': site })).status, 200);
    });
  }
});

describe('a password', () => {
  const password = 'correct-horse:bättery';
  const wrong = (number: number) => basic(`wrong ${number}`);

  test('grants access with any user name', async () => {
    await using port = await openPort({ password });
    for (const user of ['', 'anna', 'admin']) assert.equal((await ask(port.port, basic(password, user))).status, 200);
  });

  test('is required also for an unknown path', async () => {
    await using port = await openPort({ password });
    for (const path of ['/healthz', '/', '/elsewhere']) {
      const { status, headers } = await ask(port.port, {}, { path });
      assert.equal(status, 401);
      assert.match(headers['www-authenticate'] ?? '', /^Basic realm="weighbridge"/);
      assert.equal(headers['cache-control'], 'no-store');
    }
    assert.equal(port.looks(), 0);
  });

  for (const [what, headers] of [
    ['another one', basic('correct-horse')],
    ['the beginning of it', basic(password.slice(0, -1))],
    ['more than it', basic(`${password}x`)],
    ['nothing', basic('')],
    ['it in place of the user', { authorization: `Basic ${Buffer.from(password).toString('base64')}` }],
    ['it in clear', { authorization: `Basic ${encodeURIComponent(password)}` }],
    ['it as a bearer', { authorization: basic(password).authorization.replace('Basic', 'Bearer') }],
    ['rubbish', { authorization: 'Basic ' }],
  ] as const) {
    test(`is wrong if it is ${what}`, async () => {
      await using port = await openPort({ password });
      assert.equal((await ask(port.port, headers)).status, 401);
      assert.equal(port.looks(), 0);
    });
  }

  test('is not checked after ten wrong ones within a minute, and then grants access', async () => {
    await using port = await openPort({ password });
    for (let number = 0; number < 10; number += 1) assert.equal((await ask(port.port, wrong(number))).status, 401);
    await port.clock.advance(20_000);
    for (const headers of [wrong(10), basic(password)]) {
      const { status, headers: got, body } = await ask(port.port, headers);
      assert.deepEqual([status, got['retry-after']], [429, '40']);
      assert.match(body, /Try again in 40 s/);
    }
    assert.equal((await ask(port.port)).status, 401, 'who has not guessed is asked');
    await port.clock.advance(40_000);
    assert.equal((await ask(port.port, basic(password))).status, 200);
  });

  test('that is guessed for an hour is checked six hundred times, and logged once', async () => {
    await using port = await openPort({ password });
    let tried = 0;
    for (let second = 0; second < 3600; second += 4) {
      if ((await ask(port.port, wrong(second))).status === 401) tried += 1;
      await port.clock.advance(4000);
    }
    assert(tried <= 600, `${tried}`);
    assert.equal(port.log.texts('wrong_passwords').length, 1);
    assert.equal(JSON.stringify(port.log.entries).includes('wrong 0'), false, 'what was tried is not logged');
  });

  test('that is guessed slowly is logged all the same', async () => {
    await using port = await openPort({ password });
    for (let number = 0; number < 36; number += 1) {
      assert.equal(port.log.texts('wrong_passwords').length, number < 30 ? 0 : 1, `after ${number}`);
      assert.equal((await ask(port.port, wrong(number))).status, 401);
      await port.clock.advance(7000);
    }
    assert.equal(port.log.texts('wrong_passwords').length, 1);
  });

  test('that is old is not a guess, even if a monitor sends it for hours', async () => {
    await using port = await openPort({ password });
    for (let minute = 0; minute < 150; minute += 1) {
      await ask(port.port, basic('old'));
      await port.clock.advance(60_000);
    }
    assert.deepEqual(port.log.texts('wrong_passwords'), []);
  });

  test('that is old locks no user out, however often a monitor sends it', async () => {
    await using port = await openPort({ password });
    for (let count = 0; count < 30; count += 1) assert.equal((await ask(port.port, basic('old'))).status, 401);
    assert.equal((await ask(port.port, basic(password))).status, 200);
  });

  test('is required if the port faces the network, and the answer hides the name of the machine', async () => {
    await using port = await openPort({ password, names: ['pi', 'pi.local'] });
    const { status, body } = await ask(port.port, { host: 'evil.example' });
    assert.deepEqual(
      [status, body],
      [421, 'Open this page by IP address, as localhost, or by the name of this computer.\n'],
    );
    assert.equal((await ask(port.port, { ...basic(password), host: 'pi.local' })).status, 200);
  });

  test('does not grant access under another host name', async () => {
    await using port = await openPort({ password });
    assert.equal((await ask(port.port, { ...basic(password), host: 'evil.example' })).status, 421);
  });
});
