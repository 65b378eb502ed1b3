import { strict as assert } from 'node:assert';
import { once } from 'node:events';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import express from 'express';
import { createStatusChanges } from '../../../src/app/status/status-changes.ts';
import type { Status } from '../../../src/domain/status.ts';
import { createLive } from '../../../src/http/private/live.ts';
import { renderPage } from '../../../src/page/status-page.ts';
import { ASSETS } from '../../../src/page/view.ts';
import { CSV_HEADER, formatCsvRow } from '../../../src/storage/journal/csv.ts';
import { openJournalReader } from '../../../src/storage/journal/reader.ts';
import { lockFile } from '../../../src/storage/lock.ts';
import { consent } from '../../support/browser.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { freePort } from '../../support/free-port.ts';
import { CALLBACK_PATH, type Home, startHome } from '../../support/home.ts';
import { VIEWS } from '../../support/page-views.ts';
import { ANNA } from '../../support/people.ts';
import { INGRESS_ADDRESS, playSupervisor } from '../../support/played-supervisor.ts';
import { ask, basic, openPort, page, WELL } from '../../support/private-port.ts';

const PATIENCE_MS = 60_000;

/** A daemon whose page is at a port of its own. */
async function serveWithPage(home: Home, env: Readonly<Record<string, string>> = {}) {
  const port = await freePort();
  const daemon = await home.serve({
    STATUS_PORT: `${port}`,
    CALLBACK_URL: `http://127.0.0.1:1${CALLBACK_PATH}`,
    ...env,
  });
  return { ...daemon, port };
}

