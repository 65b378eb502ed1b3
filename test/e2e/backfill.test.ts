import assert from 'node:assert/strict';
import { watch } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Call } from '../../src/sandbox/calls.ts';
import { createBackfillFiles } from '../../src/storage/progress-files.ts';
import { history } from '../support/backfill-bench.ts';
import { assertJournal, assertNoSecrets, HOLDS_TOKENS, watchCalls } from '../support/checker.ts';
import { freePort } from '../support/free-port.ts';
import { CLIENT, type Home, startHome } from '../support/home.ts';
import { type Program, runProgram } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const PERSON = '1234';
const SINCE = new Date(Date.now() - 5 * 365 * DAY).toISOString().slice(0, '2026-01-31'.length);
const BACKFILL = ['backfill', PERSON, '--since', SINCE];
const TEXT = { LOG_FORMAT: 'text', LOG_LEVEL: 'info', USER_NAMES: `${PERSON}:Anna` };

/** Creates a home with so many groups of five years, the last two days ago. Some 60 requests fetch 5,000 of them. */
async function homeWithHistory(count: number, options: Parameters<typeof startHome>[0] = {}) {
  const groups = history(count, new Date(`${SINCE}T00:00:01Z`), new Date(Date.now() - 2 * DAY));
  const home = await startHome({ pageSize: 100, ...options });
  for (const group of groups) home.sandbox.measures.put(PERSON, group);
  await home.link(PERSON);
  return { home, groups };
}

const isBackfill = ({ form }: Call) => form.has('startdate');
const backfillFiles = (home: Home) => readdir(join(home.directory, 'data/backfill'));

/** Kills the program after so many changes of a file in `directory`. Returns false if the program ends earlier. */
async function killAtChange(program: Program, directory: string, name: string, count: number): Promise<boolean> {
  let changes = 0;
  const watcher = watch(directory, (_type, changed) => {
    if (changed === name && ++changes === count) program.child.kill('SIGKILL');
  });
  await program.exited;
  watcher.close();
  return program.child.signalCode === 'SIGKILL';
}

describe('a backfill of 5,000 groups next to a running daemon', () => {
  test('is complete without duplicates and without daemon output, however often it was killed', async (t) => {
    const rules = watchCalls();
    const issued = new Set<string>();
    const statuses = new Set<unknown>();
    let onBackfillCall: ((isAnswered: boolean) => void) | undefined;
    const { home: opened, groups } = await homeWithHistory(5_000, {
      fault(call, answer) {
        if (answer !== undefined) return undefined;
        rules.arrived(call);
        issued.add(call.accessToken);
        if (isBackfill(call)) onBackfillCall?.(false);
        return undefined;
      },
      onCall(call, answer) {
        statuses.add(answer?.status);
        if (isBackfill(call)) onBackfillCall?.(true);
      },
    });
    await using home = opened;
    const data = join(home.directory, 'data');
    await mkdir(join(data, 'backfill'), { recursive: true });
    await using daemon = await home.serve();
    await daemon.line(({ event }) => event === 'fetched');
    const [fresh] = home.sandbox.store(PERSON, { kilograms: 81.25, date: Math.floor((Date.now() - HOUR) / 1000) });
    assert.ok(fresh !== undefined);

    /** Runs the program until the request with this number arrived, or was answered. */
    const killAtCall = async (program: Program, count: number, ifAnswered: boolean) => {
      let calls = 0;
      onBackfillCall = (isAnswered) => {
        if (isAnswered === ifAnswered && ++calls === count) program.child.kill('SIGKILL');
      };
      await program.exited;
      onBackfillCall = undefined;
      return program.child.signalCode === 'SIGKILL';
    };
    const lives: readonly ((program: Program) => Promise<boolean>)[] = [
      (program) => killAtCall(program, 5, false),
      (program) => killAtChange(program, data, 'measures.jsonl', 3),
      (program) => killAtChange(program, join(data, 'backfill'), PERSON, 3),
      (program) => killAtCall(program, 6, true),
    ];
    for (const live of lives) assert.ok(await live(home.start(TEXT, BACKFILL)), 'it was over before it was killed');
    assert.ok((await backfillFiles(home)).includes(PERSON));
    const { code, stdout, stderr } = await home.start(TEXT, BACKFILL).exited;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^Anna \(1234\): fetching weigh-ins from \S+ to \S+, continuing at \d{4}-\d\d-\d\d\n/);
    assert.match(stderr, /"weighbridge serve" fetches and publishes the last 24 hours/);
    assert.match(stdout, /^Anna \(1234\): \d+ measure groups from \S+ to \S+, \d+ new\n$/);

    const journal = await home.journal();
    assert.deepEqual(
      journal.map(({ grpid }) => grpid),
      groups.map(({ grpid }) => grpid),
      'every group once, the oldest first, and none that is fresh',
    );
    assert.deepEqual(await backfillFiles(home), ['.lock']);
    assert.deepEqual([...statuses], [0], 'Withings was never asked too often, nor the same again');
    rules.assertRules();
    t.diagnostic(`${rules.count} calls, ${rules.busiestMinute()} in the busiest minute`);

    await daemon.notify({ userid: PERSON, appli: 1, startdate: fresh.date, enddate: fresh.date + 1 });
    const told = await daemon.reading(fresh.grpid);
    assert.equal(told['weight'], 81.25);
    assert.equal(
      told['previous_weight'],
      journal.at(-1)?.measures['weight'],
      'it follows what the backfill has brought',
    );
    const ids = new Set(groups.map(({ grpid }) => grpid));
    assert.deepEqual(
      daemon.lines.filter(({ grpid }) => ids.has(Number(grpid))),
      [],
    );
    for (const { path, text } of await home.files()) {
      if (!HOLDS_TOKENS.test(path)) assertNoSecrets(text, [CLIENT.clientSecret], issued);
    }
    assertNoSecrets(stdout + stderr + daemon.output(), [CLIENT.clientSecret], issued);
  });
});

