import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { mock, test } from 'node:test';
import { connect, connectEither } from '../../../src/publishers/mqtt/connection.ts';
import { startAedes } from '../../support/broker.ts';

test('a connection that lasts for months holds nothing of what it has published', async () => {
  await using broker = await startAedes();
  const will = { topic: 'test/status', payload: 'offline', retain: true };
  const options = { url: new URL(broker.url), username: undefined, password: undefined, caFile: undefined };
  const { signal } = new AbortController();
  const connection = await connect({ ...options, clientId: 'test', will }, 4, signal);
  const { ended } = connection;
  const reacted = mock.method(ended, 'then');
  for (let each = 0; each < 20; each += 1)
    await connection.publish({ topic: 'test/value', payload: `${each}`, retain: false });
  assert.equal(reacted.mock.callCount(), 0, 'each reaction to its end would stay until then');
  await connection.close();
  await ended;
});

test('a broker that has frozen is told of as one that does not answer, and is asked in one version', async () => {
  const sockets: Socket[] = [];
  const frozen = createServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1');
  await once(frozen, 'listening');
  const { port } = frozen.address() as { port: number };
  const login = { username: undefined, password: undefined, caFile: undefined };
  const options = { url: new URL(`mqtt://127.0.0.1:${port}`), ...login, clientId: 'test', will: undefined };
  const { signal } = new AbortController();
  await assert.rejects(connectEither({ ...options, connectMs: 200 }, 5, signal), {
    code: 'mqtt_silent',
    message: `the MQTT broker 127.0.0.1:${port} takes the connection and does not answer`,
  });
  assert.ok(sockets.length <= 1, `${sockets.length}`);
  for (const socket of sockets) socket.destroy();
  frozen.close();
});