/** Yields server-sent events on arrival. */
async function follow(port: number, headers: Readonly<Record<string, string>> = {}) {
  const sent = request({ host: '127.0.0.1', port, path: '/changes', headers, agent: false }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.setEncoding('utf8');
  let received = '';
  response.on('data', (text: string) => {
    received += text;
  });
  response.on('error', () => undefined);
  const ended = new Promise<void>((resolve) => response.once('close', resolve));
  const until = async (pattern: RegExp) => {
    const patience = AbortSignal.timeout(PATIENCE_MS);
    while (!pattern.test(received)) await once(response, 'data', { signal: patience });
  };
  return { response, ended, until, received: () => received, leave: () => sent.destroy() };
}

/** Fails instead of waiting without limit. */
async function within(event: Promise<void>): Promise<void> {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const late = once(patience, 'abort').then(() => assert.fail('it did not happen'));
  await Promise.race([event, late]);
}

describe('the page', () => {
  test('runs only its own files, and cannot be cached or framed', async () => {
    await using port = await openPort();
    const { status, headers } = await ask(port.port, {}, { path: '/' });
    assert.equal(status, 200);
    assert.match(headers['content-type'] ?? '', /^text\/html; charset=utf-8/);
    assert.equal(headers['cache-control'], 'no-store');
    const policy = String(headers['content-security-policy']);
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /script-src 'self'(;|$)/);
    assert.match(policy, /style-src 'self'(;|$)/);
    for (const name of ['img-src', 'connect-src']) assert.match(policy, new RegExp(`${name} 'self'(;|$)`));
    assert.match(policy, /form-action 'self'(;|$)/);
    for (const name of ['base-uri', 'frame-ancestors']) assert.match(policy, new RegExp(`${name} 'none'(;|$)`));
    assert.doesNotMatch(policy, /unsafe|data:|\*|http/);
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['referrer-policy'], 'same-origin');
    assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
  });

  test('and every other answer on its port have all security headers', async () => {
    const asset = () => Promise.resolve({ content: 'x', hash: 'h' });
    await using port = await openPort({ page: page({ asset, draw: () => Promise.reject(new Error('oops')) }) });
    for (const [path, expected] of [
      ['/', 500],
      ['/link', 303],
      ['/assets/page.css', 200],
      ['/healthz', 200],
      ['/elsewhere', 404],
    ] as const) {
      const { status, headers } = await ask(port.port, {}, { path });
      assert.equal(status, expected, path);
      assert.equal(headers['cache-control'], path.startsWith('/assets') ? 'no-cache' : 'no-store', path);
      assert.match(String(headers['content-security-policy']), /^default-src 'none'; .*frame-ancestors 'none'/, path);
      assert.equal(headers['cross-origin-resource-policy'], 'same-origin', path);
      assert.equal(headers['referrer-policy'], 'no-referrer', path);
      assert.equal(headers['x-content-type-options'], 'nosniff', path);
    }
  });

  test('gets the parameters of the address, and rejects other methods', async () => {
    const asked: (string | null)[] = [];
    const draw = (parameters: URLSearchParams) => {
      asked.push(parameters.get('range'));
      return Promise.resolve('');
    };
    await using port = await openPort({ page: page({ draw }) });
    for (const path of ['/', '/?range=year', '/?range=%22%3E'])
      assert.equal((await ask(port.port, {}, { path })).status, 200);
    assert.deepEqual(asked, [null, 'year', '">']);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      for (const path of ['/', '/link', '/changes', '/assets/page.css']) {
        const { status, headers } = await ask(port.port, {}, { path, method });
        assert.deepEqual([status, headers.allow], [405, 'GET, HEAD'], `${method} ${path}`);
      }
    }
    assert.equal(asked.length, 3);
  });

  test('answers a bug with 500 and an empty body, and logs its location', async () => {
    await using port = await openPort({ page: page({ draw: () => Promise.reject(new Error('oops')) }) });
    const { status, body } = await ask(port.port, {}, { path: '/' });
    assert.deepEqual([status, body], [500, '']);
    assert.match(port.log.texts('defect')[0] ?? '', /oops/);
  });

  test('serves its own files only, and lets browsers cache hashed ones permanently', async () => {
    await using home = await startHome();
    await using daemon = await serveWithPage(home);
    const { body } = await ask(daemon.port, {}, { path: '/' });
    for (const name of ASSETS) {
      const [, address = ''] = new RegExp(`"\\.(/assets/${name}\\?v=[\\w-]+)"`).exec(body) ?? [];
      const kept = await ask(daemon.port, {}, { path: address });
      assert.equal(kept.status, 200, name);
      assert.match(String(kept.headers['cache-control']), /immutable/);
      const other = await ask(daemon.port, {}, { path: `/assets/${name}?v=other` });
      assert.deepEqual([other.status, other.headers['cache-control']], [200, 'no-cache']);
    }
    for (const path of [
      '/assets/',
      '/assets/view.js',
      '/assets/..%2fview.js',
      '/assets/%2e%2e/view.js',
      '/assets/../../main.js',
      '/assets/page.css/',
      '/assets/__proto__',
    ])
      assert.equal((await ask(daemon.port, {}, { path })).status, 404, path);
  });

  test('does not appear on the public port', async () => {
    await using home = await startHome();
    await using daemon = await serveWithPage(home);
    const { origin } = new URL(daemon.url);
    for (const path of ['/', '/link', '/changes', '/assets/page.css', '/assets/page.js', '/healthz']) {
      const answer = await fetch(`${origin}${path}`, { redirect: 'manual' });
      assert.deepEqual([answer.status, await answer.text()], [404, ''], path);
    }
  });

  test('needs no password on this machine, and a configured password covers every part', async () => {
    const password = 'correct-horse';
    await using home = await startHome();
    await using daemon = await serveWithPage(home, { STATUS_PASSWORD: password });
    for (const path of ['/', '/?range=all', '/link', '/changes', '/assets/page.css', '/assets/page.js']) {
      const { status, headers } = await ask(daemon.port, {}, { path });
      assert.equal(status, 401, path);
      assert.match(String(headers['www-authenticate']), /^Basic /);
      assert.equal((await ask(daemon.port, basic('guess'), { path })).status, 401, path);
    }
    assert.equal((await ask(daemon.port, basic(password), { path: '/' })).status, 200);
  });

  test('accepts ten wrong passwords a minute over all its parts', async () => {
    await using port = await openPort({ password: 'correct-horse' });
    for (let guess = 0; guess < 10; guess += 1)
      assert.equal((await ask(port.port, basic(`guess ${guess}`), { path: guess % 2 ? '/' : '/link' })).status, 401);
    assert.equal((await ask(port.port, basic('correct-horse'), { path: '/' })).status, 429);
    await port.clock.advance(60_000);
    assert.equal((await ask(port.port, basic('correct-horse'), { path: '/' })).status, 200);
  });

  test('rejects other host names and other sites, but accepts links to it', async () => {
    await using port = await openPort({ page: page({ link: () => new URL('https://account.example/x') }) });
    for (const path of ['/', '/link', '/changes', '/assets/page.css']) {
      assert.equal((await ask(port.port, { host: 'evil.example' }, { path })).status, 421, path);
      for (const destination of ['script', 'image', 'iframe', 'empty', 'object', 'style']) {
        const headers = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': destination };
        assert.equal((await ask(port.port, headers, { path })).status, 403, `${destination} ${path}`);
      }
    }
    const followed = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
    assert.equal((await ask(port.port, followed, { path: '/' })).status, 200);
    assert.equal((await ask(port.port, followed, { path: '/', method: 'POST' })).status, 403);
  });

  test('does not wait for a process that holds the lock of the journal', async () => {
    await using home = await startHome();
    await using daemon = await serveWithPage(home);
    await daemon.line(({ event }) => event === 'listening');
    const data = `${home.directory}/data`;
    await using _lock = await lockFile(`${data}/.journal.lock`);
    await appendFile(`${data}/measures.jsonl`, '\n');
    const started = performance.now();
    const { status } = await ask(daemon.port, {}, { path: '/' });
    // The page takes half a second. Waiting for the lock would take a minute.
    assert.ok(performance.now() - started < 30_000);
    assert.equal(status, 200);
  });

  test('shows names unchanged, whatever characters they have', async () => {
    await using home = await startHome();
    await home.link('1234');
    const name = '<script>alert(1)</script>"\'&amp;';
    await using daemon = await serveWithPage(home, { USER_NAMES: `1234:${name}` });
    const { body } = await ask(daemon.port, {}, { path: '/' });
    assert.doesNotMatch(body, /<script>alert/);
    assert.match(body, /&#60;script&#62;alert\(1\)&#60;\/script&#62;&#34;&#39;&#38;amp;/);
  });
});

