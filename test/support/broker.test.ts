import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { listenTo, startAedes } from './broker.ts';

test('a failed wait for a message names the message', async () => {
  await using broker = await startAedes();
  await using listener = await listenTo(broker.url, { limitMs: 50 });
  await assert.rejects(
    listener.hears(({ topic }) => topic === 'never'),
    /in vain for 50 ms: .*=> topic === 'never'; heard on: nothing$/,
  );
});
