import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { API_FAULTS, type ApiFault } from './api-faults.ts';
import { assertJournal, assertKept, assertLogin, assertOnce, assertTold, HOLDS_TOKENS, watchCalls } from './checker.ts';
import { createFastClock } from './fast-clock.ts';
import { freePort } from './free-port.ts';
import { CLIENT, type Home, type JournalLine, startHome, URL_SECRET } from './home.ts';
import type { Program } from './program.ts';
import { createRandom } from './random.ts';
import { mountSmallDisk, type SmallDisk } from './small-disk.ts';

const CHILD = fileURLToPath(new URL('./daemon-child.js', import.meta.url));
const PEOPLE = ['1234', '5678', '9012'];
/** Hours of weigh-ins in minutes; the rules about seconds still leave room for a process to start. */
const SPEED = 30;
const DAY_MS = 86_400_000;
/** By which the wall clock of one life is wrong. */
const CLOCKS: Readonly<Record<string, number>> = {
  'a clock at 1970': -Date.now() + 5_000,
  'a clock an hour ahead': 3_600_000,
  'a clock an hour behind': -3_600_000,
  'a clock a year ahead': 365 * DAY_MS,
  'a clock months behind': -150 * DAY_MS,
};
const DISKS = ['a full disk', 'a read-only disk'];
const SABOTAGES: Readonly<Record<string, (home: Home, person: string) => Promise<void>>> = {
  'a torn journal line': (home) => appendFile(join(home.directory, 'data/measures.jsonl'), '{"userid":"1234","grp'),
  'a garbage cursor': (home, person) => writeFile(join(home.directory, `data/cursors/${person}`), '\0\0garbage'),
  'an empty cursor': (home, person) => writeFile(join(home.directory, `data/cursors/${person}`), ''),
  'a half-written token': (home, person) => writeFile(join(home.directory, `tokens/.${person}.tmp`), 'half'),
  'a stale lock': (home, person) => writeFile(join(home.directory, `tokens/.${person}.lock`), 'pid 1, long ago'),
};
const COMPANIONS = ['a second daemon', 'a command beside it'];
/** A start without a network is an outage from the first call on. */
const NO_NETWORK = 'no network';
/** The kill comes a few milliseconds after a call was answered: before, amid and behind what is written then. */
const MID_STEP = 'SIGKILL in mid-step';
const STEP_MS = 12;
/** Small, so that there are pages to turn. */
const PAGE_SIZE = 30;
/** How much later than their time of change some groups show up. */
const LATE_SECONDS = 5_400;
const LIFE_MS = { least: 300, most: 3_500 };
/** At the end, for the daemon that is left alone: a minute of outage by the fast clock, and half an hour. */
const OUTAGE_MS = 2_000;
const PATIENCE_MS = 60_000;

export interface TortureReport {
  readonly rounds: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly weighIns: number;
  readonly rotations: number;
  readonly calls: number;
  readonly busiestMinute: number;
  readonly groups: number;
  readonly told: number;
  readonly worstStopMs: number;
}

/** What one life of the daemon has to put up with. */
interface Plan {
  readonly api: string | undefined;
  readonly clock: string | undefined;
  readonly disk: string | undefined;
  readonly sabotage: string | undefined;
  readonly companion: string | undefined;
  readonly lengthMs: number;
  readonly end: 'SIGKILL' | 'SIGTERM' | typeof MID_STEP;
}

/**
 * Lives of the daemon, one after another, each with troubles of its own, while people step on the scale. After each
 * the logins must work and whatever was told must be on the disk; at the end everything must be there, once.
 */