describe('the CSV of a person', () => {
  test('is a download of the export of that person', async () => {
    await using home = await startHome();
    await home.link('1234');
    const lines = [
      { userid: '1234', grpid: 2, timestamp: 1_795_154_463, modified: 2, attrib: 1, measures: { weight: 81.5 } },
      { userid: '1234', grpid: 1, timestamp: 1_795_154_462, modified: 1, attrib: 0, measures: { weight: 81.25 } },
      { userid: '5678', grpid: 3, timestamp: 1_795_154_462, modified: 1, attrib: 0, measures: { weight: 60 } },
      { userid: '1234', grpid: 4, timestamp: 1_795_154_464, modified: 1, attrib: 0, measures: { weight: 82 } },
    ];
    const withdrawn = { ...lines[3], withdrawn: true, reason: 'deleted' };
    await mkdir(`${home.directory}/data`, { recursive: true });
    const text = [...lines, withdrawn].map((line) => `${JSON.stringify(line)}\n`).join('');
    await writeFile(`${home.directory}/data/measures.jsonl`, text);
    await using daemon = await serveWithPage(home, { USER_NAMES: '1234:=Anna' });
    const { status, headers, body } = await ask(daemon.port, {}, { path: '/csv/1234' });
    assert.equal(status, 200);
    assert.match(String(headers['content-type']), /^text\/csv/);
    assert.equal(headers['content-disposition'], 'attachment; filename=weighbridge-1234.csv');
    assert.equal(headers['cache-control'], 'no-store');
    // The reader of the export is another one: it has no daemon.
    const journal = await openJournalReader(`${home.directory}/data/measures.jsonl`);
    const kept = [...(journal?.read({ userId: ANNA }) ?? [])].filter(({ reading }) => reading.withdrawn === undefined);
    assert.equal(body, CSV_HEADER + kept.map((line) => formatCsvRow(line, '=Anna')).join(''));
    assert.deepEqual(
      body.split('\r\n').map((row) => row.split(',').slice(1, 3).join()),
      ['name,grpid', "'=Anna,1", "'=Anna,2", ''],
    );
    for (const path of ['/csv/9', '/csv/', '/csv/__proto__', '/csv/..%2f..%2ftokens%2f1234', '/csv/1234/'])
      assert.equal((await ask(daemon.port, {}, { path })).status, 404, path);
    const head = await ask(daemon.port, {}, { path: '/csv/1234', method: 'HEAD' });
    assert.deepEqual([head.status, head.body], [200, '']);
    assert.equal((await ask(daemon.port, {}, { path: '/csv/1234', method: 'POST' })).status, 405);
  });

  test('requires the same checks as the page', async () => {
    const csv = () => assert.fail('asked for');
    await using port = await openPort({ password: 'correct-horse', page: page({ csv }) });
    assert.equal((await ask(port.port, {}, { path: '/csv/1234' })).status, 401);
    assert.equal((await ask(port.port, { host: 'evil.example' }, { path: '/csv/1234' })).status, 421);
    const foreign = { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'empty', ...basic('correct-horse') };
    assert.equal((await ask(port.port, foreign, { path: '/csv/1234' })).status, 403);
  });

  test('is streamed, and ends early if the journal fails', async () => {
    let given = 0;
    const csv = async function* () {
      for (given = 0; given < 2; given += 1) yield 'a row\r\n';
      throw new Error('the disk has failed');
    };
    await using port = await openPort({ page: page({ csv: () => Promise.resolve(csv()) }) });
    await assert.rejects(ask(port.port, {}, { path: '/csv/1234' }));
    assert.equal(given, 2);
  });
});

