import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { Agent, type IncomingHttpHeaders, type RequestListener, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { LinkOutcome } from '../../../src/domain/link.ts';
import type { Notification } from '../../../src/domain/notification.ts';
import { Trouble } from '../../../src/domain/trouble.ts';
import { listen } from '../../../src/http/listen.ts';
import { createPublicApp, type PublicAppOptions } from '../../../src/http/public/app.ts';
import { realClock } from '../../../src/runtime/real-clock.ts';
import { fixture } from '../../support/fixture.ts';
import { patient } from '../../support/patience.ts';
import { createRecordingLog } from '../../support/recording-log.ts';

const FORM = 'application/x-www-form-urlencoded';
const PATH = '/withingsWebhook/9f2c';
const WEIGH_IN = 'userid=1234&appli=1&startdate=1795154462&enddate=1795154463';
/** Returns a notification of so many bytes, with one long unknown field. */
const long = (bytes: number) => `${WEIGH_IN}&note=`.padEnd(bytes, 'x');
const LOOPBACK = { host: '127.0.0.1', port: 0 };

/** Opens the public port as the daemon does, and records the order of its actions. */
async function openPort(options: Partial<PublicAppOptions> = {}) {
  const handed: Notification[] = [];
  const callers: string[] = [];
  const happened: string[] = [];
  const log = createRecordingLog();
  const app = createPublicApp({
    path: PATH,
    query: new URLSearchParams(),
    trustProxy: 'loopback',
    onRedirect: () => Promise.resolve('working'),
    prove: (nonce) => `proof of ${nonce}`,
    directory: '/tokens',
    people: { names: new Map(), unit: 'kg' },
    clock: realClock,
    log,
    onNotification: (notification, caller) => {
      handed.push(notification);
      callers.push(caller);
      happened.push('handed over');
      return Promise.resolve(true);
    },
    ...options,
  });
  const watched: RequestListener = (incoming, response) => {
    response.once('finish', () => happened.push('answered'));
    app(incoming, response);
  };
  const listener = await listen(watched, LOOPBACK);
  return { ...listener, app, log, handed, callers, happened };
}

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly agent?: Agent;
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Sends the path unchanged, unlike fetch. A body is a form by default. */
async function send(port: number, { method = 'POST', path = PATH, headers, body, agent }: Sent): Promise<Answer> {
  const type = body === undefined ? {} : { 'content-type': FORM };
  return await new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, method, path, headers: headers ?? type, agent: agent ?? false },
      (response) =>
        text(response).then((got) => {
          resolve({ status: response.statusCode, headers: response.headers, body: got });
        }, reject),
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

const bare = ({ status, body }: Answer) => ({ status, body });
const NOT_FOUND = { status: 404, body: '' };
const OK = { status: 200, body: 'ok' };

describe('the callback path', () => {
  for (const method of ['HEAD', 'GET']) {
    it(`answers ${method} with 200 and nothing else, and does nothing`, async () => {
      await using port = await openPort();
      assert.deepEqual(bare(await send(port.port, { method })), { status: 200, body: '' });
      assert.deepEqual(port.handed, []);
      assert.deepEqual(port.log.entries, []);
    });
  }

  it('answers a notification with ok, and processes the notification only after the answer', async () => {
    await using port = await openPort();
    assert.deepEqual(bare(await send(port.port, { body: WEIGH_IN })), OK);
    await until(() => port.handed.length > 0);
    assert.deepEqual(port.happened, ['answered', 'handed over']);
    assert.deepEqual(port.handed, [
      {
        userId: '1234',
        appli: 1,
        window: { start: new Date(1_795_154_462_000), end: new Date(1_795_154_463_000) },
        action: undefined,
        at: undefined,
        deviceId: undefined,
      },
    ]);
  });

  const fields = Array.from({ length: 100 }, (_, index) => `f${index}=1`).join('&');
  for (const [what, body] of [
    ['an unknown category', 'userid=1234&appli=999'],
    ['a date as a day', 'userid=1234&appli=16&date=2026-11-20'],
    ['a date in seconds', 'userid=1234&appli=50&date=1795154462&deviceid=abc'],
    ['an unlinked profile', 'userid=1234&appli=46&action=unlink'],
    ['unknown fields', `${WEIGH_IN}&colour=red&__proto__=1&constructor=2&hasOwnProperty=3`],
    ['a hundred unknown fields', `${WEIGH_IN}&${fields}`],
    ['4096 bytes', long(4096)],
  ] as const) {
    it(`accepts ${what}`, async () => {
      await using port = await openPort();
      assert.deepEqual(bare(await send(port.port, { body })), OK);
      await until(() => port.handed.length > 0);
      assert.equal(port.handed[0]?.userId, '1234');
    });
  }

  const types = [`${FORM.toUpperCase()}; charset=UTF-8`, `${FORM}; charset=windows-1252`, `${FORM}; charset=utf-7`, ''];
  for (const type of [...types, undefined]) {
    it(`accepts a form of the type ${type ?? 'that is missing'}, with its window`, async () => {
      await using port = await openPort();
      const headers: Readonly<Record<string, string>> = type === undefined ? {} : { 'content-type': type };
      assert.deepEqual(bare(await send(port.port, { headers, body: WEIGH_IN })), OK);
      await until(() => port.handed.length > 0);
      assert.notEqual(port.handed[0]?.window, undefined);
    });
  }

  for (const body of fixture('notification-forms.txt').trimEnd().split('\n')) {
    it(`accepts the form ${body}, and uses its window only if it is complete`, async () => {
      await using port = await openPort();
      assert.deepEqual(bare(await send(port.port, { body })), OK);
      await until(() => port.handed.length > 0);
      const isWhole = /startdate=[0-9]+&enddate=[0-9]+(&|$)/.test(body);
      assert.deepEqual([port.handed[0]?.userId, port.handed[0]?.window !== undefined], ['1234', isWhole]);
    });
  }

  for (const body of ['userid=1234&appli=1&startdate=2&enddate=1', `${WEIGH_IN}\r\n`, 'userid=1234&appli=1\r\n']) {
    it(`accepts a form without a valid window: ${JSON.stringify(body)}`, async () => {
      await using port = await openPort();
      assert.deepEqual(bare(await send(port.port, { body })), OK);
      await until(() => port.handed.length > 0);
      assert.equal(port.handed[0]?.window, undefined);
    });
  }

  for (const method of ['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND']) {
    it(`answers ${method} with 405 and the methods it allows`, async () => {
      await using port = await openPort();
      const { status, headers } = await send(port.port, { method });
      assert.equal(status, 405);
      assert.deepEqual(headers.allow?.split(/, */).sort(), ['GET', 'HEAD', 'POST']);
    });
  }

  for (const name of ['sec-purpose', 'purpose', 'x-purpose', 'x-moz']) {
    it(`does not use the code of a page that ${name} marks as a prefetch`, async () => {
      let redirects = 0;
      const onRedirect = () => {
        redirects += 1;
        return Promise.resolve('working' as const);
      };
      await using port = await openPort({ onRedirect });
      const path = `${PATH}?code=c&state=s`;
      const ahead = await send(port.port, { method: 'GET', path, headers: { [name]: 'prefetch' } });
      assert.deepEqual([ahead.status, ahead.headers['cache-control'], redirects], [503, 'no-store', 0]);
      assert.equal((await send(port.port, { method: 'GET', path })).status, 202);
      assert.equal(redirects, 1);
    });
  }

  it('sends the page after a consent with all headers against leaks and caching', async () => {
    const outcomes: readonly (LinkOutcome | 'working')[] = [
      'working',
      { kind: 'failed', code: 'expired', title: 'Link expired', problem: 'Too late.', remedy: 'Open the link again.' },
    ];
    for (const outcome of outcomes) {
      await using port = await openPort({ onRedirect: () => Promise.resolve(outcome) });
      const { headers } = await send(port.port, { method: 'GET', path: `${PATH}?code=c&state=s` });
      const policy = String(headers['content-security-policy']);
      assert.match(
        policy,
        /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
      );
      assert.deepEqual(
        [
          headers['cache-control'],
          headers['referrer-policy'],
          headers['x-content-type-options'],
          headers['x-robots-tag'],
          headers.connection,
        ],
        ['no-store', 'no-referrer', 'nosniff', 'noindex', 'close'],
      );
    }
  });

  for (const [what, status, sent] of [
    ['another path', 404, { method: 'GET', path: '/elsewhere' }],
    ['another path with a notification', 404, { path: '/elsewhere', body: WEIGH_IN }],
    ['no user', 400, { body: 'appli=1' }],
    ['a long body', 413, { body: long(4097) }],
    ['a body that is not a form', 415, { headers: { 'content-type': 'application/json' }, body: '{}' }],
  ] as const) {
    it(`closes the connection after rejecting ${what}`, async () => {
      await using port = await openPort();
      using agent = keepAliveAgent();
      const answer = await send(port.port, { ...sent, agent: agent.agent });
      assert.deepEqual([answer.status, answer.headers.connection], [status, 'close']);
    });
  }

  it('does not reveal its software', async () => {
    await using port = await openPort();
    for (const method of ['GET', 'POST', 'PUT']) {
      const { headers } = await send(port.port, { method });
      assert.deepEqual([headers['x-powered-by'], headers['server']], [undefined, undefined]);
    }
  });
});

/** Bodies that are not notifications, and the word that the reason must contain. */
const MALFORMED: Readonly<Record<string, string>> = {
  'appli=1': 'userid',
  'userid=&appli=1': 'userid',
  'userid=abc&appli=1': 'userid',
  'userid=-1&appli=1': 'userid',
  'userid=1.5&appli=1': 'userid',
  'userid=../1&appli=1': 'userid',
  'userid=%zz&appli=1': 'userid',
  'userid=1&userid=2&appli=1': 'userid',
  'userid=1&userid=1&appli=1': 'userid',
  'userid[]=1&appli=1': 'userid',
  'userid=1': 'appli',
  'userid=1&appli=weight': 'appli',
  'userid=1&appli=1&appli=4': 'appli',
  'userid=1&appli=1&startdate=1&startdate=2&enddate=3': 'startdate',
  'userid=1&appli=1&x=1&x=2': 'x',
};

describe('a POST that is not a notification', () => {
  for (const [body, word] of Object.entries(MALFORMED)) {
    it(`is answered 400 with a short reason: ${body}`, async () => {
      await using port = await openPort();
      const answer = await send(port.port, { body });
      assert.equal(answer.status, 400);
      assert.match(answer.body, new RegExp(`\\b${word}\\b`));
      assert.ok(answer.body.length < 100, answer.body);
      assert.match(answer.headers['content-type'] ?? '', /^text\/plain/);
      assert.deepEqual(port.handed, []);
    });
  }

  it('is answered 400 if the form is empty', async () => {
    await using port = await openPort();
    assert.equal((await send(port.port, { body: '' })).status, 400);
    assert.equal((await send(port.port, { headers: { 'content-type': FORM } })).status, 400);
    assert.equal((await send(port.port, { headers: {} })).status, 400);
  });

  for (const [what, headers, body] of [
    ['one byte over 4 KiB', { 'content-type': FORM }, long(4097)],
    ['chunked and endless', { 'content-type': FORM, 'transfer-encoding': 'chunked' }, long(100_000)],
  ] as const) {
    it(`is answered 413 if it is ${what}`, async () => {
      await using port = await openPort();
      assert.equal((await send(port.port, { headers, body })).status, 413);
      assert.deepEqual(port.handed, []);
    });
  }

  for (const [what, headers, body] of [
    ['JSON', { 'content-type': 'application/json' }, '{"userid":"1234","appli":"1"}'],
    ['text', { 'content-type': 'text/plain' }, WEIGH_IN],
    ['a multipart form', { 'content-type': 'multipart/form-data; boundary=x' }, WEIGH_IN],
    ['compressed', { 'content-type': FORM, 'content-encoding': 'gzip' }, gzipSync(WEIGH_IN)],
    ['of a type that only begins like a form', { 'content-type': `${FORM}-2` }, WEIGH_IN],
  ] as const) {
    it(`is answered 415 if it is ${what}`, async () => {
      await using port = await openPort();
      const sent = body === undefined ? { headers } : { headers, body };
      assert.equal((await send(port.port, sent)).status, 415);
      assert.deepEqual(port.handed, []);
    });
  }
});

describe('a stranger', () => {
  for (const path of [
    '/',
    '/withingsWebhook',
    '/withingsWebhook/',
    '/withingsWebhook/9f2',
    '/withingsWebhook/9f2c0',
    '/withingsWebhook/9f2c/',
    '/withingsWebhook/9f2c/x',
    '/withingsWebhook/9F2C',
    '/WithingsWebhook/9f2c',
    '//withingsWebhook/9f2c',
    '/withingsWebhook//9f2c',
    '/withingsWebhook/./9f2c',
    '/x/../withingsWebhook/9f2c',
    '/%2e/withingsWebhook/9f2c',
    '/withingsWebhook/%39f2c',
    '/withingsWebhook%2f9f2c',
    '/withingsWebhook/9f2c%00',
    '/withingsWebhook/9f2c;x=1',
    '/withingsWebhook/9f2c#top',
    '/withingsWebhook\\9f2c#top',
    `http://127.0.0.1${PATH}`,
    `http://elsewhere.example.org${PATH}`,
    `//elsewhere.example.org${PATH}`,
    '*',
    '/%',
  ]) {
    it(`finds nothing at ${path}`, async () => {
      await using port = await openPort();
      for (const method of ['HEAD', 'GET', 'POST', 'PUT']) {
        const sent = method === 'POST' ? { method, path, body: WEIGH_IN } : { method, path };
        assert.deepEqual(bare(await send(port.port, sent)), NOT_FOUND, method);
      }
      assert.deepEqual(port.handed, []);
    });
  }
});

describe('a secret in the query of the callback URL', () => {
  const SECRET = { path: '/hook', query: new URLSearchParams('key=s3cret') };

  it('gives access to every request that contains it', async () => {
    await using port = await openPort(SECRET);
    assert.equal((await send(port.port, { method: 'HEAD', path: '/hook?key=s3cret' })).status, 200);
    assert.equal((await send(port.port, { method: 'GET', path: '/hook?x=1&key=s3cret' })).status, 200);
    assert.equal((await send(port.port, { method: 'PUT', path: '/hook?key=s3cret' })).status, 405);
    assert.deepEqual(bare(await send(port.port, { path: '/hook?key=s3cret', body: WEIGH_IN })), OK);
    assert.deepEqual(bare(await send(port.port, { path: '/hook', body: `${WEIGH_IN}&key=s3cret` })), OK);
  });

  it('can have several parameters, and each is required', async () => {
    await using port = await openPort({ path: '/hook', query: new URLSearchParams('key=a+b&key=c&home=') });
    const status = async (path: string) => (await send(port.port, { path, body: WEIGH_IN })).status;
    assert.equal(await status('/hook?home=&key=a%20b&key=c'), 200);
    assert.equal(await status('/hook?key=a+b&key=c'), 404);
    assert.equal(await status('/hook?home=&key=c&key=a+b'), 404);
    assert.equal(await status('/hook?home=&key=a%20b%0Ac'), 404);
  });

  for (const [what, path, body] of [
    ['wrong', '/hook?key=secret', WEIGH_IN],
    ['empty', '/hook?key=', WEIGH_IN],
    ['in capitals', '/hook?KEY=s3cret', WEIGH_IN],
    ['longer', '/hook?key=s3cret0', WEIGH_IN],
    ['given twice', '/hook?key=s3cret&key=s3cret', WEIGH_IN],
    ['right and wrong', '/hook?key=s3cret&key=x', WEIGH_IN],
    ['wrong in the query and right in the form', '/hook?key=x', `${WEIGH_IN}&key=s3cret`],
    ['wrong in the form', '/hook', `${WEIGH_IN}&key=x`],
    ['twice in the form', '/hook', `${WEIGH_IN}&key=s3cret&key=s3cret`],
    ['missing', '/hook', WEIGH_IN],
  ] as const) {
    it(`is answered 404 if it is ${what}`, async () => {
      await using port = await openPort(SECRET);
      assert.deepEqual(bare(await send(port.port, { path, body })), NOT_FOUND);
      assert.deepEqual(port.handed, []);
    });
  }

  it('hides everything behind a 404 while it is missing, whatever else is wrong', async () => {
    await using port = await openPort(SECRET);
    const elsewhere = await send(port.port, { method: 'GET', path: '/elsewhere' });
    const attempts: readonly Sent[] = [
      ...['HEAD', 'GET', 'PUT', 'OPTIONS'].map((method) => ({ method })),
      { body: 'userid=abc' },
      { body: '' },
      { body: long(5000) },
      { body: Array(200).fill('a=1').join('&') },
      { headers: { 'content-type': 'application/json' }, body: '{' },
      { headers: { 'content-type': FORM, 'content-encoding': 'gzip' }, body: 'x' },
      { headers: { 'content-type': `${FORM}; charset=utf-7` }, body: WEIGH_IN },
      { headers: {} },
    ];
    for (const attempt of attempts) {
      const answer = await send(port.port, { ...attempt, path: '/hook' });
      assert.deepEqual(bare(answer), NOT_FOUND, JSON.stringify(attempt));
      const names = (headers: IncomingHttpHeaders) => Object.keys(headers).sort();
      const expected = names(elsewhere.headers).filter(
        (name) => attempt.method !== 'HEAD' || name !== 'content-length',
      );
      const got = names(answer.headers).filter((name) => attempt.method !== 'HEAD' || name !== 'content-length');
      assert.deepEqual(got, expected, JSON.stringify(attempt));
    }
    assert.deepEqual(port.log.entries, []);
  });
});

describe('the sender of a request', () => {
  const claim = '6.6.6.6, 203.0.113.9';
  const callers = [
    ['this machine without a header', 'loopback', undefined, '127.0.0.1'],
    ['who called the proxy on this machine, whatever the caller claims', 'loopback', claim, '203.0.113.9'],
    ['who called it by IPv6', 'loopback', '2001:db8::7', '2001:db8::7'],
    ['who called it by IPv4, where the proxy writes that as IPv6', 'loopback', '::ffff:203.0.113.9', '203.0.113.9'],
    ['the proxy, where it passes on what is no address', 'loopback', 'evil.example\t"', '127.0.0.1'],
    ['the proxy, where no proxy is believed', false, claim, '127.0.0.1'],
    ['the proxy, where only another one is believed', '192.168.1.2', claim, '127.0.0.1'],
    ['whom the second proxy names, where two are counted', 2, claim, '6.6.6.6'],
    ['the first one in the list, where all of it is believed', true, claim, '6.6.6.6'],
  ] as const;
  for (const [who, trustProxy, forwarded, expected] of callers) {
    it(`is ${who}`, async () => {
      await using port = await openPort({ trustProxy });
      const headers = { 'content-type': FORM, ...(forwarded !== undefined && { 'x-forwarded-for': forwarded }) };
      assert.deepEqual(bare(await send(port.port, { headers, body: WEIGH_IN })), OK);
      await until(() => port.handed.length > 0);
      assert.deepEqual(port.callers, [expected]);
    });
  }
});

describe('a notification about a bed', () => {
  const IN_BED = 'userid=1234&appli=50&date=1795154462';

  it('is answered after it is stored', async () => {
    const disk = new EventEmitter();
    await using port = await openPort({ onNotification: () => once(disk, 'kept').then(() => true) });
    const answer = send(port.port, { body: IN_BED });
    await until(() => disk.listenerCount('kept') > 0);
    assert.deepEqual(port.happened, []);
    disk.emit('kept');
    assert.deepEqual(bare(await answer), OK);
  });

  const failures: readonly (readonly [string, () => Promise<boolean>])[] = [
    ['could not be kept', () => Promise.resolve(false)],
    ['was not kept within 1.5 s', () => new Promise(() => undefined)],
    ['met a defect', () => Promise.reject(new Error('a bug'))],
  ];
  for (const [what, onNotification] of failures) {
    it(`that ${what} is answered 503, so that Withings sends it again`, async () => {
      await using port = await openPort({ onNotification });
      assert.equal((await send(port.port, { body: IN_BED })).status, 503);
    });
  }
});

describe('a bug in a handler', () => {
  it('is answered with an empty 500, and logged', async () => {
    await using port = await openPort();
    const { send: original } = port.app.response;
    port.app.response.send = function send(body) {
      if (body === 'ok') throw new Error('a bug');
      return original.call(this, body);
    };
    assert.deepEqual(bare(await send(port.port, { body: WEIGH_IN })), { status: 500, body: '' });
    assert.match(port.log.texts('defect').join(), /a bug/);
    assert.equal((await send(port.port, { method: 'HEAD' })).status, 200);
  });

  it('after the answer to a notification is logged, and the port stays open', async () => {
    await using port = await openPort({
      onNotification: () => Promise.reject(new Error('a bug')),
    });
    assert.deepEqual(bare(await send(port.port, { body: WEIGH_IN })), OK);
    assert.deepEqual(bare(await send(port.port, { body: WEIGH_IN })), OK);
    await until(() => port.log.entries.length > 0);
    assert.match(port.log.texts('defect').join(), /a bug/);
  });
});

const HEAD_OF_A_POST = `POST ${PATH} HTTP/1.1\r\nHost: x\r\n`;

/** Clients that hold a connection, and the longest time until the port closes it. */
const SLOW: Readonly<Record<string, { readonly first: string; readonly drip: string; readonly limitMs: number }>> = {
  'headers, byte by byte': { first: HEAD_OF_A_POST, drip: 'x', limitMs: 8_000 },
  'a body, byte by byte': {
    first: `${HEAD_OF_A_POST}Content-Type: ${FORM}\r\nContent-Length: 4000\r\n\r\n`,
    drip: '&',
    limitMs: 12_500,
  },
  'half a request and then nothing': { first: HEAD_OF_A_POST, drip: '', limitMs: 8_000 },
  'nothing at all': { first: '', drip: '', limitMs: 12_500 },
};

describe('the listener', { concurrency: true }, () => {
  for (const [what, { first, drip, limitMs }] of Object.entries(SLOW)) {
    it(`closes the connection of a client that sends ${what}, and answers others meanwhile`, async () => {
      await using port = await openPort();
      const client = await openSocket(port.port);
      client.write(first);
      const dripping = setInterval(() => drip !== '' && client.write(drip), 400);
      const closed = once(client, 'close');
      assert.deepEqual(bare(await send(port.port, { body: WEIGH_IN })), OK);
      const inTime = await within(patient(limitMs), closed);
      clearInterval(dripping);
      client.destroy();
      assert.ok(inTime, `not cut off within ${limitMs} ms`);
      assert.equal(port.handed.length, 1);
    });
  }

  it('reports the port that it took for port 0', async () => {
    await using port = await openPort();
    assert.equal(port.host, '127.0.0.1');
    assert.ok(port.port > 0);
  });

  it('reports that a port is taken', async () => {
    await using port = await openPort();
    await assert.rejects(
      listen(() => undefined, { host: '127.0.0.1', port: port.port }),
      (error) => {
        assert.ok(error instanceof Trouble);
        assert.equal(error.code, 'port_taken');
        assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port.port}\\b`));
        assert.match(error.hint ?? '', /PORT/);
        return true;
      },
    );
  });

  it('reports that an address does not belong to this machine', async () => {
    await assert.rejects(
      listen(() => undefined, { host: '192.0.2.1', port: 0 }),
      (error) => error instanceof Trouble && error.code === 'cannot_listen' && /192\.0\.2\.1/.test(error.message),
    );
  });

  it('lets the current answer finish on disposal, and accepts no new connection', async () => {
    let release: () => void = () => undefined;
    const arrived = new Promise<void>((resolve) => {
      release = resolve;
    });
    let answer: () => void = () => undefined;
    const listener = await listen((_request, response) => {
      answer = () => response.end('done');
      release();
    }, LOOPBACK);
    using agent = keepAliveAgent();
    const sent = send(listener.port, { method: 'GET', agent: agent.agent });
    await arrived;
    const disposed = listener[Symbol.asyncDispose]();
    await assert.rejects(send(listener.port, { method: 'GET' }), { code: 'ECONNREFUSED' });
    answer();
    assert.deepEqual(bare(await sent), { status: 200, body: 'done' });
    assert.ok(await within(patient(2_000), disposed), 'it waits for the connection after the answer');
  });

  it('closes idle keep-alive connections on disposal', async () => {
    const port = await openPort();
    using agent = keepAliveAgent();
    const { headers } = await send(port.port, { method: 'HEAD', agent: agent.agent });
    assert.match(headers.connection ?? '', /keep-alive/);
    assert.ok(await within(patient(2_000), port[Symbol.asyncDispose]()), 'it waits for an idle connection');
  });

  it('does not wait for half a request on disposal', async () => {
    const port = await openPort();
    const client = await openSocket(port.port);
    client.write(HEAD_OF_A_POST);
    // The server has received the half once it has answered a later request.
    await send(port.port, { method: 'HEAD' });
    const inTime = await within(patient(7_000), port[Symbol.asyncDispose]());
    client.destroy();
    assert.ok(inTime, 'it waits for a client that may never end');
  });
});

async function openSocket(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.resume();
  await once(socket, 'connect');
  return socket;
}

function keepAliveAgent(): Disposable & { readonly agent: Agent } {
  const agent = new Agent({ keepAlive: true });
  return { agent, [Symbol.dispose]: () => agent.destroy() };
}

/** Returns whether the event occurs in time. */
async function within(ms: number, happening: PromiseLike<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const inTime = await Promise.race([happening.then(() => true), late]);
  clearTimeout(timer);
  return inTime;
}

/** Waits through turns of the event loop until the condition is true. */
async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + 100_000;
  while (!isSo()) {
    assert.ok(performance.now() < deadline, 'it did not happen');
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
