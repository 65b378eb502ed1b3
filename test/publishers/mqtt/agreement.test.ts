import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { derive, derivedValues } from '../../../src/domain/derived.ts';
import type { Delivery, Value } from '../../../src/domain/publisher.ts';
import type { UserId } from '../../../src/domain/token.ts';
import { type Broker, MOSQUITTO_IS_MISSING, retainedOn, startAedes, startMosquitto } from '../../support/broker.ts';
import {
  createMqttHome,
  deliverAtLast,
  eventually,
  type MqttBench,
  type MqttHome,
  reading,
  startMqttBench,
} from '../../support/mqtt-bench.ts';
import { ANNA, BO } from '../../support/people.ts';

const at = (time: string) => `2026-11-20T${time}:00Z`;
const TAKEN_BACK = { kind: 'withdrawn', correction: true, late: true } as const satisfies Partial<Delivery>;

/** A goal and a body mass index, of the newest weight. */
const derivedIn = (home: MqttHome) => async (userId: UserId) => {
  const newest = home.latest.of(userId).get('weight');
  if (newest === undefined) return new Map<string, Value>();
  const weights = [{ takenMs: newest.takenAt.getTime(), value: newest.value }];
  return derivedValues(derive(weights, { height: 1.8, goal: 78, unit: 'kg' }));
};
const startBench = (url: string, home: MqttHome) => startMqttBench(url, home, { derived: derivedIn(home) });

/**
 * Asserts that the retained topics agree with the journal and each other: each value has a sensor, and each sensor a
 * value.
 */
async function assertAgreement(url: string, home: MqttHome) {
  const kept = await retainedOn(url);
  const expected = new Map<string, unknown>([['weighbridge/status', 'online']]);
  for (const userId of home.linked) {
    const config = `homeassistant/device/weighbridge_${userId}/config`;
    const values = [...home.latest.of(userId), ...(await derivedIn(home)(userId))];
    const components = JSON.parse(kept.get(config) ?? '{}').components ?? {};
    const topics = Object.values<{ readonly state_topic?: string }>(components).map((each) => each.state_topic);
    expected.set(config, kept.get(config));
    expected.set(`weighbridge/${userId}/health`, kept.get(`weighbridge/${userId}/health`));
    for (const [key, { value, takenAt }] of values) {
      const measured = takenAt.toISOString().replace('.000Z', 'Z');
      expected.set(`weighbridge/${userId}/${key}`, JSON.stringify({ value, measured_at: measured }));
    }
    const shown = ['event', 'health', ...values.map(([key]) => key)].map((key) => `weighbridge/${userId}/${key}`);
    assert.deepEqual([...new Set(topics)].sort(), shown.sort(), 'each component has its topic, and each topic one');
  }
  assert.deepEqual(new Map([...kept].sort()), new Map([...expected].sort()));
}

const connected = (bench: MqttBench, times = 1) =>
  eventually(bench, () => bench.log.texts('mqtt_connected').length >= times, 1_000);

const first = () => reading(ANNA, 81.25, at('05:01'), { measures: { weight: 81.25, fat_ratio: 17 } });
const wrong = () => reading(ANNA, 99, at('05:02'), { measures: { weight: 99, muscle_mass: 63, heart_rate: 60 } });
const bos = () => reading(BO, 92.5, at('05:03'));

const BROKERS = [
  { name: 'a broker of MQTT 3.1.1', start: () => startAedes(), skip: false },
  { name: 'Mosquitto', start: () => startMosquitto(), skip: MOSQUITTO_IS_MISSING },
] as const satisfies readonly { name: string; start: () => Promise<Broker>; skip: string | false }[];

for (const { name, start, skip } of BROKERS) {
  describe(`the retained topics agree with the journal, with ${name}`, { skip }, () => {
    it('after a withdrawal, a restart, and a broker that has lost everything', async () => {
      const home = createMqttHome(ANNA, BO);
      const taken = wrong();
      {
        await using old = await start();
        await using bench = startBench(old.url, home);
        for (const each of [first(), taken, bos()]) await bench.deliver(each);
        await assertAgreement(old.url, home);
        await bench.deliver({ ...taken, withdrawn: 'deleted' }, TAKEN_BACK);
        await assertAgreement(old.url, home);
      }
      await using broker = await start();
      await using bench = startBench(broker.url, home);
      await connected(bench);
      await assertAgreement(broker.url, home);
      await bench.deliver(reading(ANNA, 81.5, at('05:10')));
      await assertAgreement(broker.url, home);
    });

    it('after a withdrawal during an outage of the broker, and a restart within the outage', async () => {
      const home = createMqttHome(ANNA, BO);
      const taken = wrong();
      await using broker = await start();
      {
        await using bench = startBench(broker.url, home);
        for (const each of [first(), taken, bos()]) await bench.deliver(each);
        await broker.stop();
        await assert.rejects(bench.deliver({ ...taken, withdrawn: 'deleted' }, TAKEN_BACK));
      }
      await broker.start();
      await using bench = startBench(broker.url, home);
      await connected(bench);
      await deliverAtLast(bench, { ...taken, withdrawn: 'deleted' }, TAKEN_BACK);
      await assertAgreement(broker.url, home);
    });

    it('after all data of a person are withdrawn, and the broker loses everything before the next start', async () => {
      const home = createMqttHome(ANNA, BO);
      const [only, taken] = [bos(), wrong()];
      {
        await using old = await start();
        await using bench = startBench(old.url, home);
        for (const each of [taken, only]) await bench.deliver(each);
        for (const each of [taken, only]) await bench.deliver({ ...each, withdrawn: 'deleted' }, TAKEN_BACK);
        await assertAgreement(old.url, home);
      }
      await using broker = await start();
      await using bench = startBench(broker.url, home);
      await connected(bench);
      await assertAgreement(broker.url, home);
      home.linked.delete(BO);
      await bench.clock.advance(120_000);
      while ((await retainedOn(broker.url)).has('weighbridge/5678/health')) await bench.clock.advance(60_000);
      await assertAgreement(broker.url, home);
    });
  });
}
