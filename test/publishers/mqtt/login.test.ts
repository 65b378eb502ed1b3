import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { listenTo, startAedes } from '../../support/broker.ts';
import { createMqttHome, deliverAtLast, eventually, reading, startMqttBench } from '../../support/mqtt-bench.ts';
import { ANNA } from '../../support/people.ts';

describe('a login from outside the settings', () => {
  it('is requested before each connection, so that a new password works after a rejection', {
    timeout: 60_000,
  }, async () => {
    let password = 'first';
    const tried: string[] = [];
    await using broker = await startAedes({
      authenticate: (_client, _username, given, done) => {
        tried.push(`${given}`);
        const isRight = `${given}` === password || `${given}` === 'of the listener';
        done(isRight ? null : Object.assign(new Error('no'), { returnCode: 4 }), isRight);
      },
    });
    let asked = 0;
    let known = 'first';
    const home = createMqttHome(ANNA);
    await using bench = startMqttBench('mqtt://127.0.0.1:1', home, {
      askLogin: async () => {
        asked += 1;
        return { url: new URL(broker.url), username: 'addons', password: known };
      },
    });
    await deliverAtLast(bench, reading(ANNA, 81.25, '2026-11-20T06:00:00Z'));
    assert.equal(asked, 1);

    await broker.stop();
    password = 'second';
    await broker.start();
    await eventually(bench, () =>
      bench.log.entries.some(({ text }) => text.includes('rejected the user name or the password')),
    );
    known = 'second';
    const listening = { username: 'x', password: 'of the listener' };
    await using listener = await listenTo(broker.url, listening);
    await deliverAtLast(bench, reading(ANNA, 81.5, '2026-11-20T06:01:00Z', { groupId: 7 }));
    await listener.hears(({ topic, payload }) => topic === 'weighbridge/1234/weight' && payload.includes('81.5'));
    assert.deepEqual([...new Set(tried)], ['first', 'of the listener', 'second']);
    assert.doesNotMatch(JSON.stringify(bench.log.entries), /second/);
  });
});