describe('the link', () => {
  test('leads to a new consent page each time, and back to a login', async () => {
    await using home = await startHome();
    const port = await freePort();
    const callbackUrl = `http://127.0.0.1:${port}${CALLBACK_PATH}`;
    await using daemon = await serveWithPage(home, { PORT: `${port}`, CALLBACK_URL: callbackUrl });
    const answers = [await ask(daemon.port, {}, { path: '/link' }), await ask(daemon.port, {}, { path: '/link' })];
    const links = answers.map(({ status, headers }) => {
      assert.equal(status, 303);
      assert.equal(headers['cache-control'], 'no-store');
      return new URL(String(headers.location));
    });
    const states = new Set(links.map(({ searchParams }) => searchParams.get('state')));
    assert.equal(states.size, 2);
    assert.equal(links[0]?.searchParams.get('redirect_uri'), callbackUrl);
    const page = await fetch(String(links[1]));
    assert.match(await page.text(), /is linked/);
    assert.match(await home.tokenFile('1234'), /\S/);
  });

  test('leads to Withings in Home Assistant, where another browser opens it, and other links stay', async () => {
    await using home = await startHome();
    await using played = await playSupervisor();
    const port = await freePort();
    const callbackUrl = `http://127.0.0.1:${port}${CALLBACK_PATH}`;
    const env = { PORT: `${port}`, CALLBACK_URL: callbackUrl, STATUS_INGRESS: INGRESS_ADDRESS };
    await using daemon = await serveWithPage(home, env);
    played.lead(daemon.port);
    const linkIn = (body: string) => /<a class="button main" href="([^"]+)" target="_blank"/.exec(body)?.[1];
    const framed = await (await fetch(played.pageUrl)).text();
    const link = new URL((linkIn(framed) ?? '').replaceAll('&#38;', '&').replaceAll('&amp;', '&'));
    assert.equal(link.origin, home.sandbox.url.origin);
    assert.match(await (await fetch(link)).text(), /is linked/);
    const { body } = await ask(daemon.port, {}, { path: '/' });
    assert.doesNotMatch(body, /oauth2_user/);
    const [, asset = ''] = /href="(\.\/assets\/[^"]+)"/.exec(framed) ?? [];
    assert.equal((await fetch(new URL(asset, played.pageUrl))).status, 200);
    const changes = await fetch(new URL('./changes', played.pageUrl));
    assert.match(changes.headers.get('content-type') ?? '', /^text\/event-stream/);
    await changes.body?.cancel();
  });

  test('is followed by a pasted address in Home Assistant, where the browser does not return', async () => {
    await using home = await startHome();
    await using played = await playSupervisor();
    const env = { CALLBACK_URL: '', REDIRECT_URL: 'https://example.org/landing', STATUS_INGRESS: INGRESS_ADDRESS };
    await using daemon = await serveWithPage(home, env);
    played.lead(daemon.port);
    const framed = await (await fetch(played.pageUrl)).text();
    const [, link = ''] = /<a class="button main" href="([^"]+)"/.exec(framed) ?? [];
    const [, action = ''] = /<form class="paste" action="([^"]+)">/.exec(framed) ?? [];
    const ended = await consent(link.replaceAll('&#38;', '&'));
    assert.equal(ended.origin, 'https://example.org');
    const pasteInto = async (base: string, address: string) => {
      const answer = await fetch(new URL(`${action}?${new URLSearchParams({ address })}`, base));
      return {
        status: answer.status,
        text: await answer.text(),
        policy: answer.headers.get('content-security-policy'),
      };
    };
    const stranger = await pasteInto(`http://127.0.0.1:${daemon.port}/`, ended.href);
    assert.equal(stranger.status, 404);
    assert.equal((await pasteInto(played.pageUrl, 'https://example.org/landing')).status, 400);
    const linked = await pasteInto(played.pageUrl, ` "${ended.href}"\n`);
    assert.match(linked.text, /is linked/);
    assert.match(linked.policy ?? '', /frame-ancestors 'self'/);
    assert.match(await home.tokenFile('1234'), /\S/);
    const { body } = await ask(daemon.port, {}, { path: '/' });
    assert.doesNotMatch(body, /<form class="paste"|oauth2_user/);
  });

  test('returns to the page without a callback URL', async () => {
    await using port = await openPort();
    const { status, headers } = await ask(port.port, {}, { path: '/link' });
    assert.deepEqual([status, headers.location], [303, './']);
  });
});

