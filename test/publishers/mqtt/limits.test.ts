import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { WebSocketServer } from 'ws';
import {
  type AedesBroker,
  type Broker,
  listenTo,
  MOSQUITTO_IS_MISSING,
  retainedOn,
  startAedes,
  startMosquitto,
} from '../../support/broker.ts';
import { freePort } from '../../support/free-port.ts';
import {
  createMqttHome,
  deliverAtLast,
  eventually,
  type MqttBench,
  reading,
  startMqttBench,
} from '../../support/mqtt-bench.ts';
import { type Answer, startMqtt5Broker } from '../../support/mqtt5-broker.ts';
import { ANNA, BO } from '../../support/people.ts';

const CONFIG = 'homeassistant/device/weighbridge_1234/config';
const BIRTH = 'homeassistant/status';
const WEIGHT = 'weighbridge/1234/weight';
const EVENT = 'weighbridge/1234/event';

const at = (time: string) => `2026-11-20T${time}:00Z`;
/** The discovery message has more than 20 KB with so many quantities. */
const MANY = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`type_${1000 + index}`, index]));

/** Returns the log lines about troubles. */
function told({ log }: MqttBench): string {
  const seen = log.entries.filter(({ level, event }) => event !== 'recovered' && level !== 'debug' && level !== 'info');
  return seen.map(({ text }) => text).join('\n');
}

describe('a packet that is too long for weighbridge', () => {
  /** Sends 200 MB as one message, as fast as they are taken. */
  const flood = (socket: Socket, sent: { bytes: number }) => {
    const topic = Buffer.from(`\0${String.fromCharCode(BIRTH.length)}${BIRTH}`);
    // The length is 200 MB in groups of seven bits.
    socket.write(Buffer.concat([Buffer.from([0x31, 0x80, 0x84, 0xaf, 0x5f]), topic]));
    const chunk = Buffer.alloc(65_536);
    const more = () => {
      while (!socket.destroyed && sent.bytes < 200_000_000) {
        sent.bytes += chunk.length;
        if (!socket.write(chunk)) return;
      }
    };
    socket.on('drain', more);
    more();
  };

  for (const version of [5, 4] as const) {
    it(`is dropped, its sender is reported, and the rest continues without the topic (MQTT ${version})`, async () => {
      const sent = { bytes: 0 };
      let isFlooding = true;
      await using broker = await startMqtt5Broker(() => undefined, {
        version,
        onSubscribe: (socket) => isFlooding && flood(socket, sent),
      });
      await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
      await eventually(bench, () => bench.log.texts('trouble').some((text) => text.includes('ignores homeassistant')));
      assert.ok(sent.bytes < 50_000_000, `${sent.bytes} bytes were taken, by the kernel on the way`);
      assert.match(told(bench), /sent a message of 200,000,000 bytes\. weighbridge accepts at most 16,384 bytes\. /);
      assert.match(
        told(bench),
        /ignores homeassistant\/status for an hour\. Clear the retained message: mosquitto_pub -r -n -t homeassistant\/status/,
      );
      await bench.deliver(reading(ANNA, 81.25, at('05:59')));
      assert.ok(broker.taken.includes(EVENT));
      assert.equal(broker.subscribes.length, 1);
      isFlooding = false;
      await eventually(bench, () => broker.subscribes.length > 1, 60_000);
      assert.ok(bench.clock.elapsedMs() >= 3_600_000);
      await eventually(bench, () =>
        bench.log.texts('recovered').some((text) => text.includes('ignores homeassistant')),
      );
    });
  }

  it('is excluded for a broker of MQTT 5, also as a retained message', async () => {
    await using broker = await startMqtt5Broker(() => undefined);
    await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
    await bench.deliver(reading(ANNA, 81.25, at('05:59')));
    // The properties stand behind name, level, flags and keep-alive: Maximum Packet Size, of four bytes.
    assert.deepEqual([...(broker.connects[0]?.subarray(10, 16) ?? [])], [5, 39, 0, 0, 0x40, 0]);
    // The options are QoS 1 and Retain Handling 2.
    assert.equal(broker.subscribes[0]?.at(-1), 0x21);
  });

  it('can be retained on the start topic of Home Assistant: Mosquitto', { skip: MOSQUITTO_IS_MISSING }, () =>
    startMosquitto().then(birthIsHeard),
  );
  it('can be retained there: a broker of MQTT 3.1.1', () => startAedes().then(birthIsHeard));

  /** A small message can be retained there as well, and a later start message is received. */
  async function birthIsHeard(started: Broker) {
    await using broker = started;
    await using listener = await listenTo(broker.url);
    await listener.publish(BIRTH, 'x'.repeat(1_000_000), true);
    await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
    await eventually(bench, () => bench.log.texts('mqtt_connected').length > 0);
    await deliverAtLast(bench, reading(ANNA, 81.25, at('05:59')));
    await listener.publish(BIRTH, 'online', true);
    // weighbridge subscribes again an hour after the long message.
    await bench.clock.advance(3_700_000);
    await listener.publish(BIRTH, 'offline', true);
    await eventually(bench, async () => {
      const before = listener.on(CONFIG).length;
      await listener.publish(BIRTH, 'online', true);
      await bench.clock.advance(60_000);
      await listener.caughtUp();
      return listener.on(CONFIG).length > before;
    });
  }

  it('is not buffered from web sockets either', async () => {
    const port = await freePort();
    await using bench = startMqttBench(`ws://127.0.0.1:${port}/mqtt`, createMqttHome(ANNA));
    const server = new WebSocketServer({ port, host: '127.0.0.1' });
    server.on('connection', (socket) => {
      socket.on('error', () => undefined);
      socket.once('message', () => {
        socket.send(Buffer.from([0x20, 3, 0, 0, 0]));
        socket.send(Buffer.alloc(1_000_000));
      });
    });
    await eventually(bench, () => told(bench).includes('sent a long message'));
    assert.match(told(bench), /sent a long message\. weighbridge accepts at most 16,384 bytes/);
    for (const client of server.clients) client.terminate();
    server.close();
  });
});

