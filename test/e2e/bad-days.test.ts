import { strict as assert } from 'node:assert';
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { API_FAULTS } from '../support/api-faults.ts';
import { assertJournal, assertLogin, assertTold } from '../support/checker.ts';
import { createFastClock, type WrongClock } from '../support/fast-clock.ts';
import { type Home, type HomeOptions, startHome } from '../support/home.ts';
import { childScript, type Program } from '../support/program.ts';
import { mountSmallDisk, NO_MOUNT } from '../support/small-disk.ts';

const CHILD = childScript('daemon-child');
const SPEED = 60;
const HOUR_MS = 3_600_000;
const PEOPLE = ['1234'];

/** Starts a home with fast time. `start` takes the error of the daemon's own clock. */
async function startFastHome(options: HomeOptions = {}) {
  const clock = createFastClock({ speed: SPEED, startMs: Date.now() });
  const home = await startHome({ clock, script: CHILD, ...options });
  await home.link('1234');
  const start = (wrong: WrongClock = {}, args?: readonly string[]) =>
    home.start({ TEST_CLOCK: JSON.stringify({ ...clock.time, ...wrong }), RECONCILE_INTERVAL: '10m' }, args);
  let steps = 0;
  /** Each at another moment: groups of one moment are one weigh-in. */
  const step = (kilograms: number) => {
    steps += 1;
    home.sandbox.store('1234', { kilograms, date: Math.floor(clock.now().getTime() / 1000) - 90 + 5 * steps });
  };
  return { home, clock, start, step, [Symbol.asyncDispose]: () => home[Symbol.asyncDispose]() };
}

const isWeight = (kilograms: number) => (line: { readonly event: string; readonly weight?: unknown }) =>
  line.event === 'reading' && line.weight === kilograms;

/** Asserts the state that every bad day must end with. */
async function assertAllWell(home: Home, programs: readonly Program[]): Promise<void> {
  const journal = await home.journal();
  assertJournal(home.sandbox, PEOPLE, journal);
  assertLogin(home.sandbox, '1234', await home.tokenFile('1234'));
  const told = new Set<string>();
  for (const { lines } of programs) assertTold(lines, journal, told);
}

describe('a disk', { concurrency: true }, () => {
  for (const [how, worsen, mend] of [
    ['that is full', 'fill', 'makeRoom'],
    ['that has become read-only', 'lock', 'unlock'],
  ] as const) {
    test(`${how}: only stored readings are announced, and the daemon recovers with the disk`, async (t) => {
      await using disk = await mountSmallDisk(2048);
      if (disk === undefined) return t.skip(NO_MOUNT);
      const place = { path: disk.path, [Symbol.asyncDispose]: async () => undefined };
      await using bench = await startFastHome({ place });
      await using daemon = bench.start();
      await daemon.line(({ event }) => event === 'fetched');
      await (worsen === 'fill' ? disk.fill() : disk.setReadOnly(true));
      bench.step(81.25);
      const trouble = await daemon.line(({ code }) => code === 'disk_full' || code === 'read_only');
      assert.match(String(trouble['text']), /disk is full|read-only/);
      assert.deepEqual(
        daemon.lines.filter(({ event }) => event === 'reading'),
        [],
      );
      await (mend === 'makeRoom' ? disk.makeRoom() : disk.setReadOnly(false));
      await daemon.line(isWeight(81.25));
      await daemon.line(({ event }) => event === 'recovered');
      await assertAllWell(bench.home, [daemon]);
    });
  }
});

describe('a clock', { concurrency: true }, () => {
  for (const [how, wrongByMs] of [
    ['an hour ahead', HOUR_MS],
    ['an hour behind', -HOUR_MS],
    ['a year ahead', 365 * 24 * HOUR_MS],
    ['five months behind', -150 * 24 * HOUR_MS],
  ] as const) {
    test(`${how} loses no data, nor does its correction`, async () => {
      await using bench = await startFastHome();
      bench.step(80);
      {
        await using daemon = bench.start({ wrongByMs });
        await daemon.line(isWeight(80));
        bench.step(81);
        await daemon.line(isWeight(81));
      }
      bench.step(82);
      await using daemon = bench.start();
      await daemon.line(isWeight(82));
      await assertAllWell(bench.home, [daemon]);
    });
  }

  for (const [how, jumpMs] of [
    ['an hour ahead', HOUR_MS],
    ['an hour back', -HOUR_MS],
    ['a year ahead', 365 * 24 * HOUR_MS],
    ['a year back', -365 * 24 * HOUR_MS],
  ] as const) {
    test(`that jumps ${how} at run time loses no data, nor does its correction`, async () => {
      await using bench = await startFastHome();
      bench.step(80);
      {
        await using daemon = bench.start({ jumpMs });
        await daemon.line(isWeight(80));
        daemon.child.kill('SIGUSR2');
        bench.step(81);
        // A time so far back may be invalid.
        await Promise.race([daemon.line(isWeight(81)), daemon.line(({ code }) => code === 'clock_wrong')]);
      }
      bench.step(82);
      await using daemon = bench.start();
      await daemon.line(isWeight(82));
      await assertAllWell(bench.home, [daemon]);
    });
  }

  test('in 1970 delays the daemon, which continues automatically after the correction', async () => {
    await using bench = await startFastHome();
    bench.step(80);
    const startedAt = Date.now();
    await using daemon = bench.start({ wrongByMs: -startedAt, jumpMs: startedAt });
    await daemon.line(({ code }) => code === 'clock_wrong');
    daemon.child.kill('SIGUSR2');
    await daemon.line(isWeight(80));
    await assertAllWell(bench.home, [daemon]);
  });

  test('in 1970 prevents requests and is logged, and the daemon catches up after the correction', async () => {
    await using bench = await startFastHome();
    bench.step(80);
    {
      await using daemon = bench.start({ wrongByMs: -Date.now() });
      assert.match(String((await daemon.line(({ code }) => code === 'clock_wrong'))['text']), /clock shows 19/);
      assert.equal(
        daemon.lines.some(({ event }) => event === 'fetched'),
        false,
      );
    }
    await using daemon = bench.start();
    await daemon.line(isWeight(80));
  });
});

