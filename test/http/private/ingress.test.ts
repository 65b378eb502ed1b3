import { strict as assert } from 'node:assert';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { INGRESS_ADDRESS, playSupervisor } from '../../support/played-supervisor.ts';
import { type Answer, ask, basic, openPort, page } from '../../support/private-port.ts';

const PASSWORD = 'correct-horse-battery-staple';
const PATHS = ['/', '/link', '/healthz', '/healthz?live', '/assets/page.css', '/elsewhere', '/backfill/1234'];
/** Headers that a client may try: those of the Supervisor, other host names, guesses. */
const TRIALS = [
  {},
  { 'x-ingress-path': '/api/hassio_ingress/x', 'x-forwarded-for': INGRESS_ADDRESS },
  { host: 'homeassistant.local:8123' },
  { 'sec-fetch-site': 'cross-site' },
  { ...basic(PASSWORD), origin: 'https://evil.example' },
  basic('a guess'),
  basic(PASSWORD),
];

/** Headers that a program in Home Assistant's network may send, or a browser through the Supervisor. */
const ODD: readonly Readonly<Record<string, string>>[] = [
  { 'x-ingress-path': '//evil.example' },
  { 'x-ingress-path': 'javascript:alert(1)' },
  { 'x-ingress-path': '"><script>alert(1)</script>' },
  { 'x-ingress-path': "/api/hassio_ingress/x' onload='" },
  { 'x-ingress-path': '/../../' },
  { 'x-forwarded-for': INGRESS_ADDRESS, 'x-real-ip': INGRESS_ADDRESS, forwarded: `for=${INGRESS_ADDRESS}` },
  { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'javascript' },
  { 'x-hass-source': 'core.ingress', 'x-remote-user-name': 'anna', 'x-supervisor-token': 'x' },
  { host: 'evil.example' },
  { host: INGRESS_ADDRESS },
  { host: '"><script>' },
  { 'x-original-url': '/healthz', 'x-rewrite-url': '/healthz', 'x-http-method-override': 'POST' },
];

const ASSET = { content: 'x', hash: 'h' };
const PAGE = page({
  backfill: async () => true,
  asset: async () => ASSET,
  draw: async (_parameters, isFramed) => `framed: ${isFramed}`,
});

