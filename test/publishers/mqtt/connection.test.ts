import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { mock, test } from 'node:test';
import { connectAsAllowed } from '../../../src/publishers/mqtt/connection.ts';
import { startAedes } from '../../support/broker.ts';
import { startMqtt5Broker } from '../../support/mqtt5-broker.ts';

test('a connection of months keeps none of its published messages in memory', async () => {
  await using broker = await startAedes();
  const will = { topic: 'test/status', payload: 'offline', retain: true };
  const options = { url: new URL(broker.url), username: undefined, password: undefined, caFile: undefined };
  const { signal } = new AbortController();
  const connection = await connectAsAllowed({ ...options, clientId: 'test', will }, 4, signal);
  const { ended } = connection;
  const reacted = mock.method(ended, 'then');
  for (let each = 0; each < 20; each += 1)
    await connection.publish({ topic: 'test/value', payload: `${each}`, retain: false });
  assert.equal(reacted.mock.callCount(), 0, 'each reaction to its end would stay until then');
  await connection.close();
  await ended;
});

test('a frozen broker is reported as not answering, and is tried in one version', async () => {
  const sockets: Socket[] = [];
  const frozen = createServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1');
  await once(frozen, 'listening');
  const { port } = frozen.address() as { port: number };
  const login = { username: undefined, password: undefined, caFile: undefined };
  const options = { url: new URL(`mqtt://127.0.0.1:${port}`), ...login, clientId: 'test', will: undefined };
  const { signal } = new AbortController();
  await assert.rejects(connectAsAllowed({ ...options, connectMs: 200 }, 5, signal), {
    code: 'mqtt_silent',
    message: `the MQTT broker 127.0.0.1:${port} accepted the connection, but does not answer`,
  });
  assert.ok(sockets.length <= 1, `${sockets.length}`);
  for (const socket of sockets) socket.destroy();
  frozen.close();
});

const options = (url: string) => {
  const login = { username: undefined, password: undefined, caFile: undefined };
  return { url: new URL(url), ...login, clientId: 'test', will: undefined };
};
const { signal: never } = new AbortController();

test('a broker gets a request for a new session, and a sign of life within half a minute', async () => {
  await using broker = await startMqtt5Broker(() => undefined);
  const connection = await connectAsAllowed(options(broker.url), 5, never);
  await connection.close();
  const [connect] = broker.connects;
  // The bytes after the name are level 5, flags and keep-alive. The flags contain only Clean Start.
  assert.deepEqual([...(connect?.subarray(6, 10) ?? [])], [5, 0b10, 0, 30]);
});

test('a broker without an acknowledgement is left after 20 s, and not earlier', async () => {
  await using broker = await startMqtt5Broker(() => 'silence');
  const connection = await connectAsAllowed(options(broker.url), 5, never);
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const published = connection.publish({ topic: 'test/value', payload: '1', retain: false });
    published.catch(() => undefined);
    while (broker.publishes.length === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    mock.timers.tick(19_999);
    for (let turn = 0; turn < 100; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
    assert.ok(connection.isOpen);
    mock.timers.tick(1);
    await assert.rejects(published, { code: 'mqtt_silent', message: /does not acknowledge messages$/ });
    assert.equal(connection.endedIdle, false);
  } finally {
    mock.timers.reset();
  }
});

const message = { topic: 'test/value', payload: '1', retain: false };

test('only one message at a time is in flight', async () => {
  await using broker = await startMqtt5Broker(() => 'silence');
  const connection = await connectAsAllowed(options(broker.url), 5, never);
  const published = [1, 2].map(() => connection.publish(message).catch(() => undefined));
  while (broker.publishes.length === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  for (let turn = 0; turn < 100; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
  assert.equal(broker.publishes.length, 1);
  await connection.close();
  await Promise.all(published);
});

test('a connection that ends during a message was not idle', async () => {
  await using broker = await startMqtt5Broker(() => ({ disconnect: 0 }), { version: 4 });
  const connection = await connectAsAllowed(options(broker.url), 5, never);
  await assert.rejects(connection.publish(message), { code: 'mqtt_lost' });
  assert.equal(connection.endedIdle, false);
});

test('an unreadable answer ends the connection at once', async () => {
  await using broker = await startMqtt5Broker(() => ({ puback: 149 }));
  const connection = await connectAsAllowed(options(broker.url), 5, never);
  const startedMs = performance.now();
  await assert.rejects(connection.publish(message), { code: 'mqtt_exceeded' });
  assert.ok(performance.now() - startedMs < 15_000, 'without an acknowledgement it would take 20 s');
});
