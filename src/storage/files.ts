import { randomBytes } from 'node:crypto';
import { constants, type PathLike } from 'node:fs';
import { access, chmod, type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { errorCode, TOO_MANY_OPEN, Trouble } from '../domain/trouble.ts';
import { fileWatch } from './file-watch.ts';

/** The file operations that storage uses. They are a parameter, so that a test can fail or die at each of them. */
export interface FileSystem {
  readonly open: typeof open;
  readonly readFile: (path: string) => Promise<Buffer>;
  readonly readdir: (path: string) => Promise<string[]>;
  readonly rename: typeof rename;
  readonly rm: typeof rm;
  readonly stat: typeof stat;
}

/** Far more than any file that weighbridge reads whole. The largest one grows with the broker's retained topics. */
const MOST_BYTES = 16 * 1024 * 1024;

/** The flags of open(2). Without O_NONBLOCK, opening a FIFO waits for its other end. */
const FLAGS: Readonly<Record<string, number>> = {
  r: constants.O_RDONLY,
  'r+': constants.O_RDWR,
  w: constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC,
  wx: constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
  a: constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND,
  'a+': constants.O_RDWR | constants.O_CREAT | constants.O_APPEND,
};

/**
 * Opens only a regular file or a directory: a FIFO may never end, and neither does `/dev/zero`.
 *
 * @throws Trouble `not_a_file`
 */
export const openRegular: typeof open = async (path, flags = 'r', mode) => {
  const bits = typeof flags === 'number' ? flags : (FLAGS[flags] ?? constants.O_RDONLY);
  const handle = await open(path, bits | constants.O_NONBLOCK, mode).catch((error: unknown) => {
    // A FIFO or a socket without its other end.
    throw errorCode(error) === 'ENXIO' ? notAFile(path, 'a FIFO or a socket') : error;
  });
  const stats = await handle.stat().catch(async (error: unknown) => {
    await handle.close().catch(() => undefined);
    throw error;
  });
  if (stats.isFile() || stats.isDirectory()) return handle;
  await handle.close().catch(() => undefined);
  throw notAFile(path, stats.isFIFO() ? 'a FIFO' : 'a device');
};

function notAFile(path: PathLike, kind: string): Trouble {
  return new Trouble(`${path} is ${kind}, not a file`, {
    code: 'not_a_file',
    recovery: 'retry',
    hint: `Replace it with a file, or remove it: rm ${path}`,
  });
}

/** @throws Trouble `not_a_file`, `too_large` */
async function readRegular(path: string): Promise<Buffer> {
  await using handle = await openRegular(path);
  const { size } = await handle.stat();
  if (size <= MOST_BYTES) return await handle.readFile();
  throw new Trouble(`${path} has ${size} bytes, which is too large`, {
    code: 'too_large',
    recovery: 'retry',
    hint: `Check the file, and move it away: mv ${path} ${path}.large`,
  });
}

export const nodeFiles: FileSystem = { open: openRegular, readFile: readRegular, readdir, rename, rm, stat };

/** Logins and health data are for the owner alone. */
export const FILE_MODE = 0o600;
export const DIRECTORY_MODE = 0o700;
/** The end of the name of an unfinished file. */
const TEMPORARY = '.tmp';

/** Does `work`. If the file system refuses, throws a `Trouble` that names what failed. */
export async function attempt<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await fileWatch.track(doing, work);
  } catch (error) {
    throw storageTrouble(doing, error);
  }
}

/** The same for a read. It gives up if the file system does not answer. */
export async function attemptRead<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await fileWatch.read(doing, work);
  } catch (error) {
    throw storageTrouble(doing, error);
  }
}

/** The same. Undefined if a file is missing. */
export async function attemptIfThere<T>(doing: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await fileWatch.read(doing, work);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw storageTrouble(doing, error);
  }
}

export function isMissing(error: unknown): boolean {
  return errorCode(error) === 'ENOENT';
}

const WRITABLE_BY_OTHERS = 0o022;

/**
 * Makes a missing directory with mode 0700, and checks that it can be used. If others may write to our directory (after
 * a clone, or by the umask), it is closed to them.
 */
export async function makeDirectory(path: string): Promise<void> {
  await attempt(`write to the directory ${path}`, async () => {
    await mkdir(path, { recursive: true, mode: DIRECTORY_MODE });
    const { mode } = await stat(path);
    // Only the owner may do so. `doctor` reports the rest.
    if ((mode & WRITABLE_BY_OTHERS) !== 0) await chmod(path, DIRECTORY_MODE).catch(() => undefined);
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
  });
}

/** Undefined if the file does not exist. */
export async function readText(files: FileSystem, path: string): Promise<string | undefined> {
  return (await attemptIfThere(`read ${path}`, () => files.readFile(path)))?.toString('utf8');
}

/** A small file that is written under another name first, so that the disk fails before `commit`. */
export interface Reservation extends AsyncDisposable {
  /**
   * Replaces the whole target or nothing. After it returns, a power cut cannot undo it.
   *
   * @param check runs after all writes, right before the replacement; it may throw
   */
  commit(text?: string, check?: () => Promise<void>): Promise<void>;
  /** If `check` refused the target: keeps the written file under this name in the directory, without more space. */
  keepAs(other: string): Promise<void>;
}

