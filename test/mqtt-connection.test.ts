import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { connect } from '../src/publishers/mqtt-connection.ts';
import { startAedes } from './support/broker.ts';

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
