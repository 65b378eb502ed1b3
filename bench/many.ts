import { setTimeout as sleep } from 'node:timers/promises';
import { weighIn } from '../test/support/flood-run.ts';
import { startHome } from '../test/support/home.ts';
import { residentMegabytes } from '../test/support/memory.ts';
import type { Bench } from './bench.ts';
import { round } from './samples.ts';
import type { Row } from './table.ts';

/** One process serves far more people than Withings' limit of 120 requests a minute allows for. */
export async function measureMany({ program, quick }: Bench): Promise<readonly Row[]> {
  const users = quick ? 500 : 10_000;
  await using home = await startHome({ script: program });
  for (let user = 1; user <= users; user += 1) await home.link(`${user}`);
  const startedAt = performance.now();
  await using daemon = await home.serve({ LOG_LEVEL: 'info' });
  const listeningMs = performance.now() - startedAt;
  await sleep(quick ? 1_000 : 10_000);
  const weighInMs = await weighIn(home, daemon, `${users}`);
  const megabytes = await residentMegabytes(daemon.child.pid);
  return [
    {
      what: `with ${users} people linked, while all of them are asked for`,
      ours: `listens after ${round(listeningMs)} ms, ${round(megabytes)} MB, weigh-in logged after ${round(weighInMs)} ms`,
      floor: '',
    },
  ];
}
