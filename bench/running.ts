import { setTimeout as sleep } from 'node:timers/promises';
import { postElsewhere } from '../test/support/flood-run.ts';
import { startHome } from '../test/support/home.ts';
import { residentMegabytes } from '../test/support/memory.ts';
import { type Answered, ask, type Probed, probeDuring, summary } from '../test/support/probe.ts';
import { type Program, startProgram } from '../test/support/program.ts';
import { FLOODED, notification, type Stranger } from '../test/support/stranger.ts';
import { temporaryDirectory } from '../test/support/temporary.ts';
import type { Bench } from './bench.ts';
import { round } from './samples.ts';
import { atMostTimes, type Row } from './table.ts';

/** The work of a household of four is three weigh-ins each, and four full fetches since the cursor. */
const FETCHES_A_DAY = 28;
/** The port answers clients with the secret. It closes the connections of all others, which reconnect. */
const KNOWING: readonly Stranger[] = [
  'the same window of a linked person',
  'changing windows of a linked person',
  'unknown users',
];
const GUESSING: readonly Stranger[] = ['without the secret'];
/** The debug level would cost time here, because this process reads a line for each notification. */
const QUIET = { LOG_LEVEL: 'info' };
const REAL = '56785678';
const now = () => Math.floor(Date.now() / 1000);

interface Flooded {
  readonly probed: Probed;
  readonly perSecond: number;
}

interface Figures {
  readonly idle: number;
  readonly day: number;
  readonly burst: number;
  readonly alone: Probed;
  readonly knowing: Flooded;
  readonly guessing: Flooded;
}

/** Measures memory and answers of a running daemon, next to those of bare Express under the same requests. */
export async function measureRunning(bench: Bench): Promise<readonly Row[]> {
  const floor = await measureExpress(bench);
  const ours = await measureDaemon(bench);
  const memory = (what: string, of: 'idle' | 'day' | 'burst', most?: number): Row => {
    const ratio = ours[of] / floor[of];
    const line = { what, ours: `${round(ours[of])} MB`, floor: `${round(floor[of])} MB Express`, ratio };
    return most === undefined ? line : { ...line, aim: atMostTimes(ratio, most) };
  };
  const answers = (what: string, here: Probed, there: Probed): Row => ({
    what,
    ours: `${here.p50Ms} / ${here.p99Ms} ms`,
    floor: `${there.p50Ms} / ${there.p99Ms} ms Express`,
  });
  const flooded = (who: string, of: 'knowing' | 'guessing'): Row => {
    const what = `the same under a flood ${who} (${ours[of].perSecond} and ${floor[of].perSecond} a second)`;
    return answers(what, ours[of].probed, floor[of].probed);
  };
  return [
    memory('memory, idle, two people linked and fetched', 'idle', 1.2),
    memory(`memory after a day's work (${FETCHES_A_DAY} fetches)`, 'day'),
    memory('memory after a flood', 'burst'),
    answers('answer to a notification, p50 / p99', ours.alone, floor.alone),
    flooded('by strangers who know the URL', 'knowing'),
    flooded('by strangers who do not', 'guessing'),
  ];
}

async function measureDaemon(bench: Bench): Promise<Figures> {
  const api = { fetches: 0 };
  await using home = await startHome({
    script: bench.program,
    onCall: ({ form }) => {
      if (form.get('action') === 'getmeas') api.fetches += 1;
    },
  });
  const until = async (fetches: number) => {
    for (let looks = 0; api.fetches < fetches; looks += 1) {
      if (looks > 2_400) throw new Error(`${api.fetches} fetches in place of ${fetches}`);
      await sleep(50);
    }
  };
  for (const person of [FLOODED, REAL]) await home.link(person);
  const idle = await (async () => {
    await using daemon = await home.serve(QUIET);
    await until(2);
    return await settled(daemon, bench);
  })();
  const people = [FLOODED, REAL, ...Array.from({ length: FETCHES_A_DAY - 2 }, (_, index) => `${2000 + index}`)];
  for (const person of people.slice(2)) await home.link(person);
  await using daemon = await home.serve(QUIET);
  await until(2 + people.length);
  for (const person of people) {
    home.sandbox.store(person, { kilograms: 81.25, date: now() - 60 });
    await daemon.notify({ userid: person, appli: 1, startdate: now() - 61, enddate: now() });
  }
  await until(2 + 2 * people.length);
  const day = await settled(daemon, bench);
  return { idle, day, ...(await underFlood(daemon, daemon.url, bench)) };
}

async function measureExpress(bench: Bench): Promise<Figures> {
  await using place = await temporaryDirectory();
  await using program = startProgram([], { cwd: place.path, script: bench.floors.express });
  const { public: bound } = await program.line(({ event }) => event === 'listening');
  const url = `http://127.0.0.1:${(bound as { readonly port: number }).port}/hook`;
  const idle = await settled(program, bench);
  for (let request = 0; request < FETCHES_A_DAY; request += 1) await ask(url, notification(REAL, now()));
  const day = await settled(program, bench);
  return { idle, day, ...(await underFlood(program, url, bench)) };
}

async function underFlood(program: Program, url: string, bench: Bench) {
  const body = notification(REAL, now() - 100);
  const answers: Answered[] = [];
  for (let count = 0; count < (bench.quick ? 50 : 500); count += 1) answers.push(await ask(url, body));
  const seconds = bench.quick ? 1 : 8;
  const flood = async (strangers: readonly Stranger[]): Promise<Flooded> => {
    const { probed, result } = await probeDuring({ url, body, everyMs: 20 }, () =>
      postElsewhere({ url, strangers, seconds, pipelined: 1 }),
    );
    const answered = [...result.values()].reduce((sum, each) => sum + each, 0);
    return { probed, perSecond: Math.round(answered / seconds) };
  };
  const knowing = await flood(KNOWING);
  const guessing = await flood(GUESSING);
  // The first requests compile the code.
  return { alone: summary(answers.slice(20)), knowing, guessing, burst: await settled(program, bench) };
}

/** Measures the memory at rest. */
async function settled({ child }: Program, { quick }: Bench): Promise<number> {
  await sleep(quick ? 500 : 5_000);
  return await residentMegabytes(child.pid);
}
