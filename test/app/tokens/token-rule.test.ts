import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { createAccessTokens, createWithAccess } from '../../../src/app/tokens/access-tokens.ts';
import { obtainLogin, storeLogin } from '../../../src/app/tokens/rotate-token.ts';
import type { Clock } from '../../../src/domain/clock.ts';
import type { MeasureSource } from '../../../src/domain/measure.ts';
import type { TokenIssuer } from '../../../src/domain/token.ts';
import { Trouble } from '../../../src/domain/trouble.ts';
import { realClock } from '../../../src/runtime/real-clock.ts';
import { WITHINGS_LIMITS } from '../../../src/sandbox/limits.ts';
import { type Sandbox, type SandboxOptions, startSandbox } from '../../../src/sandbox/sandbox.ts';
import { createAccessFiles, createTokenFiles, readToken } from '../../../src/storage/token-files.ts';
import { createWithingsClient } from '../../../src/withings/client.ts';
import { createRateLimit } from '../../../src/withings/rate-limit.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { childScript } from '../../support/program.ts';
import { createRandom } from '../../support/random.ts';
import { createRecordingLog } from '../../support/recording-log.ts';
import type { RotateTask } from '../../support/rotate-child.ts';
import { sweep } from '../../support/sweep.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { ANNA, accessToken, put, token } from '../../support/token-store.contract.ts';
import { diskError, failOneByOne, failureOf, watchFiles } from '../../support/watched-files.ts';

const CHILD = childScript('rotate-child');
/** The guard of the sandbox is off, because these tests do not need it and it would cost 10 s each. */
const NO_LIMITS = { callsPerMinute: 100_000, sameArgumentsMs: 0 };
let skippedMs = 0;
/** Returns at once from every wait, and advances the clock. */
const impatient: Clock = {
  ...realClock,
  elapsedMs: () => realClock.elapsedMs() + skippedMs,
  async sleep(ms) {
    skippedMs += Math.max(0, ms);
  },
};