export async function torture(options: {
  readonly seed: number;
  readonly isOver: (rounds: number) => boolean;
}): Promise<TortureReport> {
  const random = createRandom(options.seed);
  const startMs = Date.now();
  const clock = createFastClock({ speed: SPEED, startMs });
  const calls = watchCalls();
  const issued = new Set<string>();
  /** The times that may have become a cursor. */
  const answeredAt = new Set<string>();
  const state: { fault: ApiFault | undefined; strike: (() => void) | undefined; violation: unknown } = {
    fault: undefined,
    strike: undefined,
    violation: undefined,
  };
  await using disk = await mountSmallDisk(32 * 1024);
  await using home = await startHome({
    clock,
    pageSize: PAGE_SIZE,
    script: CHILD,
    ...(disk === undefined ? {} : { place: { path: disk.path, [Symbol.asyncDispose]: async () => undefined } }),
    fault: (call, answer) => {
      if (answer === undefined) calls.arrived(call);
      return random() < 0.6 ? state.fault?.(call, answer) : undefined;
    },
    onCall: (call, answer) => {
      calls.answered(call, answer);
      for (const value of Object.values(answer?.body ?? {})) if (typeof value === 'string') issued.add(value);
      try {
        if (call.path === '/measure')
          answeredAt.add(`${assertLoginOf(home, call.accessToken)} ${answer?.body['updatetime']}`);
      } catch (error) {
        state.violation ??= error;
      }
      if (random() < 0.25) setTimeout(() => state.strike?.(), random() * STEP_MS);
    },
  });
  for (const person of PEOPLE) issued.add(await home.link(person));

  const pick = <T extends string>(names: readonly T[], chance: number) =>
    random() < chance ? names[Math.floor(random() * names.length)] : undefined;
  const plan = (): Plan => ({
    api: pick([...Object.keys(API_FAULTS), NO_NETWORK], 0.6),
    clock: pick(Object.keys(CLOCKS), 0.15),
    disk: disk === undefined ? undefined : pick(DISKS, 0.15),
    sabotage: pick(Object.keys(SABOTAGES), 0.25),
    companion: pick(COMPANIONS, 0.25),
    lengthMs: LIFE_MS.least + random() * (LIFE_MS.most - LIFE_MS.least),
    end: pick([MID_STEP, 'SIGKILL'], 0.7) ?? 'SIGTERM',
  });

  const counts = { rounds: 0, weighIns: 0, worstStopMs: 0 };
  const faults = new Map<string, number>();
  const told = new Set<string>();
  const weigh = (person: string) => {
    counts.weighIns += 1;
    const date = Math.floor(clock.now().getTime() / 1000) - Math.floor(random() * 3600);
    const groups = home.sandbox.store(person, { kilograms: 60 + Math.round(random() * 4000) / 100, date });
    const lateSeconds = random() < 0.2 ? Math.floor(random() * LATE_SECONDS) : 0;
    for (const group of groups) home.sandbox.measures.put(person, { ...group, modified: group.modified - lateSeconds });
    return groups;
  };
  const step = () => {
    const person = PEOPLE[Math.floor(random() * PEOPLE.length)] ?? '1234';
    const groups = weigh(person);
    if (random() < 0.7) void home.sandbox.tell(person, groups);
  };

  const port = await freePort();
  let subscribed = false;
  for (; !options.isOver(counts.rounds); counts.rounds += 1) {
    const life = plan();
    for (const name of [life.api, life.clock, life.disk, life.sabotage, life.companion, life.end]) {
      if (name !== undefined) faults.set(name, (faults.get(name) ?? 0) + 1);
    }
    if (counts.rounds > 0 && life.sabotage !== undefined) {
      await SABOTAGES[life.sabotage]?.(home, PEOPLE[Math.floor(random() * PEOPLE.length)] ?? '1234');
    }
    await using _bad = await worsen(disk, life.disk);
    state.fault = life.api === NO_NETWORK ? () => 'cut' : API_FAULTS[life.api ?? ''];
    const env = { ...environment(startMs, CLOCKS[life.clock ?? ''] ?? 0), PORT: `${port}` };
    const programs: Program[] = [home.start(env)];
    if (life.companion === 'a second daemon') programs.push(home.start({ ...env, PORT: '0' }));
    if (life.companion === 'a command beside it') programs.push(home.start(env, ['rotate', PEOPLE[0] ?? '']));
    calls.begin(programs.length);
    const stop = (signal: NodeJS.Signals) => programs.forEach(({ child }) => void child.kill(signal));
    if (life.end === MID_STEP) state.strike = () => stop('SIGKILL');
    const endsAt = performance.now() + life.lengthMs;
    while (performance.now() < endsAt && programs[0]?.child.signalCode === null) {
      await sleep(random() * 200);
      if (random() < 0.3) step();
      if (!subscribed) subscribed = await subscribe(home, programs[0]);
    }
    const stoppedAt = performance.now();
    state.strike = undefined;
    stop(life.end === MID_STEP ? 'SIGKILL' : life.end);
    for (const program of programs) {
      const { code } = await program.exited;
      const mayFail = life.disk !== undefined || program !== programs[0];
      if (life.end === 'SIGTERM')
        assert(code === 0 || code === null || mayFail, `it ends with ${code}\n${program.output().slice(-2000)}`);
      counts.worstStopMs = Math.max(counts.worstStopMs, performance.now() - stoppedAt);
      assert(counts.worstStopMs < 10_000, `it took ${counts.worstStopMs} ms to stop`);
    }
    assertOnce(await readJournal(home));
    for (const person of PEOPLE) {
      assertLogin(home.sandbox, person, await home.tokenFile(person));
      const cursor = await readCursor(home, person);
      if (answeredAt.has(`${person} ${cursor}`)) assertKept(home.sandbox, person, await readJournal(home), cursor);
    }
    for (const { lines, output } of programs) {
      assertTold(lines, await readJournal(home), told);
      assertSilent(output(), issued);
    }
    calls.assertRules();
    if (state.violation !== undefined) throw state.violation;
  }

  // Nothing but trying again helps what the last one fails to get at its start.
  state.fault = () => 'cut';
  for (const person of PEOPLE) weigh(person);
  calls.begin(1);
  await using last = home.start({ ...environment(startMs, 0), RECONCILE_INTERVAL: '24h' });
  await sleep(OUTAGE_MS);
  state.fault = undefined;
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const missing = await lookForLoss(home);
    if (state.violation !== undefined) throw state.violation;
    if (missing === undefined) break;
    assert(performance.now() < deadline, `${missing.message}\n${last.output().slice(-3000)}`);
    await sleep(250);
  }
  last.child.kill('SIGTERM');
  assert.equal((await last.exited).code, 0);
  const journal = await readJournal(home);
  assertTold(last.lines, journal, told);
  for (const person of PEOPLE) assertLogin(home.sandbox, person, await home.tokenFile(person));
  assert.deepEqual(
    (await home.files()).filter(({ path }) => path.endsWith('.tmp')),
    [],
  );
  for (const { path, text } of await home.files()) if (!HOLDS_TOKENS.test(path)) assertSilent(text, issued);
  calls.assertRules();
  const { rotations, count, busiestMinute } = calls;
  const figures = { rotations: rotations.count, calls: count, busiestMinute: busiestMinute() };
  return { ...counts, ...figures, faults, groups: journal.length, told: told.size };
}