describe('several processes on one directory', { concurrency: true }, () => {
  test('two daemons store and announce each weigh-in once, and both logins work', async () => {
    await using bench = await startFastHome();
    await using one = bench.start();
    await using other = bench.start();
    await Promise.all([one, other].map((daemon) => daemon.line(({ event }) => event === 'fetched')));
    for (const kilograms of [80, 81, 82]) bench.step(kilograms);
    await Promise.race([one.line(isWeight(82)), other.line(isWeight(82))]);
    await assertAllWell(bench.home, [one, other]);
  });

  test('five commands that rotate next to a daemon lose no login', async () => {
    await using bench = await startFastHome();
    await using daemon = bench.start();
    await daemon.line(({ event }) => event === 'fetched');
    const commands = Array.from({ length: 5 }, () => bench.start({}, ['rotate', '1234']).exited);
    bench.step(81);
    for (const { code, stdout } of await Promise.all(commands)) assert.equal(code, 0, stdout);
    await daemon.line(isWeight(81));
    await assertAllWell(bench.home, [daemon]);
  });
});

describe('a start', { concurrency: true }, () => {
  test('without a network answers, waits, and catches up with a network', async () => {
    const network = { isUp: false };
    await using bench = await startFastHome({ fault: () => (network.isUp ? undefined : 'cut') });
    bench.step(81);
    await using daemon = bench.start();
    await daemon.line(({ code }) => code === 'unreachable');
    network.isUp = true;
    await daemon.line(isWeight(81));
    await assertAllWell(bench.home, [daemon]);
  });

  for (const [what, path, text, event] of [
    ['a torn journal line', 'data/measures.jsonl', '{"userid":"1234","grp', 'journal_torn'],
    ['a garbage journal line', 'data/measures.jsonl', 'garbage\n', 'journal_unreadable'],
    ['a garbage cursor', 'data/cursors/1234', 'garbage\0', 'cursor_unreadable'],
    ['a stale lock', 'tokens/.1234.lock', 'pid 1, before the power cut', undefined],
    ['a half-written token', 'tokens/.1234.tmp', 'half', undefined],
  ] as const) {
    test(`with ${what} continues, and reports any loss`, async () => {
      await using bench = await startFastHome();
      bench.step(80);
      {
        await using daemon = bench.start();
        await daemon.line(isWeight(80));
        await daemon.line((line) => line.event === 'fetched');
      }
      const target = join(bench.home.directory, path);
      await (path.endsWith('.jsonl') ? appendFile(target, text) : writeFile(target, text));
      bench.step(81);
      await using daemon = bench.start();
      if (event !== undefined) await daemon.line((line) => line.event === event);
      await daemon.line(isWeight(81));
      const login = await bench.home.tokenFile('1234');
      assertLogin(bench.home.sandbox, '1234', login);
    });
  }

  for (const [what, text] of [
    ['an empty token file', ''],
    ['half a JSON for a token', '{"status":0,"body":{"refresh_tok'],
    ['zeros for a token, as a power cut leaves them', '\0\0\0\0\0\0\0\0'],
  ] as const) {
    test(`with ${what} reports whose login is missing, and leaves the file unchanged`, async () => {
      await using bench = await startFastHome();
      await writeFile(join(bench.home.directory, 'tokens/77'), text);
      bench.step(81);
      await using daemon = bench.start();
      assert.match(
        String((await daemon.line(({ event }) => event === 'needs_login'))['text']),
        /^User 77: .*tokens\/77/,
      );
      await daemon.line(isWeight(81));
      assert.equal(await bench.home.tokenFile('77'), text);
    });
  }

  test('after a rejected login fetches everything once the person links again', async () => {
    const state: { fault: HomeOptions['fault'] } = { fault: API_FAULTS['status 503, invalid refresh token'] };
    await using bench = await startFastHome({ fault: (call, answer) => state.fault?.(call, answer) });
    bench.step(81);
    await using daemon = bench.start();
    await daemon.line(({ event }) => event === 'needs_login');
    state.fault = undefined;
    await bench.home.link('1234');
    await daemon.line(isWeight(81));
    await assertAllWell(bench.home, [daemon]);
  });
});