/** Creates a Withings and a tokens directory with Anna's login. */
async function setUp(options: Partial<SandboxOptions> = {}) {
  const client = { clientId: 'id', clientSecret: 'secret' };
  const refreshes: string[] = [];
  const sandbox = await startSandbox({
    clock: realClock,
    client,
    limits: NO_LIMITS,
    onCall: ({ path }) => void (path === '/v2/oauth2' && refreshes.push(path)),
    ...options,
  });
  const directory = await temporaryDirectory();
  const tokens = createTokenFiles(directory.path);
  const accesses = createAccessFiles(directory.path);
  await put(tokens, ANNA, sandbox.grants.link(ANNA));
  return {
    sandbox,
    tokens,
    accesses,
    refreshes,
    directory: directory.path,
    file: `${directory.path}/${ANNA}`,
    async [Symbol.asyncDispose]() {
      await sandbox[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}
type SystemPaths = Awaited<ReturnType<typeof setUp>>;

function connect(sandbox: Sandbox, clock: Clock = impatient): TokenIssuer & MeasureSource {
  const { signal } = new AbortController();
  const rateLimit = createRateLimit({ clock, signal });
  return createWithingsClient({
    apiUrl: sandbox.url,
    clientId: 'id',
    clientSecret: 'secret',
    rateLimit,
    clock: realClock,
    signal,
  });
}

/** Makes another process rotate once and use the token, and returns how the process ended. */
async function rotateElsewhere(place: SystemPaths, how: Omit<RotateTask, 'apiUrl' | 'directory' | 'userId'> = {}) {
  const task: RotateTask = { apiUrl: place.sandbox.url.href, directory: place.directory, userId: ANNA, ...how };
  const child = spawn(process.execPath, [CHILD, JSON.stringify(task)], { stdio: ['ignore', 'inherit', 'inherit'] });
  const [code, signal] = await once(child, 'exit');
  return signal ?? code;
}

/** Asserts the promise: the file contains a working login, and only its owner can read it. */
async function assertLoginLives({ sandbox, file }: SystemPaths, when: string) {
  const token = readToken(await readFile(file, 'utf8'));
  assert.ok(token !== undefined && sandbox.grants.accepts(token), `the login is lost ${when}`);
  assert.equal((await stat(file)).mode & 0o777, 0o600, when);
}

/** Rotates and uses the login, as the next start does. */
async function assertNextRunWorks(place: SystemPaths, when: string) {
  const withings = connect(place.sandbox);
  const { tokens } = place;
  const accesses = { ...place.accesses, load: async () => undefined };
  const ports = { tokens, accesses, issuer: withings, clock: impatient };
  const { accessToken } = await obtainLogin(ports, ANNA, { urgent: true });
  await withings.getMeas({ userId: ANNA, accessToken, query: { since: new Date('2026-11-20') }, urgent: true });
  await assertLoginLives(place, `in the run after one that was killed ${when}`);
  const names = await readdir(place.directory);
  assert.deepEqual(
    names.filter((name) => !/\.(lock|access)$/.test(name)),
    [ANNA],
    when,
  );
}

describe('no login is lost', () => {
  test('when the process is killed before any of its file operations', async () => {
    for (const index of sweep(4)) {
      await using place = await setUp();
      const ended = await rotateElsewhere(place, { dieBefore: index });
      const when = `before file operation ${index}`;
      await assertLoginLives(place, when);
      if (ended === 0) {
        assert.ok(index > 10, `only ${index} file operations were counted`);
        break;
      }
      assert.equal(ended, 'SIGKILL', when);
      await assertNextRunWorks(place, when);
    }
  });

  test('when the process is killed after the answer of the refresh arrived', async () => {
    await using place = await setUp();
    assert.equal(await rotateElsewhere(place, { dieAfterRefresh: true }), 'SIGKILL');
    assert.equal(place.refreshes.length, 1);
    await assertLoginLives(place, 'after the refresh');
    await assertNextRunWorks(place, 'after the refresh');
  });

  test('when the connection breaks after Withings rotated the token', async () => {
    let isCut = true;
    const fault: SandboxOptions['fault'] = (_call, answer) => (isCut && answer !== undefined ? 'cut' : undefined);
    await using place = await setUp({ fault });
    const { tokens, accesses } = place;
    const ports = { tokens, accesses, issuer: connect(place.sandbox), clock: impatient };
    const rotating = obtainLogin(ports, ANNA, { urgent: true });
    await assert.rejects(rotating, { recovery: 'retry' });
    isCut = false;
    assert.equal(place.refreshes.length, 1);
    await assertLoginLives(place, 'after a broken connection');
    await assertNextRunWorks(place, 'after a broken connection');
  });

  for (const code of ['ENOSPC', 'EIO']) {
    test(`when any file operation fails with ${code}, which is reported`, async () => {
      for await (const { files, failed } of failOneByOne(code, 3)) {
        await using place = await setUp();
        const tokens = createTokenFiles(place.directory, files);
        const { accesses } = place;
        const ports = { tokens, accesses, issuer: connect(place.sandbox), clock: impatient };
        const failure = await failureOf(obtainLogin(ports, ANNA, { urgent: true }));
        const operation = failed();
        if (operation === undefined) continue;
        const when = `with ${code} at ${operation.name} ${operation.path}`;
        assert.ok(failure instanceof Trouble && failure.recovery === 'retry', `${when}: ${failure}`);
        await assertLoginLives(place, when);
        await assertNextRunWorks(place, when);
      }
    });
  }

  test('when the disk has no room for another file, and no request is sent to Withings', async () => {
    await using place = await setUp();
    const before = await readFile(place.file, 'utf8');
    const full = watchFiles(async ({ name, path }, run) => {
      if (name.startsWith('write') && path.endsWith('.tmp')) throw diskError('ENOSPC');
      return await run();
    });
    const tokens = createTokenFiles(place.directory, full);
    const ports = { tokens, accesses: place.accesses, issuer: connect(place.sandbox), clock: impatient };
    const rotating = obtainLogin(ports, ANNA, { urgent: true });
    await assert.rejects(rotating, { code: 'disk_full', recovery: 'retry' });
    assert.equal(place.refreshes.length, 0);
    assert.equal(await readFile(place.file, 'utf8'), before);
    await assertNextRunWorks(place, 'with a full disk');
  });

  test('when Withings rejects the refresh, and the file stays unchanged', async () => {
    await using place = await setUp();
    place.sandbox.grants.unlink(ANNA);
    const before = await readFile(place.file, 'utf8');
    const { tokens, accesses } = place;
    const ports = { tokens, accesses, issuer: connect(place.sandbox), clock: impatient };
    const rotating = obtainLogin(ports, ANNA, { urgent: true });
    await assert.rejects(rotating, { recovery: 'login' });
    assert.equal(await readFile(place.file, 'utf8'), before);
    assert.deepEqual((await readdir(place.directory)).sort(), ['.1234.lock', ANNA]);
  });
});

test('no caller gets the access token before the refresh token is on the disk', async () => {
  await using place = await setUp();
  let isGiven = false;
  const done: string[] = [];
  const files = watchFiles(async ({ name }, run) => {
    const result = await run();
    await new Promise<void>((resolve) => setImmediate(resolve));
    done.push(isGiven ? `late ${name}` : name);
    return result;
  });
  const tokens = createTokenFiles(place.directory, files);
  const accesses = { load: async () => undefined, save: async () => undefined };
  const ports = { tokens, accesses, issuer: connect(place.sandbox), clock: impatient, log: createRecordingLog() };
  const before = await readFile(place.file, 'utf8');
  const accessToken = await createAccessTokens(ports)
    .get(ANNA, { urgent: true })
    .finally(() => {
      isGiven = true;
    });
  assert.deepEqual(done.slice(done.indexOf('rename')), ['rename', 'open', 'sync', 'close']);
  place.sandbox.grants.use(accessToken);
  assert.equal(place.sandbox.grants.accepts(before.trim()), false, 'the first use ends the old one');
  await assertLoginLives(place, 'after the first use');
});

test('a login that was tried and not replaced is sent again after 12 s, not earlier', async (t) => {
  const fake = createFakeClock();
  await using place = await setUp({ clock: fake, limits: WITHINGS_LIMITS });
  assert.equal(await rotateElsewhere(place, { dieAfterRefresh: true }), 'SIGKILL');
  // Two seconds pass, for the file and for Withings.
  const triedAt = Date.now() - 2_000;
  await utimes(`${place.directory}/.1234.lock`, new Date(triedAt), new Date(triedAt));
  await fake.advance(2_000);

  const sleeps = new EventEmitter();
  const clock: Clock = {
    ...fake,
    sleep(ms, signal) {
      sleeps.emit('sleep', ms);
      return fake.sleep(ms, signal);
    },
  };
  const { tokens, accesses } = place;
  const ports = { tokens, accesses, issuer: connect(place.sandbox, clock), clock };
  const late = once(t.signal, 'abort').then(() => assert.fail('it waits without end'));
  late.catch(() => undefined);
  const slept = once(sleeps, 'sleep');
  const rotating = obtainLogin(ports, ANNA, { urgent: true });
  const [ms] = await Promise.race([slept, rotating.then(() => assert.fail('it did not wait'))]);
  // The file system stores times with fractions of a millisecond.
  assert.ok(ms <= 10_001 && ms >= 11_999 - (Date.now() - triedAt), `it waits ${ms} ms`);
  assert.equal(place.refreshes.length, 1);
  await fake.advance(10_001);
  await Promise.race([rotating, late]);
  assert.equal(place.refreshes.length, 2);
  await assertLoginLives(place, 'after the second try');
});

test('the log reports whether a login was rotated or shared, without reading a file', async () => {
  await using place = await setUp();
  const issuer = connect(place.sandbox);
  const log = createRecordingLog();
  let loads = 0;
  const tokens: typeof place.tokens = {
    ...place.tokens,
    load: (userId) => {
      loads += 1;
      return place.tokens.load(userId);
    },
  };
  const ports = { tokens, accesses: place.accesses, issuer, clock: impatient, log };
  await createAccessTokens(ports).get(ANNA, { urgent: true });
  assert.equal(loads, 2, 'before the lock and under it');
  await createAccessTokens(ports).get(ANNA, { urgent: true });
  assert.equal(loads, 3);
  assert.deepEqual(log.texts('refresh'), ['rotated the login of user 1234', 'shared the login of user 1234']);
});

/** Asserts that the login is in the token file or next to it, and works after the next start. */
async function assertLoginSurvives(place: SystemPaths, when: string) {
  const { sandbox, directory } = place;
  const files = [place.file, `${directory}/.1234.spare`];
  const tokens = await Promise.all(files.map(async (file) => readToken(await readFile(file, 'utf8').catch(() => ''))));
  const good = tokens.some((token) => token !== undefined && sandbox.grants.accepts(token));
  assert.ok(good, `the login is lost ${when}`);
  await assertNextRunWorks(place, when);
  assert.ok(!(await readdir(directory)).includes('.1234.spare'), `a spare is left ${when}`);
}

describe('while the answer of a rotation is on its way,', () => {
  /** Rotates. `meanwhile` runs before Withings gets the request, or after its answer. */
  async function rotate(place: SystemPaths, isAnswered: boolean, meanwhile: () => Promise<unknown>) {
    const client = connect(place.sandbox);
    const issuer: TokenIssuer = {
      ...client,
      async refresh(refreshToken, options) {
        if (!isAnswered) await meanwhile();
        const next = await client.refresh(refreshToken, options);
        if (isAnswered) await meanwhile();
        return next;
      },
    };
    const { tokens } = place;
    const accesses = { ...place.accesses, load: async () => undefined };
    return await failureOf(obtainLogin({ tokens, accesses, issuer, clock: impatient }, ANNA, { urgent: true }));
  }

  for (const isAnswered of [false, true]) {
    const when = isAnswered ? 'after Withings has answered' : 'before Withings gets the request';

    test(`a token that is put into the file by hand stays: ${when}`, async () => {
      await using place = await setUp();
      const byHand = place.sandbox.grants.link(ANNA);
      const failure = await rotate(place, isAnswered, () => writeFile(place.file, `${byHand}\n`));
      assert.ok(failure instanceof Trouble && failure.code === 'login_changed');
      assert.equal(await readFile(place.file, 'utf8'), `${byHand}\n`);
      await assertLoginSurvives(place, when);
    });

    test(`another process rotates, for the lock file was deleted: ${when}`, async () => {
      await using place = await setUp();
      const failure = await rotate(place, isAnswered, async () => {
        await rm(`${place.directory}/.1234.lock`);
        assert.equal(await rotateElsewhere(place, { alone: true }), 0);
      });
      assert.ok(failure instanceof Trouble && failure.code === 'login_changed');
      await assertLoginSurvives(place, when);
    });

    test(`another process waits, though every child of this one is killed: ${when}`, async () => {
      await using place = await setUp();
      let other: Promise<unknown> = Promise.resolve();
      const failure = await rotate(place, isAnswered, async () => {
        const children = await readFile(`/proc/self/task/${process.pid}/children`, 'utf8');
        for (const child of children.split(' ').filter(Boolean)) process.kill(Number(child), 'SIGKILL');
        other = rotateElsewhere(place);
      });
      assert.equal(failure, undefined);
      assert.equal(await other, 0);
      assert.equal(place.refreshes.length, 1);
      await assertLoginSurvives(place, when);
    });
  }
});

test('a spare that Withings rejects as well is removed, and the failure names the login', async () => {
  await using place = await setUp();
  await writeFile(`${place.directory}/.1234.spare`, 'refused-as-well\n');
  await writeFile(place.file, 'refused\n');
  const { tokens, accesses } = place;
  const ports = { tokens, accesses, issuer: connect(place.sandbox), clock: impatient };
  await assert.rejects(obtainLogin(ports, ANNA, { urgent: true }), { recovery: 'login' });
  assert.equal(place.refreshes.length, 2);
  assert.equal(await readFile(place.file, 'utf8'), 'refused\n');
  await assert.rejects(obtainLogin(ports, ANNA, { urgent: true }), { recovery: 'login' });
  assert.equal(place.refreshes.length, 3);
});

test('a spare is not tried if Withings does not answer', async () => {
  await using place = await setUp({ fault: () => 'cut' });
  const spare = place.sandbox.grants.link(ANNA);
  await writeFile(`${place.directory}/.1234.spare`, spare);
  const { tokens, accesses } = place;
  const ports = { tokens, accesses, issuer: connect(place.sandbox), clock: impatient };
  await assert.rejects(obtainLogin(ports, ANNA, { urgent: true }), { recovery: 'retry' });
  assert.equal(await readFile(`${place.directory}/.1234.spare`, 'utf8'), spare);
});

test('the login of another user is rotated and stored, and the trouble names the right file', async () => {
  await using place = await setUp();
  const before = place.sandbox.grants.link('5678');
  await writeFile(place.file, before);
  const { tokens, accesses } = place;
  const ports = { tokens, accesses, issuer: connect(place.sandbox), clock: impatient };
  const failure = await failureOf(obtainLogin(ports, ANNA, { urgent: true }));
  assert.ok(failure instanceof Trouble && failure.code === 'foreign_login' && failure.hint?.includes('5678'));
  assert.notEqual((await readFile(place.file, 'utf8')).trim(), before);
  await assertLoginLives(place, 'of another user');
});

test('a consent is stored although the lock is held for minutes, and fails after four attempts', async () => {
  for (const [failures, isStored] of [
    [3, true],
    [4, false],
  ] as const) {
    await using place = await setUp();
    let tries = 0;
    const tokens: typeof place.tokens = {
      ...place.tokens,
      async lock(userId) {
        tries += 1;
        if (tries <= failures) throw new Trouble('held', { code: 'lock_held', recovery: 'retry' });
        return await place.tokens.lock(userId);
      },
    };
    const pair = place.sandbox.grants.link(ANNA);
    const login = { userId: ANNA, refreshToken: token(pair), accessToken: accessToken('a'), expiresInMs: 1, scope: '' };
    const failure = await failureOf(storeLogin({ tokens, accesses: place.accesses, clock: impatient }, login));
    assert.equal(failure === undefined, isStored);
    assert.equal((await place.tokens.load(ANNA)) === pair, isStored);
  }
});

test('an access token is used until two minutes before its end, and never without a stored login', async () => {
  await using place = await setUp();
  const { tokens } = place;
  const time = { ms: 0 };
  const clock: Clock = { ...impatient, elapsedMs: () => time.ms };
  const accesses = { load: async () => undefined, save: async () => undefined };
  const issuer = connect(place.sandbox);
  const log = createRecordingLog();
  const access = createAccessTokens({ tokens, accesses, issuer, clock, log });
  const first = await access.get(ANNA, { urgent: true });
  time.ms = (3 * 3_600 - 120) * 1_000 - 1;
  assert.equal(await access.get(ANNA, { urgent: true }), first);
  time.ms += 1;
  assert.notEqual(await access.get(ANNA, { urgent: true }), first);

  const refuse = async () => {
    throw new Trouble('full', { code: 'disk_full', recovery: 'retry' });
  };
  const full = createAccessTokens({ tokens: { ...tokens, lock: refuse }, accesses, issuer, clock, log });
  const login = { userId: ANNA, refreshToken: token('r'), accessToken: accessToken('a'), expiresInMs: 1e7, scope: '' };
  await assert.rejects(full.adopt(login), { code: 'disk_full' });
  await assert.rejects(full.get(ANNA, { urgent: true }), { code: 'disk_full' });
});

describe('with the token file changed by another program', () => {
  /** Stores another consent of the same person by hand. */
  const byHand = (place: SystemPaths) => place.sandbox.grants.link(ANNA);

  for (const then of ['goes on', 'fails', 'is slow'] as const) {
    test(`before each file operation, which then ${then}, no login is lost, and the newer one stays`, async () => {
      for (const index of sweep(3)) {
        await using place = await setUp();
        const newer = byHand(place);
        let count = -1;
        let isPlaced = false;
        const files = watchFiles(async ({ name, path }, run) => {
          count += 1;
          if (name === 'rename' && path.startsWith(`${place.file}`.replace(/1234$/, '.1234.')) && count <= index)
            isPlaced = !path.includes('.access') && !path.includes('.spare');
          if (count !== index) return await run();
          await writeFile(place.file, `${newer}\n`);
          // A failed close still closes the file.
          if (then === 'fails' && name === 'close') await run();
          if (then === 'fails') throw diskError('EIO');
          if (then === 'is slow') await new Promise((resolve) => setTimeout(resolve, 20));
          return await run();
        });
        const tokens = createTokenFiles(place.directory, files);
        const accesses = createAccessFiles(place.directory, files);
        const ports = { tokens, accesses, issuer: connect(place.sandbox), clock: impatient };
        await failureOf(obtainLogin(ports, ANNA, { urgent: true }));
        const isOver = count < index;
        const when = `with a change before operation ${index}, which ${then}`;
        // A change between the last check and the rename cannot be prevented.
        if (!isOver && !isPlaced) assert.equal(await isAlive(place, newer), true, when);
        await assertLoginSurvives(place, when);
        if (isOver) break;
      }
    });
  }

  /** Returns whether the token file contains the newer login, or its successor. */
  async function isAlive({ file, sandbox }: SystemPaths, newer: string) {
    const stored = readToken(await readFile(file, 'utf8'));
    return stored === newer || (stored !== undefined && sandbox.grants.accepts(stored));
  }

  test('and the process killed at some operation, no login is lost', async () => {
    const seed = Number(process.env['TORTURE_SEED'] ?? Date.now() % 1e6);
    const random = createRandom(seed);
    const rounds = Number(process.env['TORTURE_ROUNDS'] ?? 8);
    for (let round = 0; round < rounds; round += 1) {
      await using place = await setUp();
      const changeBefore = Math.floor(random() * 45);
      const dieBefore = changeBefore + Math.floor(random() * 5);
      await rotateElsewhere(place, { changeBefore, changeTo: byHand(place), dieBefore });
      await assertLoginSurvives(place, `changed at ${changeBefore}, killed at ${dieBefore}, seed ${seed}`);
    }
  });

  test('while a consent is stored, a login still works after any failed file operation', async () => {
    for (const index of sweep(3)) {
      await using place = await setUp();
      const [newer, consented] = [byHand(place), byHand(place)];
      let count = -1;
      const files = watchFiles(async ({ name }, run) => {
        count += 1;
        if (count === index) await writeFile(place.file, `${newer}\n`);
        if (count === index + 1 && name === 'close') await run();
        if (count === index + 1) throw diskError('EIO');
        return await run();
      });
      const tokens = createTokenFiles(place.directory, files);
      const accesses = createAccessFiles(place.directory, files);
      const pair = { refreshToken: token(consented), accessToken: accessToken('a'), expiresInMs: 1e7, scope: '' };
      const failure = await failureOf(storeLogin({ tokens, accesses, clock: impatient }, { ...pair, userId: ANNA }));
      const isOver = count < index;
      if (failure === undefined && count >= index) assert.ok(await place.tokens.load(ANNA));
      await assertLoginLives(place, `with a consent and a change before operation ${index}`);
      if (isOver) break;
    }
  });
});

describe('concurrent requests', () => {
  test('of 20 callers in one process cause one rotation', async () => {
    await using place = await setUp();
    const { tokens, accesses } = place;
    const issuer = connect(place.sandbox);
    const access = createAccessTokens({ tokens, accesses, issuer, clock: impatient, log: createRecordingLog() });
    const got = await Promise.all(Array.from({ length: 20 }, () => access.get(ANNA, { urgent: true })));
    assert.equal(new Set(got).size, 1);
    assert.equal(place.refreshes.length, 1);
    assert.equal(await access.get(ANNA, { urgent: false }), got[0]);
    assert.equal(place.refreshes.length, 1);
    await assertLoginLives(place, 'after 20 at once');
  });

  test('of several processes cause one rotation, and each process gets a working access token', async () => {
    await using place = await setUp();
    const ended = await Promise.all([1, 2, 3].map(() => rotateElsewhere(place)));
    assert.deepEqual(ended, [0, 0, 0]);
    assert.equal(place.refreshes.length, 1);
    await assertLoginLives(place, 'after three processes');
    await assertNextRunWorks(place, 'after three processes');
  });

  test('do not wait for a killed process', async () => {
    await using place = await setUp();
    const ended = await Promise.all([
      rotateElsewhere(place, { dieAfterRefresh: true, alone: true }),
      rotateElsewhere(place),
    ]);
    assert.equal(ended[0], 'SIGKILL');
    await assertLoginLives(place, 'after one of two was killed');
    await assertNextRunWorks(place, 'beside another');
  });
});

describe('an access token that Withings rejects', () => {
  /** Creates a Withings whose measure service rejects requests while `refuses` is true, and a process that uses it. */
  async function ask(refuses: (accessToken: string) => boolean) {
    const place = await setUp({
      fault: ({ path, accessToken }, answer) =>
        path === '/measure' && answer !== undefined && refuses(accessToken)
          ? { text: JSON.stringify({ status: 401, body: {}, error: 'invalid_token' }) }
          : undefined,
    });
    const time = { ms: 0 };
    const clock: Clock = { ...impatient, elapsedMs: () => time.ms };
    const client = connect(place.sandbox);
    const { tokens, accesses } = place;
    const accessTokens = createAccessTokens({ tokens, accesses, issuer: client, clock, log: createRecordingLog() });
    const withAccess = createWithAccess(accessTokens);
    const sinceMs = Date.parse('2026-11-20');
    let calls = 0;
    /** Each request is different, because a repeated one would wait. */
    const nextQuery = () => ({ since: new Date(sinceMs + 1_000 * ++calls) });
    return {
      place,
      time,
      accessTokens,
      /** Gets the token first and then sends the request, as a fetch does. */
      async round() {
        await accessTokens.get(ANNA, { urgent: true });
        return await withAccess(ANNA, { urgent: true }, (account) =>
          client.getMeas({ ...account, query: nextQuery() }),
        );
      },
      [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
    };
  }
  const refusal = { code: 'access_refused', recovery: 'login' };

  test('although it is fresh costs one rotation an hour, and the message advises more than linking', async () => {
    await using asked = await ask(() => true);
    const failure = await failureOf(asked.round());
    assert.ok(failure instanceof Trouble);
    assert.equal(asked.place.refreshes.length, 1);
    for (const word of [/weighbridge login/, /WITHINGS_CLIENT_SECRET/, /SCOPES/])
      assert.match(failure.hint ?? '', word);
    for (const ms of [0, 1_000, 3_599_999]) {
      asked.time.ms = ms;
      await assert.rejects(asked.round(), refusal);
      assert.equal(asked.place.refreshes.length, 1, `after ${ms} ms`);
    }
    for (const hour of [1, 2, 3]) {
      asked.time.ms = hour * 3_600_000;
      await assert.rejects(asked.round(), refusal);
      await assert.rejects(asked.round(), refusal);
      assert.equal(asked.place.refreshes.length, 1 + hour, `after ${hour} hours`);
    }
    await assertLoginLives(asked.place, 'though its access tokens are refused');
  });

  test('costs one rotation if it worked before, and the request is repeated', async () => {
    const refused = new Set<string>();
    await using asked = await ask((token) => refused.has(token));
    await asked.round();
    assert.equal(asked.place.refreshes.length, 1);
    refused.add(await asked.accessTokens.get(ANNA, { urgent: true }));
    await asked.round();
    assert.equal(asked.place.refreshes.length, 2);
  });

  test('costs one rotation if another process stored it, and none after that', async () => {
    const state = { refuses: false };
    await using asked = await ask(() => state.refuses);
    await rotateElsewhere(asked.place);
    state.refuses = true;
    assert.equal(asked.place.refreshes.length, 1);
    await assert.rejects(asked.round(), refusal);
    await assert.rejects(asked.round(), refusal);
    assert.equal(asked.place.refreshes.length, 2);
  });

  test('costs several concurrent callers one rotation', async () => {
    await using asked = await ask(() => true);
    const rounds = await Promise.allSettled([asked.round(), asked.round(), asked.round()]);
    assert.deepEqual(new Set(rounds.map(({ status }) => status)), new Set(['rejected']));
    assert.equal(asked.place.refreshes.length, 1);
  });

  test('is requested at once after the person links again', async () => {
    const state = { refuses: true };
    await using asked = await ask(() => state.refuses);
    await assert.rejects(asked.round(), refusal);
    state.refuses = false;
    await put(asked.place.tokens, ANNA, asked.place.sandbox.grants.link(ANNA));
    await asked.round();
    assert.equal(asked.place.refreshes.length, 2);
  });
});