function environment(startMs: number, wrongByMs: number): Readonly<Record<string, string>> {
  return { TEST_CLOCK: JSON.stringify({ speed: SPEED, startMs, wrongByMs }), RECONCILE_INTERVAL: '30m' };
}

/** Makes the disk bad for one life. */
async function worsen(disk: SmallDisk | undefined, how: string | undefined): Promise<AsyncDisposable> {
  if (how === 'a full disk') await disk?.fill();
  if (how === 'a read-only disk') await disk?.setReadOnly(true);
  return {
    async [Symbol.asyncDispose]() {
      if (how === 'a full disk') await disk?.makeRoom();
      if (how === 'a read-only disk') await disk?.setReadOnly(false);
    },
  };
}

/** Once, as soon as a daemon listens. */
async function subscribe(home: Home, program: Program | undefined): Promise<boolean> {
  const bound = program?.lines.find(({ event }) => event === 'listening')?.['public'];
  if (typeof bound !== 'object' || bound === null || !('port' in bound)) return false;
  const url = `http://127.0.0.1:${bound.port}/withingsWebhook/${URL_SECRET}`;
  for (const person of PEOPLE) if (!(await home.sandbox.subscribe(person, url, 1))) return false;
  return true;
}

/** A call with an access token ends the login before it, so the one that came with it must be in the file by then. */
function assertLoginOf(home: Home, accessToken: string): string | undefined {
  const person = home.sandbox.grants.use(accessToken);
  if (person !== undefined)
    assertLogin(home.sandbox, person, readFileSync(join(home.directory, 'tokens', person), 'utf8'));
  return person;
}

async function readCursor(home: Home, person: string): Promise<number> {
  return Number(await readFile(join(home.directory, 'data/cursors', person), 'utf8').catch(() => Number.NaN));
}

/** The journal as a reader takes it: without a last line that is torn. */
async function readJournal(home: Home): Promise<JournalLine[]> {
  const text = await readFile(join(home.directory, 'data/measures.jsonl'), 'utf8').catch(() => '');
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

async function lookForLoss(home: Home): Promise<Error | undefined> {
  try {
    assertJournal(home.sandbox, PEOPLE, await readJournal(home));
    return undefined;
  } catch (error) {
    if (error instanceof assert.AssertionError && /lost/.test(error.message)) return error;
    throw error;
  }
}

/** No token that was ever issued, and not the client secret. */
function assertSilent(text: string, issued: ReadonlySet<string>): void {
  assert(!text.includes(CLIENT.clientSecret), 'the client secret is printed');
  for (const [token] of text.matchAll(/[0-9a-f]{40}/g)) assert(!issued.has(token), 'a token is printed');
}
