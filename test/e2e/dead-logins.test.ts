import { strict as assert } from 'node:assert';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPersonStates } from '../../src/app/status/person-states.ts';
import { createTroubles } from '../../src/app/status/troubles.ts';
import { NOTHING_KNOWN, type PersonState } from '../../src/domain/status.ts';
import { Trouble } from '../../src/domain/trouble.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { createFastClock } from '../support/fast-clock.ts';
import { freePort } from '../support/free-port.ts';
import { CALLBACK_PATH, type Home, type HomeOptions, type RunningDaemon, startHome } from '../support/home.ts';
import { ANNA } from '../support/people.ts';
import { childScript, runProgram } from '../support/program.ts';
import { createRecordingLog } from '../support/recording-log.ts';

const CHILD = childScript('daemon-child');
const SPEED = 60;
const HOUR = 3_600_000;
const PATIENCE_MS = 200_000;

const refused = () => new Trouble('Withings rejected the login', { code: 'token_refused', recovery: 'login' });

test('a rejected login is logged once with reminders every six hours, and stored once', async () => {
  const clock = createFakeClock();
  const log = createRecordingLog();
  const saved: PersonState[] = [];
  const people = {
    load: async () => saved.at(-1) ?? NOTHING_KNOWN,
    save: async (_user: unknown, state: PersonState) => void saved.push(state),
  };
  const personStates = createPersonStates({ people, log });
  const troubles = createTroubles({
    clock,
    log,
    people: { names: new Map([[ANNA, 'Anna']]), unit: 'kg' },
    personStates,
  });
  const since = clock.now();
  for (let hour = 0; hour < 24; hour += 1) {
    troubles.report(ANNA, refused());
    await clock.advance(HOUR);
  }
  const told = log.entries.filter(({ event, level }) => event === 'needs_login' && level !== 'debug');
  assert.equal(told.length, 4);
  assert.deepEqual(
    saved.map(({ needsLogin }) => needsLogin),
    [{ since, reason: 'Withings rejected the login' }],
  );
  troubles.over(ANNA);
  troubles.over(ANNA);
  await clock.advance(0);
  assert.deepEqual([saved.length, saved.at(-1)?.needsLogin], [2, undefined]);
  assert.equal(log.texts('recovered').length, 1);
});

interface Health {
  readonly status: number;
  readonly user: Readonly<Record<string, unknown>> | undefined;
  readonly troubles: readonly { readonly code: string }[];
}

