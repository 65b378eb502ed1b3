import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { errorCode, Trouble } from '../domain/trouble.ts';

/** The file operations that storage is made of; a parameter, so that a test can fail or die at any one of them. */
export interface FileSystem {
  readonly open: typeof open;
  readonly readFile: (path: string) => Promise<Buffer>;
  readonly readdir: (path: string) => Promise<string[]>;
  readonly rename: typeof rename;
  readonly rm: typeof rm;
  readonly stat: typeof stat;
}

export const nodeFiles: FileSystem = { open, readFile, readdir, rename, rm, stat };

/** Only the owner reads what stands here: logins and health data. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
/** How the name of a file ends that is not whole yet. */
const TEMPORARY = '.tmp';

/** Makes the directory where it is missing, 0700, and makes sure that it can be used. */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: DIRECTORY_MODE });
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw storageTrouble(`write to the directory ${path}`, error);
  }
}

/** A place for a file that is as good as written: whatever can go wrong with the disk has gone wrong before. */
export interface Reservation extends AsyncDisposable {
  /** Puts `text` in the place of the target, whole or not at all. When it returns, a power cut cannot undo it. */
  commit(text: string): Promise<void>;
}

/** More than any token or cursor takes; one block on every file system. */
const RESERVED_BYTES = 2048;

/**
 * Takes room for a file of up to 2048 bytes beside `target` and has it on the disk before anything irreversible
 * happens. File systems that never overwrite in place (btrfs, f2fs) may still refuse the commit.
 */
export async function reserve(files: FileSystem, target: string, temporary: string): Promise<Reservation> {
  const handle = await files.open(temporary, 'w', FILE_MODE);
  try {
    await handle.chmod(FILE_MODE);
    await handle.writeFile(Buffer.alloc(RESERVED_BYTES, '\n'));
    await handle.sync();
  } catch (error) {
    await handle.close().catch(() => undefined);
    await files.rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  let open = true;
  return {
    async commit(text) {
      await handle.truncate(await writeFromStart(handle, Buffer.from(text)));
      await handle.sync();
      await handle.close();
      await files.rename(temporary, target);
      open = false;
      await syncDirectory(files, parent(target));
    },
    async [Symbol.asyncDispose]() {
      if (!open) return;
      await handle.close().catch(() => undefined);
      await files.rm(temporary, { force: true }).catch(() => undefined);
    },
  };
}

/** A disk may take a part of what it is given and say so. */
async function writeFromStart(handle: FileHandle, bytes: Buffer): Promise<number> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.length - at, at);
    at += bytesWritten;
  }
  return bytes.length;
}

/** Replaces a small file durably. */
export async function replaceFile(files: FileSystem, target: string, text: string): Promise<void> {
  await using slot = await reserve(files, target, `${target}.${randomBytes(4).toString('hex')}${TEMPORARY}`);
  await slot.commit(text);
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

export function isMissing(error: unknown): boolean {
  return errorCode(error) === 'ENOENT';
}

/**
 * Says what could not be done, in the words of the person who can mend it. What is not a failure of the file system comes back as it is.
 */
export function storageTrouble(doing: string, error: unknown): unknown {
  const code = errorCode(error);
  if (error instanceof Trouble || code === undefined) return error;
  const { name, hint } = CAUSES[code] ?? { name: 'storage_failed', hint: 'look at the disk ("dmesg")' };
  return new Trouble(`cannot ${doing} (${code})`, { code: name, recovery: 'retry', hint });
}

const CAUSES: Readonly<Record<string, { readonly name: string; readonly hint: string }>> = {
  ENOSPC: { name: 'disk_full', hint: 'the disk is full; make room, it goes on by itself' },
  EDQUOT: { name: 'disk_full', hint: 'the quota is used up; make room, it goes on by itself' },
  EISDIR: { name: 'not_a_file', hint: 'there is a directory where a file should be' },
  EEXIST: { name: 'not_a_directory', hint: 'there is a file where a directory should be' },
  ENOTDIR: { name: 'not_a_directory', hint: 'there is a file where a directory should be' },
  EROFS: { name: 'read_only', hint: 'the file system is read-only; an SD card does that when it is dying' },
  EACCES: {
    name: 'no_permission',
    hint: 'run this as the user that owns it, or give the directory to the user that runs weighbridge',
  },
  EPERM: {
    name: 'no_permission',
    hint: 'run this as the user that owns it, or give the directory to the user that runs weighbridge',
  },
};
