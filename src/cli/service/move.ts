import { constants, type Stats } from 'node:fs';
import { chmod, chown, lstat, mkdir, open, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseConfig } from '../../config/config.ts';
import { loginFiles } from '../../daemon/data-directory.ts';
import { errorCode } from '../../domain/trouble.ts';
import {
  attemptIfThere,
  FILE_MODE,
  nodeFiles,
  openRegular,
  parent,
  replaceFile,
  syncDirectory,
} from '../../storage/files.ts';
import { lockFile } from '../../storage/lock.ts';
import { createTokenFiles } from '../../storage/token-files.ts';
import type { Shell } from '../shell.ts';
import type { Machine, Step } from './steps.ts';

interface Move {
  readonly from: string;
  readonly to: string;
}

/** The end of the name of a copy from another file system, until the original is gone. */
const COPY = '.copy';

/**
 * Lists the folder's logins and measurements that move to the service, which must not run meanwhile. The service's own
 * files stay unchanged: two histories are not mixed, nor two logins of one person.
 */
export async function planMoves(
  shell: Shell,
  { paths: { state, settings }, folder, root }: Machine,
): Promise<{ readonly steps: readonly Step[]; readonly notes: readonly string[] }> {
  const env = shell.readDotenv(resolve(folder, '.env'));
  const { tokens, data } = parseConfig(env, 'files').readable.directories;
  const steps: Step[] = [];
  const notes: string[] = [];
  for (const [what, directory, name, moveFiles] of [
    ['logins', tokens, 'tokens', moveLogins],
    ['measurements', data, 'data', moveAll],
  ] as const) {
    const [from, to] = [resolve(folder, directory), `${state}/${name}`];
    const mark = createMark(settings, name);
    const begunIn = await mark.read();
    if (from === to || ((await contents(from)).length === 0 && begunIn !== from)) continue;
    if (begunIn !== undefined && begunIn !== from) {
      notes.push(`a move of the ${what} in ${begunIn} was interrupted. The ${what} in ${from} stay there.`);
      continue;
    }
    if (begunIn === undefined && (await contents(to)).length > 0) {
      notes.push(`the service already has ${what} in ${to}. The ${what} in ${from} stay there.`);
      continue;
    }
    const move = async () => {
      await takeOver(state, to, root);
      if (begunIn === undefined) await mark.put(from, to);
      await finishCopies({ from, to });
      if ((await contents(from)).length > 0) await moveFiles({ from, to });
      await mark.remove();
    };
    steps.push({ text: `move the ${what} from ${from} to ${to}`, run: move });
  }
  return { steps, notes };
}

/**
 * Gives the directories of the service to root, from the top down. Then no process of the service's user can put a link
 * into them, and the checks here stay valid. At its next start systemd finds another owner, and gives everything below
 * to the service's user without following links.
 */
async function takeOver(state: string, path: string, root: number): Promise<void> {
  await mkdir(state, { recursive: true, mode: 0o700 });
  // systemd's own link leads here, and only root can change that link.
  await own(state, root);
  await mkdir(path, { recursive: true, mode: 0o700 });
  if (!(await lstat(path)).isDirectory()) throw new Error(`${path} is a link. It must be a directory.`);
  await own(path, root);
}

async function own(path: string, root: number): Promise<void> {
  await chown(path, root, root);
  await chmod(path, 0o700);
}

/**
 * A file that names the source of a move. While it exists, an interrupted move continues. It is next to the settings,
 * where only root writes: systemd gives the content of the service's directory to the service's user.
 */
function createMark(settings: string, name: string) {
  const path = `${settings}/.moving-${name}`;
  return {
    /** It is also undefined for a user who may only look, with --dry-run. */
    read: async () => await readFile(path, 'utf8').catch(() => undefined),
    async put(from: string, to: string) {
      if ((await contents(to)).length > 0) throw new Error(`another program writes files to ${to}. Stop that program.`);
      await mkdir(settings, { recursive: true, mode: 0o700 });
      await replaceFile(nodeFiles, path, from);
    },
    async remove() {
      await rm(path);
      await syncDirectory(nodeFiles, settings);
    },
  };
}

/** Longer than Withings' answer to the process that has the lock. */
const LOCK_WAIT_MS = 60_000;

/**
 * Moves logins, each under its lock: a process that rotates one finishes first, and finds none the next time. Two
 * copies are never in use, because only one copy of a refresh token stays valid.
 */
async function moveLogins(move: Move): Promise<void> {
  for (const userId of await createTokenFiles(move.from).list()) {
    const { token, access, spare, lock } = loginFiles(userId);
    await using _lock = await lockFile(`${move.from}/${lock}`, AbortSignal.timeout(LOCK_WAIT_MS));
    for (const name of [access, spare, token]) await moveEntry(name, move);
    await rm(`${move.from}/${lock}`, { force: true });
  }
}

async function moveAll(move: Move): Promise<void> {
  for (const name of await contents(move.from)) await moveEntry(name, move);
}

/** Moves a file, or a directory file by file. An existing target stays, and fails the move. */
async function moveEntry(name: string, move: Move): Promise<void> {
  const [source, target] = [`${move.from}/${name}`, `${move.to}/${name}`];
  const stats = await found(source);
  if (stats === undefined) return;
  if (stats.isDirectory()) return await moveDirectory({ from: source, to: target });
  if ((await found(target)) !== undefined) throw new Error(`both ${source} and ${target} exist. Remove the older one.`);
  try {
    await rename(source, target);
  } catch (error) {
    if (errorCode(error) !== 'EXDEV') throw error;
    // On another file system, the copy is complete before the original goes. The service does not use the copy's name.
    await rm(`${target}${COPY}`, { force: true });
    await copy(source, `${target}${COPY}`);
    await syncDirectory(nodeFiles, move.to);
    await rm(source);
    await syncDirectory(nodeFiles, move.from);
    await rename(`${target}${COPY}`, target);
  }
  await syncDirectory(nodeFiles, move.from);
  await syncDirectory(nodeFiles, move.to);
}

async function moveDirectory(move: Move): Promise<void> {
  await mkdir(move.to, { recursive: true, mode: 0o700 });
  await finishCopies(move);
  await moveAll(move);
  await rm(`${move.from}/.gitignore`, { force: true });
  await rmdir(move.from);
  await syncDirectory(nodeFiles, parent(move.from));
}

/** A copy without its original was interrupted before it got its name. Any other copy is made again. */
async function finishCopies({ from, to }: Move): Promise<void> {
  for (const copied of await contents(to)) {
    if (!copied.endsWith(COPY)) continue;
    const name = copied.slice(0, -COPY.length);
    if ((await found(`${from}/${name}`)) === undefined) await rename(`${to}/${copied}`, `${to}/${name}`);
    else await rm(`${to}/${copied}`);
  }
}

/** Copies a file durably, without following a link. */
async function copy(from: string, to: string): Promise<void> {
  if ((await lstat(from)).isSymbolicLink()) throw new Error(`${from} is a link. Replace it with the file itself.`);
  await using source = await openRegular(from, constants.O_RDONLY | constants.O_NOFOLLOW);
  await using target = await open(to, 'wx', FILE_MODE);
  // A loop copies, because streams would close the files.
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

/** The names in a directory, without `.gitignore`, which belongs to the program; none without the directory. */
async function contents(path: string): Promise<readonly string[]> {
  const names = await readdir(path).catch(() => []);
  return names.filter((name) => name !== '.gitignore');
}
