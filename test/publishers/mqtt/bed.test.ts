import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import type { BedEvent } from '../../../src/domain/bed.ts';
import { bedEvent } from '../../support/beds.ts';
import { listenTo, MOSQUITTO_IS_MISSING, retainedOn, startAedes, startMosquitto } from '../../support/broker.ts';
import { createMqttHome, startMqttBench } from '../../support/mqtt-bench.ts';
import { ANNA, BO } from '../../support/people.ts';

const CONFIG = 'homeassistant/device/weighbridge_1234/config';
const IN_BED = 'weighbridge/1234/in_bed';
const BED_EVENT = 'weighbridge/1234/bed_event';
const at = (minute: string) => new Date(`2026-11-20T05:${minute}:00Z`);

const BROKERS = [
  { name: 'a broker of MQTT 3.1.1', start: () => startAedes(), skip: false },
  { name: 'Mosquitto', start: () => startMosquitto(), skip: MOSQUITTO_IS_MISSING },
] as const;

/** A publisher with the newest event of each person behind it. */
function startBed(url: string, home = createMqttHome(ANNA), known: readonly BedEvent[] = []) {
  const newest = new Map(known.map((event) => [event.userId, event]));
  const numbered = (event: BedEvent | undefined) => event && { ...event, number: 1 };
  const bench = startMqttBench(url, home, {
    beds: { newest: (userId) => numbered(newest.get(userId)), load: async () => 1 },
  });
  return {
    ...bench,
    async happen(event: BedEvent, late = false) {
      if (!late) newest.set(event.userId, event);
      await bench.publisher.deliverBed?.({ event, late }, new AbortController().signal);
    },
  };
}

const componentsIn = (config = '{}') => JSON.parse(config).components ?? {};

for (const { name, start, skip } of BROKERS) {
  describe(`the bed state, with ${name}`, { skip }, () => {
    it('is retained with its time, announced once, and discovered by Home Assistant', async () => {
      await using broker = await start();
      await using listener = await listenTo(broker.url);
      await using bench = startBed(broker.url);
      await bench.happen(bedEvent('in_bed', at('41')));
      const heard = await listener.hears(({ topic }) => topic === BED_EVENT);
      assert.deepEqual([heard.retain, heard.qos], [false, 1]);
      assert.deepEqual(JSON.parse(heard.payload), {
        event_type: 'in_bed',
        at: '2026-11-20T05:41:00Z',
        userid: '1234',
        name: 'Anna',
        deviceid: 'mat',
      });
      const kept = await retainedOn(broker.url);
      assert.deepEqual(JSON.parse(kept.get(IN_BED) ?? ''), { in_bed: true, since: '2026-11-20T05:41:00Z' });
      const { in_bed, bed } = componentsIn(kept.get(CONFIG));
      assert.deepEqual(
        [in_bed.platform, in_bed.device_class, in_bed.state_topic, in_bed.default_entity_id],
        ['binary_sensor', 'occupancy', IN_BED, 'binary_sensor.anna_in_bed'],
      );
      assert.deepEqual([bed.platform, bed.event_types], ['event', ['in_bed', 'out_of_bed']]);
      assert.equal(bed.state_topic, BED_EVENT);
    });

    it('ignores an older event that arrives late, and does not announce it', async () => {
      await using broker = await start();
      await using listener = await listenTo(broker.url);
      await using bench = startBed(broker.url);
      await bench.happen(bedEvent('out_of_bed', at('50')));
      await bench.happen(bedEvent('in_bed', at('41')), true);
      assert.equal(JSON.parse((await retainedOn(broker.url)).get(IN_BED) ?? '').in_bed, false);
      await listener.caughtUp();
      assert.equal(listener.on(BED_EVENT).length, 1);
    });

    it('is not published for a person who is not linked', async () => {
      await using broker = await start();
      await using listener = await listenTo(broker.url);
      await using bench = startBed(broker.url);
      await bench.happen(bedEvent('in_bed', at('41'), { userId: BO }));
      await listener.caughtUp();
      assert.deepEqual(
        listener.heard.filter(({ topic }) => topic.startsWith('weighbridge/5678')),
        [],
      );
    });

    it('is published again after a restart, also if the broker lost everything', async () => {
      await using broker = await start();
      const home = createMqttHome(ANNA);
      const event = bedEvent('in_bed', at('41'));
      {
        await using bench = startBed(broker.url, home);
        await bench.happen(event);
      }
      await using other = await start();
      await using listener = await listenTo(other.url);
      await using _bench = startBed(other.url, home, [event]);
      await listener.hears(({ topic }) => topic === IN_BED);
      const kept = await retainedOn(other.url);
      assert.equal(JSON.parse(kept.get(IN_BED) ?? '').in_bed, true);
      assert.ok('in_bed' in componentsIn(kept.get(CONFIG)));
      assert.deepEqual(listener.on(BED_EVENT), []);
    });

    it('has its topic and entities removed if APPLIS no longer includes it', async () => {
      await using broker = await start();
      const home = createMqttHome(ANNA);
      {
        await using bench = startBed(broker.url, home);
        await bench.happen(bedEvent('in_bed', at('41')));
      }
      await using listener = await listenTo(broker.url);
      await using _bench = startMqttBench(broker.url, home);
      await listener.hears(({ topic, payload }) => topic === 'weighbridge/1234/health' && payload !== '');
      await listener.caughtUp();
      assert.equal((await retainedOn(broker.url)).has(IN_BED), false);
      const configs = listener.on(CONFIG).map(componentsIn);
      const gone = { in_bed: { platform: 'binary_sensor' }, bed: { platform: 'event' } };
      assert.ok(configs.some(({ in_bed, bed }) => JSON.stringify({ in_bed, bed }) === JSON.stringify(gone)));
      assert.equal(configs.at(-1)?.in_bed, undefined);
    });
  });
}
