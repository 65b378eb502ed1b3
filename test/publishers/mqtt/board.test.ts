import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPublisherTroubles } from '../../../src/app/status/troubles.ts';
import type { BedEvents } from '../../../src/domain/bed.ts';
import { NOTHING_KNOWN } from '../../../src/domain/status.ts';
import { Trouble } from '../../../src/domain/trouble.ts';
import { createBoard } from '../../../src/publishers/mqtt/board.ts';
import type { Connection } from '../../../src/publishers/mqtt/connection.ts';
import { createTopics, problemPayload } from '../../../src/publishers/mqtt/messages.ts';
import type { Message } from '../../../src/publishers/mqtt/packet.ts';
import { refused } from '../../../src/publishers/mqtt/trouble.ts';
import { bedEvent } from '../../support/beds.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createMqttHome, reading } from '../../support/mqtt-bench.ts';
import { ANNA } from '../../support/people.ts';
import { createRecordingLog } from '../../support/recording-log.ts';

const URL_OF_BROKER = new URL('mqtt://broker');

/** A broker of MQTT 5 that rejects topics with a reason, permanently or for now. */
function createConnection(reasonFor: (topic: string) => number | undefined): Connection & {
  readonly taken: readonly Message[];
} {
  const taken: Message[] = [];
  return {
    url: URL_OF_BROKER,
    terms: { version: 5, retains: true, qos: 1, longest: Number.POSITIVE_INFINITY },
    taken,
    isOpen: true,
    ended: new Promise(() => undefined),
    endedIdle: false,
    publish(message) {
      const code = reasonFor(message.topic);
      if (code !== undefined) {
        const error = Object.assign(new Error('no'), { code });
        return Promise.reject(refused(message, URL_OF_BROKER, error));
      }
      taken.push(message);
      return Promise.resolve();
    },
    subscribe: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

test('the reason includes the poll interval, and polling is not a problem', () => {
  const polled = { hasCallback: false, pollMs: 600_000 };
  const fine = { needs_login: false, subscription_lost: false, since: null, linked_at: null };
  assert.deepEqual(JSON.parse(problemPayload(NOTHING_KNOWN, polled)), { ...fine, reason: 'polling every 10 min' });
  const hitch = { since: new Date('2026-11-20T06:00:00Z'), reason: 'no head', code: 'callback_unreachable' };
  const unreachable = { ...NOTHING_KNOWN, subscription: { applis: [], hitch } };
  assert.deepEqual(JSON.parse(problemPayload(unreachable, { ...polled, hasCallback: true })), {
    ...fine,
    reason: 'polling every 10 min: no head',
    since: '2026-11-20T06:00:00Z',
  });
  const needsLogin = { since: hitch.since, reason: 'refused' };
  assert.equal(JSON.parse(problemPayload({ ...NOTHING_KNOWN, needsLogin }, polled)).reason, 'refused');
});

/** A board for Anna and its surroundings. */
function setUp(home = createMqttHome(ANNA), beds?: Pick<BedEvents, 'newest' | 'load'>) {
  const log = createRecordingLog();
  const clock = createFakeClock();
  const board = createBoard({
    topics: createTopics('weighbridge'),
    discoveryPrefix: 'homeassistant',
    people: { names: new Map(), unit: 'kg' },
    program: { version: '1', repository: 'https://example.org/weighbridge', pageUrl: undefined },
    linkedUsers: () => Promise.resolve([...home.linked]),
    stateOf: (userId) => Promise.resolve(home.states.get(userId) ?? NOTHING_KNOWN),
    hasCallback: true,
    pollMs: 600_000,
    latest: home.latest,
    beds,
    derived: async () => new Map(),
    store: home.retained,
    troubles: createPublisherTroubles({ clock, log, publisher: 'mqtt' }),
    clock,
  });
  return { log, home, board };
}

const WEIGHT = 'weighbridge/1234/weight';
const RATIO = 'weighbridge/1234/fat_ratio';

test('rejected topics are reported once, delay no others, and are resolved once the broker accepts them', async () => {
  const { log, board } = setUp();
  const forbidden = new Set([WEIGHT, RATIO]);
  const connection = createConnection((topic) => (forbidden.has(topic) ? 135 : undefined));
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
    /^mqtt: the MQTT broker broker does not accept weighbridge\/1234\/\w+ \(reason 135\)\. Allow this user/,
  );
  assert.equal(connection.taken.filter(({ topic }) => topic.endsWith('/heart_rate')).length, 3);
  forbidden.delete(WEIGHT);
  await put(4);
  assert.equal(log.texts('recovered').length, 0, 'one of them is still forbidden');
  forbidden.delete(RATIO);
  await put(5);
  assert.equal(log.texts('recovered').length, 1);
});

test('a rejected value is published at the next check in its current form, which ends the trouble', async () => {
  const { log, board } = setUp();
  const busy = new Set([WEIGHT]);
  const connection = createConnection((topic) => (busy.has(topic) ? 151 : undefined));
  await board.open();
  await board.fill(connection);
  await board.put(connection, reading(ANNA, 81, '2026-11-20T05:01:00Z'));
  await board.put(connection, reading(ANNA, 82, '2026-11-20T05:02:00Z'));
  assert.match(
    log.texts('trouble').join('\n'),
    /^mqtt: the MQTT broker broker does not accept \S+weight now \(reason 151\)/,
  );
  busy.clear();
  for (let looks = 0; looks < 2; looks += 1) await board.look(connection);
  const said = connection.taken.filter(({ topic }) => topic === WEIGHT).map(({ payload }) => JSON.parse(payload).value);
  assert.deepEqual(said, [82]);
  assert.equal(log.texts('recovered').length, 1);
});

for (const reason of [135, 151]) {
  test(`a topic that a broker does not clear (reason ${reason}) is cleared after a restart`, async () => {
    const { home, board } = setUp();
    let isForbidden = false;
    const connection = createConnection((topic) => (isForbidden && topic === WEIGHT ? reason : undefined));
    await board.open();
    await board.fill(connection);
    await board.put(connection, reading(ANNA, 81, '2026-11-20T05:01:00Z'));
    isForbidden = true;
    home.linked.clear();
    await board.look(connection);
    assert.deepEqual([...(await home.retained.load()).topics].sort(), [
      'weighbridge/1234/weight',
      'weighbridge/status',
    ]);
    isForbidden = false;
    const later = setUp(home).board;
    await later.open();
    await later.fill(connection);
    assert.deepEqual(connection.taken.at(-1), { topic: WEIGHT, payload: '', retain: true });
    assert.deepEqual([...(await home.retained.load()).topics], ['weighbridge/status']);
  });
}

test('the device of a removed person is cleared before its values, so that no sensor is empty', async () => {
  const { home, board } = setUp();
  const taken: Message[] = [];
  const connection = { ...createConnection(() => undefined), publish: async (each: Message) => void taken.push(each) };
  await board.open();
  await board.fill(connection);
  await board.put(connection, reading(ANNA, 81, '2026-11-20T05:01:00Z', { measures: { weight: 81, fat_ratio: 17 } }));
  home.linked.clear();
  await board.look(connection);
  const cleared = taken.filter(({ payload }) => payload === '').map(({ topic }) => topic);
  assert.equal(cleared[0], 'homeassistant/device/weighbridge_1234/config');
  assert.deepEqual(cleared.slice(1).sort(), [RATIO, 'weighbridge/1234/health', WEIGHT].sort());
});

test('the bed topics on the broker stay until the bed events are readable', async () => {
  let isReadable = false;
  const load = async () => {
    if (isReadable) return 0;
    throw new Trouble('cannot read bed.jsonl', { code: 'file_unreadable', recovery: 'retry' });
  };
  const { home, log, board } = setUp(createMqttHome(ANNA), { newest: () => undefined, load });
  const topic = 'weighbridge/1234/in_bed';
  await home.retained.save({ topics: new Set([topic]), values: new Map([[ANNA, new Map()]]) });
  const connection = createConnection(() => undefined);
  const cleared = () => connection.taken.filter((message) => message.topic === topic);
  await board.open();
  await board.fill(connection);
  await board.look(connection);
  assert.deepEqual(cleared(), []);
  assert.match(log.texts('trouble').join(), /cannot read bed\.jsonl/);
  isReadable = true;
  await board.look(connection);
  assert.deepEqual(
    cleared().map(({ payload }) => payload),
    [''],
  );
});

test('a person who links again has no bed state until the next event', async () => {
  const at = (minute: number) => new Date(Date.UTC(2026, 10, 20, 5, minute));
  let newest = { ...bedEvent('in_bed', at(0)), number: 1 };
  const { home, board } = setUp(createMqttHome(ANNA), { newest: () => newest, load: async () => 1 });
  const link = (linkedAt: Date) => home.states.set(ANNA, { ...NOTHING_KNOWN, linkedAt });
  const connection = createConnection(() => undefined);
  const inBed = () => connection.taken.filter(({ topic }) => topic === 'weighbridge/1234/in_bed').at(-1)?.payload;
  link(at(0));
  await board.open();
  await board.fill(connection);
  assert.match(String(inBed()), /"in_bed":true/);
  link(at(1));
  await board.look(connection);
  assert.equal(inBed(), '');
  const count = connection.taken.length;
  await board.look(connection);
  assert.equal(connection.taken.length, count, 'cleared once');
  await board.fill(connection);
  assert.equal(inBed(), '');
  newest = { ...bedEvent('out_of_bed', at(2)), number: 2 };
  await board.putBed(connection, ANNA);
  assert.match(String(inBed()), /"in_bed":false/);
});
