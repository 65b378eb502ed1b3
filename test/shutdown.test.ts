import { strict as assert } from 'node:assert';
import { stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { API_FAULTS, isGetMeas, isRefresh } from './support/api-faults.ts';
import { assertJournal, assertLogin, assertTold } from './support/checker.ts';
import { flood } from './support/flood.ts';
import { type Home, type HomeOptions, type RunningDaemon, startHome } from './support/home.ts';

const MOST_MS = 10_000;
const secondsAgo = (seconds: number) => Math.floor(Date.now() / 1000) - seconds;

/** A promise and what keeps it. */
function latch() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** Leads to a phase, sends SIGTERM in it, and asserts what must hold at the end and after the next start. */
async function stopIn(options: HomeOptions, reach: (home: Home, daemon: RunningDaemon) => Promise<unknown>) {
  await using home = await startHome(options);
  await home.link('1234');
  home.sandbox.store('1234', { kilograms: 81.25, date: secondsAgo(600) });
  const told = new Set<string>();
  {
    await using daemon = await home.serve();
    await reach(home, daemon);
    const startedAt = performance.now();
    daemon.child.kill('SIGTERM');
    const { code, stderr } = await daemon.exited;
    assert.deepEqual([code, stderr], [0, '']);
    assert(performance.now() - startedAt < MOST_MS, `${performance.now() - startedAt} ms`);
    assertLogin(home.sandbox, '1234', await home.tokenFile('1234'));
    assertTold(daemon.lines, await home.journal(), told);
  }
  // What a stop at the deadline has left half-written is gone after the next start.
  const startedAt = Date.now();
  await using _next = await home.serve();
  for (const { path } of await home.files()) {
    if (path.endsWith('.tmp')) assert((await stat(path)).mtimeMs >= startedAt - 20, `${path} is left over`);
  }
}

describe('SIGTERM ends it with 0 in time, and nothing is lost,', { concurrency: 4 }, () => {
  test('as soon as it listens', async () => {
    await stopIn({}, async () => undefined);
  });

  test('while Withings works on a refresh', async () => {
    const asked = latch();
    const fault: HomeOptions['fault'] = (call, answer) => {
      if (!isRefresh(call) || answer === undefined) return undefined;
      asked.open();
      return 'hang';
    };
    await stopIn({ fault }, () => asked.opened);
  });

  test('while the answer of a refresh comes letter by letter, which is then stored', async () => {
    const asked = latch();
    await stopIn(
      {
        fault: (call, answer) => {
          if (!isRefresh(call) || answer === undefined) return undefined;
          asked.open();
          return { text: JSON.stringify(answer), drip: true };
        },
      },
      () => asked.opened,
    );
  });

  test('while it waits for measures', async () => {
    const asked = latch();
    const fault: HomeOptions['fault'] = (call) => {
      if (!isGetMeas(call)) return undefined;
      asked.open();
      return 'hang';
    };
    await stopIn({ fault }, () => asked.opened);
  });

  test('while it backs off', async () => {
    const fault = API_FAULTS['HTTP 502'];
    assert(fault !== undefined);
    await stopIn({ fault }, (_home, daemon) => daemon.line(({ event }) => event === 'trouble'));
  });

  test('right after it has told of a weigh-in', async () => {
    await stopIn({}, (_home, daemon) => daemon.line(({ event }) => event === 'reading'));
  });

  test('while it looks again at an empty window', async () => {
    await stopIn({}, async (_home, daemon) => {
      await daemon.line(({ event }) => event === 'reading');
      await daemon.notify({ userid: 1234, appli: 1, startdate: secondsAgo(9), enddate: secondsAgo(8) });
      await daemon.line(({ event, groups }) => event === 'fetched' && groups === 0);
    });
  });

  test('while it has nothing to do', async () => {
    await stopIn({}, (_home, daemon) => daemon.line(({ event }) => event === 'fetched'));
  });

  test('in the middle of a flood, whose answers end in whole ones', async () => {
    await stopIn({}, async (_home, daemon) => {
      const body = `userid=1234&appli=1&startdate=${secondsAgo(50)}&enddate=${secondsAgo(49)}`;
      flood(daemon.url, body, { count: 100_000 }).catch(() => undefined);
      await daemon.line(({ event }) => event === 'notification');
    });
  });

  test('while somebody holds a connection and says nothing', async () => {
    await stopIn({}, async (_home, daemon) => {
      const { port, hostname } = new URL(daemon.url);
      const socket = connect(Number(port), hostname);
      socket.on('error', () => undefined);
      await new Promise((resolve) => socket.once('connect', resolve));
      socket.write('POST / HTTP/1.1\r\nHost: x\r\n');
    });
  });
});

test('SIGTERM while it starts ends it with 0 as well', async () => {
  await using home = await startHome();
  await home.link('1234');
  for (const delayMs of [0, 40, 80, 120, 160, 200, 240, 280, 320]) {
    const program = home.start();
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    program.child.kill('SIGTERM');
    const { code } = await program.exited;
    // Before Node has run a line of ours, the signal is Node's.
    assert(code === 0 || program.child.signalCode === 'SIGTERM', `${delayMs} ms: ${code} ${program.output()}`);
    assertLogin(home.sandbox, '1234', await home.tokenFile('1234'));
  }
});

test('after a stop in the middle of a fetch, the next start brings what was missed', async () => {
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
