import { strict as assert } from 'node:assert';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import { NOTHING_KNOWN } from '../../../src/domain/status.ts';
import { Trouble } from '../../../src/domain/trouble.ts';
import {
  type AedesBroker,
  type Listener,
  listenTo,
  MOSQUITTO_IS_MISSING,
  retainedOn,
  startAedes,
  startFreezer,
  startMosquitto,
} from '../../support/broker.ts';
import { fixturePath } from '../../support/fixture.ts';
import { freePort } from '../../support/free-port.ts';
import { createMqttHome, eventually, type MqttBench, reading, startMqttBench } from '../../support/mqtt-bench.ts';
import { startMqtt5Broker } from '../../support/mqtt5-broker.ts';
import { ANNA, BO } from '../../support/people.ts';
import { failureOf } from '../../support/watched-files.ts';

const CONFIG = 'homeassistant/device/weighbridge_1234/config';
const WEIGHT = 'weighbridge/1234/weight';
const EVENT = 'weighbridge/1234/event';
const CA_FILE = fixturePath('tls/ca.pem');

const at = (time: string) => `2026-11-20T${time}:00Z`;
const value = (kilograms: number, time: string) => JSON.stringify({ value: kilograms, measured_at: at(time) });

/** Only Mosquitto supports MQTT 5. */
const BROKERS = [
  { name: 'a broker of MQTT 3.1.1', start: () => startAedes(), says: 'MQTT 3.1.1', skip: false },
  { name: 'Mosquitto', start: () => startMosquitto(), says: 'MQTT 5', skip: MOSQUITTO_IS_MISSING },
] as const;

for (const { name, start, says, skip } of BROKERS) {
  describe(`MQTT, with ${name}`, { skip }, () => {
    it('retains the newest value of each quantity for later subscribers', async () => {
      await using broker = await start();
      await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
      await bench.deliver(reading(ANNA, 81.25, at('05:01'), { measures: { weight: 81.25, fat_ratio: 17.3 } }));
      await bench.deliver(reading(ANNA, 81.05, at('05:11')));
      const kept = await retainedOn(broker.url);
      assert.equal(kept.get('weighbridge/status'), 'online');
      assert.equal(kept.get(WEIGHT), value(81.05, '05:11'));
      assert.equal(kept.get('weighbridge/1234/fat_ratio'), value(17.3, '05:01'));
      assert.equal(JSON.parse(kept.get('weighbridge/1234/health') ?? '').needs_login, false);
      assert.deepEqual(Object.keys(JSON.parse(kept.get(CONFIG) ?? '').components).slice(0, 2), ['fat_ratio', 'weight']);
      assert.equal(kept.get(EVENT), undefined);
      assert.match(bench.log.texts('mqtt_connected').join(), new RegExp(`\\(${says}\\)`));
    });

    it('announces a fresh weigh-in once with QoS 1 and all its data, and does not retain it', async () => {
      await using broker = await start();
      await using listener = await listenTo(broker.url);
      await using bench = startMqttBench(broker.url, createMqttHome(ANNA), { channel: 'home/weight' });
      const fresh = reading(ANNA, 81.25, at('05:59'));
      await bench.deliver(fresh, { previousWeight: 80.85 });
      const event = await listener.hears(({ topic }) => topic === EVENT);
      assert.equal(event.retain, false);
      assert.equal(event.qos, 1);
      assert.deepEqual(JSON.parse(event.payload), {
        event_type: 'weigh_in',
        weight_kg: 81.25,
        previous_weight_kg: 80.85,
        change_kg: 0.4,
        measured_at: at('05:59'),
        userid: '1234',
        name: 'Anna',
        grpid: fresh.groupId,
        attrib: 0,
        deviceid: 'scale',
        model: 'Body+',
        measures: { weight: 81.25 },
      });
      await listener.caughtUp();
      assert.deepEqual(listener.on('home/weight'), ['81.3']);
      assert.deepEqual(listener.on(EVENT).length, 1);
      assert.equal((await retainedOn(broker.url)).has('home/weight'), false);
    });

    it('announces two equal weights on two days twice', async () => {
      await using broker = await start();
      await using listener = await listenTo(broker.url);
      await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
      await bench.deliver(reading(ANNA, 81.25, '2026-11-19T05:59:00Z'));
      await bench.deliver(reading(ANNA, 81.25, at('05:59')));
      await listener.caughtUp();
      assert.equal(listener.on(EVENT).length, 2);
      assert.equal(listener.on(WEIGHT).length, 2);
    });

    it('publishes late weigh-ins in order, announces none, and never replaces a newer weight', async () => {
      await using broker = await start();
      await using listener = await listenTo(broker.url);
      await using bench = startMqttBench(broker.url, createMqttHome(ANNA), { channel: 'home/weight' });
      for (const [kilograms, time] of [
        [81, '01:00'],
        [82, '02:00'],
        [80, '01:30'],
        [82.5, '02:00'],
      ] as const) {
        await bench.deliver(reading(ANNA, kilograms, at(time)), { late: true });
      }
      await listener.caughtUp();
      assert.deepEqual(listener.on(WEIGHT), [value(81, '01:00'), value(82, '02:00'), value(82.5, '02:00')]);
      assert.deepEqual([...listener.on(EVENT), ...listener.on('home/weight')], []);
    });

    it('publishes every person again after a start of Home Assistant', async () => {
      await using broker = await start();
      await using listener = await listenTo(broker.url);
      await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
      await bench.deliver(reading(ANNA, 81.25, at('05:59')));
      await listener.caughtUp();
      const before = listener.on(CONFIG).length;
      await listener.publish('homeassistant/status', 'offline');
      await listener.publish('homeassistant/status', 'online');
      await listener.caughtUp();
      while (listener.on(CONFIG).length === before) {
        await bench.clock.advance(1);
        await listener.caughtUp();
      }
      assert.equal(listener.on(CONFIG).length, before + 1);
      assert.equal(listener.on(WEIGHT).length, 1, 'a value that has not changed is not said again');
    });

    it('publishes offline at a stop', async () => {
      await using broker = await start();
      await using listener = await listenTo(broker.url);
      const bench = startMqttBench(broker.url, createMqttHome(ANNA));
      await bench.deliver(reading(ANNA, 81.25, at('05:59')));
      await bench[Symbol.asyncDispose]();
      await listener.caughtUp();
      assert.deepEqual(listener.on('weighbridge/status'), ['online', 'offline']);
      assert.equal((await retainedOn(broker.url)).get('weighbridge/status'), 'offline');
    });

    it('reconnects automatically after an outage, and publishes the failed readings', async () => {
      await using broker = await start();
      await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
      await bench.deliver(reading(ANNA, 81.25, at('05:01')));
      await broker.stop();
      const next = reading(ANNA, 81.05, at('05:11'));
      assert.equal((await failure(bench.deliver(next))).recovery, 'retry');
      await bench.clock.advance(3_600_000);
      assert.ok(told(bench).length <= 2, 'an hour is told in a line or two');
      await broker.start();
      await eventually(bench, () => bench.log.texts('recovered').length > 0);
      await bench.deliver(next);
      assert.equal((await retainedOn(broker.url)).get(WEIGHT), value(81.05, '05:11'));
      assert.match(bench.log.texts('recovered').join(), /^mqtt: the MQTT broker works again \(was: .*, for \d+ min\)$/);
    });
  });
}