describe('the limits of a broker', () => {
  it('are not exceeded: the longest packet', async () => {
    const longest: number[] = [];
    await using broker = await startMqtt5Broker(
      (_topic, payload) => {
        longest.push(payload.length);
        return undefined;
      },
      // The property is Maximum Packet Size with 1,000.
      { limits: [39, 0, 0, 3, 0xe8] },
    );
    await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
    await bench.deliver(reading(ANNA, 81.25, at('05:59')));
    assert.match(
      told(bench),
      new RegExp(
        `accepts at most 1,000 bytes, but ${CONFIG} needs [0-9],[0-9]{3} bytes\\. Raise the limit of the broker`,
      ),
    );
    assert.ok(Math.max(...longest) < 1_000);
    assert.deepEqual([broker.taken.includes(CONFIG), broker.taken.includes(WEIGHT)], [false, true]);
    assert.ok(broker.taken.includes(EVENT));
  });

  it('are not exceeded: no retained messages, and no QoS 1', async () => {
    // The properties are Retain Available with 0 and Maximum QoS with 0.
    await using broker = await startMqtt5Broker(() => undefined, { limits: [37, 0, 36, 0] });
    await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
    await bench.deliver(reading(ANNA, 81.25, at('05:59')));
    await eventually(bench, () => broker.taken.includes(EVENT));
    assert.ok(broker.taken.includes(WEIGHT));
    assert.deepEqual(
      broker.publishes.filter(({ retain, qos }) => retain || qos > 0),
      [],
    );
    assert.match(told(bench), /does not keep messages, so .*retain_available true/);
    assert.match(told(bench), /accepts only messages with QoS 0, so .*max_qos/);
    assert.equal(told(bench).split('\n').length, 2);
  });

  it('are not exceeded: one message at a time', async () => {
    let waiting = 0;
    let most = 0;
    await using broker = await startAedes({
      authorizePublish: (_client, packet, done) => {
        waiting += 1;
        most = Math.max(most, waiting);
        setImmediate(() => {
          waiting -= 1;
          done(null);
        });
        assert.ok(packet.topic);
      },
    });
    const bench = startMqttBench(broker.url, createMqttHome(ANNA, BO));
    await bench.deliver(reading(ANNA, 81.25, at('05:58')));
    const last = bench.deliver(reading(ANNA, 81.25, at('05:59'))).catch(() => undefined);
    await bench[Symbol.asyncDispose]();
    await last;
    assert.equal(most, 1);
  });

  const LIMITS: readonly (readonly [string, readonly string[], RegExp])[] = [
    [
      'max_packet_size',
      ['max_packet_size 20000'],
      /accepts at most 20,000 bytes, but \S+config needs \d\d,\d{3} bytes/,
    ],
    [
      'message_size_limit',
      ['message_size_limit 20000'],
      /closed the connection at a message on \S+config \(\d\d,\d{3}/,
    ],
    ['no retained messages', ['retain_available false'], /does not keep messages/],
    ['no QoS 1', ['max_qos 0'], /accepts only messages with QoS 0/],
    ['neither', ['retain_available false', 'max_qos 0'], /does not keep messages[\s\S]*only messages with QoS 0/],
  ];
  for (const [name, settings, message] of LIMITS) {
    it(`of Mosquitto stop only one message, and the log names the limits: ${name}`, {
      skip: MOSQUITTO_IS_MISSING,
    }, async () => {
      await using broker = await startMosquitto({ settings });
      await using listener = await listenTo(broker.url);
      await using bench = startMqttBench(broker.url, createMqttHome(ANNA, BO));
      const first = reading(ANNA, 81.25, at('05:58'), { measures: { weight: 81.25, ...MANY } });
      await deliverAtLast(bench, first);
      await deliverAtLast(bench, reading(BO, 92.5, at('05:59')));
      await listener.hears(({ topic }) => topic === 'weighbridge/5678/event');
      assert.match(told(bench), message);
      assert.equal(listener.on(EVENT).length, 1);
      assert.ok(listener.on(WEIGHT).length > 0);
      const connections = bench.log.texts('mqtt_connected').length;
      await bench.clock.advance(1_800_000);
      await deliverAtLast(bench, reading(BO, 92.6, at('06:05')));
      assert.equal(bench.log.texts('mqtt_connected').length, connections, 'the connection lasts');
    });
  }

  /** The broker closes the connection instead of answering, as a broker of MQTT 3.1.1 must. */
  const closing = (isForbidden: (topic: string) => boolean): Promise<AedesBroker> =>
    startAedes({
      authorizePublish: (_client, packet, done) => done(isForbidden(packet.topic) ? new Error('forbidden') : null),
    });

  it('of MQTT 3.1.1 close the connection: the topic rests for an hour, and the others continue', async () => {
    const forbidden = new Set([CONFIG, EVENT]);
    await using broker = await closing((topic) => forbidden.has(topic));
    await using listener = await listenTo(broker.url);
    await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
    await deliverAtLast(bench, reading(ANNA, 81.25, at('05:59')));
    await deliverAtLast(bench, reading(ANNA, 81.05, at('06:00')));
    assert.equal(JSON.parse((await retainedOn(broker.url)).get(WEIGHT) ?? '').value, 81.05);
    assert.match(told(bench), new RegExp(`closed the connection at a message on ${CONFIG}`));
    forbidden.clear();
    const connections = bench.log.texts('mqtt_connected').length;
    await bench.clock.advance(1_800_000);
    await listener.caughtUp();
    assert.deepEqual(listener.on(CONFIG), []);
    await eventually(
      bench,
      async () => {
        await listener.caughtUp();
        return listener.on(CONFIG).length > 0;
      },
      60_000,
    );
    assert.ok(bench.clock.elapsedMs() >= 3_600_000);
    assert.deepEqual(listener.on(EVENT), [], 'an event would be stale');
    assert.equal(bench.log.texts('mqtt_connected').length, connections);
  });

  it('are not suspected if a connection ends once, or if another message arrived', async () => {
    let ends = 1;
    const answer = (topic: string): Answer | undefined => {
      if (topic !== EVENT || ends === 0) return undefined;
      ends -= 1;
      return { disconnect: 0 };
    };
    await using broker = await startMqtt5Broker(answer, { version: 4 });
    await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
    for (const minute of ['05:57', '05:58', '05:59']) {
      await deliverAtLast(bench, reading(ANNA, 81.25, at(minute)));
      ends = 1;
    }
    assert.equal(broker.taken.filter((topic) => topic === EVENT).length, 3);
    assert.doesNotMatch(told(bench), /closed the connection at/);
  });

  it('end the connection with a reason, and once is enough', async () => {
    let ends = 0;
    await using broker = await startMqtt5Broker((topic) => {
      if (topic !== CONFIG) return undefined;
      ends += 1;
      return { disconnect: 149 };
    });
    await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
    await deliverAtLast(bench, reading(ANNA, 81.25, at('05:59')));
    assert.equal(ends, 1);
    assert.match(told(bench), /because of a message: its size \(reason 149\)\. /);
    assert.match(told(bench), new RegExp(`closed the connection at a message on ${CONFIG}`));
  });
});
