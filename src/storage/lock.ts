import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { type FileHandle, stat } from 'node:fs/promises';
import { asTrouble, errorCode, TOO_MANY_OPEN, Trouble } from '../domain/trouble.ts';
import { attempt, FILE_MODE, openRegular } from './files.ts';

/** Longer than any work under a lock, except a token call that takes Withings minutes. Then the caller retries. */
const LONGEST_WAIT_MS = 60_000;

/** A link in the place of a lock file could lead root to any file. */
const LOCK_FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;

/** The file descriptor that flock(1) gets. */
const DESCRIPTOR = 3;

export interface FileLock extends AsyncDisposable {
  /** Whether the path still names the locked file. A new file there lets another process in. */
  isHeld(): Promise<boolean>;
}

/**
 * Takes an exclusive lock on a file between processes, as flock(1) does.
 *
 * This process has the file open, and flock(1) locks what is open. So the kernel keeps the lock until this process
 * closes the file or ends in any way. A power cut leaves no lock behind.
 *
 * @param path created if missing; its content does not matter
 * @param signal ends the waiting, not the lock
 * @throws Trouble `lock_failed`, `lock_held`
 */
export async function lockFile(path: string, signal?: AbortSignal): Promise<FileLock> {
  for (;;) {
    signal?.throwIfAborted();
    const handle = await openLock(path);
    const close = () => handle.close();
    const isHeld = () => isInPlace(handle, path);
    try {
      signal?.throwIfAborted();
      await flock(handle, path, signal);
      if (await isHeld()) return { isHeld, [Symbol.asyncDispose]: close };
    } catch (error) {
      await close();
      throw error;
    }
    // Another process deleted the file meanwhile.
    await close();
  }
}

async function openLock(path: string): Promise<FileHandle> {
  try {
    return await attempt(`lock ${path}`, () => openRegular(path, LOCK_FLAGS, FILE_MODE));
  } catch (error) {
    const { message, hint } = asTrouble(error);
    throw new Trouble(message, { code: 'lock_failed', recovery: 'retry', hint });
  }
}

async function isInPlace(handle: FileHandle, path: string): Promise<boolean> {
  const there = await stat(path).catch(() => undefined);
  // A network share may report this for a file that another computer deleted.
  const ours = await handle.stat().catch(() => undefined);
  return there !== undefined && there.ino === ours?.ino && there.dev === ours.dev;
}

/** Waits in a separate process, which a signal to the process group does not reach. */
function flock({ fd }: FileHandle, path: string, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    let complaint = '';
    let isTooLate = false;
    const child = startWaiting(path, fd);
    const giveUp = () => void child.kill('SIGKILL');
    const timer = setTimeout(() => {
      isTooLate = true;
      giveUp();
    }, LONGEST_WAIT_MS);
    signal?.addEventListener('abort', giveUp);
    const end = (failure?: unknown) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', giveUp);
      if (failure === undefined) resolve();
      else reject(failure);
    };
    // Without free file descriptors, the child has no pipes and ends with an 'error'.
    child.stderr?.on('data', (chunk: Buffer) => {
      complaint += chunk.toString().slice(0, 200);
    });
    child.once('error', (error) => end(lockFailed(path, error.message, errorCode(error))));
    child.once('close', (code) => {
      if (signal?.aborted) end(signal.reason);
      else if (code === 0) end();
      else end(isTooLate ? lockHeld(path) : lockFailed(path, complaint.trim()));
    });
  });
}

function startWaiting(path: string, fd: number): ChildProcess {
  try {
    return spawn('flock', [`${DESCRIPTOR}`], { stdio: ['ignore', 'ignore', 'pipe', fd], detached: true });
  } catch (error) {
    throw lockFailed(path, String(error), errorCode(error));
  }
}

function lockHeld(path: string): Trouble {
  const text = `cannot lock ${path}: another process has held the lock for ${LONGEST_WAIT_MS / 1000} s`;
  const hint = 'The other process waits for Withings. weighbridge retries.';
  return new Trouble(text, { code: 'lock_held', recovery: 'retry', hint });
}

const HINTS: Readonly<Record<string, string>> = {
  ...TOO_MANY_OPEN,
  ENOENT: 'Install flock: sudo apt install util-linux',
};

function lockFailed(path: string, complaint: string, code = ''): Trouble {
  const hint = HINTS[code] ?? 'Check the directory and the disk.';
  const text = `cannot lock ${path}: ${complaint || 'flock ended'}`;
  return new Trouble(text, { code: 'lock_failed', recovery: 'retry', hint });
}