describe('the button of the page', () => {
  test('starts one backfill in the daemon, which continues after a kill', async () => {
    let [calls, hang] = [0, () => undefined as unknown];
    const hanging = new Promise<void>((resolve) => {
      hang = resolve;
    });
    const { home: opened, groups } = await homeWithHistory(1_000, {
      fault(call, answer) {
        if (answer !== undefined || !isBackfill(call) || ++calls !== 60) return undefined;
        hang();
        return 'hang';
      },
    });
    await using home = opened;
    const page = `http://127.0.0.1:${await freePort()}/`;
    const serve = () => home.serve({ STATUS_PORT: new URL(page).port, USER_NAMES: `${PERSON}:Anna` });
    const press = async () => (await fetch(`${page}backfill/${PERSON}`, { method: 'POST' })).text();
    const read = async () => (await fetch(page)).text();
    const readUntil = async (text: RegExp) => {
      while (!text.test(await read())) await sleep(100);
    };

    await using first = await serve();
    await first.line(({ event }) => event === 'fetched');
    assert.match(await press(), /<button disabled>Fetch past years/, 'the way back leads to the page');
    await hanging;
    assert.match(await read(), /Fetching past years: up to \d{4}-\d\d-\d\d: \d+ measure groups/);
    await press();
    const { code, stderr } = await home.start(TEXT, BACKFILL).exited;
    assert.deepEqual(
      [code, stderr.split('\n')[0]],
      [1, 'error: another backfill is running. Wait until it ends, and start this one again.'],
    );
    first.child.kill('SIGKILL');
    await first.exited;
    const before = await home.journal();
    assert.ok(before.length > 0 && before.length < groups.length, `${before.length}`);

    await using second = await serve();
    await second.line(({ event }) => event === 'fetched');
    calls = 0;
    await press();
    await readUntil(/Past years: \d+ measure groups from \S+ to \S+, \d+ new/);
    assert.ok(calls < 60, 'it went on');
    assert.deepEqual(
      (await home.journal()).map(({ grpid }) => grpid),
      groups.map(({ grpid }) => grpid),
    );
    const told = second.lines.filter(({ event }) => event === 'backfill').map(({ text }) => text);
    assert.match(
      told.join('\n'),
      /^Anna \(1234\): fetching past years.*\nAnna \(1234\): past years: \d+ measure groups .*$/,
    );
    const ids = new Set(groups.map(({ grpid }) => grpid));
    const lines = [...first.lines, ...second.lines];
    assert.deepEqual(
      lines.filter(({ grpid }) => ids.has(Number(grpid))),
      [],
      'none of it is news',
    );
  });

  test('reports on the page that the command is running', async () => {
    const { home: opened } = await homeWithHistory(10);
    await using home = opened;
    await mkdir(join(home.directory, 'data/backfill'), { recursive: true });
    await using _command = await createBackfillFiles(join(home.directory, 'data/backfill')).lock();
    const port = await freePort();
    await using daemon = await home.serve({ STATUS_PORT: `${port}` });
    await daemon.line(({ event }) => event === 'fetched');
    await fetch(`http://127.0.0.1:${port}/backfill/${PERSON}`, { method: 'POST' });
    const { text } = await daemon.line(({ event, level }) => event === 'backfill' && level === 'error');
    assert.match(String(text), /cannot fetch past years: another backfill is running/);
    const page = await (await fetch(`http://127.0.0.1:${port}/`)).text();
    assert.match(page, /Cannot fetch past years: another backfill is running/);
  });
});

