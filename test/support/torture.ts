import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseUserId } from '../../src/domain/token.ts';
import type { RawGroup } from '../../src/sandbox/measures.ts';
import { openJournal } from '../../src/storage/journal/journal.ts';
import { readToken } from '../../src/storage/token-files.ts';
import { API_FAULTS, type ApiFault } from './api-faults.ts';
import {
  assertAgrees,
  assertJournal,
  assertKept,
  assertLogin,
  assertNoSecrets,
  assertOnce,
  assertTold,
  assertTrue,
  HOLDS_TOKENS,
  newestWeights,
  watchCalls,
} from './checker.ts';
import { createFastClock } from './fast-clock.ts';
import { freePort } from './free-port.ts';
import { CALLBACK_PATH, CLIENT, type JournalLine, startHome, URL_SECRET } from './home.ts';
import { createHousehold } from './household.ts';
import { childScript, type Program } from './program.ts';
import { createRandom, seedFrom } from './random.ts';
import { createRecordingLog } from './recording-log.ts';
import { SABOTAGES } from './sabotage.ts';
import { mountSmallDisk, type SmallDisk } from './small-disk.ts';
import {
  CLOCKS,
  COMMAND,
  FULL_DISK,
  MID_STEP,
  NO_NETWORK,
  ODD_KG,
  PEOPLE,
  type Plan,
  planRound,
  READ_ONLY_DISK,
  SECOND_DAEMON,
  type Step,
} from './torture-plan.ts';

const CHILD = childScript('daemon-child');
/** Hours of weigh-ins take minutes, and limits in seconds still leave time for a process to start. */
const SPEED = 30;
const HOUR_MS = 3_600_000;
/** A long downtime leaves a login that is not the newest at least so much of its 8 hours, for the lives to come. */
const LEAST_LOGIN_MS = 4 * HOUR_MS;
/** A kill in mid-step comes at most so long after the answer. */
const STEP_MS = 12;
/** The page size is small, so that answers have several pages. */
const PAGE_SIZE = 30;
/** A minute by the fast clock. */
const OUTAGE_MS = 2_000;
/** The time to recover after an outage: in the first runs, and after all others. */
const HEALED_MS = { first: 20_000, last: 60_000 };
/** A notification among many waits 10 minutes. With the check and its second request these are 22 minutes, or 44 s. */
const FOUND_MS = 180_000;
/** The number of deletions to find at the end. */
const MOST_DELETED = 5;
/** The time from a notification to the log: in the first run, and with other recent notifications. */
const HEARD_MS = { first: 10_000, last: 25_000 };
const SECRETS = [CLIENT.clientSecret, URL_SECRET];

export interface TortureReport {
  readonly rounds: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly weighIns: number;
  readonly changes: number;
  readonly takenBack: number;
  readonly rotations: number;
  readonly calls: number;
  readonly busiestMinute: number;
  readonly groups: number;
  readonly told: number;
  readonly worstStopMs: number;
  readonly worstHeardMs: number;
  readonly worstFoundMs: number;
  readonly hours: number;
}

/**
 * Runs the daemon repeatedly, each time with other faults, while people weigh in. After each run the logins work and
 * every announced group is on the disk. At the end every group is there once.
 */