describe('Home Assistant at the status port', () => {
  test('needs no password and no host name of weighbridge', async () => {
    await using played = await playSupervisor();
    await using port = await openPort({ password: PASSWORD, ingress: INGRESS_ADDRESS, page: PAGE });
    played.lead(port.port);
    const { status, headers, body } = await throughHomeAssistant(played.pageUrl);
    assert.deepEqual([status, body], [200, 'framed: true']);
    assert.match(headers.get('content-security-policy') ?? '', /frame-ancestors 'self'$/);
    assert.match(
      headers.get('content-security-policy') ?? '',
      /script-src 'self'; .*base-uri 'none'; form-action 'self'/,
    );
    for (const path of ['assets/page.css', 'healthz'])
      assert.equal((await throughHomeAssistant(`${played.pageUrl}${path}`)).status, 200, path);
  });

  test('forwards no request of another site', async () => {
    await using played = await playSupervisor();
    await using port = await openPort({ ingress: INGRESS_ADDRESS, page: PAGE });
    played.lead(port.port);
    const answer = await throughHomeAssistant(played.pageUrl, { 'sec-fetch-site': 'cross-site' });
    assert.equal(answer.status, 403);
  });

  test('is not recognised by a header, and its header values appear in no answer', async () => {
    await using port = await openPort({ ingress: INGRESS_ADDRESS, page: PAGE }, INGRESS_ADDRESS);
    const paths = ['/', '/link', '/healthz', '/assets/page.css', '//evil.example/', '/%2f%2fevil.example'];
    for (const path of paths) {
      const expected = await ask(port.port, {}, { path });
      for (const headers of ODD) {
        const answer = await ask(port.port, headers, { path });
        assert.deepEqual(
          comparable(answer, port.port),
          comparable(expected, port.port),
          `${path} ${JSON.stringify(headers)}`,
        );
      }
    }
    assert.equal((await ask(port.port, {}, { path: '//evil.example/' })).status, 404);
  });

  test('is recognised by its address, and not by a header', async () => {
    await using port = await openPort({ ingress: INGRESS_ADDRESS, page: PAGE }, '172.30.33.9');
    for (const headers of ODD) {
      const { status } = await ask(port.port, headers, { path: '/' });
      assert.ok(status === 403 || status === 421, `${status} ${JSON.stringify(headers)}`);
    }
  });

  test('rejects a request that a line break in a header would create', async () => {
    await using port = await openPort({ ingress: INGRESS_ADDRESS, page: PAGE }, INGRESS_ADDRESS);
    for (const odd of ['/x\rY: 1', '/x\0', '/x\n /healthz HTTP/1.1'])
      assert.match(
        await sendRaw(port.port, `GET / HTTP/1.1\r\nHost: x\r\nX-Ingress-Path: ${odd}\r\n\r\n`),
        /^HTTP\/1.1 400/,
      );
    const two = 'GET / HTTP/1.1\r\nHost: one\r\nHost: other\r\n\r\n';
    assert.doesNotMatch(await sendRaw(port.port, two), /other/);
  });

  test('changes nothing for other addresses', async () => {
    await using before = await openPort({ password: PASSWORD, page: PAGE });
    await using port = await openPort({ password: PASSWORD, ingress: INGRESS_ADDRESS, page: PAGE });
    const statuses = new Set<number | undefined>();
    for (const path of PATHS) {
      for (const headers of TRIALS) {
        const how = { path, method: path.startsWith('/backfill') ? 'POST' : 'GET' };
        const expected = await ask(before.port, headers, how);
        statuses.add(expected.status);
        assert.deepEqual(
          comparable(await ask(port.port, headers, how), port.port),
          comparable(expected, before.port),
          path,
        );
      }
    }
    assert.deepEqual([...statuses].toSorted(), [200, 303, 401, 403, 404, 421]);
  });

  test('is, besides this machine, the only client without a password', async () => {
    for (const [caller, expected] of [
      ['172.30.33.9', 403],
      ['::ffff:192.168.1.7', 403],
      [`::ffff:${INGRESS_ADDRESS}`, 200],
      ['127.0.0.1', 200],
      ['::1', 200],
      [undefined, 403],
    ] as const) {
      await using port = await openPort({ ingress: INGRESS_ADDRESS, page: PAGE }, caller ?? 'gone');
      for (const path of ['/', '/healthz']) assert.equal((await ask(port.port, {}, { path })).status, expected, caller);
    }
    await using gone = await openPort({ password: PASSWORD, page: PAGE }, 'gone');
    assert.equal((await ask(gone.port)).status, 401);
  });
});

describe('/healthz?live', () => {
  test('is OK as long as a restart would not help', async () => {
    const look = () => Promise.reject(new Error('not looked at'));
    await using port = await openPort({ look });
    const { status, body } = await ask(port.port, {}, { path: '/healthz?live' });
    assert.deepEqual([status, body], [200, 'alive\n']);
  });

  test('names the part that stands still', async () => {
    await using port = await openPort({ stuck: () => 'a fetch has not ended for 61 min' });
    const { status, body } = await ask(port.port, {}, { path: '/healthz?live=' });
    assert.deepEqual([status, body], [503, 'a fetch has not ended for 61 min\n']);
  });
});

/** Sends a request as a browser in Home Assistant's frame does. */
async function throughHomeAssistant(url: string, headers: Readonly<Record<string, string>> = {}) {
  const answer = await fetch(url, { headers: { 'sec-fetch-site': 'same-origin', ...headers }, redirect: 'manual' });
  return { status: answer.status, headers: answer.headers, body: await answer.text() };
}

/** Returns the answer of a server to bytes that no client library would send. */
async function sendRaw(port: number, request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(request);
  return await text(socket);
}

/** The answer without what differs between two ports. */
function comparable({ status, headers, body }: Answer, port: number) {
  return { status, body: body.replace(`:${port}/`, ':PORT/'), headers: { ...headers, date: '', 'content-length': '' } };
}
