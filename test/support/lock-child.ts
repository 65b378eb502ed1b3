import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { lockFile } from '../../src/storage/lock.ts';

/** Runs as another process with a lock; see `lock.test.ts`. */
const [, , task, path = '', file = '', times = '0'] = process.argv;
const say = (text: string) => process.stdout.write(`${text}\n`);

/** Holds the lock until its standard input ends, despite signals. */
async function hold(): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => say(signal));
  await using _lock = await lockFile(path);
  say('held');
  await once(process.stdin.resume(), 'end');
}

/** Increments the number in a file repeatedly, which only one process at a time may do. */
async function count(): Promise<void> {
  for (let time = 0; time < Number(times); time += 1) {
    await using _lock = await lockFile(path);
    await writeFile(file, `${Number(await readFile(file, 'utf8')) + 1}`);
  }
}

/** Aborts at the very moment of the acquisition, before the process learns of it. */
async function abortLate(): Promise<void> {
  const stop = new AbortController();
  const locking = lockFile(path, stop.signal);
  const children = `/proc/self/task/${process.pid}/children`;
  while (readFileSync(children, 'utf8') === '') await new Promise((resolve) => setImmediate(resolve));
  for (let look = 0; look < 1000; look += 1) {
    if (spawnSync('flock', ['--nonblock', path, 'true']).status !== 0) break;
  }
  stop.abort();
  await locking.then(
    (lock) => lock[Symbol.asyncDispose](),
    () => undefined,
  );
  const [status] = await once(spawn('flock', ['--wait', '3', path, 'true']), 'close');
  say(status === 0 ? 'free' : 'leaked');
}

await ({ hold, count, 'abort-late': abortLate }[task ?? ''] ?? hold)();
