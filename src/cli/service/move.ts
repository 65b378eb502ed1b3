import { chown, cp, lchown, lstat, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseConfig } from '../../config/config.ts';
import { loginFiles } from '../../daemon/data-directory.ts';
import { errorCode } from '../../domain/trouble.ts';
import { lockFile } from '../../storage/lock.ts';
import { createTokenFiles } from '../../storage/token-files.ts';
import type { RunProgram } from '../../systemd/control.ts';
import type { Shell } from '../shell.ts';
import type { Machine, Step } from './steps.ts';

interface Move {
  readonly from: string;
  readonly to: string;
  readonly run: RunProgram;
}

/**
 * Which logins and measurements of the folder go to the service. The files that the service has already stay as they
 * are: two histories are not mixed, nor two logins of one person.
 */
export async function planMoves(
  shell: Shell,
  { paths: { state }, folder, run }: Machine,
): Promise<{ readonly steps: readonly Step[]; readonly notes: readonly string[] }> {
  const env = shell.readDotenv(resolve(folder, '.env'));
  const { tokens, data } = parseConfig(env, 'files').readable.directories;
  const steps: Step[] = [];
  const notes: string[] = [];
  for (const [what, directory, to, moveFiles] of [
    ['logins', tokens, `${state}/tokens`, moveLogins],
    ['measurements', data, `${state}/data`, moveData],
  ] as const) {
    const from = resolve(folder, directory);
    if (from === to || (await contents(from)).length === 0) continue;
    if ((await contents(to)).length > 0) {
      notes.push(`the service has ${what} of its own in ${to}; those in ${from} are left alone`);
      continue;
    }
    const moveAll = async () => {
      await makeDirectories(state, to);
      await moveFiles({ from, to, run });
      await giveToOwnerOf(state, to);
      await run('sync', []);
    };
    steps.push({ text: `move the ${what} in ${from} to ${to}`, run: moveAll });
  }
  return { steps, notes };
}

/** The answer of Withings to the process that has the lock, and a little more. */
const LOCK_WAIT_MS = 60_000;

/**
 * Moves logins, each under its lock: a process that rotates one finishes first, and finds none the next time. They are
 * never copied, because of two copies of a refresh token only one stays valid.
 */
async function moveLogins(move: Move): Promise<void> {
  for (const userId of await createTokenFiles(move.from).list()) {
    const { token, access, lock } = loginFiles(userId);
    await using _lock = await lockFile(`${move.from}/${lock}`, AbortSignal.timeout(LOCK_WAIT_MS));
    for (const name of [token, access, lock]) await moveEntry(name, move);
  }
}

async function moveData(move: Move): Promise<void> {
  for (const name of await contents(move.from)) await moveEntry(name, move);
}

async function moveEntry(name: string, { from, to, run }: Move): Promise<void> {
  try {
    await rename(`${from}/${name}`, `${to}/${name}`);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT') return;
    if (code !== 'EXDEV') throw error;
    // Another disk: only what is safely there is removed here.
    await cp(`${from}/${name}`, `${to}/${name}`, { recursive: true, preserveTimestamps: true });
    await run('sync', []);
    await rm(`${from}/${name}`, { recursive: true });
  }
}

/** The names in a directory, without `.gitignore`, which belongs to the program; none where there is no directory. */
async function contents(path: string): Promise<readonly string[]> {
  const names = await readdir(path).catch(() => []);
  return names.filter((name) => name !== '.gitignore');
}

async function makeDirectories(state: string, path: string): Promise<void> {
  for (const each of [state, path]) await mkdir(each, { recursive: true, mode: 0o700 });
  // The service's user could have made the link, and root shall not give away what it leads to.
  if ((await lstat(path)).isSymbolicLink()) throw new Error(`${path} is a link, and must be a directory`);
}

/** As long as the owner is root, systemd does the same at the start. */
async function giveToOwnerOf(state: string, path: string): Promise<void> {
  const { uid, gid } = await stat(state);
  await chown(path, uid, gid);
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true }))
    await lchown(`${entry.parentPath}/${entry.name}`, uid, gid);
}