/** More than any token needs. It is one block on every file system. */
const ROOM = Buffer.alloc(2048, '\n');

/**
 * Reserves space for a file of up to 2048 bytes next to `target`, before anything irreversible happens. File systems
 * that never overwrite in place (btrfs, f2fs) may still refuse the commit.
 *
 * @param options.content the text that `commit` writes if it gets no other
 * @param options.doing the failed action, for a Trouble
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
  const moveTo = async (path: string) => {
    await files.rename(temporary, path);
    isMoved = true;
    await syncDirectory(files, parent(path));
  };
  return {
    commit: (text, check) =>
      attempt(doing, async () => {
        if (text !== undefined) await overwrite(handle, Buffer.from(text));
        await handle.close();
        await check?.();
        await moveTo(target);
      }),
    keepAs: (other) => attempt(`write ${other}`, () => moveTo(other)),
    [Symbol.asyncDispose]: dispose,
  };
}

async function overwrite(handle: FileHandle, bytes: Buffer): Promise<void> {
  // The disk may write only some of the bytes and report how many.
  for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at, bytes.length - at, at)).bytesWritten;
  await handle.truncate(bytes.length);
  await handle.sync();
}

/** Replaces a small file durably. Several processes may do so, because each writes under its own name. */
export async function replaceFile(files: FileSystem, target: string, content: string, doing?: string): Promise<void> {
  const temporary = `${target}.${randomBytes(4).toString('hex')}${TEMPORARY}`;
  await using file = await reserve(files, target, temporary, { content, ...(doing && { doing }) });
  await file.commit();
}

/** Removes the half-written files of a killed process. It is not for files that several processes write. */
export async function sweepTemporaryFiles(directory: string, files: FileSystem = nodeFiles): Promise<void> {
  for (const name of await files.readdir(directory)) {
    // A file that cannot be removed must not prevent the start.
    if (name.endsWith(TEMPORARY)) await files.rm(`${directory}/${name}`, { force: true }).catch(() => undefined);
  }
}

/** Without this, a power cut may remove a new name although its file was synced. */
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

/** An error of the file system as a Trouble for the person who can repair it. Any other error is returned unchanged. */
export function storageTrouble(doing: string, error: unknown): unknown {
  const code = errorCode(error);
  if (error instanceof Trouble || code === undefined) return error;
  const { name, hint } = CAUSES[code] ?? { name: 'storage_failed', hint: 'Check the disk with "dmesg".' };
  return new Trouble(`cannot ${doing} (${code})`, {
    code: name,
    recovery: 'retry',
    hint: typeof hint === 'string' ? hint : hint(directoryOf(error), isOwn(error)),
  });
}

/** The directory of the failed call: the file's directory, or the directory itself. */
function directoryOf(error: unknown): string {
  const { path = '.', syscall = '' } = error as NodeJS.ErrnoException;
  return resolve(['scandir', 'access'].includes(syscall) ? path : parent(path));
}

/** Whether weighbridge made the directory. False if making a directory in it failed, and for the working directory. */
function isOwn(error: unknown): boolean {
  const { syscall } = error as NodeJS.ErrnoException;
  return syscall !== 'mkdir' && !`${resolve('.')}/`.startsWith(`${directoryOf(error)}/`.replace('//', '/'));
}

/** The name of this user, or a stand-in for a user without a name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'USER';
  }
}

interface Cause {
  readonly name: string;
  readonly hint: string | ((directory: string, isOwn: boolean) => string);
}

const NOT_A_DIRECTORY: Cause = {
  name: 'not_a_directory',
  hint: 'A file is in the place of a directory. Move the file away.',
};
const NO_PERMISSION: Cause = {
  name: 'no_permission',
  hint: (directory, isOwn) =>
    isOwn
      ? `Give the files to this user: sudo chown -R ${userName()} ${quote(directory)}`
      : 'Use a folder of your own: mkdir ~/weighbridge && cd ~/weighbridge',
};

const CAUSES: Readonly<Record<string, Cause>> = {
  ENOSPC: { name: 'disk_full', hint: 'The disk is full. Free some space. weighbridge retries automatically.' },
  EDQUOT: { name: 'disk_full', hint: 'The disk quota is used up. Free some space. weighbridge retries automatically.' },
  EISDIR: { name: 'not_a_file', hint: 'A directory is in the place of a file. Move the directory away.' },
  EEXIST: NOT_A_DIRECTORY,
  ENOTDIR: NOT_A_DIRECTORY,
  EROFS: {
    name: 'read_only',
    hint: (directory) =>
      `The file system is read-only. SD cards often become read-only when they fail. Back up the files. Then make it writable: sudo mount -o remount,rw "$(findmnt -no TARGET -T ${quote(directory)})"`,
  },
  ...Object.fromEntries(Object.entries(TOO_MANY_OPEN).map(([code, hint]) => [code, { name: 'too_many_open', hint }])),
  EACCES: NO_PERMISSION,
  EPERM: NO_PERMISSION,
};

/** A path, quoted for a shell. */
function quote(path: string): string {
  return /^[\w./@%+=:,-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