describe('MQTT', () => {
  it('waits for a broker that starts later, and logs that once with a hint', async () => {
    const port = await freePort();
    await using bench = startMqttBench(`mqtt://127.0.0.1:${port}`, createMqttHome(ANNA));
    const trouble = await failure(bench.deliver(reading(ANNA, 81.25, at('05:01'))));
    assert.equal(trouble.code, 'mqtt_unreachable');
    assert.equal(trouble.waitMs, 10_000, 'it may be back any moment');
    await bench.clock.advance(600_000);
    assert.deepEqual(told(bench), [
      `mqtt: the MQTT broker 127.0.0.1:${port} cannot be reached (ECONNREFUSED). The broker refused the connection. Start the broker, and check the port in MQTT_URL (1883, or 8883 with TLS).`,
    ]);
  });

  it('reports a wrong password, and accepts the right one', async () => {
    await using broker = await startAedes({
      authenticate: (_client, username, password, done) => {
        const isRight = username === 'weighbridge' && String(password) === 'right-horse';
        if (isRight) done(null, true);
        else done(Object.assign(new Error('no'), { returnCode: 4 }), null);
      },
    });
    const login = { username: 'weighbridge', password: 'wrong-horse' };
    await using wrong = startMqttBench(broker.url, createMqttHome(ANNA), { broker: login });
    const trouble = await failure(wrong.deliver(reading(ANNA, 81.25, at('05:01'))));
    assert.equal(trouble.code, 'mqtt_login');
    assert.match(trouble.message, /rejected the user name or the password/);
    assert.match(trouble.hint ?? '', /MQTT_PASSWORD/);
    assert.doesNotMatch(JSON.stringify(wrong.log.entries), /wrong-horse/);
    await using right = startMqttBench(broker.url, createMqttHome(ANNA), {
      broker: { ...login, password: 'right-horse' },
    });
    await right.deliver(reading(ANNA, 81.25, at('05:01')));
  });

  it('reports a wrong password of Mosquitto too', { skip: MOSQUITTO_IS_MISSING }, async () => {
    await using broker = await startMosquitto({ users: { weighbridge: 'right-horse' } });
    const login = { username: 'weighbridge', password: 'wrong-horse' };
    await using wrong = startMqttBench(broker.url, createMqttHome(ANNA), { broker: login });
    assert.match((await failure(wrong.deliver(reading(ANNA, 81.25, at('05:01'))))).message, /user name|not authorized/);
    await using right = startMqttBench(broker.url, createMqttHome(ANNA), {
      broker: { ...login, password: 'right-horse' },
    });
    await right.deliver(reading(ANNA, 81.25, at('05:01')));
  });

  it('trusts the configured certificate authority, and no server without it', async () => {
    await using broker = await startAedes({ tls: true });
    await using bench = startMqttBench(broker.url, createMqttHome(ANNA), { broker: { caFile: CA_FILE } });
    await bench.deliver(reading(ANNA, 81.25, at('05:01')));
    await using stranger = startMqttBench(broker.url, createMqttHome(ANNA));
    const trouble = await failure(stranger.deliver(reading(ANNA, 81.25, at('05:01'))));
    assert.equal(trouble.code, 'mqtt_certificate');
    assert.match(trouble.hint ?? '', /MQTT_CA_FILE/);
    await using lost = startMqttBench(broker.url, createMqttHome(ANNA), { broker: { caFile: '/nowhere/ca.pem' } });
    assert.match((await failure(lost.deliver(reading(ANNA, 81.25, at('05:01'))))).message, /\/nowhere\/ca\.pem/);
  });

  it('connects through web sockets, to the path of MQTT_URL and to no other', async () => {
    await using broker = await startAedes({ path: '/mqtt' });
    const bench = startMqttBench(broker.url, createMqttHome(ANNA));
    await bench.deliver(reading(ANNA, 81.25, at('05:01')));
    const kept = await retainedOn(broker.url);
    assert.deepEqual([kept.get('weighbridge/status'), kept.get(WEIGHT)], ['online', value(81.25, '05:01')]);
    await bench[Symbol.asyncDispose]();
    assert.equal((await retainedOn(broker.url)).get('weighbridge/status'), 'offline');
    await using elsewhere = startMqttBench(broker.url.replace('/mqtt', '/other'), createMqttHome(ANNA));
    const trouble = await failure(elsewhere.deliver(reading(ANNA, 81.25, at('05:01'))));
    assert.match(trouble.message, /cannot be reached|closed the connection/);
  });

  it('connects through web sockets with TLS, and trusts the configured certificate authority', async () => {
    await using broker = await startAedes({ path: '/mqtt', tls: true });
    await using bench = startMqttBench(broker.url, createMqttHome(ANNA), { broker: { caFile: CA_FILE } });
    await bench.deliver(reading(ANNA, 81.25, at('05:01')));
    await using stranger = startMqttBench(broker.url, createMqttHome(ANNA));
    assert.equal((await failure(stranger.deliver(reading(ANNA, 81.25, at('05:01'))))).code, 'mqtt_certificate');
  });

  it('reconnects through web sockets too after an outage', async () => {
    await using broker = await startAedes({ path: '/mqtt' });
    await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
    await bench.deliver(reading(ANNA, 81.25, at('05:01')));
    await broker.stop();
    await failure(bench.deliver(reading(ANNA, 81.05, at('05:02'))));
    await broker.start();
    await eventually(bench, () => bench.log.texts('recovered').length > 0);
    await bench.deliver(reading(ANNA, 81.05, at('05:02')));
  });

  it('reports missing TLS on either side', async () => {
    await using plain = await startAedes();
    await using tls = await startAedes({ tls: true });
    await using one = startMqttBench(plain.url.replace('mqtt:', 'mqtts:'), createMqttHome(ANNA));
    assert.match((await failure(one.deliver(reading(ANNA, 81.25, at('05:01'))))).message, /TLS|closed the connection/);
    await using other = startMqttBench(tls.url.replace('mqtts:', 'mqtt:'), createMqttHome(ANNA));
    const trouble = await failure(other.deliver(reading(ANNA, 81.25, at('05:01'))));
    assert.match(`${trouble.message} ${trouble.hint}`, /TLS/);
  });

  it('publishes messages without an acknowledgement again', async () => {
    let drops = 1;
    await using broker: AedesBroker = await startAedes({
      authorizePublish: (client, packet, done) => {
        if (packet.topic === EVENT && drops > 0) {
          drops -= 1;
          client?.conn.destroy();
          return;
        }
        done(null);
      },
    });
    await using listener = await listenTo(broker.url);
    await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
    const fresh = reading(ANNA, 81.25, at('05:59'));
    assert.equal((await failure(bench.deliver(fresh))).code, 'mqtt_lost');
    await eventually(bench, () => bench.log.texts('recovered').length > 0);
    await bench.deliver(fresh);
    await listener.caughtUp();
    assert.equal(listener.on(EVENT).length, 1);
  });

  it('leaves a will that the broker publishes with QoS 1 after a silent end', async () => {
    await using broker: AedesBroker = await startAedes({
      authorizePublish: (client, packet, done) => {
        if (packet.topic === EVENT) client?.conn.destroy();
        else done(null);
      },
    });
    await using listener = await listenTo(broker.url);
    await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
    await failure(bench.deliver(reading(ANNA, 81.25, at('05:59'))));
    const will = await listener.hears(({ topic, payload }) => topic === 'weighbridge/status' && payload === 'offline');
    assert.equal(will.qos, 1);
    assert.equal((await retainedOn(broker.url)).get('weighbridge/status'), 'offline');
  });

  it('reports a missing right to subscribe to Home Assistant, and its return', async () => {
    let isForbidden = true;
    await using broker = await startAedes({
      authorizeSubscribe: (_client, subscription, done) =>
        done(null, isForbidden && subscription.topic.endsWith('/status') ? null : subscription),
    });
    await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
    await bench.deliver(reading(ANNA, 81.25, at('05:01')));
    assert.match(told(bench).join('\n'), /rejected the subscription to homeassistant\/status/);
    isForbidden = false;
    await broker.stop();
    await broker.start();
    await eventually(bench, () =>
      bench.log.texts('recovered').some((text) => text.includes('works again (was: the MQTT broker')),
    );
  });

  it('announces a weigh-in once if the broker forbids the plain topic, and reports that', {
    skip: MOSQUITTO_IS_MISSING,
  }, async () => {
    await using broker = await startMosquitto({ rights: ['weighbridge/#', 'homeassistant/#', 'test/#'] });
    await using listener = await listenTo(broker.url);
    await using bench = startMqttBench(broker.url, createMqttHome(ANNA), { channel: 'home/weight' });
    for (const minute of ['05:58', '05:59']) await bench.deliver(reading(ANNA, 81.25, at(minute)));
    await listener.caughtUp();
    assert.equal(listener.on(EVENT).length, 2);
    assert.match(bench.log.texts('trouble').join('\n'), /home\/weight/);
  });

  for (const [reason, what] of [
    [151, 'its quota'],
    [131, 'a reason of its own'],
  ] as const) {
    it(`announces a weigh-in once the broker accepts it after ${what}, and only once`, async () => {
      let refusals = 2;
      const refuses = [EVENT, 'home/weight'];
      await using broker = await startMqtt5Broker((topic) => {
        if (!refuses.includes(topic) || refusals === 0) return undefined;
        refusals -= 1;
        refuses.shift();
        return { puback: reason };
      });
      await using bench = startMqttBench(broker.url, createMqttHome(ANNA), { channel: 'home/weight' });
      const fresh = reading(ANNA, 81.25, at('05:59'));
      for (const topic of [EVENT, 'home/weight']) {
        const trouble = await failure(bench.deliver(fresh));
        assert.deepEqual([trouble.code, trouble.recovery], ['mqtt_not_now', 'retry']);
        assert.match(trouble.message, new RegExp(`does not accept ${topic} now \\(reason ${reason}\\)`));
      }
      await bench.deliver(fresh);
      await bench.deliver(reading(ANNA, 81.25, '2026-11-20T06:00:00Z'));
      const told = broker.taken.filter((topic) => [EVENT, 'home/weight'].includes(topic));
      assert.deepEqual(told, [EVENT, 'home/weight', EVENT, 'home/weight']);
    });
  }

  it('reports the reason of a broker for closing, also an unknown one', async () => {
    await using broker = await startMqtt5Broker((topic) => (topic === EVENT ? { disconnect: 151 } : undefined));
    await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
    const trouble = await failure(bench.deliver(reading(ANNA, 81.25, at('05:59'))));
    assert.equal(trouble.code, 'mqtt_lost');
    assert.match(trouble.message, /closed the connection \(reason 151\)$/);
  });

  it('drops an event that a broker never accepts, and continues', async () => {
    await using broker = await startMqtt5Broker((topic) => (topic === EVENT ? { puback: 135 } : undefined));
    await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
    await bench.deliver(reading(ANNA, 81.25, at('05:59')));
    assert.match(told(bench).join('\n'), /does not accept weighbridge\/1234\/event \(reason 135\)/);
  });

  it('leaves enough of the 8 s of a stop for its last message and the rest', async () => {
    await using broker = await startAedes();
    await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
    assert.ok(bench.publisher.stopMs <= 5_000, 'a delivery may take as long as a hook, and the good-bye 1 s more');
  });

  it('stops in time although the broker is silent', async () => {
    await using broker = await startAedes();
    const bench = startMqttBench(broker.url, createMqttHome(ANNA));
    await bench.deliver(reading(ANNA, 81.25, at('05:59')));
    broker.aedes.authorizePublish = () => undefined;
    const startedMs = performance.now();
    await bench[Symbol.asyncDispose]();
    assert.ok(performance.now() - startedMs < 5_000);
  });

  it('stops in time although the broker is silent since the connection', async () => {
    let asked = 0;
    const authorizePublish = () => {
      asked += 1;
    };
    await using broker = await startAedes({ authorizePublish });
    const bench = startMqttBench(broker.url, createMqttHome(ANNA));
    while (asked === 0) await bench.clock.advance(1);
    const startedMs = performance.now();
    await bench[Symbol.asyncDispose]();
    assert.ok(performance.now() - startedMs < 5_000);
  });

  for (const [way, options] of [
    ['', {}],
    [' behind web sockets', { path: '/mqtt' }],
  ] as const) {
    it(`stops after the time for the current delivery although the broker${way} is frozen`, async () => {
      await using broker = await startAedes(options);
      await using freezer = await startFreezer(broker);
      const bench = startMqttBench(freezer.url, createMqttHome(ANNA));
      await bench.deliver(reading(ANNA, 81.25, at('05:58')));
      freezer.freeze();
      const cut = new AbortController();
      const startedMs = performance.now();
      const delivered = bench.deliver(reading(ANNA, 81.05, at('05:59')), {}, cut.signal);
      delivered.catch(() => undefined);
      await bench.clock.advance(1);
      cut.abort();
      assert.equal((await failure(delivered)).recovery, 'retry');
      await bench[Symbol.asyncDispose]();
      assert.ok(performance.now() - startedMs < 12_000, 'it would be told after 20 s that the broker has lost it');
      assert.deepEqual(told(bench), [], 'a stop is no trouble');
    });

    it(`stops although the broker${way} does not close after the last message`, async () => {
      await using broker = await startAedes(options);
      await using freezer = await startFreezer(broker, { hangsUp: false });
      const bench = startMqttBench(freezer.url, createMqttHome(ANNA));
      await bench.deliver(reading(ANNA, 81.25, at('05:58')));
      await bench[Symbol.asyncDispose]();
      assert.equal((await retainedOn(broker.url)).get('weighbridge/status'), 'offline');
    });
  }

  it('stops at once before any answer', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const bench = startMqttBench(`mqtt://127.0.0.1:${port}`, createMqttHome(ANNA));
    await bench.clock.advance(1);
    await bench[Symbol.asyncDispose]();
    silent.close();
  });

  it('publishes every person to an empty broker', async () => {
    await using old = await startAedes();
    const home = createMqttHome(ANNA, BO);
    {
      await using bench = startMqttBench(old.url, home);
      await bench.deliver(reading(ANNA, 81.25, at('05:01')));
      await bench.deliver(reading(BO, 92.5, at('05:02')));
    }
    await using broker = await startAedes();
    await using listener = await listenTo(broker.url);
    await using _bench = startMqttBench(broker.url, home);
    await listener.hears(({ topic }) => topic === 'weighbridge/5678/health');
    const kept = await retainedOn(broker.url);
    assert.equal(kept.get(WEIGHT), value(81.25, '05:01'));
    assert.equal(kept.get('weighbridge/5678/weight'), value(92.5, '05:02'));
    assert.equal(listener.on(EVENT).length, 0);
  });

  it('starts with the values of the journal, as far as their person is certain', async () => {
    const home = createMqttHome(ANNA);
    home.latest.learn(reading(ANNA, 81.25, at('05:01')));
    home.latest.learn(reading(ANNA, 95, at('05:02'), { attribution: 1 }));
    await using broker = await startAedes();
    await using listener = await listenTo(broker.url);
    await using bench = startMqttBench(broker.url, home);
    await listener.hears(({ topic }) => topic === 'weighbridge/1234/health');
    await bench.deliver(reading(ANNA, 95, at('05:03'), { attribution: 1 }), { late: true });
    await listener.caughtUp();
    assert.deepEqual(listener.on(WEIGHT), [value(81.25, '05:01')]);
  });

  it('continues at its offset, however often the broker was restarted', async () => {
    const home = createMqttHome(ANNA);
    home.latest.learn(reading(ANNA, 80, at('01:00')));
    const port = await freePort();
    const missed = ['02:00', '03:00', '04:00'].map((time, index) => reading(ANNA, 81 + index, at(time)));
    for (const each of missed) {
      await using bench = startMqttBench(`mqtt://127.0.0.1:${port}`, home);
      await failure(bench.deliver(each));
    }
    await using broker = await startAedes();
    await using listener = await listenTo(broker.url);
    await using bench = startMqttBench(broker.url, home);
    for (const each of missed) await bench.deliver(each, { late: true });
    await listener.caughtUp();
    assert.deepEqual(listener.on(WEIGHT), [
      value(80, '01:00'),
      value(81, '02:00'),
      value(82, '03:00'),
      value(83, '04:00'),
    ]);
  });

  it('clears all topics of a person who is no longer linked', async () => {
    await using broker = await startAedes();
    await using listener = await listenTo(broker.url);
    const home = createMqttHome(ANNA, BO);
    {
      await using bench = startMqttBench(broker.url, home);
      for (const person of [ANNA, BO]) await bench.deliver(reading(person, 81.25, at('05:01')));
      home.linked.delete(ANNA);
      await eventually(bench, async () => {
        await listener.caughtUp();
        return listener.on(WEIGHT).includes('');
      });
      await bench.deliver(reading(ANNA, 81.25, at('05:02')));
      assert.deepEqual(
        [...(await retainedOn(broker.url)).keys()].filter((topic) => topic.includes('1234')),
        [],
      );
    }
    home.linked.delete(BO);
    await using _bench = startMqttBench(broker.url, home);
    await listener.hears(({ topic, payload }) => topic === 'weighbridge/5678/weight' && payload === '');
    await listener.caughtUp();
    assert.deepEqual([...(await retainedOn(broker.url)).keys()].sort(), ['weighbridge/status']);
  });

  it('clears all topics under an old prefix', async () => {
    await using broker = await startAedes();
    const home = createMqttHome(ANNA);
    {
      await using bench = startMqttBench(broker.url, home, { prefix: 'old' });
      await bench.deliver(reading(ANNA, 81.25, at('05:01')));
    }
    await using bench = startMqttBench(broker.url, home);
    await bench.deliver(reading(ANNA, 81.05, at('05:02')));
    const kept = [...(await retainedOn(broker.url)).keys()].sort();
    assert.deepEqual(kept, [CONFIG, 'weighbridge/1234/health', WEIGHT, 'weighbridge/status']);
  });

  it('publishes every person once, however often Home Assistant reports its start meanwhile', async () => {
    await using broker = await startAedes();
    await using listener = await listenTo(broker.url);
    await using bench = startMqttBench(broker.url, createMqttHome(ANNA), { random: () => 0.5 });
    await bench.deliver(reading(ANNA, 81.25, at('05:01')));
    await listener.caughtUp();
    const before = listener.on(CONFIG).length;
    for (const round of [1, 2]) {
      for (let births = 0; births < 20; births += 1) await listener.publish('homeassistant/status', 'online');
      // The acknowledgement of the delivery follows them.
      await bench.deliver(reading(ANNA, 81.25, at(`05:1${round}`)));
      while (listener.on(CONFIG).length < before + round) {
        await bench.clock.advance(5_000);
        await listener.caughtUp();
      }
      await bench.deliver(reading(ANNA, 81.25, at(`05:2${round}`)));
      await listener.caughtUp();
      assert.equal(listener.on(CONFIG).length, before + round);
    }
  });

  it('leaves the device of another weighbridge with another prefix and the same person', async () => {
    await using broker = await startAedes();
    await using listener = await listenTo(broker.url);
    await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
    await bench.deliver(reading(ANNA, 81.25, at('05:01')));
    const kept = (await retainedOn(broker.url)).get(CONFIG);
    const home = createMqttHome(ANNA);
    await using other = startMqttBench(broker.url, home, { prefix: 'trial' });
    await other.deliver(reading(ANNA, 82, at('05:02')));
    home.linked.delete(ANNA);
    await eventually(other, async () => {
      await listener.caughtUp();
      return listener.on('trial/1234/weight').includes('');
    });
    const left = await retainedOn(broker.url);
    assert.equal(left.get(CONFIG), kept);
    assert.deepEqual(
      [...left.keys()].filter((topic) => topic.endsWith('/config')),
      [CONFIG],
    );
  });

  it('publishes the discovery of a new quantity before its value', async () => {
    await using broker = await startAedes();
    await using listener = await listenTo(broker.url);
    await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
    await bench.deliver(reading(ANNA, 81.25, at('05:01')));
    await bench.deliver(reading(ANNA, 0, at('05:02'), { measures: { heart_rate: 61, 'no/topic': 1 } }));
    await listener.caughtUp();
    const told = listener.heard.filter(({ topic }) => topic === CONFIG || topic.endsWith('/heart_rate')).slice(-2);
    assert.deepEqual(
      told.map(({ topic }) => topic),
      [CONFIG, 'weighbridge/1234/heart_rate'],
    );
    assert.ok(JSON.parse(told[0]?.payload ?? '').components.heart_rate);
    assert.equal(listener.on(EVENT).length, 1, 'a pulse is no weigh-in');
  });

  it('follows changes of the journal without a delivery: history and withdrawals', async () => {
    await using broker = await startAedes();
    await using listener = await listenTo(broker.url);
    const home = createMqttHome(ANNA);
    await using bench = startMqttBench(broker.url, home);
    const wrong = reading(ANNA, 99, at('05:02'));
    await bench.deliver(reading(ANNA, 81.25, at('05:01'), { measures: { weight: 81.25, height: 1.7 } }));
    await bench.deliver(wrong);
    await bench.deliver({ ...wrong, attribution: 1 }, { kind: 'withdrawn', correction: true, late: true });
    await listener.caughtUp();
    assert.equal(listener.on(WEIGHT).at(-1), value(81.25, '05:01'), 'at once');
    assert.equal(listener.on('weighbridge/1234/height').length, 1);
    home.latest.learn(reading(ANNA, 81.5, at('05:30')));
    await eventually(bench, async () => {
      await listener.caughtUp();
      return listener.on(WEIGHT).at(-1) === value(81.5, '05:30');
    });
  });

  it('removes a withdrawn quantity without a replacement: the sensor first, and then the value', async () => {
    await using broker = await startAedes();
    await using listener = await listenTo(broker.url);
    await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
    const wrong = reading(ANNA, 99, at('05:02'));
    await bench.deliver(reading(ANNA, 0, at('05:01'), { measures: { height: 1.7 } }));
    await bench.deliver(wrong);
    await listener.caughtUp();
    const before = listener.heard.length;
    const sensors = () => listener.on(CONFIG).map((text) => JSON.parse(text).components.weight);
    await bench.deliver({ ...wrong, withdrawn: 'deleted' }, { kind: 'withdrawn', correction: true, late: true });
    await listener.caughtUp();
    assert.deepEqual([listener.on(WEIGHT).at(-1), sensors().at(-1)], ['', undefined], 'at once');
    const said = listener.heard.slice(before).filter(({ topic }) => topic === CONFIG || topic === WEIGHT);
    assert.deepEqual(
      said.slice(-3).map(({ topic }) => topic),
      [CONFIG, WEIGHT, CONFIG],
    );
    assert.deepEqual(sensors().at(-2), { platform: 'sensor' });
    const kept = await retainedOn(broker.url);
    assert.equal(kept.has(WEIGHT), false);
    assert.ok(kept.has('weighbridge/1234/height'));
    await bench.deliver(reading(ANNA, 81.25, at('05:03')));
    assert.equal((await retainedOn(broker.url)).get(WEIGHT), value(81.25, '05:03'));
  });

  it('removes nothing if the journal is empty for a moment', async () => {
    await using broker = await startAedes();
    await using listener = await listenTo(broker.url);
    const home = createMqttHome(ANNA);
    let isEmpty = false;
    let asked = 0;
    const of = (userId: typeof ANNA) => {
      if (!isEmpty) return home.latest.of(userId);
      asked += 1;
      isEmpty = false;
      return new Map();
    };
    await using bench = startMqttBench(broker.url, home, { latest: { of } });
    await bench.deliver(reading(ANNA, 81.25, at('05:01')));
    for (const round of [1, 2]) {
      isEmpty = true;
      await eventually(bench, () => asked === round);
      await bench.clock.advance(120_000);
    }
    await bench.deliver(reading(ANNA, 81.05, at('05:11')));
    await listener.caughtUp();
    assert.deepEqual(listener.on(WEIGHT), [value(81.25, '05:01'), value(81.05, '05:11')]);
  });

  it('keeps the linked people while their directory is unreadable, also after a restart, and reports that once', async () => {
    await using broker = await startAedes();
    const home = createMqttHome(ANNA);
    {
      await using bench = startMqttBench(broker.url, home);
      await bench.deliver(reading(ANNA, 81.25, at('05:01')));
    }
    const blind = new Trouble('cannot read ./tokens (EACCES)', { code: 'no_permission', recovery: 'settings' });
    let isBlind = true;
    const linkedUsers = () => (isBlind ? Promise.reject(blind) : Promise.resolve([...home.linked]));
    await using bench = startMqttBench(broker.url, home, { linkedUsers });
    await bench.deliver(reading(ANNA, 81.05, at('05:02')));
    await bench.clock.advance(3_600_000);
    assert.deepEqual(told(bench), ['mqtt: cannot read ./tokens (EACCES)'], 'sixty looks');
    const kept = await retainedOn(broker.url);
    assert.deepEqual([kept.get('weighbridge/status'), kept.get(WEIGHT)], ['online', value(81.05, '05:02')]);
    isBlind = false;
    await eventually(bench, () => bench.log.texts('recovered').length > 0);
    assert.equal(bench.log.texts('recovered').length, 1);
  });

  it('publishes the status of a person after a change', async () => {
    await using broker = await startAedes();
    await using listener = await listenTo(broker.url);
    const home = createMqttHome(ANNA);
    await using bench = startMqttBench(broker.url, home);
    await bench.deliver(reading(ANNA, 81.25, at('05:01')));
    const needsLogin = { since: new Date(at('04:00')), reason: 'Withings rejected the login' };
    home.states.set(ANNA, { ...NOTHING_KNOWN, needsLogin });
    await eventually(bench, async () => {
      await listener.caughtUp();
      return listener.on('weighbridge/1234/health').length > 1;
    });
    assert.deepEqual(listener.on('weighbridge/1234/health').map((text) => JSON.parse(text))[1], {
      needs_login: true,
      subscription_lost: false,
      reason: 'Withings rejected the login',
      since: at('04:00'),
      linked_at: null,
    });
  });

  it('continues with the rest if the file of retained topics cannot be written', async () => {
    await using broker = await startAedes();
    const home = createMqttHome(ANNA);
    const full = new Trouble('cannot write x (ENOSPC)', { code: 'disk_full', recovery: 'retry' });
    const store = { ...home.retained, save: () => Promise.reject(full) };
    await using bench = startMqttBench(broker.url, home, { store });
    await bench.deliver(reading(ANNA, 81.25, at('05:01')));
    assert.deepEqual(told(bench), ['mqtt: cannot write x (ENOSPC)']);
  });
});