describe('the button for past years', () => {
  const POST = { path: '/backfill/1234', method: 'POST' };
  const open = async (options: Parameters<typeof openPort>[0] = {}, caller?: string) => {
    const asked: string[] = [];
    const backfill = async (userId: string) => asked.push(userId) > 0 && userId === '1234';
    return { port: await openPort({ page: page({ backfill }), ...options }, caller), asked };
  };

  test('starts a backfill by POST only, for a linked person, and returns to the page', async () => {
    const { port: opened, asked } = await open();
    await using port = opened;
    const { status, headers, body } = await ask(port.port, {}, POST);
    assert.deepEqual([status, headers.location], [303, '../#u1234'], body);
    for (const method of ['GET', 'HEAD', 'PUT']) {
      const answer = await ask(port.port, {}, { path: '/backfill/1234', method });
      assert.deepEqual([answer.status, answer.headers.allow], [405, 'POST'], method);
    }
    assert.deepEqual(asked, ['1234']);
    for (const [path, expected] of [
      ['/backfill/9', 404],
      ['/backfill/..%2f1234', 404],
      ['/backfill/', 404],
      ['/backfill/1234/', 404],
    ] as const)
      assert.equal((await ask(port.port, {}, { path, method: 'POST' })).status, expected, path);
  });

  test('accepts the own page and programs, and rejects forms of other sites', async () => {
    for (const caller of [undefined, INGRESS_ADDRESS]) {
      const { port: opened, asked } = await open({ ingress: INGRESS_ADDRESS, names: ['pi.local'] }, caller);
      await using port = opened;
      const host = `pi.local:${port.port}`;
      for (const headers of [
        { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'document' },
        { 'sec-fetch-site': 'same-site', 'sec-fetch-dest': 'document' },
        { 'sec-fetch-site': 'none' },
        { 'sec-fetch-site': 'cross-site', origin: `http://${host}` },
        // A browser that reaches the port by plain HTTP, and not on its own machine, sends the origin alone.
        { origin: 'null' },
        { origin: 'https://evil.example' },
        { origin: `http://${host}.evil.example` },
        { origin: 'http://pi.local:8123' },
        { origin: `https://${host}` },
        { origin: `http://evil.example@pi.local:8123` },
        { origin: 'javascript:alert(1)' },
        { origin: '' },
      ])
        assert.equal((await ask(port.port, { host, ...headers }, POST)).status, 403, JSON.stringify(headers));
      assert.deepEqual(asked, []);
      for (const headers of [
        {},
        { origin: `http://${host}` },
        { 'sec-fetch-site': 'same-origin', origin: 'http://by.a.proxy' },
      ])
        assert.equal((await ask(port.port, { host, ...headers }, POST)).status, 303, JSON.stringify(headers));
      const secure = { host, origin: `https://${host}`, 'x-forwarded-proto': 'https' };
      assert.equal((await ask(port.port, secure, POST)).status, caller === INGRESS_ADDRESS ? 303 : 403);
    }
  });

  test('requires the host name and the password', async () => {
    const { port: opened, asked } = await open({ password: 'correct-horse' });
    await using port = opened;
    assert.equal((await ask(port.port, {}, POST)).status, 401);
    assert.equal((await ask(port.port, basic('guess'), POST)).status, 401);
    assert.equal((await ask(port.port, { host: 'evil.example', ...basic('correct-horse') }, POST)).status, 421);
    assert.deepEqual(asked, []);
    assert.equal((await ask(port.port, basic('correct-horse'), POST)).status, 303);
  });
});