export async function torture(options: {
  readonly seed: number;
  readonly isOver: (rounds: number) => boolean;
}): Promise<TortureReport> {
  const { seed, isOver } = options;
  const clock = createFastClock({ speed: SPEED, startMs: Date.now() });
  const startedAt = clock.now().getTime();
  const calls = watchCalls();
  const issued = new Set<string>();
  /** The times that may have become a cursor. */
  const answeredAt = new Set<string>();
  const withings = {
    fault: undefined as ApiFault | undefined,
    strike: undefined as (() => void) | undefined,
    /** Each part has a generator of its own, so that its requests do not change the draws of the others. */
    random: { fault: createRandom(seed), strike: createRandom(seed) },
    violation: undefined as unknown,
  };
  await using disk = await mountSmallDisk(32 * 1024);
  await using home = await startHome({
    clock,
    pageSize: PAGE_SIZE,
    script: CHILD,
    ...(disk === undefined ? {} : { place: { path: disk.path, [Symbol.asyncDispose]: async () => undefined } }),
    fault: (call, answer) => {
      if (answer === undefined) calls.arrived(call);
      return withings.random.fault() < 0.6 ? withings.fault?.(call, answer) : undefined;
    },
    onCall: (call, answer) => {
      calls.answered(call, answer);
      for (const value of Object.values(answer?.body ?? {})) if (typeof value === 'string') issued.add(value);
      try {
        if (call.path === '/measure')
          answeredAt.add(`${assertLoginOf(call.accessToken)} ${answer?.body['updatetime']}`);
      } catch (error) {
        withings.violation ??= error;
      }
      const { strike } = withings.random;
      if (strike() < 0.25) setTimeout(() => withings.strike?.(), strike() * STEP_MS);
    },
  });
  for (const person of PEOPLE) issued.add(await home.link(person));
  const household = createHousehold({ sandbox: home.sandbox, clock });
  const port = `${await freePort()}`;
  const url = `http://127.0.0.1:${port}${CALLBACK_PATH}`;
  const env = { PORT: port, CALLBACK_URL: url, RECONCILE_INTERVAL: '30m' };
  const counts = { rounds: 0, worstStopMs: 0, worstHeardMs: 0, worstFoundMs: 0 };
  const faults = new Map<string, number>();
  const count = (name: string | undefined) => name && faults.set(name, (faults.get(name) ?? 0) + 1);
  const told = new Set<string>();

  const start = (changes: Readonly<Record<string, string>> = {}, wrong: object = {}, args?: readonly string[]) =>
    home.start({ ...env, TEST_CLOCK: JSON.stringify({ ...clock.time, ...wrong }), ...changes }, args);

  /** A request with an access token ends the previous login, so the new login must be in the file by then. */
  const assertLoginOf = (accessToken: string) => {
    const person = home.sandbox.grants.use(accessToken);
    if (person !== undefined)
      assertLogin(home.sandbox, person, readFileSync(join(home.directory, 'tokens', person), 'utf8'));
    return person;
  };

  const readCursor = async (person: string) =>
    Number(await readFile(join(home.directory, 'data/cursors', person), 'utf8').catch(() => Number.NaN));

  /** Reads the journal without a torn last line, as a reader does. */
  const readJournal = async (): Promise<JournalLine[]> => {
    const text = await readFile(join(home.directory, 'data/measures.jsonl'), 'utf8').catch(() => '');
    const whole = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
    return whole.filter((line) => line !== '').map((line) => JSON.parse(line));
  };

  const happen = (step: Step) => {
    if (step.what === 'profile') {
      count('a profile that was said to be unlinked');
      void tellProfile(url, step.person, step.action);
      return;
    }
    const groups = household.perform(step);
    if (step.what === 'taken back' && groups.length > 0) count(`a group that is ${step.how}`);
    if (step.isTold) void home.sandbox.notify(step.person, groups);
  };

  /** Asserts the state that must hold between runs. */
  const assertAllWell = async (programs: readonly Program[]) => {
    const journal = await readJournal();
    assertOnce(journal);
    assertTrue(household.versions, journal);
    for (const person of PEOPLE) {
      assertLogin(home.sandbox, person, await home.tokenFile(person));
      const cursor = await readCursor(person);
      if (answeredAt.has(`${person} ${cursor}`)) assertKept(household.versions, person, journal, cursor);
    }
    for (const { lines, output } of programs) {
      assertTold(lines, journal, told);
      assertNoSecrets(output(), SECRETS, issued);
    }
    calls.assertRules();
    if (withings.violation !== undefined) throw withings.violation;
  };

  /** Skips hours as far as the logins allow. weighbridge misses the weigh-ins of this time. */
  const passDowntime = async ({ downtimeMs, missed }: Plan) => {
    const lives = PEOPLE.map(async (person) =>
      home.sandbox.grants.livesForMs(readToken(await home.tokenFile(person)) ?? ''),
    );
    const ms = Math.max(0, Math.min(downtimeMs, Math.min(...(await Promise.all(lives))) - LEAST_LOGIN_MS));
    if (ms > HOUR_MS) count('hours without power');
    clock.skip(ms / 2);
    for (const step of missed) if (step.what !== 'profile') household.perform(step);
    clock.skip(ms / 2);
  };

  const startPrograms = ({ clock: wrong, companion }: Plan) => {
    const programs = [start({}, CLOCKS[wrong ?? ''])];
    if (companion === SECOND_DAEMON) programs.push(start({ PORT: '0' }, CLOCKS[wrong ?? '']));
    if (companion === COMMAND) programs.push(start({}, CLOCKS[wrong ?? ''], ['rotate', PEOPLE[0]]));
    calls.begin(programs.length);
    return programs;
  };

  const live = async (life: Plan, round: number) => {
    await passDowntime(life);
    await SABOTAGES[life.sabotage ?? '']?.(home, life.victim);
    await using _bad = await worsen(disk, life.disk);
    for (const name of ['api', 'clock', 'disk', 'sabotage', 'companion', 'end'] as const) count(life[name]);
    withings.random.fault = createRandom(seedFrom(seed, round, 'fault'));
    withings.random.strike = createRandom(seedFrom(seed, round, 'strike'));
    withings.fault = life.api === NO_NETWORK ? () => 'cut' : API_FAULTS[life.api ?? ''];
    const programs = startPrograms(life);
    const bornAt = performance.now();
    const stop = (signal: NodeJS.Signals) => programs.forEach(({ child }) => void child.kill(signal));
    if (life.end === MID_STEP) withings.strike = () => stop('SIGKILL');
    /** A killed run does not wait, but the planned events still happen. */
    const until = (atMs: number) =>
      Promise.race([sleep(bornAt + atMs - performance.now(), undefined, { ref: false }), programs[0]?.exited]);
    if (CLOCKS[life.clock ?? '']?.jumpMs !== undefined)
      void until(life.jumpAtMs).then(() => programs.forEach((program) => void jump(program)));
    for (const step of life.steps) {
      await until(step.atMs);
      happen(step);
    }
    await until(life.lengthMs);
    if (life.end === 'SIGTERM') await Promise.all(programs.map(started));
    const stoppedAt = performance.now();
    withings.strike = undefined;
    stop(life.end === 'SIGTERM' ? 'SIGTERM' : 'SIGKILL');
    for (const [index, program] of programs.entries()) {
      await program.exited;
      const isCommand = index > 0 && life.companion === COMMAND;
      assert(isCommand ? hasEndedAsCommand(program, life) : hasEndedWell(program, life), describeEnd(program));
    }
    counts.worstStopMs = Math.max(counts.worstStopMs, performance.now() - stoppedAt);
    assert(counts.worstStopMs < 10_000, `it took ${counts.worstStopMs} ms to stop`);
    withings.fault = undefined;
    await assertAllWell(programs);
  };

  const stepOnScale = (person: string) => {
    const step = { what: 'weigh-in', atMs: 0, person, kilograms: 81.25, orElse: undefined } as const;
    return household.perform({ ...step, agoSeconds: 60, lateSeconds: 0, isTold: true });
  };

  /** Runs without faults. The start fetches missed weigh-ins, and notifications a day later bring new ones. */
  const liveInPeace = async (heardMs: number) => {
    const missed = PEOPLE.map(stepOnScale);
    calls.begin(1);
    await using daemon = start({ RECONCILE_INTERVAL: '10m' });
    for (const groups of missed) await hear(daemon, groups, heardMs);
    for (const person of PEOPLE) await daemon.line(({ event, userid }) => event === 'fetched' && userid === person);
    if (counts.worstHeardMs === 0) for (const person of PEOPLE) assert(await home.sandbox.subscribe(person, url, 1));
    const waits = PEOPLE.map(async (person) => {
      const groups = stepOnScale(person);
      void home.sandbox.notify(person, groups);
      return await hear(daemon, groups, heardMs);
    });
    counts.worstHeardMs = Math.max(counts.worstHeardMs, ...(await Promise.all(waits)));
    daemon.child.kill('SIGTERM');
    assert.equal((await daemon.exited).code, 0);
    await assertAllWell([daemon]);
  };

  /** Only retries can get the data that the start failed to fetch. */
  const liveThroughOutage = async (healedMs: number) => {
    withings.fault = () => 'cut';
    for (const person of PEOPLE) stepOnScale(person);
    calls.begin(1);
    await using daemon = start({ RECONCILE_INTERVAL: '10m' });
    await sleep(OUTAGE_MS);
    withings.fault = undefined;
    const deadline = performance.now() + healedMs;
    for (;;) {
      const loss = await findLoss();
      if (withings.violation !== undefined) throw withings.violation;
      if (loss === undefined) break;
      assert(performance.now() < deadline, `${loss}\n${daemon.output().slice(-3000)}`);
      await sleep(250);
    }
    daemon.child.kill('SIGTERM');
    assert.equal((await daemon.exited).code, 0);
    await assertAllWell([daemon]);
  };

  const findLoss = async () => {
    try {
      const journal = await readJournal();
      assertJournal(home.sandbox, PEOPLE, journal);
      const pending = new Set(household.deleted.map(({ person, group }) => `${person} ${group.grpid}`));
      const known = journal.filter(({ userid, grpid }) => !pending.has(`${userid} ${grpid}`));
      assertAgrees(home.sandbox, PEOPLE, known, isOdd);
      return undefined;
    } catch (error) {
      if (error instanceof assert.AssertionError && /lost/.test(error.message)) return error.message;
      throw error;
    }
  };

  const describeKept = async (person: string, grpid: number, daemon: Program) => {
    const lines = (await readJournal()).filter((line) => line.grpid === grpid);
    const has = PEOPLE.filter((each) => home.sandbox.measures.of(each).some((group) => group.grpid === grpid));
    const about = `the deletion of group ${grpid} of ${person} is lost; Withings has it at ${has}`;
    const nowSeconds = Math.floor(clock.now().getTime() / 1000);
    const ahead = home.sandbox.measures.of(person).filter(({ modified }) => modified >= nowSeconds);
    return [
      about,
      `it is ${nowSeconds}; modified later: ${JSON.stringify(ahead)}`,
      ...lines.map((line) => JSON.stringify(line)),
      daemon.output().slice(-3000),
    ].join('\n');
  };

  /** A repeated notification makes weighbridge withdraw the newest deleted groups, at once or by the next check. */
  const liveAfterDeletions = async () => {
    const isBack = async (person: string, grpid: number) => {
      const last = (await readJournal()).findLast((line) => line.userid === person && line.grpid === grpid);
      return last === undefined || last.withdrawn === true;
    };
    calls.begin(1);
    await using daemon = start({ RECONCILE_INTERVAL: '10m' });
    await started(daemon);
    for (const { person, group } of household.deleted.slice(-MOST_DELETED)) {
      void home.sandbox.notify(person, [group]);
      const askedAt = performance.now();
      while (!(await isBack(person, group.grpid))) {
        if (performance.now() > askedAt + FOUND_MS) assert.fail(await describeKept(person, group.grpid, daemon));
        await sleep(250);
      }
      counts.worstFoundMs = Math.max(counts.worstFoundMs, performance.now() - askedAt);
    }
    daemon.child.kill('SIGTERM');
    assert.equal((await daemon.exited).code, 0);
    await assertAllWell([daemon]);
  };

  /** Asserts that `users`, `/healthz` and the publishers agree with the last lines of the journal. */
  const assertNewest = async () => {
    const log = createRecordingLog();
    const { lastWeighIn, latest } = await openJournal(join(home.directory, 'data/measures.jsonl'), log);
    const journal = await readJournal();
    for (const person of PEOPLE) {
      const expected = newestWeights(journal, person);
      const userId = parseUserId(person) ?? assert.fail();
      assert(expected.has(lastWeighIn(userId)?.kilograms ?? Number.NaN), `${person} does not weigh ${[...expected]}`);
      assert(expected.has(latest.of(userId).get('weight')?.value ?? Number.NaN), `the latest of ${person} is wrong`);
    }
  };

  await liveInPeace(HEARD_MS.first);
  await liveThroughOutage(HEALED_MS.first);
  for (; !isOver(counts.rounds); counts.rounds += 1) await live(planRound(seed, counts.rounds), counts.rounds);
  await liveThroughOutage(HEALED_MS.last);
  await liveInPeace(HEARD_MS.last);
  if (household.deleted.length > 0) await liveAfterDeletions();
  assert.equal(await findLoss(), undefined);
  await assertNewest();
  for (const { path, text } of await home.files()) {
    assert(!path.endsWith('.tmp'), `${path} is left over`);
    assertNoSecrets(text, SECRETS, HOLDS_TOKENS.test(path) ? new Set() : issued);
  }
  const { rotations, busiestMinute } = calls;
  return {
    ...counts,
    ...household.counts,
    faults,
    rotations: rotations.count,
    calls: calls.count,
    busiestMinute: busiestMinute(),
    groups: (await readJournal()).length,
    told: told.size,
    hours: (clock.now().getTime() - startedAt) / HOUR_MS,
  };
}

