import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { Trouble } from '../../src/domain/trouble.ts';
import { lockFile } from '../../src/storage/lock.ts';
import { childScript } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { failureOf } from '../support/watched-files.ts';

const CHILD = childScript('lock-child');

interface Locker extends AsyncDisposable {
  readonly child: ChildProcess;
  /** Resolves when the process printed this line. */
  said(line: string): Promise<void>;
  readonly exited: Promise<unknown>;
}

/** Starts another process in a process group of its own, as a terminal does. */
function startLocker(...args: string[]): Locker {
  const child = spawn(process.execPath, [CHILD, ...args], { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  const reader = createInterface({ input: child.stdout });
  const lines = new Set<string>();
  reader.on('line', (line) => lines.add(line));
  const exited = once(child, 'close');
  return {
    child,
    exited,
    async said(line) {
      while (!lines.has(line)) {
        const next = await Promise.race([once(reader, 'line'), exited.then(() => undefined)]);
        if (next === undefined) assert.ok(lines.has(line), `it ended and said ${[...lines]}, not ${line}`);
      }
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

function isHeld(path: string): boolean {
  return spawnSync('flock', ['--nonblock', path, 'true']).status === 1;
}

async function release(lock: AsyncDisposable): Promise<void> {
  await lock[Symbol.asyncDispose]();
}

describe('a lock between processes', () => {
  test('is held from its return until its release', async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/lock`;
    const lock = await lockFile(path);
    assert.ok(isHeld(path));
    await release(lock);
    assert.ok(!isHeld(path));
  });

  test('blocks this process during a hold of another one, and is free afterwards', async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/lock`;
    await using other = startLocker('hold', path);
    await other.said('held');
    let isOurs = false;
    const ours = lockFile(path).then((lock) => {
      isOurs = true;
      return lock;
    });
    await release(await lockFile(`${directory.path}/time-passes`));
    assert.ok(isHeld(path));
    assert.equal(isOurs, false);
    other.child.stdin?.end();
    await release(await ours);
  });

  test('loses no addition of two processes that count in one file', async () => {
    await using directory = await temporaryDirectory();
    const file = `${directory.path}/number`;
    await writeFile(file, '0');
    const start = () => startLocker('count', `${directory.path}/lock`, file, '25');
    await using one = start();
    await using two = start();
    await Promise.all([one.exited, two.exited]);
    assert.equal(await readFile(file, 'utf8'), '50');
  });

  test('of a killed process is free at once', async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/lock`;
    await using other = startLocker('hold', path);
    await other.said('held');
    other.child.kill('SIGKILL');
    await release(await lockFile(path));
  });

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    test(`survives a ${signal} to the whole process group until the end of the current step`, async () => {
      await using directory = await temporaryDirectory();
      const path = `${directory.path}/lock`;
      await using other = startLocker('hold', path);
      await other.said('held');
      process.kill(-(other.child.pid ?? assert.fail()), signal);
      await other.said(signal);
      for (let look = 0; look < 5; look += 1) assert.ok(isHeld(path));
    });
  }

  test('has one holder at a time within a process too', async () => {
    await using directory = await temporaryDirectory();
    let inside = 0;
    let served = 0;
    const visit = async () => {
      await using _lock = await lockFile(`${directory.path}/lock`);
      inside += 1;
      await new Promise<void>((resolve) => setImmediate(resolve));
      assert.equal(inside, 1);
      inside -= 1;
      served += 1;
    };
    await Promise.all(Array.from({ length: 30 }, visit));
    assert.equal(served, 30);
  });

  test('can be released twice', async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/lock`;
    const lock = await lockFile(path);
    await Promise.all([release(lock), release(lock)]);
    const next = await lockFile(path);
    await release(lock);
    assert.ok(isHeld(path), 'the second release does not affect the current holder');
    await release(next);
  });

  test('does not change the content of the file', async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/lock`;
    await writeFile(path, 'content');
    await release(await lockFile(path));
    assert.equal(await readFile(path, 'utf8'), 'content');
  });

  test('in a missing directory is a trouble that names the file', async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/gone/lock`;
    await assert.rejects(lockFile(path), (error) => {
      assert.ok(error instanceof Trouble);
      assert.equal(error.code, 'lock_failed');
      assert.ok(error.message.includes(path));
      assert.doesNotMatch(error.hint ?? '', /install/);
      return true;
    });
  });

  test('reports a missing flock', async () => {
    await using directory = await temporaryDirectory();
    for (const name of ['sh', 'cat']) await symlink(`/bin/${name}`, `${directory.path}/${name}`);
    const { PATH } = process.env;
    process.env['PATH'] = directory.path;
    const failure = await failureOf(lockFile(`${directory.path}/lock`));
    process.env['PATH'] = PATH;
    assert.ok(failure instanceof Trouble && /Install flock/.test(failure.hint ?? ''));
  });

  test('does not belong to a process that could be killed', async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/lock`;
    await using lock = await lockFile(path);
    const holders = execFileSync('sh', ['-c', `cat /proc/$1/task/*/children`, 'sh', `${process.pid}`]).toString();
    for (const pid of holders.split(' ').filter(Boolean))
      assert.doesNotMatch(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''), /flock/);
    assert.ok(await lock.isHeld());
  });

  test('is lost if its file is deleted or replaced', async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/lock`;
    await using lock = await lockFile(path);
    assert.equal(await lock.isHeld(), true);
    await rm(path);
    assert.equal(await lock.isHeld(), false);
    await writeFile(path, '');
    assert.equal(await lock.isHeld(), false);
  });

  test('whose file is deleted during a wait is acquired on the new file', async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/lock`;
    const first = await lockFile(path);
    const waiting = lockFile(path);
    await release(await lockFile(`${directory.path}/time-passes`));
    await rm(path);
    await release(first);
    await using second = await waiting;
    assert.ok(await second.isHeld());
    assert.ok(isHeld(path));
  });

  for (const [what, put] of [
    ['a FIFO', (path: string) => void execFileSync('mkfifo', [path])],
    ['a link', (path: string) => symlink('/dev/null', path)],
  ] as const) {
    test(`is not acquired on ${what} in place of its file`, async () => {
      await using directory = await temporaryDirectory();
      await put(`${directory.path}/lock`);
      await assert.rejects(lockFile(`${directory.path}/lock`), { code: 'lock_failed' });
    });
  }
});

describe('a signal for the lock', () => {
  test('ends the wait without acquiring the lock', async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/lock`;
    const lock = await lockFile(path);
    const stop = new AbortController();
    const waiting = lockFile(path, stop.signal);
    stop.abort();
    await assert.rejects(waiting);
    await release(lock);
    assert.ok(!isHeld(path));
  });

  test('that arrives during the hold does not release the lock', async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/lock`;
    const stop = new AbortController();
    const lock = await lockFile(path, stop.signal);
    stop.abort();
    await release(await lockFile(`${directory.path}/time-passes`));
    assert.ok(isHeld(path));
    await release(lock);
    assert.ok(!isHeld(path));
  });

  test('that arrives at the acquisition does not leak the lock', async () => {
    await using directory = await temporaryDirectory();
    await using other = startLocker('abort-late', `${directory.path}/lock`);
    await other.said('free');
  });
});

test('without a free file descriptor a lock is a temporary trouble, and the program continues', async () => {
  await using directory = await temporaryDirectory();
  const script = `
    import { openSync } from 'node:fs';
    const { lockFile } = await import(${JSON.stringify(new URL('../../src/storage/lock.js', import.meta.url).href)});
    for (;;) try { openSync('/dev/null'); } catch { break; }
    try { await lockFile(process.argv[1]); } catch (error) { console.log(error.code, error.recovery); }`;
  const limited = 'ulimit -n 64; exec "$0" --input-type=module -e "$1" "$2"';
  const said = execFileSync('sh', ['-c', limited, process.execPath, script, `${directory.path}/lock`], {
    encoding: 'utf8',
  });
  assert.equal(said, 'lock_failed retry\n');
});
