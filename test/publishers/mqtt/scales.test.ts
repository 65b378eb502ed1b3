import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import type { Scale } from '../../../src/domain/scale.ts';
import { NOTHING_KNOWN } from '../../../src/domain/status.ts';
import type { UserId } from '../../../src/domain/token.ts';
import { listenTo, MOSQUITTO_IS_MISSING, retainedOn, startAedes, startMosquitto } from '../../support/broker.ts';
import { createMqttHome, eventually, type MqttHome, startMqttBench } from '../../support/mqtt-bench.ts';
import { ANNA, BO } from '../../support/people.ts';

const STATE = 'weighbridge/scale/b0d7';
const CONFIG = 'homeassistant/device/weighbridge_scale_b0d7/config';
const BIRTH = 'homeassistant/status';
const SCALE: Scale = {
  id: 'b0d7',
  model: 'Body+',
  battery: 'medium',
  lastContact: new Date('2026-11-20T06:00:00Z'),
  seenAt: new Date('2026-11-20T07:00:00Z'),
};

const BROKERS = [
  { name: 'a broker of MQTT 3.1.1', start: () => startAedes(), skip: false },
  { name: 'Mosquitto', start: () => startMosquitto(), skip: MOSQUITTO_IS_MISSING },
] as const;

function describeTo(home: MqttHome, whose: readonly UserId[], ...scales: readonly Scale[]) {
  for (const userId of whose) home.states.set(userId, { ...NOTHING_KNOWN, scales });
}

/** Starts a broker with a listener, and a publisher of the scales of a home. */
async function openStage(start: (typeof BROKERS)[number]['start'], home: MqttHome) {
  const broker = await start();
  const listener = await listenTo(broker.url);
  const bench = startMqttBench(broker.url, home);
  return {
    broker,
    listener,
    bench,
    async [Symbol.asyncDispose]() {
      for (const each of [bench, listener, broker]) await each[Symbol.asyncDispose]();
    },
  };
}

const about = (payload = '{}') => JSON.parse(payload);

for (const { name, start, skip } of BROKERS) {
  describe(`a scale, with ${name}`, { skip }, () => {
    it('is one device for two people, with its battery and its last contact', async () => {
      const home = createMqttHome(BO, ANNA);
      describeTo(home, [ANNA, BO], SCALE);
      await using stage = await openStage(start, home);
      const { broker, listener } = stage;
      await listener.hears(({ topic }) => topic === STATE);
      await listener.caughtUp();
      const kept = await retainedOn(broker.url);
      assert.deepEqual(about(kept.get(STATE)), {
        battery: 'medium',
        model: 'Body+',
        last_contact: '2026-11-20T06:00:00Z',
      });
      assert.deepEqual([listener.on(CONFIG).length, listener.on(STATE).length], [1, 1]);
      const { device } = about(kept.get(CONFIG));
      const anna = about(kept.get('homeassistant/device/weighbridge_1234/config')).device;
      assert.deepEqual([device.model, device.via_device], ['Body+', anna.identifiers[0]]);
      const topics = listener.heard.map(({ topic }) => topic);
      assert.ok(topics.indexOf('homeassistant/device/weighbridge_1234/config') < topics.indexOf(CONFIG));
    });

    it('is not a device without data', async () => {
      const home = createMqttHome(ANNA);
      describeTo(home, [ANNA], { ...SCALE, battery: undefined, lastContact: undefined }, { ...SCALE, id: 'z' });
      await using stage = await openStage(start, home);
      const { listener } = stage;
      await listener.hears(({ topic }) => topic === 'weighbridge/scale/z');
      assert.deepEqual([listener.on(CONFIG), listener.on(STATE)], [[], []]);
    });

    it('is published again after a change of the battery, and the device only after its own change', async () => {
      const home = createMqttHome(ANNA);
      describeTo(home, [ANNA], SCALE);
      await using stage = await openStage(start, home);
      const { listener, bench } = stage;
      await listener.hears(({ topic }) => topic === STATE);
      await bench.clock.advance(120_000);
      describeTo(home, [ANNA], { ...SCALE, battery: 'low' });
      await eventually(bench, () => listener.on(STATE).some((payload) => about(payload).battery === 'low'));
      await listener.caughtUp();
      assert.deepEqual([listener.on(CONFIG).length, listener.on(STATE).length], [1, 2]);
    });

    it('is published again after a start of Home Assistant', async () => {
      const home = createMqttHome(ANNA);
      describeTo(home, [ANNA], SCALE);
      await using stage = await openStage(start, home);
      const { listener, bench } = stage;
      await listener.hears(({ topic }) => topic === STATE);
      await listener.caughtUp();
      await listener.publish(BIRTH, 'online');
      await eventually(bench, () => listener.on(CONFIG).length === 2, 1_000);
      assert.equal(listener.on(STATE).length, 1);
    });

    it('stays for one remaining person, and is cleared, device first, without a linked person', async () => {
      const home = createMqttHome(ANNA, BO);
      describeTo(home, [ANNA, BO], SCALE);
      await using stage = await openStage(start, home);
      const { broker, listener, bench } = stage;
      await listener.hears(({ topic }) => topic === STATE);
      home.linked.delete(ANNA);
      await eventually(bench, () => listener.on(CONFIG).length === 2);
      const { device } = about((await retainedOn(broker.url)).get(CONFIG));
      assert.equal(device.via_device, 'weighbridge_5678');
      describeTo(home, [BO]);
      await eventually(bench, () => listener.on(STATE).at(-1) === '');
      const kept = await retainedOn(broker.url);
      assert.deepEqual([kept.has(CONFIG), kept.has(STATE)], [false, false]);
      const cleared = listener.heard.filter(({ payload }) => payload === '').map(({ topic }) => topic);
      assert.deepEqual(
        cleared.filter((topic) => [CONFIG, STATE].includes(topic)),
        [CONFIG, STATE],
      );
    });

    it('is cleared after a restart as well, and an existing one stays', async () => {
      await using broker = await start();
      const home = createMqttHome(ANNA);
      const other = { ...SCALE, id: '0ther' };
      describeTo(home, [ANNA], SCALE, other);
      {
        await using listener = await listenTo(broker.url);
        await using _bench = startMqttBench(broker.url, home);
        await listener.hears(({ topic }) => topic === STATE);
      }
      describeTo(home, [ANNA], SCALE);
      await using listener = await listenTo(broker.url);
      await using _bench = startMqttBench(broker.url, home);
      await listener.hears(({ topic, payload }) => topic === 'weighbridge/scale/0ther' && payload === '');
      await listener.caughtUp();
      const kept = await retainedOn(broker.url);
      assert.deepEqual([kept.has(STATE), kept.has('weighbridge/scale/0ther')], [true, false]);
      assert.equal(listener.on(CONFIG).includes(''), false);
    });
  });
}
