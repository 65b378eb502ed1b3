import { constants, type Stats } from 'node:fs';
import { chmod, chown, lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseConfig } from '../../config/config.ts';
import { loginFiles } from '../../daemon/data-directory.ts';
import { errorCode } from '../../domain/trouble.ts';
import { attemptIfThere, FILE_MODE, nodeFiles, openRegular, syncDirectory } from '../../storage/files.ts';
import { lockFile } from '../../storage/lock.ts';
import { createTokenFiles } from '../../storage/token-files.ts';
import type { Shell } from '../shell.ts';
import type { Machine, Step } from './steps.ts';

interface Move {
  readonly from: string;
  readonly to: string;
}

/** A file in a directory that files are being moved to. While it is there, a move that was cut off goes on. */
const MARK = '.move';
/** The end of the name of what is copied from another file system, until the original is gone. */
const COPY = '.copy';

/**
 * Which logins and measurements of the folder go to the service, which must not run meanwhile. The files that the
 * service has already stay as they are: two histories are not mixed, nor two logins of one person.
 */
export async function planMoves(
  shell: Shell,
  { paths: { state }, folder, root }: Machine,
): Promise<{ readonly steps: readonly Step[]; readonly notes: readonly string[] }> {
  const env = shell.readDotenv(resolve(folder, '.env'));
  const { tokens, data } = parseConfig(env, 'files').readable.directories;
  const steps: Step[] = [];
  const notes: string[] = [];
  for (const [what, directory, to, moveFiles] of [
    ['logins', tokens, `${state}/tokens`, moveLogins],
    ['measurements', data, `${state}/data`, moveAll],
  ] as const) {
    const from = resolve(folder, directory);
    const there = await contents(to);
    const isCutOff = await isMarked(to, root);
    if (from === to || ((await contents(from)).length === 0 && !isCutOff)) continue;
    if (there.length > 0 && !isCutOff) {
      notes.push(`the service has ${what} of its own in ${to}; those in ${from} are left alone`);
      continue;
    }
    const move = async () => {
      await takeOver(state, to, root);
      if (!(await isMarked(to, root))) await mark(to);
      await finishCopies({ from, to });
      await moveFiles({ from, to });
      await rm(`${to}/${MARK}`);
      await syncDirectory(nodeFiles, to);
    };
    steps.push({ text: `move the ${what} in ${from} to ${to}`, run: move });
  }
  return { steps, notes };
}

/**
 * Gives the directories of the service to root, from the top down. From then on no process of the service's user can put
 * a link into them, and what is checked here stays so. At its next start systemd finds that the owner is another one,
 * and gives everything below to the service's user without following links.
 */
async function takeOver(state: string, path: string, root: number): Promise<void> {
  await mkdir(state, { recursive: true, mode: 0o700 });
  // systemd's own link leads here, and root alone can change that one.
  await own(state, root);
  await mkdir(path, { recursive: true, mode: 0o700 });
  if (!(await lstat(path)).isDirectory()) throw new Error(`${path} is a link, and must be a directory`);
  await own(path, root);
  if ((await contents(path)).length > 0 && !(await isMarked(path, root)))
    throw new Error(`there are files in ${path} now; stop what writes them`);
}

async function own(path: string, root: number): Promise<void> {
  await chown(path, root, root);
  await chmod(path, 0o700);
}

/** Whether root began to move files into a directory. Another user's file of that name says nothing. */
async function isMarked(path: string, root: number): Promise<boolean> {
  // A user who may only look, with --dry-run, cannot see it.
  const stats = await found(`${path}/${MARK}`).catch(() => undefined);
  return stats?.isFile() === true && stats.uid === root;
}

async function mark(path: string): Promise<void> {
  await using handle = await open(`${path}/${MARK}`, 'wx', FILE_MODE);
  await handle.sync();
  await syncDirectory(nodeFiles, path);
}

/** The answer of Withings to the process that has the lock, and a little more. */
const LOCK_WAIT_MS = 60_000;

/**
 * Moves logins, each under its lock: a process that rotates one finishes first, and finds none the next time. There are
 * never two copies at work, because of two copies of a refresh token only one stays valid.
 */
async function moveLogins(move: Move): Promise<void> {
  for (const userId of await createTokenFiles(move.from).list()) {
    const { token, access, spare, lock } = loginFiles(userId);
    await using _lock = await lockFile(`${move.from}/${lock}`, AbortSignal.timeout(LOCK_WAIT_MS));
    for (const name of [access, spare, token, lock]) await moveEntry(name, move);
  }
}

async function moveAll(move: Move): Promise<void> {
  for (const name of await contents(move.from)) await moveEntry(name, move);
}

async function moveEntry(name: string, { from, to }: Move): Promise<void> {
  const [source, target] = [`${from}/${name}`, `${to}/${name}`];
  // A rename to another file system fails with EXDEV also where there is nothing to rename.
  if ((await found(source)) === undefined) return;
  try {
    await rename(source, target);
  } catch (error) {
    if (errorCode(error) !== 'EXDEV') throw error;
    // Another file system: what is removed here is safely there, under a name that the service does not use.
    await rm(`${target}${COPY}`, { recursive: true, force: true });
    await copy(source, `${target}${COPY}`);
    await syncDirectory(nodeFiles, to);
    await rm(source, { recursive: true });
    await syncDirectory(nodeFiles, from);
    await rename(`${target}${COPY}`, target);
  }
  await syncDirectory(nodeFiles, from);
  await syncDirectory(nodeFiles, to);
}

/** A copy whose original is gone was cut off before it got its name. Any other copy is made again. */
async function finishCopies({ from, to }: Move): Promise<void> {
  for (const copied of await contents(to)) {
    if (!copied.endsWith(COPY)) continue;
    const name = copied.slice(0, -COPY.length);
    if ((await found(`${from}/${name}`)) === undefined) await rename(`${to}/${copied}`, `${to}/${name}`);
    else await rm(`${to}/${copied}`, { recursive: true });
  }
}

/** Copies a file, or a directory with everything in it, durably and without following a link. */
async function copy(from: string, to: string): Promise<void> {
  const stats = await lstat(from);
  if (stats.isDirectory()) {
    await mkdir(to, { mode: 0o700 });
    for (const name of await readdir(from)) await copy(`${from}/${name}`, `${to}/${name}`);
    await syncDirectory(nodeFiles, to);
    return;
  }
  if (stats.isSymbolicLink()) throw new Error(`${from} is a link; put the file itself there`);
  await using source = await openRegular(from, constants.O_RDONLY | constants.O_NOFOLLOW);
  await using target = await open(to, 'wx', FILE_MODE);
  // Streams would close the files.
  const buffer = Buffer.alloc(1024 * 1024);
  for (;;) {
    const { bytesRead } = await source.read(buffer, 0, buffer.length);
    if (bytesRead === 0) break;
    await target.appendFile(buffer.subarray(0, bytesRead));
  }
  const { atime, mtime } = await source.stat();
  await target.utimes(atime, mtime);
  await target.sync();
}

async function found(path: string): Promise<Stats | undefined> {
  return await attemptIfThere(`read ${path}`, () => lstat(path));
}

/** The names in a directory, without `.gitignore`, which belongs to the program; none where there is no directory. */
async function contents(path: string): Promise<readonly string[]> {
  const names = await readdir(path).catch(() => []);
  return names.filter((name) => name !== '.gitignore');
}
