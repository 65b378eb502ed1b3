import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type Home, type RunningDaemon, startHome } from './home.ts';
import { type Memory, watchMemory } from './memory.ts';
import { ask, type Probed, probeDuring } from './probe.ts';
import { type Answers, FLOODED, type Flood, notification, type Stranger } from './stranger.ts';

/** The person of the real notifications, and the one who steps on the scale. */
const REAL = '56785678';
const WEIGHED = '90129012';

const now = () => Math.floor(Date.now() / 1000);

export interface FloodReport {
  readonly answers: ReadonlyMap<number, number>;
  readonly perSecond: number;
  /** The requests to Withings during the flood by action, and the number that the coalescing rule allows. */
  readonly calls: Readonly<Record<'getmeas' | 'requesttoken', number>>;
  readonly mostCalls: Readonly<Record<'getmeas' | 'requesttoken', number>>;
  readonly logLines: number;
  readonly probed: Probed;
  /** The time from the notification of a weigh-in to its log line. */
  readonly weighInMs: number;
  /** The same for the person in the forged notifications; undefined if the flood ended first. */
  readonly floodedWeighInMs: number | undefined;
  readonly memory: Memory;
}

export interface FloodOptions {
  readonly strangers: readonly Stranger[];
  readonly seconds: number;
  /** The number of requests in flight on a connection. */
  readonly pipelined?: number;
  /** The number of other linked people. */
  readonly others?: number;
  readonly logLevel?: 'info' | 'debug';
}

/** Floods the daemon with requests of strangers, with a real weigh-in in the middle. */
export async function floodDaemon(options: FloodOptions): Promise<FloodReport> {
  const { strangers, seconds, pipelined = 10, others = 0, logLevel = 'info' } = options;
  const calls = { getmeas: 0, requesttoken: 0 };
  await using home = await startHome({
    onCall: ({ form }) => {
      const action = form.get('action');
      if (action === 'getmeas' || action === 'requesttoken') calls[action] += 1;
    },
  });
  const people = [FLOODED, REAL, WEIGHED];
  for (const userId of people) await home.link(userId);
  await using daemon = await home.serve({ LOG_LEVEL: logLevel });
  for (let tries = 0; calls.getmeas < people.length && tries < 500; tries += 1) await sleep(20);
  for (let index = 0; index < others; index += 1) await home.link(String(3e9 + index));

  const probe = { url: daemon.url, body: notification(REAL, now() - 100), everyMs: 100 };
  const settle = async () => {
    for (let count = 0; count < 100; count += 1) await ask(probe.url, probe.body);
  };
  const { memory, result } = await watchMemory(daemon.child.pid, settle, async () => {
    const earlier = { ...calls, lines: daemon.lines.length };
    const { probed, result: flooded } = await probeDuring(probe, () =>
      run(home, daemon, { strangers, seconds, pipelined }),
    );
    const made = {
      getmeas: calls.getmeas - earlier.getmeas,
      requesttoken: calls.requesttoken - earlier.requesttoken,
    };
    return { ...flooded, probed, calls: made, logLines: daemon.lines.length - earlier.lines };
  });
  return { ...result, memory, mostCalls: mostCalls(people.length, seconds) };
}

/**
 * The limit allows two different requests at once, one that follows, one every 12 s, and an hourly retry of the login.
 */
function mostCalls(people: number, seconds: number) {
  return { getmeas: people * (3 + Math.ceil(seconds / 12)), requesttoken: 1 };
}

async function run(home: Home, daemon: RunningDaemon, flood: Omit<Flood, 'url'>) {
  const { seconds } = flood;
  const posting = postElsewhere({ ...flood, url: daemon.url });
  await sleep(seconds * 400);
  const floodedWeighIn = weighIn(home, daemon, FLOODED).then(Math.round);
  const weighInMs = Math.round(await weighIn(home, daemon, WEIGHED));
  const answers = await posting;
  const perSecond = Math.round([...answers.values()].reduce((sum, times) => sum + times, 0) / seconds);
  const floodedWeighInMs = await Promise.race([floodedWeighIn, Promise.resolve(undefined)]);
  return { answers, perSecond, weighInMs, floodedWeighInMs };
}

/** Floods from a separate thread. */
export async function postElsewhere(flood: Flood): Promise<Answers> {
  const worker = new Worker(new URL('./stranger-worker.js', import.meta.url), { workerData: flood });
  const [answers] = await once(worker, 'message');
  return answers;
}

/** Simulates a weigh-in, and returns the time from the notification to the log line. */
export async function weighIn(home: Home, daemon: RunningDaemon, userId: string): Promise<number> {
  const date = now() - 60;
  const [group] = home.sandbox.store(userId, { kilograms: 81.25, date });
  const startedAt = performance.now();
  await ask(daemon.url, notification(userId, date));
  // A spaced fetch can end after the flood, when the test no longer waits for it.
  await daemon.reading(group?.grpid ?? 0).catch(() => undefined);
  return performance.now() - startedAt;
}
