import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPublisherTroubles } from '../src/app/publisher-troubles.ts';
import { NOTHING_KNOWN } from '../src/domain/person.ts';
import { createBoard } from '../src/publishers/mqtt-board.ts';
import type { Connection } from '../src/publishers/mqtt-connection.ts';
import { createTopics } from '../src/publishers/mqtt-messages.ts';
import { refused } from '../src/publishers/mqtt-trouble.ts';
import { createFakeClock } from './support/fake-clock.ts';
import { createMqttHome, reading } from './support/mqtt-bench.ts';
import { ANNA } from './support/people.ts';
import { createRecordingLog } from './support/recording-log.ts';

const URL_OF_BROKER = new URL('mqtt://broker');

/** A broker of MQTT 5 that says so where a user may not write. */
function createConnection(isForbidden: (topic: string) => boolean): Connection & { readonly taken: string[] } {
  const taken: string[] = [];
  return {
    version: 5,
    taken,
    isOpen: true,
    ended: new Promise(() => undefined),
    publish({ topic }) {
      if (isForbidden(topic)) return Promise.reject(refused(topic, URL_OF_BROKER, new Error('no')));
      taken.push(topic);
      return Promise.resolve();
    },
    subscribe: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

test('topics that a broker does not take are told of once, hold up no others, and are over when it takes them all', async () => {
  const clock = createFakeClock();
  const log = createRecordingLog();
  const home = createMqttHome(ANNA);
  const board = createBoard({
    topics: createTopics('weighbridge'),
    discoveryPrefix: 'homeassistant',
    people: { names: new Map(), unit: 'kg' },
    version: '1',
    linkedUsers: () => Promise.resolve([ANNA]),
    stateOf: () => Promise.resolve(NOTHING_KNOWN),
    latest: home.latest,
    store: home.retained,
    troubles: createPublisherTroubles({ clock, log, publisher: 'mqtt' }),
  });
  const weight = 'weighbridge/1234/weight';
  const ratio = 'weighbridge/1234/fat_ratio';
  const forbidden = new Set([weight, ratio]);
  const connection = createConnection((topic) => forbidden.has(topic));
  const put = (minute: number) =>
    board.put(
      connection,
      reading(ANNA, 80 + minute, `2026-11-20T05:0${minute}:00Z`, {
        measures: { weight: 80 + minute, fat_ratio: 17, heart_rate: 60 },
      }),
    );
  await board.open();
  await board.fill(connection);
  for (const minute of [1, 2, 3]) await put(minute);
  const warnings = log.entries.filter(({ level }) => level !== 'debug' && level !== 'info').map(({ text }) => text);
  assert.equal(warnings.length, 1, warnings.join('\n'));
  assert.match(
    warnings[0] ?? '',
    /^mqtt: the MQTT broker broker does not take weighbridge\/1234\/\w+; allow this user/,
  );
  assert.equal(connection.taken.filter((topic) => topic.endsWith('/heart_rate')).length, 3);
  forbidden.delete(weight);
  await put(4);
  assert.equal(log.texts('recovered').length, 0, 'one of them is still forbidden');
  forbidden.delete(ratio);
  await put(5);
  assert.equal(log.texts('recovered').length, 1);
});