describe('backfill', () => {
  test('reports its result, and reports no new groups the second time', async () => {
    const { home: opened, groups } = await homeWithHistory(100);
    await using home = opened;
    const first = await home.start(TEXT, BACKFILL).exited;
    assert.match(first.stdout, /^Anna \(1234\): 100 measure groups from \S+ to \S+, 100 new\n$/);
    const second = await home.start(TEXT, BACKFILL).exited;
    assert.match(second.stdout, /^Anna \(1234\): 100 measure groups from \S+ to \S+, 0 new\n$/);
    assert.deepEqual([first.code, second.code], [0, 0]);
    const journal = await home.journal();
    assert.equal(journal.length, groups.length);
    assertJournal(home.sandbox, [PERSON], journal);
  });

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`stops at ${signal} with 1, and the same command continues as reported`, async () => {
      let [calls, stop] = [0, () => undefined as unknown];
      const { home: opened, groups } = await homeWithHistory(1_000, {
        onCall: (call) => {
          if (isBackfill(call) && ++calls === 7) stop();
        },
      });
      await using home = opened;
      const program = home.start(TEXT, BACKFILL);
      stop = () => program.child.kill(signal);
      const stopped = await program.exited;
      assert.deepEqual([stopped.code, stopped.stdout], [1, '']);
      assert.match(stopped.stderr, /\nStopped\. Run the same command to continue from here\.\n$/);
      const { code, stderr } = await home.start(TEXT, BACKFILL).exited;
      assert.equal(code, 0);
      assert.match(stderr, /continuing at/);
      assert.deepEqual(
        (await home.journal()).map(({ grpid }) => grpid),
        groups.map(({ grpid }) => grpid),
      );
    });
  }

  test('exits 1 with a hint if the login is rejected, and leaves the token file unchanged', async () => {
    const { home: opened } = await homeWithHistory(10);
    await using home = opened;
    await writeFile(join(home.directory, 'tokens', PERSON), 'dead-token\n');
    const { code, stdout, stderr } = await home.start(TEXT, BACKFILL).exited;
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(
      stderr,
      /\nerror: Withings rejected the login .*must link again, on the status page or with "weighbridge login"\..*\n$/,
    );
    assert.doesNotMatch(stderr, /dead-token/);
    assert.equal(await home.tokenFile(PERSON), 'dead-token\n');
  });

  test('exits 1 and names the wrong client secret', async () => {
    const { home: opened } = await homeWithHistory(10);
    await using home = opened;
    const { code, stderr } = await home.start({ ...TEXT, WITHINGS_CLIENT_SECRET: 'wrong-secret' }, BACKFILL).exited;
    assert.equal(code, 1);
    assert.match(stderr, /client secret is wrong/);
    assert.doesNotMatch(stderr, /wrong-secret/);
  });

  test('exits 1 for a person who is not linked, and names all linked people', async () => {
    const { home: opened } = await homeWithHistory(1);
    await using home = opened;
    const { code, stdout, stderr } = await home.start(TEXT, ['backfill', '9999']).exited;
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /^error: user 9999 is not linked .*1234.*weighbridge login.*\n$/);
    assert.deepEqual(await readdir(join(home.directory, 'tokens')), [PERSON]);
  });

  test('exits 78 without a client id and secret', async () => {
    await using directory = await temporaryDirectory();
    const { code, stderr } = await runProgram(['backfill', '1234'], { cwd: directory.path });
    assert.equal(code, 78);
    assert.match(stderr, /WITHINGS_CLIENT_ID/);
  });

  for (const args of [
    [],
    ['anna'],
    ['1234', '5678'],
    ['1234', '--since', 'yesterday'],
    ['1234', '--until', '2008-12-31'],
    ['1234', '--since', '2026-01-02', '--until', '2026-01-01'],
  ]) {
    test(`exits 2 after wrong arguments: backfill ${args.join(' ')}`, async () => {
      await using directory = await temporaryDirectory();
      const { code, stdout, stderr } = await runProgram(['backfill', ...args], { cwd: directory.path });
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, /^error: .+\n(Run "weighbridge --help" for all commands\.\n)?$/);
      assert.deepEqual(await readdir(directory.path), []);
    });
  }
});
