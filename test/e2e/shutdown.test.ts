import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { lockFile } from '../../src/storage/lock.ts';
import { API_FAULTS, isGetMeas, isRefresh } from '../support/api-faults.ts';
import { assertJournal, assertLogin, assertTold } from '../support/checker.ts';
import { floodToTheEnd } from '../support/flood.ts';
import { type Home, type HomeOptions, type RunningDaemon, startHome } from '../support/home.ts';
import { patient } from '../support/patience.ts';
import type { Program } from '../support/program.ts';

const MOST_MS = 10_000;
/** The requests per minute that withings/rate-limit.ts allows for background work. */
const BACKGROUND_CALLS = 90;
const secondsAgo = (seconds: number) => Math.floor(Date.now() / 1000) - seconds;

/** A promise and what keeps it. */
function latch() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

interface Phase extends HomeOptions {
  /** The set-up before the start, which is removed after the stop. */
  readonly prepare?: (home: Home) => Promise<AsyncDisposable>;
  /** Brings the daemon into the phase. */
  readonly reach: (home: Home, daemon: RunningDaemon) => Promise<unknown>;
}

/** Sends SIGTERM in a phase, asserts what must hold at the end and after the next start, and returns the token file. */
async function stopIn({ prepare, reach, ...options }: Phase): Promise<string> {
  await using home = await startHome(options);
  await home.link('1234');
  home.sandbox.store('1234', { kilograms: 81.25, date: secondsAgo(600) });
  let login: string;
  {
    await using _prepared = await prepare?.(home);
    await using daemon = await home.serve();
    await reach(home, daemon);
    await assertStops(daemon);
    login = await home.tokenFile('1234');
    assertLogin(home.sandbox, '1234', login);
    assertTold(daemon.lines, await home.journal(), new Set());
  }
  // The next start removes incomplete files of a stop at the deadline.
  const startedAt = Date.now();
  await using _next = await home.serve();
  for (const { path } of await home.files()) {
    if (path.endsWith('.tmp')) assert((await stat(path)).mtimeMs >= startedAt - 20, `${path} is left over`);
  }
  return login.trim();
}

async function assertStops({ child, exited }: Program): Promise<void> {
  const startedAt = performance.now();
  child.kill('SIGTERM');
  const { code, stderr } = await exited;
  assert.deepEqual([code, stderr], [0, '']);
  const tookMs = performance.now() - startedAt;
  assert(tookMs < MOST_MS || tookMs < patient(MOST_MS), `${tookMs} ms`);
}

/** The lock of the login is held. */
async function isLocked({ directory }: Home): Promise<void> {
  const path = join(directory, 'tokens/.1234.lock');
  while (spawnSync('flock', ['--nonblock', path, 'true']).status !== 1) await sleep(10);
}

/** A child process waits for the lock. */
async function hasChild({ child }: Program): Promise<void> {
  const path = `/proc/${child.pid}/task/${child.pid}/children`;
  while ((await readFile(path, 'utf8')) === '') await sleep(10);
}

