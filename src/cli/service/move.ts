import { chown, cp, lchown, lstat, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseConfig } from '../../config/config.ts';
import { loginFiles } from '../../daemon/data-directory.ts';
import { errorCode } from '../../domain/trouble.ts';
import { lockFile } from '../../storage/lock.ts';
import { createTokenFiles } from '../../storage/token-files.ts';
import type { RunProgram } from '../../systemd/control.ts';
import type { Shell } from '../shell.ts';
import type { ServiceWorld } from './status.ts';

interface Move {
  readonly from: string;
  readonly to: string;
}

/** What of this folder the service shall go on with. At most one of each. */
export interface Moves {
  readonly logins: readonly Move[];
  readonly data: readonly Move[];
  readonly notes: readonly string[];
}

/** Whatever the service has already stays as it is: two histories are not mixed, nor two logins of one person. */
export async function planMoves(shell: Shell, { paths: { state }, folder }: ServiceWorld): Promise<Moves> {
  const env = shell.readDotenv(resolve(folder, '.env'));
  const { directories } = parseConfig(env, 'files').readable;
  const [logins, data] = [
    { from: resolve(folder, directories.tokens), to: `${state}/tokens` },
    { from: resolve(folder, directories.data), to: `${state}/data` },
  ];
  const notes: string[] = [];
  const isNeeded = async ({ from, to }: Move, what: string) => {
    if (from === to || (await contents(from)).length === 0) return false;
    if ((await contents(to)).length === 0) return true;
    notes.push(`the service has ${what} of its own in ${to}; those in ${from} are left alone`);
    return false;
  };
  return {
    logins: (await isNeeded(logins, 'logins')) ? [logins] : [],
    data: (await isNeeded(data, 'measurements')) ? [data] : [],
    notes,
  };
}

/** How long a login may be busy: the answer of Withings and a little more. */
const LOCK_PATIENCE_MS = 60_000;

interface MoveOptions {
  readonly run: RunProgram;
  /** The directory to whose owner everything belongs afterwards. */
  readonly owner: string;
}

/**
 * Moves logins, each under its lock: whoever rotates one finishes first, and finds none the next time. They are never
 * copied, because of two copies of a refresh token only one lives on.
 */
export async function moveLogins(from: string, to: string, options: MoveOptions): Promise<void> {
  await makeOwned(to, options);
  for (const userId of await createTokenFiles(from).list()) {
    const { token, access, lock } = loginFiles(userId);
    await using _lock = await lockFile(`${from}/${lock}`, AbortSignal.timeout(LOCK_PATIENCE_MS));
    for (const name of [token, access, lock]) await moveEntry(name, from, to, options);
  }
  await finish(to, options);
}

export async function moveData(from: string, to: string, options: MoveOptions): Promise<void> {
  await makeOwned(to, options);
  for (const name of await contents(from)) await moveEntry(name, from, to, options);
  await finish(to, options);
}

/** What is in a directory, but for what belongs to the folder of the program; nothing where there is none. */
async function contents(path: string): Promise<readonly string[]> {
  const names = await readdir(path).catch(() => []);
  return names.filter((name) => name !== '.gitignore');
}

async function makeOwned(path: string, { owner }: MoveOptions): Promise<void> {
  await mkdir(owner, { recursive: true, mode: 0o700 });
  await mkdir(path, { recursive: true, mode: 0o700 });
  // The service's user could have put it there, and root shall not give away what it leads to.
  if ((await lstat(path)).isSymbolicLink()) throw new Error(`${path} is a link, and must be a directory`);
}

async function moveEntry(name: string, from: string, to: string, { run }: MoveOptions): Promise<void> {
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

/** Gives it to whom the service's directory belongs. As long as that is root, systemd does the same at the start. */
async function finish(path: string, { owner, run }: MoveOptions): Promise<void> {
  const { uid, gid } = await stat(owner);
  await chown(path, uid, gid);
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true }))
    await lchown(`${entry.parentPath}/${entry.name}`, uid, gid);
  await run('sync', []);
}
