import { setTimeout as sleep } from 'node:timers/promises';
import type { Call } from '../src/sandbox/calls.ts';
import { weighIn } from '../test/support/flood-run.ts';
import { type Home, type RunningDaemon, startHome } from '../test/support/home.ts';
import type { Bench } from './bench.ts';
import { round, samplesOf } from './samples.ts';
import { atMost, type Row } from './table.ts';

const PEOPLE = 12;
/** A weigh-in is fetched again once after 12 s, if it caused more than one notification. */
const SECOND_LOOK_MS = 14_000;
const now = () => Math.floor(Date.now() / 1000);

/** Measures the cost of a weigh-in: the time from the notification to the log, and the requests to Withings. */
export async function measureWork({ program }: Bench): Promise<readonly Row[]> {
  const api = { calls: 0, busyMs: 0, arrivedAt: 0 };
  await using home = await startHome({
    script: program,
    fault: (_call: Call, answer) => {
      if (answer === undefined) api.arrivedAt = performance.now();
      return undefined;
    },
    onCall: ({ form }) => {
      api.busyMs += performance.now() - api.arrivedAt;
      if (form.get('action') === 'getmeas') api.calls += 1;
    },
  });
  const people = Array.from({ length: PEOPLE }, (_, index) => `${1000 + index}`);
  for (const person of people) await home.link(person);
  await using daemon = await home.serve();
  while (api.calls < PEOPLE) await sleep(50);

  const [one = '', seven = '', ...others] = people;
  const ms: number[] = [];
  for (const person of others) {
    const before = api.busyMs;
    const tookMs = await weighIn(home, daemon, person);
    ms.push(tookMs - (api.busyMs - before));
  }
  const perWeighIn = await callsFor(home, daemon, api, one, 1);
  const perBurst = await callsFor(home, daemon, api, seven, 7);
  const took = samplesOf(ms);
  return [
    {
      what: 'notification → log line, on top of the API',
      ours: `${round(took.median)} ms (${round(took.least)})`,
      floor: 'journal synced under a lock',
    },
    { what: 'API calls per weigh-in', ours: `${perWeighIn}`, floor: '1', aim: atMost(perWeighIn, 1, '') },
    { what: 'API calls per burst of seven notifications', ours: `${perBurst}`, floor: '1' },
  ];
}

async function callsFor(
  home: Home,
  daemon: RunningDaemon,
  api: { readonly calls: number },
  person: string,
  notifications: number,
): Promise<number> {
  const before = api.calls;
  const date = now() - 60;
  const [group] = home.sandbox.store(person, { kilograms: 81.25, date });
  for (let sent = 0; sent < notifications; sent += 1) {
    await daemon.notify({ userid: person, appli: 1, startdate: date, enddate: date + 1 });
  }
  await daemon.reading(group?.grpid ?? 0);
  await sleep(SECOND_LOOK_MS);
  return api.calls - before;
}
