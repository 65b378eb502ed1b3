import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { errorCode, TOO_MANY_OPEN, Trouble } from '../domain/trouble.ts';

/** The file operations that storage is made of; a parameter, so that a test can fail or die at any one of them. */
export interface FileSystem {
  readonly open: typeof open;
  readonly readFile: (path: string) => Promise<Buffer>;
  readonly readdir: (path: string) => Promise<string[]>;
  readonly rename: typeof rename;
  readonly rm: typeof rm;
  readonly stat: typeof stat;
}

/**
 * Reads a regular file, and nothing else: reading a FIFO never ends, and neither does `/dev/zero`.
 *
 * @throws Trouble `not_a_file`
 */
async function readRegular(path: string): Promise<Buffer> {
  // Without O_NONBLOCK, opening a FIFO waits for a writer.
  await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const stats = await handle.stat();
  // Node itself refuses to read a directory.
  if (stats.isFile() || stats.isDirectory()) return await handle.readFile();
  const kind = stats.isFIFO() ? 'a FIFO' : stats.isSocket() ? 'a socket' : 'a device';
  throw new Trouble(`${path} is ${kind}, not a file`, {
    code: 'not_a_file',
    recovery: 'retry',
    hint: 'put a file in its place',
  });
}

export const nodeFiles: FileSystem = { open, readFile: readRegular, readdir, rename, rm, stat };

/** Logins and health data: for the owner alone. */
export const FILE_MODE = 0o600;
export const DIRECTORY_MODE = 0o700;
/** The end of the name of an unfinished file. */
const TEMPORARY = '.tmp';

/** Does `work`. Where the file system refuses it, throws a `Trouble` that says what could not be done. */
export async function attempt<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storageTrouble(doing, error);
  }
}

/** The same; undefined where a file is missing. */
export async function attemptIfThere<T>(doing: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw storageTrouble(doing, error);
  }
}

export function isMissing(error: unknown): boolean {
  return errorCode(error) === 'ENOENT';
}

/** Makes the directory where it is missing, 0700, and makes sure that it can be used. */
export async function makeDirectory(path: string): Promise<void> {
  await attempt(`write to the directory ${path}`, async () => {
    await mkdir(path, { recursive: true, mode: DIRECTORY_MODE });
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
  });
}

/** Undefined where there is no such file. */
export async function readBytes(files: FileSystem, path: string): Promise<Buffer | undefined> {
  return await attemptIfThere(`read ${path}`, () => files.readFile(path));
}

export async function readText(files: FileSystem, path: string): Promise<string | undefined> {
  return (await readBytes(files, path))?.toString('utf8');
}

/** A small file that is written under another name first: what can go wrong with the disk goes wrong before `commit`. */
export interface Reservation extends AsyncDisposable {
  /** Replaces the target, whole or not at all. When it returns, a power cut cannot undo it. */
  commit(text?: string): Promise<void>;
}

/** More than any token takes; one block on every file system. */
const ROOM = Buffer.alloc(2048, '\n');

/**
 * Takes room for a file of up to 2048 bytes beside `target`, before anything irreversible happens. File systems that
 * never overwrite in place (btrfs, f2fs) may still refuse the commit.
 *
 * @param options.content what `commit` puts into the target where it is not given another text
 * @param options.doing what a Trouble says could not be done
 */
export async function reserve(
  files: FileSystem,
  target: string,
  temporary: string,
  { content = ROOM, doing = `write ${target}` }: { readonly content?: string | Buffer; readonly doing?: string } = {},
): Promise<Reservation> {
  const handle = await attempt(doing, () => files.open(temporary, 'w', FILE_MODE));
  let isMoved = false;
  const dispose = async () => {
    if (isMoved) return;
    await handle.close().catch(() => undefined);
    await files.rm(temporary, { force: true }).catch(() => undefined);
  };
  try {
    await handle.chmod(FILE_MODE);
    await handle.writeFile(content);
    await handle.sync();
  } catch (error) {
    await dispose();
    throw storageTrouble(doing, error);
  }
  return {
    commit: (text) =>
      attempt(doing, async () => {
        if (text !== undefined) await overwrite(handle, Buffer.from(text));
        await handle.close();
        await files.rename(temporary, target);
        isMoved = true;
        await syncDirectory(files, parent(target));
      }),
    [Symbol.asyncDispose]: dispose,
  };
}

async function overwrite(handle: FileHandle, bytes: Buffer): Promise<void> {
  // The disk may take a part of the bytes and report how many.
  for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at, bytes.length - at, at)).bytesWritten;
  await handle.truncate(bytes.length);
  await handle.sync();
}

/** Replaces a small file durably. Several processes may do so: each writes under a name of its own. */
export async function replaceFile(files: FileSystem, target: string, content: string, doing?: string): Promise<void> {
  const temporary = `${target}.${randomBytes(4).toString('hex')}${TEMPORARY}`;
  await using file = await reserve(files, target, temporary, { content, ...(doing && { doing }) });
  await file.commit();
}

/** Removes what a killed process left half-written. Not for files that several processes write. */
export async function sweepTemporaryFiles(directory: string, files: FileSystem = nodeFiles): Promise<void> {
  for (const name of await files.readdir(directory)) {
    if (name.endsWith(TEMPORARY)) await files.rm(`${directory}/${name}`, { force: true });
  }
}

/** Without this a new name may be gone after a power cut although its file was synced. */
export async function syncDirectory(files: FileSystem, path: string): Promise<void> {
  const handle = await files.open(path, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export function parent(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

/** An error of the file system as a Trouble for the person who can repair it. Any other error comes back as it is. */
export function storageTrouble(doing: string, error: unknown): unknown {
  const code = errorCode(error);
  if (error instanceof Trouble || code === undefined) return error;
  const { name, hint } = CAUSES[code] ?? { name: 'storage_failed', hint: 'look at the disk ("dmesg")' };
  return new Trouble(`cannot ${doing} (${code})`, { code: name, recovery: 'retry', hint });
}

const NOT_A_DIRECTORY = { name: 'not_a_directory', hint: 'there is a file where a directory should be' };
const NO_PERMISSION = {
  name: 'no_permission',
  hint: 'run this as the user that owns it, or give the directory to the user that runs weighbridge',
};

const CAUSES: Readonly<Record<string, { readonly name: string; readonly hint: string }>> = {
  ENOSPC: { name: 'disk_full', hint: 'the disk is full; make room, it goes on by itself' },
  EDQUOT: { name: 'disk_full', hint: 'the quota is used up; make room, it goes on by itself' },
  EISDIR: { name: 'not_a_file', hint: 'there is a directory where a file should be' },
  EEXIST: NOT_A_DIRECTORY,
  ENOTDIR: NOT_A_DIRECTORY,
  EROFS: { name: 'read_only', hint: 'the file system is read-only; an SD card does that when it is dying' },
  ...Object.fromEntries(Object.entries(TOO_MANY_OPEN).map(([code, hint]) => [code, { name: 'too_many_open', hint }])),
  EACCES: NO_PERMISSION,
  EPERM: NO_PERMISSION,
};
