import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { rawGroup } from '../support/backfill-bench.ts';
import { createFastClock } from '../support/fast-clock.ts';
import { CLIENT, type Home, startHome } from '../support/home.ts';
import { writeScript } from '../support/hook-bench.ts';
import { until } from '../support/outbox-bench.ts';
import { COMPILED, childScript, runProgram } from '../support/program.ts';

const CHILD = childScript('daemon-child');
const now = () => Math.floor(Date.now() / 1000);

interface Got {
  readonly grpid: number;
  readonly late: boolean;
  readonly weight: number | null;
  readonly previous_weight: number | null;
  readonly change: number | null;
  readonly name: string;
  readonly groups: readonly number[];
  readonly measures: Readonly<Record<string, number>>;
}

/** Starts a home whose daemon runs a script in its folder. `got` returns the content of the file `in`. */
async function startHookHome(script: string, options: Parameters<typeof startHome>[0] = {}) {
  const home = await startHome(options);
  await writeScript(join(home.directory, 'hook.sh'), script);
  await home.link('1234');
  const env = { HOOK_COMMAND: './hook.sh "an argument"', USER_NAMES: '1234:Anna' };
  const text = (name: string) => readFile(join(home.directory, name), 'utf8').catch(() => '');
  return {
    home,
    env,
    text,
    serve: (more: Readonly<Record<string, string>> = {}) => home.serve({ ...env, ...more }),
    got: async (): Promise<Got[]> =>
      (await text('in'))
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

/** Adds a weigh-in to the sandbox without a notification. Returns its first group, which has the weight. */
async function weigh(home: Home, kilograms: number, date = now() - 60): Promise<number[]> {
  const groups = home.sandbox.store('1234', { kilograms, date });
  assert.equal(groups.length, GROUPS);
  return groups.slice(0, 1).map(({ grpid }) => grpid);
}
/** A weigh-in of the sandbox: the weight with its composition, and the heart rate. */
const GROUPS = 2;
/** The groups with a weight, in the order of the journal. */
const weightsIn = async (home: Home) =>
  (await home.journal()).filter(({ measures }) => 'weight' in measures).map(({ grpid }) => grpid);
const notify = (daemon: { notify(fields: object): Promise<number> }, date: number) =>
  daemon.notify({ userid: 1234, appli: 1, startdate: date, enddate: date + 1 });

describe('the hook of the running daemon', { concurrency: 4 }, () => {
  test('runs once for each weigh-in, with all its groups, in the folder of the daemon, without secrets', async () => {
    await using bench = await startHookHome('env >> env; echo "$1" >> args; pwd >> pwd; cat >> in');
    const { home } = bench;
    const old = await weigh(home, 80, now() - 4000);
    await using daemon = await bench.serve({ STATUS_PASSWORD: 'status-secret-1', MY_OWN: 'private' });
    await daemon.line(({ event }) => event === 'fetched');
    const date = now() - 60;
    const fresh = await weigh(home, 80.4, date);
    await notify(daemon, date);
    await until(async () => (await bench.got()).length === old.length + fresh.length);
    const got = await bench.got();
    assert.deepEqual(
      got.map(({ grpid }) => grpid),
      await weightsIn(home),
      'each weigh-in once, in the order of the journal',
    );
    for (const { groups, measures } of got) {
      assert.equal(groups.length, GROUPS);
      assert.ok('weight' in measures && 'heart_rate' in measures);
    }
    for (const { grpid, late, name } of got) assert.deepEqual([late, name], [old.includes(grpid), 'Anna']);
    const weight = got.find(({ weight }) => weight === 80.4);
    assert.deepEqual([weight?.previous_weight, weight?.change], [80, 0.4]);
    const env = await bench.text('env');
    for (const secret of [CLIENT.clientSecret, 'status-secret-1', 'url-secret', 'private', 'WITHINGS_', 'TOKENS_DIR']) {
      assert.ok(!env.includes(secret), secret);
    }
    assert.match(env, /^WEIGHBRIDGE_TEXT=Anna 80\.40 kg \(\+0\.40\)$/m);
    assert.match(await bench.text('args'), /^(an argument\n)+$/);
    assert.equal((await bench.text('pwd')).split('\n')[0], home.directory);
  });

  test('does not run for groups of a backfill, also if the daemon finds them in the journal', async () => {
    await using bench = await startHookHome('cat >> in');
    const { home } = bench;
    await using daemon = await bench.serve();
    await daemon.line(({ event }) => event === 'fetched');
    home.sandbox.measures.put('1234', rawGroup(1, new Date((now() - 5 * 86_400) * 1000)));
    const { code, stderr } = await home.start(bench.env, ['backfill', '1234', '--since', '2026-01-01']).exited;
    assert.equal(code, 0, stderr);
    assert.match(JSON.stringify(await home.journal()), /"history":true/);
    const exported = await home.start({}, ['export', '--format', 'json']).exited;
    assert.match(exported.stdout, /"history":true\}\n/);
    const date = now() - 60;
    const fresh = await weigh(home, 80, date);
    await notify(daemon, date);
    await until(async () => (await bench.got()).length === fresh.length);
    const got = await bench.got();
    assert.deepEqual(got.map(({ grpid }) => grpid).sort(), fresh.sort());
    assert.equal(got.find(({ weight }) => weight !== null)?.previous_weight, 80.001, 'but it is known');
  });

  test('gets each reading in order after two failures, and the log reports failure and recovery once', async () => {
    const clock = createFastClock({ speed: 60, startMs: Date.now() });
    await using bench = await startHookHome('cat > now; echo >> runs; [ "$(wc -l < runs)" -gt 2 ] && cat now >> in', {
      clock,
      script: CHILD,
    });
    const { home } = bench;
    const date = Math.floor(clock.now().getTime() / 1000) - 60;
    const groups = await weigh(home, 81, date);
    await using daemon = home.start({ ...bench.env, TEST_CLOCK: JSON.stringify(clock.time) });
    await until(async () => (await bench.got()).length === groups.length);
    await daemon.line(({ event }) => event === 'recovered');
    const told = daemon.lines.filter(({ event, level }) => event === 'trouble' && level === 'warn');
    assert.equal(told.length, 1);
    assert.match(String(told[0]?.['text']), /^hook: \.\/hook\.sh ended with exit code 1, .*\. Next try in 10 s\.$/);
    assert.deepEqual(
      (await bench.got()).map(({ grpid }) => grpid),
      await weightsIn(home),
    );
  });

  test('that hangs and always fails parks the reading in minutes, and the next reading follows', async () => {
    const clock = createFastClock({ speed: 60, startMs: Date.now() });
    const script = 'cat > now; grep -q ,\\"weight\\":81, now && sleep 1000; cat now >> in';
    await using bench = await startHookHome(script, { clock, script: CHILD });
    const { home } = bench;
    const date = Math.floor(clock.now().getTime() / 1000) - 160;
    await weigh(home, 81, date);
    const next = await weigh(home, 82, date + 100);
    await using daemon = home.start({ ...bench.env, TEST_CLOCK: JSON.stringify(clock.time) });
    const parked = await daemon.line(({ event }) => event === 'given_up');
    assert.equal(parked['level'], 'error');
    assert.match(
      String(parked['text']),
      /^hook: skipped weigh-in \d+ after repeated errors: .*did not end within 30 s .* kept the reading in \S+data\/publishers\/hook\.parked\.jsonl\./,
    );
    assert.equal(JSON.parse(await bench.text('data/publishers/hook.parked.jsonl')).weight, 81);
    await until(async () => (await bench.got()).length === 1);
    assert.deepEqual(
      (await bench.got()).map(({ grpid }) => grpid),
      next,
    );
  });

  test('runs again after a kill -9 during a run, and skips no reading', async () => {
    await using bench = await startHookHome('cat > now; echo "$$" > pid; [ -e go ] || sleep 1000; cat now >> in');
    const { home } = bench;
    let groups: number[] = [];
    for (let life = 0; life < 3; life += 1) {
      await using daemon = await bench.serve();
      const date = now() - 600 + life * 100;
      groups = [...groups, ...(await weigh(home, 81 + life, date))];
      await notify(daemon, date);
      await until(async () => (await home.journal().catch(() => [])).length === GROUPS * groups.length);
      await until(async () => (await bench.text('pid')) !== '');
      daemon.child.kill('SIGKILL');
      await daemon.exited;
      process.kill(-Number(await bench.text('pid')), 'SIGKILL');
      await writeScript(join(home.directory, 'pid'), '');
    }
    assert.deepEqual(await bench.got(), []);
    await writeScript(join(home.directory, 'go'), '');
    await using _daemon = await bench.serve();
    await until(async () => (await bench.got()).length === groups.length);
    assert.deepEqual(
      (await bench.got()).map(({ grpid }) => grpid),
      await weightsIn(home),
    );
  });

  test('gets the last reading twice at most after repeated kills between two readings', async () => {
    await using bench = await startHookHome('cat >> in; sleep 0.02');
    const { home } = bench;
    {
      await using first = await bench.serve();
      await first.line(({ event }) => event === 'fetched');
    }
    let groups: number[] = [];
    for (let at = 0; at < 20; at += 1) groups = [...groups, ...(await weigh(home, 80 + at, now() - 5000 + at * 100))];
    let lives = 0;
    for (; (await bench.got()).length < groups.length + lives && lives < 8; lives += 1) {
      await using daemon = await bench.serve();
      const before = (await bench.got()).length;
      await until(async () => (await bench.got()).length >= before + 4 || (await bench.got()).length >= groups.length);
      daemon.child.kill('SIGKILL');
      await daemon.exited;
    }
    await using _daemon = await bench.serve();
    const order = async () => [...new Set((await bench.got()).map(({ grpid }) => grpid))];
    await until(async () => (await order()).length === groups.length);
    assert.deepEqual(await order(), await weightsIn(home));
    const count = (await bench.got()).length;
    assert.ok(count <= groups.length + lives, `${count} runs for ${groups.length} groups and ${lives} kills`);
  });

  test('has 5 s at a stop of the daemon, and ends with the daemon', async () => {
    await using bench = await startHookHome('trap "echo bye > bye; exit 1" TERM; cat > now; sleep 1000 & wait');
    const { home } = bench;
    await weigh(home, 81);
    await using daemon = await bench.serve();
    await until(async () => (await bench.text('now')) !== '');
    const startedAt = performance.now();
    daemon.child.kill('SIGTERM');
    const { code } = await daemon.exited;
    const tookMs = performance.now() - startedAt;
    assert.equal(code, 0);
    assert.ok(tookMs > 4_000 && tookMs < 9_000, `${tookMs} ms`);
    assert.equal(await bench.text('bye'), 'bye\n');
    assert.deepEqual(
      daemon.lines.filter(({ event }) => event === 'trouble'),
      [],
    );
  });
});

describe('at the start', { concurrency: 4 }, () => {
  for (const [command, message] of [
    ['./missing.sh', /^error: HOOK_COMMAND starts with \.\/missing\.sh, which does not exist\. Start HOOK_COMMAND/m],
    ['./.env', /^error: HOOK_COMMAND starts with \.\/\.env, which this user cannot run\. .*"chmod \+x"/m],
    [`./hook.sh 'secret-token`, /^error: HOOK_COMMAND: contains an open quote/m],
    ['./hook.sh > file', /^error: HOOK_COMMAND: contains ">", but weighbridge does not use a shell/m],
  ] as const) {
    test(`HOOK_COMMAND=${command} is a configuration problem`, async () => {
      await using home = await startHome();
      if (command === './.env') await writeFile(join(home.directory, '.env'), '');
      const { code, stderr } = await home.start({ HOOK_COMMAND: command }).exited;
      assert.equal(code, 78, stderr);
      assert.match(stderr, message);
      assert.ok(!stderr.includes('secret-token'));
    });
  }

  test('a name that is not in PATH is a warning of the daemon and the doctor', async () => {
    await using home = await startHome();
    await using daemon = await home.serve({ HOOK_COMMAND: 'no-such-program' });
    const { text } = await daemon.line(({ event, check }) => event === 'doctor' && check === 'hook');
    assert.match(String(text), /^hook: HOOK_COMMAND starts with no-such-program, which is not in PATH\. /);
    const typo = await home.start({ HOOK_COMMAND: 'ntfi.sh' }, ['doctor']).exited;
    assert.match(typo.stdout, /ntfi\.sh, which is not in PATH[\s\S]*Did you mean ntfy\.sh\?/);
    const { stdout } = await home.start({ HOOK_COMMAND: 'sh -c true' }, ['doctor']).exited;
    assert.match(stdout, /✓ hook +sh can be run/);
  });

  test('without HOOK_COMMAND the daemon loads no hook code and writes no publisher files', async () => {
    const loaded = await staticImports(COMPILED);
    for (const command of ['serve', 'demo']) {
      for (const path of await staticImports(join(dirname(COMPILED), 'cli', `${command}.js`))) loaded.add(path);
    }
    assert.ok(loaded.size > 40);
    assert.deepEqual(
      [...loaded].filter((path) => path.includes('/src/publishers/')),
      [],
    );
    await using home = await startHome();
    await home.link('1234');
    await using daemon = await home.serve();
    await daemon.line(({ event }) => event === 'fetched');
    assert.ok(!(await readdir(join(home.directory, 'data'))).includes('publishers'));
  });

  test('the demo runs no hook from the environment', async () => {
    await using home = await startHome();
    const env = { HOOK_COMMAND: `sh -c ': > ran'` };
    const { code } = await runProgram(['demo', '--once'], { cwd: home.directory, env });
    assert.equal(code, 0);
    assert.ok(!(await home.files()).some(({ path }) => path.endsWith('/ran')));
  });
});

/** Returns the modules that a module loads, directly or indirectly. */
async function staticImports(path: string, found = new Set<string>()): Promise<Set<string>> {
  if (found.has(path)) return found;
  found.add(path);
  for (const [, specifier = ''] of (await readFile(path, 'utf8')).matchAll(
    /^(?:import|export) .*?from '(\.[^']+)';/gms,
  )) {
    await staticImports(join(dirname(path), specifier), found);
  }
  return found;
}
