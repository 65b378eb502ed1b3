import { strict as assert } from 'node:assert';
import { once } from 'node:events';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { hostname } from 'node:os';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startAedes } from '../support/broker.ts';
import { freePort } from '../support/free-port.ts';
import { CALLBACK_PATH, startHome } from '../support/home.ts';

const PATIENCE_MS = 200_000;

async function ask(port: number, headers: Readonly<Record<string, string>> = {}) {
  const sent = request({ host: '127.0.0.1', port, path: '/healthz', headers, agent: false }).end();
  const [response] = await once(sent, 'response');
  return { status: response.statusCode, body: await text(response) };
}

/** Repeats the request until the answer is the expected one. */
async function askUntil(port: number, isIt: (answer: { readonly status: number; readonly health: Health }) => boolean) {
  for (const endMs = Date.now() + PATIENCE_MS; ; await sleep(50)) {
    const { status, body } = await ask(port);
    const answer = { status, health: JSON.parse(body) as Health };
    if (isIt(answer)) return answer;
    assert(Date.now() < endMs, body);
  }
}

interface Health {
  readonly status: string;
  readonly users: readonly {
    readonly login: string;
    readonly last_notification: string | null;
    readonly last_weigh_in: { readonly weight: number } | null;
    readonly subscription: {
      readonly state: string;
      readonly applis: readonly number[];
      readonly reason: string | null;
    };
  }[];
  readonly publishers: Readonly<
    Record<
      string,
      {
        readonly state: string;
        readonly since: string | null;
        readonly problem: string | null;
        readonly last_contact: string | null;
        readonly behind_bytes: number | null;
      }
    >
  >;
  readonly troubles: readonly { readonly code: string; readonly text: string }[];
}