/** Starts a home with fast time and a daemon with a status port. */
async function startFastHome(options: HomeOptions = {}) {
  const startMs = Date.now();
  const clock = createFastClock({ speed: SPEED, startMs });
  const home = await startHome({ clock, script: CHILD, ...options });
  const statusPort = await freePort();
  const TEST_CLOCK = JSON.stringify({ speed: SPEED, startMs, wrongByMs: 0 });
  return {
    home,
    serve: () => home.serve({ TEST_CLOCK, STATUS_PORT: `${statusPort}` }),
    health: () => readHealth(statusPort),
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

async function readHealth(port: number): Promise<Health> {
  const answer = await fetch(`http://127.0.0.1:${port}/healthz`);
  const { users, troubles } = (await answer.json()) as { readonly users: Health['user'][] } & Pick<Health, 'troubles'>;
  return { status: answer.status, user: users[0], troubles };
}

/** Waits until the condition is true. The failure contains the last answer. */
async function healthWhen(look: () => Promise<Health>, isIt: (health: Health) => boolean): Promise<Health> {
  const endMs = Date.now() + PATIENCE_MS;
  for (;;) {
    const health = await look();
    if (isIt(health)) return health;
    assert(Date.now() < endMs, JSON.stringify(health));
    await sleep(50);
  }
}

const isLogin =
  (state: string) =>
  ({ user }: Health) =>
    user?.['login'] === state;

const users = async (home: Home) => {
  const { stdout } = await runProgram(['users', '--json'], { cwd: home.directory });
  return JSON.parse(stdout);
};

const announcements = ({ lines }: RunningDaemon) =>
  lines.filter(({ event, level }) => event === 'needs_login' && level !== 'debug').length;

describe('a rejected login', { concurrency: true }, () => {
  test('is shown after a restart as before, also during a request without an answer', async () => {
    const state = { silent: false };
    await using bench = await startFastHome({ fault: () => (state.silent ? 'hang' : undefined) });
    const { home } = bench;
    await writeFile(join(home.directory, 'tokens/1234'), 'dead-token\n');
    const before = await (async () => {
      await using daemon = await bench.serve();
      await daemon.line(({ event }) => event === 'needs_login');
      const health = await healthWhen(bench.health, isLogin('needs_login'));
      assert.equal(announcements(daemon), 1);
      daemon.child.kill('SIGTERM');
      await daemon.exited;
      return health;
    })();
    assert.equal(before.status, 503);
    assert.match(String(before.user?.['reason']), /Withings rejected the login/);
    // Time passes thirty times as fast here, so a file operation on a busy machine seems to hang.
    assert.deepEqual(
      before.troubles.map(({ code }) => code).filter((code) => code !== 'file_hangs'),
      ['token_refused'],
    );

    state.silent = true;
    await using _daemon = await bench.serve();
    const { status, user } = await healthWhen(bench.health, isLogin('needs_login'));
    assert.deepEqual(
      [status, user?.['login'], user?.['needs_login_since'], user?.['reason']],
      [503, 'needs_login', before.user?.['needs_login_since'], before.user?.['reason']],
    );
    const { login, needs_login_since } = await users(home);
    assert.deepEqual([login, needs_login_since], ['needs_login', before.user?.['needs_login_since']]);
  });

  const relinks: Readonly<Record<string, (home: Home) => Promise<unknown>>> = {
    'echo into the token file': (home) => home.link('1234'),
    'weighbridge import': async (home) => {
      const answer = { userid: '1234', refresh_token: home.sandbox.grants.link('1234') };
      const { code } = await runProgram(['import'], { cwd: home.directory, input: JSON.stringify(answer) });
      assert.equal(code, 0);
    },
  };
  for (const [how, relink] of Object.entries(relinks)) {
    test(`is repaired by ${how} without a restart`, async () => {
      await using bench = await startFastHome();
      await writeFile(join(bench.home.directory, 'tokens/1234'), 'dead-token\n');
      await using daemon = await bench.serve();
      await healthWhen(bench.health, isLogin('needs_login'));
      await relink(bench.home);
      const { status, troubles, user } = await healthWhen(bench.health, isLogin('works'));
      assert.deepEqual(
        [status, troubles, user?.['needs_login_since'], user?.['reason']],
        [200, [], undefined, undefined],
      );
      assert.equal(announcements(daemon), 1);
      assert.equal((await users(bench.home)).login, 'works');
    });
  }

  test('is repaired by weighbridge login without a restart', async () => {
    await using home = await startHome();
    const [port, statusPort] = [await freePort(), await freePort()];
    const env = { PORT: `${port}`, CALLBACK_URL: `http://127.0.0.1:${port}${CALLBACK_PATH}` };
    await writeFile(join(home.directory, 'tokens/1234'), 'dead-token\n');
    await using daemon = await home.serve({ ...env, STATUS_PORT: `${statusPort}` });
    const look = () => readHealth(statusPort);
    await healthWhen(look, isLogin('needs_login'));
    await using login = home.start(env, ['login']);
    const link = await linkOf(login);
    assert.match(await (await fetch(link)).text(), /is linked again/);
    const { status } = await healthWhen(look, isLogin('works'));
    assert.deepEqual([status, announcements(daemon)], [200, 1]);
  });

  test('that was replaced during the downtime works after the first attempt', async () => {
    await using bench = await startFastHome();
    await writeFile(join(bench.home.directory, 'tokens/1234'), 'dead-token\n');
    {
      await using daemon = await bench.serve();
      await healthWhen(bench.health, isLogin('needs_login'));
      daemon.child.kill('SIGTERM');
      await daemon.exited;
    }
    assert.equal((await users(bench.home)).login, 'needs_login');
    await bench.home.link('1234');
    await using _daemon = await bench.serve();
    await healthWhen(bench.health, isLogin('works'));
    assert.equal((await users(bench.home)).login, 'works');
  });
});

async function linkOf(login: { readonly output: () => string }): Promise<string> {
  for (let tries = 0; tries < 4_000; tries += 1) {
    const link = /https?:\/\/\S+authorize2\S+/.exec(login.output())?.[0];
    if (link !== undefined) return link;
    await sleep(50);
  }
  throw new Error(login.output());
}

describe('a notification that a person unlinked', { concurrency: true }, () => {
  for (const action of ['unlink', 'delete']) {
    test(`marks the person if Withings rejects the login: ${action}`, async () => {
      await using bench = await startFastHome();
      await bench.home.link('1234');
      await using daemon = await bench.serve();
      await healthWhen(bench.health, isLogin('works'));
      await daemon.line(({ event }) => event === 'fetched');
      bench.home.sandbox.grants.unlink('1234');
      const token = await bench.home.tokenFile('1234');
      assert.equal(await daemon.notify({ userid: 1234, appli: 46, action }), 200);
      const { status, user } = await healthWhen(bench.health, isLogin('needs_login'));
      assert.equal(status, 503);
      assert.match(String(user?.['reason']), /rejected the login/);
      assert.equal(await bench.home.tokenFile('1234'), token, 'the file stays');
    });

    test(`marks no person with a working login: ${action}`, async () => {
      await using bench = await startFastHome();
      await bench.home.link('1234');
      await using daemon = await bench.serve();
      await daemon.line(({ event }) => event === 'fetched');
      const rotations = () => daemon.lines.filter(({ event }) => event === 'refresh').length;
      const before = rotations();
      assert.equal(await daemon.notify({ userid: 1234, appli: 46, action }), 200);
      const { status, user } = await healthWhen(bench.health, () => rotations() > before);
      assert.deepEqual([status, user?.['login'], user?.['needs_login_since']], [200, 'works', undefined]);
      assert.equal((await healthWhen(bench.health, isLogin('works'))).status, 200);
      assert.equal(announcements(daemon), 0);
    });
  }
});

test('a rejected login without a token file is not a person any longer', async () => {
  await using bench = await startFastHome();
  await writeFile(join(bench.home.directory, 'tokens/1234'), '');
  await using _daemon = await bench.serve();
  await healthWhen(bench.health, isLogin('needs_login'));
  await writeFile(join(bench.home.directory, 'tokens/README'), 'not a user');
  await rm(join(bench.home.directory, 'tokens/1234'));
  const { status, troubles } = await healthWhen(bench.health, ({ user }) => user === undefined);
  assert.deepEqual([status, troubles], [200, []]);
});
