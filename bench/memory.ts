import { setTimeout as sleep } from 'node:timers/promises';
import { startAedes } from '../test/support/broker.ts';
import { startHome } from '../test/support/home.ts';
import { residentMegabytes } from '../test/support/memory.ts';
import { ask } from '../test/support/probe.ts';
import { notification } from '../test/support/stranger.ts';
import type { Bench } from './bench.ts';
import { round } from './samples.ts';
import { atMost, type Row } from './table.ts';

const PERSON = '1234';
const WEIGH_INS = 50;
const NOTIFICATIONS = 5_000;
const CONNECTIONS = 60;
/** The aims, in MB resident, on the processor architecture of this machine. */
const MOST = { idle: 62, weighed: 70, flooded: 85 };

const now = () => Math.floor(Date.now() / 1000);

/** Measures the memory of a daemon with MQTT at rest, after weigh-ins, after a flood, and some seconds later. */
export async function measureMemory({ program, quick }: Bench): Promise<readonly Row[]> {
  const api = { fetches: 0 };
  await using broker = await startAedes();
  await using home = await startHome({
    script: program,
    onCall: ({ form }) => {
      if (form.get('action') === 'getmeas') api.fetches += 1;
    },
  });
  await home.link(PERSON);
  await using daemon = await home.serve({ LOG_LEVEL: 'info', MQTT_URL: broker.url });
  const resident = async () => await residentMegabytes(daemon.child.pid);
  await sleep(quick ? 1_000 : 10_000);
  const idle = await resident();

  for (let count = 0; count < (quick ? 5 : WEIGH_INS); count += 1) {
    const date = now() - 50_000 + count * 900;
    const fetched = api.fetches;
    home.sandbox.store(PERSON, { kilograms: 80 + count / 100, date });
    await daemon.notify({ userid: PERSON, appli: 1, startdate: date, enddate: date + 1 });
    for (let looks = 0; api.fetches === fetched && looks < 1_000; looks += 1) await sleep(20);
  }
  await sleep(quick ? 500 : 5_000);
  const weighed = await resident();

  const flooders = Array.from({ length: CONNECTIONS }, async (_, index) => {
    for (let at = index; at < NOTIFICATIONS; at += CONNECTIONS)
      await ask(daemon.url, notification(PERSON, now() - 80_000 + at));
  });
  await Promise.all(flooders);
  const flooded = await resident();
  await sleep(quick ? 500 : 14_000);
  const later = await resident();

  const row = (what: string, value: number, most?: number): Row => ({
    what: `memory with MQTT, ${what}`,
    ours: `${round(value)} MB`,
    floor: '',
    ...(most !== undefined && { aim: atMost(value, most, 'MB') }),
  });
  return [
    row('idle', idle, MOST.idle),
    row(`after ${WEIGH_INS} weigh-ins`, weighed, MOST.weighed),
    row(`after a flood of ${NOTIFICATIONS} notifications`, flooded, MOST.flooded),
    row('14 s later', later),
  ];
}
