import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { errorCode, TOO_MANY_OPEN, Trouble } from '../domain/trouble.ts';

/** Longer than any work under a lock, except a token call that Withings takes minutes for. Then the caller retries. */
const LONGEST_WAIT_MS = 60_000;

/** How a shell ends that does not find its program. */
const NOT_FOUND = 127;

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
  let complaint = '';
  let failure: string | undefined;
  const exited = new Promise<number | null>((resolve) => {
    child.once('close', resolve);
    child.once('error', (error) => {
      complaint = error.message;
      failure = errorCode(error);
      resolve(null);
    });
  });
  const { stdin, stdout, stderr } = child;
  // Without file descriptors to spare there is a child without pipes, which ends with an 'error'.
  if (!(stdin && stdout && stderr)) {
    await exited;
    throw lockFailed(path, complaint, failure);
  }
  stdin.on('error', () => undefined);
  stderr.on('data', (chunk: Buffer) => {
    complaint += chunk.toString().slice(0, 200);
  });
  // cat gives the byte back once it runs, and it runs once flock has the lock
  stdin.write('.');
  const giveUp = () => void child.kill('SIGKILL');
  let isTooLate = false;
  const timer = setTimeout(() => {
    isTooLate = true;
    giveUp();
  }, LONGEST_WAIT_MS);
  signal?.addEventListener('abort', giveUp);
  const held = await Promise.race([once(stdout, 'data').then(() => true), exited.then(() => false)]);
  clearTimeout(timer);
  signal?.removeEventListener('abort', giveUp);
  if (!held) {
    signal?.throwIfAborted();
    throw isTooLate
      ? lockHeld(path)
      : lockFailed(path, complaint.trim(), (await exited) === NOT_FOUND ? 'ENOENT' : failure);
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
    throw lockFailed(path, String(error), errorCode(error));
  }
}

function lockHeld(path: string): Trouble {
  const text = `cannot lock ${path}: somebody else has held it for ${LONGEST_WAIT_MS / 1000} s`;
  const hint = 'somebody is waiting for an answer of Withings; it ends';
  return new Trouble(text, { code: 'lock_held', recovery: 'retry', hint });
}

const HINTS: Readonly<Record<string, string>> = {
  ...TOO_MANY_OPEN,
  ENOENT: 'install flock, which is part of util-linux',
};

function lockFailed(path: string, complaint: string, code = ''): Trouble {
  const hint = HINTS[code] ?? 'is the directory writable, and is there room on the disk?';
  const text = `cannot lock ${path}: ${complaint || 'flock ended'}`;
  return new Trouble(text, { code: 'lock_failed', recovery: 'retry', hint });
}
