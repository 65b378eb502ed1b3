import { strict as assert } from 'node:assert';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readToken } from '../../src/storage/token-files.ts';
import { freePort } from './free-port.ts';
import { CALLBACK_PATH, type Home, type RunningDaemon, startHome } from './home.ts';
import { createRandom } from './random.ts';

const PEOPLE = ['1234', '5678', '9012'];
/** The time that Node needs on this machine to start and to fetch. */
const LONGEST_LIFE_MS = 900;
/** The last daemon is not killed: it repeats an interrupted request after 12 s, and a throttled one after a minute. */
const PATIENCE_MS = 150_000;

export interface KillReport {
  readonly rounds: number;
  readonly weighIns: number;
  readonly rotations: number;
  readonly sameArguments: number;
  readonly groups: number;
  readonly told: number;
}

/**
 * Kills the daemon with SIGKILL repeatedly during weigh-ins, and then leaves it running. Asserts that every group is
 * stored once, none is announced twice, and every login works.
 */
export async function killRounds(options: {
  readonly rounds: number;
  readonly seed: number;
  readonly longestLifeMs?: number;
  /** Another root directory with an installed `weighbridge`. */
  readonly root?: string | undefined;
}): Promise<KillReport> {
  const { rounds, seed, longestLifeMs = LONGEST_LIFE_MS, root } = options;
  const random = createRandom(seed);
  const counts = { rotations: 0, sameArguments: 0, weighIns: 0 };
  await using home = await startHome({
    root,
    // Every start sends requests of its own, and the limit per minute would only add waits.
    limits: { callsPerMinute: Number.POSITIVE_INFINITY, sameArgumentsMs: 10_000 },
    onCall: ({ form }, answer) => {
      if (form.get('action') === 'requesttoken' && answer?.status === 0) counts.rotations += 1;
      if (answer?.error?.startsWith('Same arguments')) counts.sameArguments += 1;
    },
  });
  const port = await freePort();
  const env = { PORT: String(port), CALLBACK_URL: `http://127.0.0.1:${port}${CALLBACK_PATH}` };
  for (const person of PEOPLE) await home.link(person);
  await subscribeAll(home, env);
  const told: number[] = [];

  const step = () => {
    const person = PEOPLE[Math.floor(random() * PEOPLE.length)] ?? '1234';
    counts.weighIns += 1;
    const date = Math.floor(Date.now() / 1000) - Math.floor(random() * 7200);
    void home.sandbox.weigh(person, { kilograms: 75 + Math.round(random() * 1000) / 100, date });
  };

  for (let round = 0; round < rounds; round += 1) {
    const life = home.start(env);
    const endsAt = performance.now() + random() * longestLifeMs;
    while (performance.now() < endsAt) {
      await sleep(random() * 150);
      if (random() < 0.4) step();
    }
    life.child.kill('SIGKILL');
    await life.exited;
    told.push(...toldBy(life));
    await assertLogins(home);
    // One rotation would otherwise serve all rounds, and few kills would hit one.
    for (const person of PEOPLE) await rm(join(home.directory, `tokens/.${person}.access`), { force: true });
  }

  const expected = PEOPLE.flatMap((person) =>
    home.sandbox.measures.of(person).map(({ grpid }) => `${person} ${grpid}`),
  );
  const last = await home.serve(env);
  await using _last = last;
  const keys = async () => (await home.journal()).map(({ userid, grpid }) => `${userid} ${grpid}`);
  const journalled = await waitFor(async () => {
    const held = await keys();
    const missing = expected.filter((key) => !held.includes(key));
    return missing.length === 0 ? held : `${missing.join(', ')}; the log ends with ${last.output().slice(-4000)}`;
  });
  last.child.kill('SIGTERM');
  assert.equal((await last.exited).code, 0);
  told.push(...toldBy(last));
  assert.deepEqual([...journalled].sort(), [...expected].sort(), 'every group once');
  assert.equal(new Set(told).size, told.length, 'nothing was told twice');
  await assertLogins(home);
  const strays = (await home.files()).filter(({ path }) => path.endsWith('.tmp'));
  assert.deepEqual(strays, []);
  return { rounds, ...counts, groups: journalled.length, told: told.length };
}

async function subscribeAll(home: Home, env: Readonly<Record<string, string>>): Promise<void> {
  await using daemon = await home.serve(env);
  for (const person of PEOPLE) assert(await home.sandbox.subscribe(person, daemon.url, 1));
}

/** The groups whose line was printed for people. */
function toldBy(daemon: Pick<RunningDaemon, 'lines'>): number[] {
  const readings = daemon.lines.filter(({ event, level }) => event === 'reading' && level === 'info');
  return readings.map(({ grpid }) => Number(grpid));
}

async function assertLogins(home: Home): Promise<void> {
  for (const person of PEOPLE) {
    const token = readToken(await home.tokenFile(person));
    assert(token !== undefined && home.sandbox.grants.accepts(token), `the login of ${person} is lost`);
  }
}

/** Waits for a result. A text names the missing part. */
async function waitFor<T extends object>(look: () => Promise<T | string>): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (typeof found !== 'string') return found;
    assert(performance.now() < deadline, `the journal lacks ${found}`);
    await sleep(250);
  }
}