describe('SIGTERM ends the daemon with 0 in time and without loss,', { concurrency: 4 }, () => {
  test('as soon as the daemon listens', async () => {
    await stopIn({ reach: async () => undefined });
  });

  test('while Withings processes a refresh', async () => {
    const asked = latch();
    const fault: HomeOptions['fault'] = (call, answer) => {
      if (!isRefresh(call) || answer === undefined) return undefined;
      asked.open();
      return 'hang';
    };
    await stopIn({ fault, reach: () => asked.opened });
  });

  test('while the answer of a refresh arrives byte by byte, and is then stored', async () => {
    const asked = latch();
    const answered = { token: '' };
    const login = await stopIn({
      fault: (call, answer) => {
        if (!isRefresh(call) || answer === undefined) return undefined;
        answered.token ||= String(answer.body['refresh_token']);
        asked.open();
        return { text: JSON.stringify(answer), drip: true };
      },
      // The answer takes some 5 s, more on a busy machine, and a stop takes at most 8 s.
      reach: () => asked.opened.then(() => sleep(3_500)),
    });
    assert.equal(login, answered.token);
  });

  test('while another process holds the lock of the login', async () => {
    await stopIn({
      prepare: ({ directory }) => lockFile(join(directory, 'tokens/.1234.lock')),
      reach: (_home, daemon) => hasChild(daemon),
    });
  });

  test('while the daemon waits until the same login can be tried again', async () => {
    const asked = latch();
    const refreshes = { count: 0 };
    await stopIn({
      fault: (call, answer) => {
        if (!isRefresh(call) || answer !== undefined) return undefined;
        refreshes.count += 1;
        asked.open();
        return 'hang';
      },
      prepare: async (home) => {
        await using daemon = await home.serve();
        await asked.opened;
        return daemon;
      },
      reach: async (home) => {
        await isLocked(home);
        assert.equal(refreshes.count, 1);
      },
    });
  });

  test('while the daemon waits for the rate limit', async () => {
    const spent = latch();
    let calls = 0;
    await stopIn({
      prepare: async (home) => {
        for (let user = 1; user <= 60; user += 1) await home.link(`${user}`);
        return { [Symbol.asyncDispose]: async () => undefined };
      },
      fault: (_call, answer) => {
        if (answer === undefined && ++calls === BACKGROUND_CALLS) spent.open();
        return undefined;
      },
      reach: () => spent.opened.then(() => sleep(500)),
    });
  });

  test('while the daemon waits for measures', async () => {
    const asked = latch();
    const fault: HomeOptions['fault'] = (call) => {
      if (!isGetMeas(call)) return undefined;
      asked.open();
      return 'hang';
    };
    await stopIn({ fault, reach: () => asked.opened });
  });

  test('while the daemon backs off', async () => {
    const fault = API_FAULTS['HTTP 502'];
    assert(fault !== undefined);
    await stopIn({ fault, reach: (_home, daemon) => daemon.line(({ event }) => event === 'trouble') });
  });

  test('right after the daemon logged a weigh-in', async () => {
    await stopIn({ reach: (_home, daemon) => daemon.line(({ event }) => event === 'reading') });
  });

  test('while the daemon fetches an empty window again', async () => {
    await stopIn({
      reach: async (_home, daemon) => {
        await daemon.line(({ event }) => event === 'reading');
        await daemon.notify({ userid: 1234, appli: 1, startdate: secondsAgo(9), enddate: secondsAgo(8) });
        await daemon.line(({ event, groups }) => event === 'fetched' && groups === 0);
      },
    });
  });

  test('while the daemon is idle', async () => {
    await stopIn({ reach: (_home, daemon) => daemon.line(({ event }) => event === 'fetched') });
  });

  test('during a flood, whose answers end complete', async () => {
    let answers: Promise<readonly string[]> = Promise.resolve([]);
    await stopIn({
      reach: async (_home, daemon) => {
        const body = `userid=1234&appli=1&startdate=${secondsAgo(50)}&enddate=${secondsAgo(49)}`;
        answers = floodToTheEnd(daemon.url, body);
        await daemon.line(({ event }) => event === 'notification');
      },
    });
    const all = await answers;
    assert(all.join('').length > 0);
    for (const text of all) assert.match(text, /^(HTTP\/1\.1 200 OK\r\n([^\r\n]+\r\n)+\r\nok)*$/);
  });

  test('while a client holds an idle connection', async () => {
    await stopIn({
      reach: async (_home, daemon) => {
        const { port, hostname } = new URL(daemon.url);
        const socket = connect(Number(port), hostname);
        socket.on('error', () => undefined);
        await new Promise((resolve) => socket.once('connect', resolve));
        socket.write('POST / HTTP/1.1\r\nHost: x\r\n');
      },
    });
  });
});

test('SIGTERM during the clean-up at the start, with a held lock, ends the daemon with 0 as well', async () => {
  await using home = await startHome();
  await home.link('1234');
  await writeFile(join(home.directory, 'tokens/.1234.tmp'), 'half');
  await using _lock = await lockFile(join(home.directory, 'tokens/.1234.lock'));
  await using program = home.start();
  await hasChild(program);
  await assertStops(program);
  assertLogin(home.sandbox, '1234', await home.tokenFile('1234'));
});

test('SIGTERM during the start ends the daemon with 0 as well', async () => {
  await using home = await startHome();
  await home.link('1234');
  for (const delayMs of [0, 40, 80, 120, 160, 200, 240, 280, 320]) {
    const program = home.start();
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    program.child.kill('SIGTERM');
    const { code } = await program.exited;
    // Until the program handles the signal, Node's default applies.
    assert(code === 0 || program.child.signalCode === 'SIGTERM', `${delayMs} ms: ${code} ${program.output()}`);
    assertLogin(home.sandbox, '1234', await home.tokenFile('1234'));
  }
});

test('after a stop during a fetch, the next start fetches the missing weigh-ins', async () => {
  const state = { hang: true };
  const asked = latch();
  await using home = await startHome({
    fault: (call) => {
      if (!isGetMeas(call) || !state.hang) return undefined;
      asked.open();
      return 'hang';
    },
  });
  await home.link('1234');
  home.sandbox.store('1234', { kilograms: 81.25, date: secondsAgo(600) });
  const first = await home.serve();
  await asked.opened;
  first.child.kill('SIGTERM');
  assert.equal((await first.exited).code, 0);
  state.hang = false;
  await using second = await home.serve();
  await second.line(({ event }) => event === 'reading');
  assertJournal(home.sandbox, ['1234'], await home.journal());
});
