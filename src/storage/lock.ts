import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Trouble } from '../domain/trouble.ts';

/** Longer than anybody works under a lock, but for a token call that Withings takes minutes for. Then it is tried again. */
const PATIENCE_MS = 60_000;

/** A signal to the whole process group (Ctrl-C, systemd) must not take the lock from under a step that is being finished. */
const HOLD = 'trap "" HUP INT TERM; umask 077; exec flock "$0" cat';

/**
 * Takes an exclusive lock on a file between processes, as flock(1) does.
 *
 * The kernel holds the lock for `flock FILE cat`, and `cat` lives as long as the pipe from this process does: the
 * lock ends with the process that asked for it, however it ends, and after a power cut nothing is left of it.
 *
 * @param path made when missing; its content does not matter
 * @param signal ends the waiting, not the lock
 * @throws Trouble `lock_failed`, `lock_held`
 */
export async function lockFile(path: string, signal?: AbortSignal): Promise<AsyncDisposable> {
  signal?.throwIfAborted();
  const child = startHolder(path);
  let said = '';
  const exited = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', (error) => {
      said = error.message;
      resolve();
    });
  });
  const { stdin, stdout, stderr } = child;
  // Without file descriptors to spare there is a child without pipes, which ends with an 'error'.
  if (!(stdin && stdout && stderr)) {
    await exited;
    throw lockTrouble(path, said);
  }
  stdin.on('error', () => undefined);
  stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString().slice(0, 200);
  });
  // cat gives the byte back once it runs, and it runs once flock has the lock
  stdin.write('.');
  const giveUp = () => void child.kill('SIGKILL');
  const tooLate = setTimeout(() => {
    said = `somebody else has held it for ${PATIENCE_MS / 1000} s`;
    giveUp();
  }, PATIENCE_MS);
  signal?.addEventListener('abort', giveUp);
  const held = await Promise.race([once(stdout, 'data').then(() => true), exited.then(() => false)]);
  clearTimeout(tooLate);
  signal?.removeEventListener('abort', giveUp);
  if (!held) {
    signal?.throwIfAborted();
    throw lockTrouble(path, said.trim());
  }
  return {
    async [Symbol.asyncDispose]() {
      stdin.end();
      await exited;
    },
  };
}

function startHolder(path: string): ChildProcess {
  try {
    return spawn('/bin/sh', ['-c', HOLD, path], { stdio: 'pipe' });
  } catch (error) {
    throw lockTrouble(path, String(error));
  }
}

const HELD = /somebody else has held it/;
const HINTS = [
  [/flock: not found/, 'install flock, which is part of util-linux'],
  [HELD, 'somebody is waiting for an answer of Withings; it ends'],
] as const;

function lockTrouble(path: string, reason: string): Trouble {
  const hint =
    HINTS.find(([pattern]) => pattern.test(reason))?.[1] ?? 'is the directory writable, and is there room on the disk?';
  return new Trouble(`cannot lock ${path}: ${reason || 'flock ended'}`, {
    code: HELD.test(reason) ? 'lock_held' : 'lock_failed',
    recovery: 'retry',
    hint,
  });
}
