import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { connectAsAllowed } from '../../../src/publishers/mqtt/connection.ts';
import { startMqtt5Broker } from '../../support/mqtt5-broker.ts';

// The test has a process of its own, because other users of the package fill its cache.
test('the MQTT package has no cache of numbers as bytes, which would use 10 MB', async () => {
  await using broker = await startMqtt5Broker(() => undefined);
  const login = { username: undefined, password: undefined, caFile: undefined, clientId: 'test', will: undefined };
  const connection = await connectAsAllowed({ url: new URL(broker.url), ...login }, 5, new AbortController().signal);
  await connection.publish({ topic: 'test/value', payload: '1', retain: true });
  await connection.close();
  const ofPackage = createRequire(createRequire(import.meta.url).resolve('mqtt'));
  const { cache } = ofPackage('mqtt-packet/numbers') as { readonly cache: object };
  assert.deepEqual(Object.keys(cache), []);
});