describe('the status port of the daemon', { concurrency: true }, () => {
  test('is logged next to the public one', async () => {
    await using home = await startHome();
    const port = await freePort();
    await using daemon = await home.serve({ STATUS_PORT: `${port}` });
    const line = await daemon.line(({ event }) => event === 'listening');
    assert.deepEqual(line['private'], { host: '127.0.0.1', port });
    const { port: publicPort } = line['public'] as { readonly port: number };
    assert.equal(
      line['text'],
      `listening on http://127.0.0.1:${publicPort} (notifications), status page http://127.0.0.1:${port}/`,
    );
    assert.equal((await ask(publicPort)).status, 404, 'and not on the public one');
  });

  test('is off with STATUS_PORT=0, and not logged', async () => {
    await using home = await startHome();
    await using daemon = await home.serve();
    const line = await daemon.line(({ event }) => event === 'listening');
    assert.equal(line['private'], undefined);
    assert.match(String(line['text']), /^listening on http:\/\/127\.0\.0\.1:\d+ \(notifications\)$/);
  });

  test('that is taken ends the daemon at its start with one line that names STATUS_PORT', async () => {
    await using home = await startHome();
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert(typeof address === 'object' && address !== null);
    await using daemon = home.start({ STATUS_PORT: `${address.port}` });
    const { code, stderr } = await daemon.exited;
    server.close();
    assert.equal(code, 1);
    const lines = stderr.trim().split('\n');
    assert.equal(lines.length, 1, stderr);
    assert.match(lines[0] ?? '', new RegExp(`127\\.0\\.0\\.1:${address.port} .*set STATUS_PORT`));
  });

  test('is closed if the public port is taken, so that the daemon ends', async () => {
    await using home = await startHome();
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert(typeof address === 'object' && address !== null);
    await using daemon = home.start({ PORT: `${address.port}`, STATUS_PORT: `${await freePort()}` });
    const { code, stderr } = await daemon.exited;
    server.close();
    assert.equal(code, 1);
    assert.match(stderr, /set PORT/);
  });

  test('reports that no person is linked yet, which is not a failure', async () => {
    await using home = await startHome();
    const port = await freePort();
    await using _daemon = await home.serve({ STATUS_PORT: `${port}` });
    const { status, body } = await ask(port);
    const { users, troubles, status: word } = JSON.parse(body);
    assert.deepEqual([status, word, users, troubles], [200, 'ok', [], []]);
  });

  test('reports the last notification, the weigh-in, and the subscriptions', async () => {
    await using home = await startHome();
    await home.link('1234');
    const [port, publicPort] = [await freePort(), await freePort()];
    const CALLBACK_URL = `http://127.0.0.1:${publicPort}${CALLBACK_PATH}`;
    await using daemon = await home.serve({ STATUS_PORT: `${port}`, PORT: `${publicPort}`, CALLBACK_URL });
    const at = Math.floor(Date.now() / 1000) - 60;
    await askUntil(port, ({ health }) => health.users[0]?.login === 'works');
    home.sandbox.store('1234', { kilograms: 81.25, date: at });
    assert.equal(await daemon.notify({ userid: 1234, appli: 1, startdate: at, enddate: at + 1 }), 200);
    const { status, health } = await askUntil(
      port,
      ({ health: { users } }) => users[0]?.last_weigh_in?.weight === 81.25 && users[0].subscription.state === 'works',
    );
    const [user] = health.users;
    assert.deepEqual([status, user?.subscription.applis], [200, [1]]);
    assert(user?.last_notification);
  });

  test('reports an unreachable callback URL with the reason, and that weighbridge polls', async () => {
    await using home = await startHome();
    await home.link('1234');
    const port = await freePort();
    const CALLBACK_URL = `http://127.0.0.1:${await freePort()}/nobody-is-there`;
    await using _daemon = await home.serve({ STATUS_PORT: `${port}`, CALLBACK_URL });
    const { status, health } = await askUntil(
      port,
      ({ health: { users, troubles } }) =>
        users[0]?.subscription.state === 'polling' && troubles[0]?.code === 'callback_unreachable',
    );
    assert.deepEqual([status, health.status, health.troubles.length], [200, 'ok', 1]);
    assert.match(health.users[0]?.subscription.reason ?? '', /293/);
  });

  test('reports the status of the broker and the hook, and their delays', async () => {
    await using home = await startHome();
    await home.link('1234');
    await using broker = await startAedes();
    await broker.stop();
    const port = await freePort();
    await using daemon = await home.serve({ STATUS_PORT: `${port}`, MQTT_URL: broker.url, HOOK_COMMAND: '/bin/true' });
    const { health: before, status } = await askUntil(
      port,
      ({ health }) => health.publishers['mqtt']?.state === 'trouble',
    );
    assert.deepEqual([status, before.status], [200, 'ok'], 'it may be temporary');
    assert.match(before.publishers['mqtt']?.problem ?? '', /^mqtt: the MQTT broker .* cannot be reached/);
    assert.deepEqual(
      before.troubles.map(({ code, text }) => [code, text]),
      [['mqtt_unreachable', before.publishers['mqtt']?.problem]],
    );
    assert.deepEqual([before.publishers['hook']?.state, before.publishers['hook']?.last_contact], ['not_tried', null]);
    await askUntil(port, ({ health }) => health.users[0]?.login === 'works');
    const at = Math.floor(Date.now() / 1000) - 60;
    home.sandbox.store('1234', { kilograms: 81.25, date: at });
    await daemon.notify({ userid: 1234, appli: 1, startdate: at, enddate: at + 1 });
    const { health: behind } = await askUntil(port, ({ health }) => health.publishers['hook']?.state === 'works');
    assert.ok(behind.publishers['hook']?.last_contact);
    assert.ok((behind.publishers['mqtt']?.behind_bytes ?? 0) > 100, 'the line of the weigh-in');
    await broker.start();
    const { health: after } = await askUntil(port, ({ health: { publishers } }) =>
      Object.values(publishers).every(({ state, behind_bytes: bytes }) => state === 'works' && bytes === 0),
    );
    assert.deepEqual([after.troubles, after.publishers['mqtt']?.problem], [[], null]);
  });

  test('that faces the network requires the password, and accepts the name of the machine', async () => {
    await using home = await startHome();
    const port = await freePort();
    const password = 'correct-horse';
    await using _daemon = await home.serve({
      STATUS_PORT: `${port}`,
      STATUS_HOST: '0.0.0.0',
      STATUS_PASSWORD: password,
    });
    const authorization = `Basic ${Buffer.from(`:${password}`).toString('base64')}`;
    for (const host of [hostname(), `${hostname()}.local:${port}`])
      assert.equal((await ask(port, { host, authorization })).status, 200, host);
    assert.equal((await ask(port, { host: hostname() })).status, 401);
    assert.equal((await ask(port, { host: 'evil.example', authorization })).status, 421);
  });
});
