import { strict as assert } from 'node:assert';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SandboxOptions } from '../../src/sandbox/sandbox.ts';
import { startHome } from '../support/home.ts';

const PATIENCE_MS = 120_000;

/** A home with Anna's login, and a count of its rotations. */
async function setUp(options: Partial<SandboxOptions> = {}) {
  const count = { rotations: 0 };
  const home = await startHome({
    ...options,
    onCall: ({ path }, answer) => {
      if (path === '/v2/oauth2' && answer?.status === 0) count.rotations += 1;
    },
  });
  await home.link('1234');
  return {
    ...home,
    count,
    token: (...args: readonly string[]) => home.start({ LOG_FORMAT: 'text', LOG_LEVEL: 'warn' }, ['token', ...args]),
    async assertLoginLives() {
      assert(home.sandbox.grants.accepts((await home.tokenFile('1234')).trim()), 'the login is lost');
    },
  };
}

describe('weighbridge token', { concurrency: true }, () => {
  test('prints only a working access token, and the same one the next time', async () => {
    await using home = await setUp();
    const first = await home.token('1234').exited;
    assert.deepEqual([first.code, first.stderr], [0, '']);
    assert.match(first.stdout, /^[0-9a-f]{40}\n$/);
    assert.equal(home.sandbox.grants.use(first.stdout.trim()), '1234');
    assert.equal((await home.token('1234').exited).stdout, first.stdout);
    assert.equal(home.count.rotations, 1);
    await home.assertLoginLives();
  });

  test('eight commands next to a rotating daemon cause one rotation, get one token and lose no login', async () => {
    await using home = await setUp();
    await using daemon = await home.serve();
    const ended = await Promise.all(Array.from({ length: 8 }, () => home.token('1234').exited));
    assert.deepEqual([...new Set(ended.map(({ code }) => code))], [0]);
    const tokens = new Set(ended.map(({ stdout }) => stdout.trim()));
    assert.equal(tokens.size, 1);
    await daemon.line(({ event }) => event === 'fetched');
    assert.equal(home.count.rotations, 1);
    for (const token of tokens) assert.equal(home.sandbox.grants.use(token), '1234');
    await home.assertLoginLives();
  });

  test('eight commands that are killed half-way lose no login, and the next one works', async () => {
    await using home = await setUp({ limits: { callsPerMinute: 1000, sameArgumentsMs: 0 } });
    for (let round = 0; round < 3; round += 1) {
      // An access token of an earlier round would prevent the rotation.
      await rm(join(home.directory, 'tokens/.1234.access'), { force: true });
      const before = home.count.rotations;
      const running = Array.from({ length: 8 }, () => home.token('1234'));
      await until(() => home.count.rotations > before);
      for (const { child } of running) child.kill('SIGKILL');
      await Promise.all(running.map(({ exited }) => exited));
      await home.assertLoginLives();
      home.sandbox.grants.expireAccess();
    }
    const { code, stderr } = await home.token('1234').exited;
    assert.equal(code, 0, stderr);
    await home.assertLoginLives();
  });

  test('--json prints the answer of an OAuth token endpoint', async () => {
    await using home = await setUp();
    const { stdout } = await home.token('1234', '--json').exited;
    const { access_token, refresh_token, expires_in, ...rest } = JSON.parse(stdout);
    assert.deepEqual(rest, { userid: '1234', scope: 'user.info,user.metrics', token_type: 'Bearer' });
    assert.equal(home.sandbox.grants.use(access_token), '1234');
    assert.equal(refresh_token, (await home.tokenFile('1234')).trim());
    assert(expires_in > 10_700 && expires_in <= 10_800);
  });

  test('rotates at the end of the current token', async () => {
    await using home = await setUp({ limits: { callsPerMinute: 1000, sameArgumentsMs: 0 } });
    const first = await home.token('1234').exited;
    const path = join(home.directory, 'tokens/.1234.access');
    const shared = JSON.parse(await readFile(path, 'utf8'));
    await writeFile(path, JSON.stringify({ ...shared, expires_at: Math.floor(Date.now() / 1000) + 60 }));
    assert.notEqual((await home.token('1234').exited).stdout, first.stdout);
    assert.equal(home.count.rotations, 2);
  });

  for (const [what, change] of [
    [
      'that was noted while the clock was hours ahead',
      (now: number) => ({ issued_at: now + 72_000, expires_at: now + 82_800 }),
    ],
    ['without a time', () => ({ issued_at: undefined })],
    ['whose time is out of all bounds', () => ({ expires_at: 9e15 })],
  ] as const) {
    test(`rotates instead of printing a token ${what}`, async () => {
      await using home = await setUp({ limits: { callsPerMinute: 1000, sameArgumentsMs: 0 } });
      const first = await home.token('1234').exited;
      const path = join(home.directory, 'tokens/.1234.access');
      const shared = JSON.parse(await readFile(path, 'utf8'));
      await writeFile(path, JSON.stringify({ ...shared, ...change(Math.floor(Date.now() / 1000)) }));
      const second = await home.token('1234').exited;
      assert.equal(second.code, 0, second.stderr);
      assert.notEqual(second.stdout, first.stdout);
    });
  }

  test('ends with 1 and a message on a stop during a request, with empty output', async () => {
    let asked = false;
    await using home = await setUp({
      fault: () => {
        asked = true;
        return 'hang';
      },
    });
    const token = home.token('1234');
    await until(() => asked);
    token.child.kill('SIGTERM');
    const { code, stdout, stderr } = await token.exited;
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /stopped before the command was done/);
  });

  test('a token file that was replaced by hand counts at once', async () => {
    await using home = await setUp();
    const first = await home.token('1234').exited;
    const linked = await home.link('1234');
    const second = await home.token('1234', '--json').exited;
    assert.notEqual(JSON.parse(second.stdout).access_token, first.stdout.trim());
    assert.notEqual(JSON.parse(second.stdout).refresh_token, linked);
    await home.assertLoginLives();
  });

  test('the shared access token is readable by its owner only', async () => {
    await using home = await setUp();
    await home.token('1234').exited;
    assert.equal((await stat(join(home.directory, 'tokens/.1234.access'))).mode & 0o777, 0o600);
  });

  test('a restarted daemon uses the shared token, and does not rotate', async () => {
    await using home = await setUp();
    for (let life = 0; life < 3; life += 1) {
      await using daemon = await home.serve();
      await daemon.line(({ event }) => event === 'fetched');
    }
    assert.equal(home.count.rotations, 1);
  });

  for (const [what, args, expected, said] of [
    ['a person who is not linked', ['5678'], 1, /user 5678 is not linked \(linked: 1234\)\. Run "weighbridge login"/],
    ['a name', ['Anna'], 2, /"Anna" is not a user id/],
    ['a path', ['../1234'], 2, /is not a user id/],
    ['no person', [], 2, /missing required argument/],
  ] as const) {
    test(`for ${what} ends with ${expected} and the reason`, async () => {
      await using home = await setUp();
      const { code, stdout, stderr } = await home.token(...args).exited;
      assert.deepEqual([code, stdout], [expected, '']);
      assert.match(stderr, said);
    });
  }

  test('reports that the person must link again if Withings rejects the login, and keeps the file', async () => {
    await using home = await setUp();
    const before = await home.tokenFile('1234');
    home.sandbox.grants.unlink('1234');
    const { code, stderr } = await home.token('1234').exited;
    assert.equal(code, 1);
    assert.match(stderr, /must link again, on the status page or with "weighbridge login"\.\n$/);
    assert.equal(await home.tokenFile('1234'), before);
  });

  test('creates no directories in a wrong folder', async () => {
    await using home = await setUp();
    const { code } = await home.start({ TOKENS_DIR: './elsewhere', DATA_DIR: './nowhere' }, ['token', '1234']).exited;
    assert.equal(code, 1);
    for (const name of ['elsewhere', 'nowhere']) await assert.rejects(stat(join(home.directory, name)));
  });
});

/** Checks the condition at every turn of the event loop. */
async function until(isTrue: () => boolean): Promise<void> {
  for (const endMs = performance.now() + PATIENCE_MS; !isTrue(); await sleep(1))
    assert(performance.now() < endMs, 'what is waited for does not happen');
}