function isOdd(kilograms: number): boolean {
  return kilograms <= ODD_KG.cat.most || kilograms >= ODD_KG.parcel.least;
}

/** Damages the disk for one run. */
async function worsen(disk: SmallDisk | undefined, how: string | undefined): Promise<AsyncDisposable> {
  if (how === FULL_DISK) await disk?.fill();
  if (how === READ_ONLY_DISK) await disk?.setReadOnly(true);
  return {
    async [Symbol.asyncDispose]() {
      if (how === FULL_DISK) await disk?.makeRoom();
      if (how === READ_ONLY_DISK) await disk?.setReadOnly(false);
    },
  };
}

/** Sends an unlink notification for a working login, possibly without a listening daemon. */
async function tellProfile(url: string, userid: string, action: string): Promise<void> {
  const body = new URLSearchParams({ userid, appli: '46', action });
  await fetch(url, { method: 'POST', body, signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
}

/** Resolves when the program ended or handles signals. */
async function started(program: Program): Promise<void> {
  await program.line(({ event }) => event === 'started').catch(() => undefined);
}

async function jump(program: Program): Promise<void> {
  await started(program);
  program.child.kill('SIGUSR2');
}

/** The program ends with 0 on request; otherwise it was killed, or could not start. */
function hasEndedWell({ child, lines }: Program, { end, disk }: Plan): boolean {
  const neverListened = !lines.some(({ event }) => event === 'listening');
  // A signal can hit a process that is about to end with 1 and no longer handles signals.
  const isBySignal = child.signalCode === 'SIGTERM' || child.signalCode === 'SIGUSR2';
  const hasGivenUp = child.exitCode === 1 || (isBySignal && lines.at(-1)?.event === 'ended');
  if (disk !== undefined && neverListened && hasGivenUp) return true;
  return end === 'SIGTERM' ? child.exitCode === 0 : child.signalCode === 'SIGKILL';
}

/** The command can fail with Withings. */
function hasEndedAsCommand({ child, lines }: Program, { end }: Plan): boolean {
  // A process that is ending no longer handles SIGTERM, nor the signal for the clock.
  if (child.signalCode === 'SIGUSR2') return lines.at(-1)?.event === 'ended';
  return child.exitCode === 0 || child.exitCode === 1 || child.signalCode === (end === 'SIGTERM' ? end : 'SIGKILL');
}

function describeEnd({ child, output }: Program): string {
  return `it ends with ${child.exitCode ?? child.signalCode}\n${output().slice(-2000)}`;
}

/** Waits for the line of a weigh-in and returns the time. */
async function hear(daemon: Program, [group]: readonly RawGroup[], mostMs: number): Promise<number> {
  const startedAt = performance.now();
  const line = daemon.line(({ event, grpid }) => event === 'reading' && grpid === group?.grpid);
  const heard = await Promise.race([line, sleep(mostMs, undefined, { ref: false })]);
  assert(heard, `group ${group?.grpid} was not heard of in ${mostMs} ms\n${daemon.output().slice(-3000)}`);
  return performance.now() - startedAt;
}