describe('Home Assistant', () => {
  const CHANNEL = 'home/weight';
  const SUBSCRIBE_MS = 2_000;

  /** A publisher that gives Home Assistant its time, and a listener that has always been there. */
  async function setUp(home = createMqttHome(ANNA)) {
    const broker = await startAedes();
    const listener = await listenTo(broker.url);
    const bench = startMqttBench(broker.url, home, { channel: CHANNEL, subscribeMs: SUBSCRIBE_MS });
    /** Advances the clock in small steps until the condition is true. */
    const passUntil = async (isSo: () => boolean) => {
      while (!isSo()) {
        await bench.clock.advance(100);
        await listener.caughtUp();
      }
    };
    return {
      ...bench,
      listener,
      url: broker.url,
      passUntil,
      /** Delivers after any wait. */
      async tell(...args: Parameters<typeof bench.deliver>) {
        let isOver = false;
        const delivered = bench.deliver(...args).finally(() => {
          isOver = true;
        });
        await passUntil(() => isOver);
        await delivered;
        await listener.caughtUp();
      },
      async [Symbol.asyncDispose]() {
        await bench[Symbol.asyncDispose]();
        await listener[Symbol.asyncDispose]();
        await broker[Symbol.asyncDispose]();
      },
    };
  }

  /** Returns the groups of the events on the topic. */
  const groupsOf = (listener: Listener) => listener.on(EVENT).map((text) => JSON.parse(text).grpid);

  it('that subscribes 1 s after the discovery message receives the first weigh-in of a person and its values', async () => {
    await using bench = await setUp();
    const { listener, clock } = bench;
    const first = reading(ANNA, 81.25, at('05:59'));
    let isOver = false;
    const delivered = bench.deliver(first).finally(() => {
      isOver = true;
    });
    await bench.passUntil(() => listener.on(WEIGHT).length > 0);
    await clock.advance(1_000);
    await using late = await listenTo(bench.url);
    assert.deepEqual(groupsOf(listener), []);
    await bench.passUntil(() => isOver);
    await delivered;
    await late.hears(({ topic }) => topic === EVENT);
    await listener.caughtUp();
    assert.deepEqual([groupsOf(late), listener.on(CHANNEL)], [[first.groupId], ['81.3']]);
  });

  it('causes no wait if the person is already known', async () => {
    await using bench = await setUp();
    await bench.tell(reading(ANNA, 81.25, at('05:58')));
    await bench.clock.advance(SUBSCRIBE_MS);
    const startedMs = bench.clock.elapsedMs();
    await bench.deliver(reading(ANNA, 81.05, at('05:59')));
    assert.equal(bench.clock.elapsedMs(), startedMs);
  });

  it('receives missed weigh-ins once on its return, with the same payload, and no late ones', async () => {
    await using bench = await setUp();
    const { listener, clock } = bench;
    const [heard, stale, fresh, wrong] = [
      reading(ANNA, 81, at('05:30')),
      reading(ANNA, 82, at('05:40')),
      reading(ANNA, 83, at('06:00')),
      reading(ANNA, 84, at('06:01')),
    ];
    await bench.tell(heard);
    await listener.publish('homeassistant/status', 'offline');
    for (const each of [stale, fresh, wrong]) await bench.tell(each);
    await bench.tell({ ...wrong, withdrawn: 'deleted' }, { kind: 'withdrawn', correction: true, late: true });
    await clock.advance(45 * 60_000);
    const sent = listener.on(EVENT);
    const devices = listener.on(CONFIG).length;
    await listener.publish('homeassistant/status', 'online');
    await bench.passUntil(() => listener.on(CONFIG).length > devices);
    await using back = await listenTo(bench.url);
    await clock.advance(SUBSCRIBE_MS - 200);
    await listener.caughtUp();
    assert.equal(listener.on(EVENT).length, sent.length, 'it has its time to subscribe');
    await bench.passUntil(() => listener.on(EVENT).length > sent.length);
    await back.caughtUp();
    assert.deepEqual(back.on(EVENT), [sent[2]], 'byte by byte the same');
    assert.equal(listener.on(CHANNEL).length, 4, 'the plain topic is for others as well');
    for (const status of ['offline', 'online']) await listener.publish('homeassistant/status', status);
    await clock.advance(60_000);
    await listener.caughtUp();
    assert.deepEqual(groupsOf(back), [fresh.groupId], 'once');
  });

  it('receives nothing twice after a mere restart', async () => {
    await using bench = await setUp();
    await bench.tell(reading(ANNA, 81, at('05:59')));
    for (const status of ['offline', 'online', 'online']) await bench.listener.publish('homeassistant/status', status);
    await bench.clock.advance(60_000);
    await bench.listener.caughtUp();
    assert.equal(bench.listener.on(EVENT).length, 1);
  });

  it('causes no wait at a stop', async () => {
    const bench = await setUp();
    const cut = new AbortController();
    const delivered = failureOf(bench.deliver(reading(ANNA, 81, at('05:59')), {}, cut.signal));
    await bench.passUntil(() => bench.listener.on(WEIGHT).length > 0);
    cut.abort();
    assert.ok(await delivered);
    await bench[Symbol.asyncDispose]();
  });
});