describe('with STATUS_LINK=off', () => {
  test('the port links no person, and the page has no button for it', async () => {
    await using home = await startHome();
    await home.link('1234');
    await using daemon = await serveWithPage(home, { STATUS_LINK: 'off' });
    for (const method of ['GET', 'HEAD', 'POST']) {
      const { status, headers, body } = await ask(daemon.port, {}, { path: '/link', method });
      assert.deepEqual([status, headers.location], [404, undefined], method);
      assert.doesNotMatch(body, /oauth2_user|withings/i, method);
    }
    const begun = await ask(daemon.port, {}, { path: '/backfill/1234', method: 'POST' });
    assert.equal(begun.status, 404);
    const { status, body } = await ask(daemon.port, {}, { path: '/' });
    assert.equal(status, 200);
    assert.doesNotMatch(body, /href="\.?\/link"|Link another|Fetch past years|<form/);
    // `login` uses the callback, which is on the other port.
    const callback = await fetch(`${daemon.url}?code=x&state=y`);
    assert.match(await callback.text(), /link/);
  });

  test('the page names the command instead where a person must link', async () => {
    const off = { offersLink: false };
    const guide = String(renderPage({ ...(VIEWS['empty'] ?? assert.fail()), ...off }, (name) => name));
    assert.doesNotMatch(guide, /href="\/link"/);
    assert.match(guide, /weighbridge login/);
  });
});

test('SIGUSR1 does not open the inspector of the daemon', async () => {
  await using home = await startHome();
  await using daemon = await home.serve();
  daemon.child.kill('SIGUSR1');
  // The answer to a request shows that the daemon is past the signal.
  for (let count = 0; count < 5; count += 1) assert.equal((await fetch(daemon.url, { method: 'HEAD' })).status, 200);
  assert.doesNotMatch(daemon.output(), /Debugger listening|Starting inspector/);
});

describe('the stream of changes', () => {
  test('reports a weigh-in', async () => {
    await using home = await startHome();
    await home.link('1234');
    await using daemon = await serveWithPage(home);
    await daemon.line(({ event }) => event === 'fetched');
    const events = await follow(daemon.port);
    assert.match(String(events.response.headers['content-type']), /^text\/event-stream/);
    assert.equal(events.response.headers['cache-control'], 'no-store');
    await home.sandbox.subscribe('1234', daemon.url, 1);
    // The client requests the page after each change event, as a browser does, until the page is new.
    let seen = 0;
    await home.sandbox.weigh('1234', { kilograms: 81.25, date: Math.floor(Date.now() / 1000) - 2 });
    do {
      seen += 1;
      await events.until(new RegExp(`(?:event: change\ndata: page\n\n[^]*){${seen}}`));
    } while (!/81\.25/.test((await ask(daemon.port, {}, { path: '/' })).body));
    events.leave();
  });

  test('ends with the daemon', async () => {
    await using home = await startHome();
    const daemon = await serveWithPage(home);
    const events = await follow(daemon.port);
    await events.until(/retry: \d+\n\n/);
    daemon.child.kill('SIGTERM');
    await events.ended;
    const { code, stderr } = await daemon.exited;
    assert.equal(code, 0, stderr);
  });

  test('ends at once with the daemon, also without traffic', async () => {
    const stop = new AbortController();
    await using port = await openPort({ signal: stop.signal });
    const events = await follow(port.port);
    await events.until(/retry: \d+\n\n/);
    // The clock stands still, so no beat ends it.
    stop.abort();
    await within(events.ended);
    const late = await follow(port.port);
    await within(late.ended);
    // The port closes silent connections as well, but in the middle of an answer.
    assert.deepEqual([events.response.complete, late.response.complete], [true, true]);
  });

  test('runs while a browser listens, and sends beats to later browsers as well', async () => {
    let watching = 0;
    const watch = () => {
      watching += 1;
      return {
        [Symbol.dispose]() {
          watching -= 1;
        },
      };
    };
    await using port = await openPort({ page: page({ watch }) });
    for (const _ of [1, 2]) {
      const events = await follow(port.port);
      await events.until(/retry: \d+\n\n/);
      assert.equal(watching, 1);
      await port.clock.advance(10_000);
      await events.until(/event: beat/);
      await port.clock.advance(10_000);
      await events.until(/event: beat[\s\S]*event: beat/);
      events.leave();
      while (watching > 0) await new Promise((resolve) => setImmediate(resolve));
    }
  });

  test('is not buffered for a client that does not read', async () => {
    const clock = createFakeClock();
    const { signal } = new AbortController();
    const watch = () => ({ [Symbol.dispose]: () => undefined });
    const app = express();
    app.use((request, response, next) => {
      // The header simulates unread bytes in the socket.
      const unread = Number(request.headers['x-unread']);
      Object.defineProperty(response, 'writableLength', { get: () => unread });
      next();
    });
    app.get('/changes', createLive({ watch, clock, signal }));
    // The test uses a plain Node server, which does not close silent connections.
    const server = createServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const port = server.address() as AddressInfo;
    const slow = await follow(port.port, { 'x-unread': '5000' });
    const quick = await follow(port.port, { 'x-unread': '4096' });
    await clock.advance(10_000);
    await within(slow.ended);
    assert.equal(slow.response.complete, false);
    await quick.until(/event: beat/);
    quick.leave();
    server.close();
  });

  test('sends beats within the idle limit of the browser', async () => {
    await using port = await openPort();
    const events = await follow(port.port);
    await port.clock.advance(10_000);
    await events.until(/\nevent: beat\ndata: alive\n\n/);
    events.leave();
  });

  test('is limited in clients, and a new one replaces the oldest', async () => {
    await using port = await openPort();
    const first = await follow(port.port);
    const others = await Promise.all(Array.from({ length: 32 }, () => follow(port.port)));
    await first.ended;
    assert.ok(others.every(({ response }) => !response.destroyed));
    for (const { leave } of others) leave();
  });

  test('reports a changed status, but not the passing of time', async () => {
    const clock = createFakeClock();
    const stop = new AbortController();
    let status: Status = WELL;
    let told = 0;
    let looks = 0;
    const changes = createStatusChanges({
      liveStatus: {
        look: () => {
          looks += 1;
          const uptimeMs = clock.elapsedMs();
          return Promise.resolve({ ...status, uptimeMs });
        },
        onChange: () => ({ [Symbol.dispose]: () => undefined }),
      },
      lookForMore: () => Promise.reject(new Error('no journal')),
      examine: () => Promise.reject(new Error('no directory')),
      feed: { onGrowth: () => ({ [Symbol.dispose]: () => undefined }) },
      clock,
      signal: stop.signal,
    });
    await clock.advance(60_000);
    assert.equal(looks, 0);
    {
      using _watching = changes.watch(() => {
        told += 1;
      });
      await clock.advance(60_000);
      assert.equal(told, 0);
      status = { ...WELL, people: [] };
      await clock.advance(6_000);
      assert.equal(told, 1);
    }
    await clock.advance(10_000);
    const looksBefore = looks;
    await clock.advance(600_000);
    assert.equal(looks, looksBefore);
    stop.abort();
  });

  test('reports a change once, and troubles and set-up as well, but not the duration of a trouble', async () => {
    const clock = createFakeClock();
    const silent = { userId: ANNA, code: 'no_contact', since: clock.now(), isLasting: true };
    let status = WELL;
    let concerns: unknown[] = [];
    let told = 0;
    let grow: () => void = () => undefined;
    const minutes = () => `no successful check for ${Math.floor(clock.elapsedMs() / 60_000)} min`;
    const changes = createStatusChanges({
      liveStatus: {
        look: () =>
          Promise.resolve({ ...status, troubles: status.troubles.map((each) => ({ ...each, text: minutes() })) }),
        onChange: () => ({ [Symbol.dispose]: () => undefined }),
      },
      lookForMore: () => Promise.resolve(),
      examine: () => Promise.resolve(concerns),
      feed: {
        onGrowth(wake) {
          grow = wake;
          return { [Symbol.dispose]: () => undefined };
        },
      },
      clock,
      signal: new AbortController().signal,
    });
    using _watching = changes.watch(() => {
      told += 1;
    });
    await clock.advance(1_000);
    status = { ...WELL, people: [] };
    grow();
    await clock.advance(60_000);
    assert.equal(told, 1, 'a weigh-in');
    status = { ...status, troubles: [{ ...silent, text: '' }] };
    await clock.advance(600_000);
    assert.equal(told, 2, 'a trouble that lasts');
    concerns = [{ text: 'everybody can read data/' }];
    await clock.advance(60_000);
    assert.equal(told, 3, 'a concern');
  });

  test('reports simultaneous changes once', async () => {
    const clock = createFakeClock();
    let told = 0;
    let grow: () => void = () => undefined;
    const changes = createStatusChanges({
      liveStatus: { look: () => Promise.resolve(WELL), onChange: () => ({ [Symbol.dispose]: () => undefined }) },
      lookForMore: () => Promise.resolve(),
      examine: () => Promise.resolve([]),
      feed: {
        onGrowth(wake) {
          grow = wake;
          return { [Symbol.dispose]: () => undefined };
        },
      },
      clock,
      signal: new AbortController().signal,
    });
    using _watching = changes.watch(() => {
      told += 1;
    });
    await clock.advance(1_000);
    for (let group = 0; group < 4; group += 1) grow();
    await clock.advance(1_000);
    assert.equal(told, 1);
    grow();
    await clock.advance(1_000);
    assert.equal(told, 2);
  });
});