describe('a delivery that is not a weigh-in', () => {
  for (const kind of ['addition', 'reading'] as const) {
    it(`of the kind ${kind} sets values and announces nothing`, async () => {
      await using broker = await startAedes();
      await using listener = await listenTo(broker.url);
      await using bench = startMqttBench(broker.url, createMqttHome(ANNA), { channel: 'home/weight' });
      await bench.deliver(reading(ANNA, 81, at('05:59'), { measures: { weight: 81, afib_ecg: 0 } }), { kind });
      await listener.caughtUp();
      assert.deepEqual(listener.on(WEIGHT), [value(81, '05:59')]);
      assert.deepEqual([...listener.on(EVENT), ...listener.on('home/weight')], []);
    });
  }

  it('of the kind held leaves no trace', async () => {
    await using broker = await startAedes();
    await using listener = await listenTo(broker.url);
    await using bench = startMqttBench(broker.url, createMqttHome(ANNA), { channel: 'home/weight' });
    await bench.deliver(reading(ANNA, 116, at('05:59'), { held: 'jump' }), { kind: 'held', late: true });
    await listener.caughtUp();
    assert.doesNotMatch(JSON.stringify(listener.heard), /116/);
  });

  it('of the kind correction sets the values to those of the journal, also if older or fewer', async () => {
    await using broker = await startAedes();
    await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
    const first = reading(ANNA, 81, at('05:59'), { measures: { weight: 81, fat_ratio: 17 } });
    await bench.deliver(first);
    const measures = { weight: 80.5 };
    await bench.deliver(
      { ...first, takenAt: new Date(at('05:50')), measures },
      { kind: 'correction', correction: true },
    );
    const kept = await retainedOn(broker.url);
    assert.deepEqual([kept.get(WEIGHT), kept.has('weighbridge/1234/fat_ratio')], [value(80.5, '05:50'), false]);
  });
});

it('a quantity with the name of an object property is published like any other', async () => {
  await using broker = await startAedes();
  await using bench = startMqttBench(broker.url, createMqttHome(ANNA));
  const measures = Object.fromEntries([
    ...Object.entries({ weight: 81.25, constructor: 80, valueof: 1 }),
    ['__proto__', 2],
  ]);
  await bench.deliver(reading(ANNA, 0, at('05:59'), { measures }));
  const kept = await retainedOn(broker.url);
  assert.equal(kept.get('weighbridge/1234/constructor'), value(80, '05:59'));
  const components = new Map(Object.entries(JSON.parse(kept.get(CONFIG) ?? '').components));
  for (const key of ['constructor', '__proto__', 'weight']) assert.ok(components.has(key), key);
  assert.deepEqual(told(bench), []);
});

/** Returns the log lines about troubles. */
function told({ log }: MqttBench): string[] {
  return log.entries.filter(({ level, event }) => event === 'trouble' && level !== 'debug').map(({ text }) => text);
}

async function failure(work: Promise<unknown>): Promise<Trouble> {
  const error = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert(error instanceof Trouble, `${error}`);
  return error;
}
