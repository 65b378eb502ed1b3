import { execFileSync } from 'node:child_process';
import { appendFile, mkdir, open, readFile, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryDirectory } from './temporary.ts';

/** A file system of its own that can be filled up. */
export interface SmallDisk extends AsyncDisposable {
  readonly path: string;
  /** Fills the disk except for so many bytes. */
  fill(leaveBytes?: number): Promise<void>;
  makeRoom(): Promise<void>;
  /** Makes the disk read-only, as a failing SD card does. */
  setReadOnly(readOnly: boolean): Promise<void>;
}

/** Mounts a small disk; undefined without the right to mount one. */
export async function mountSmallDisk(kilobytes = 128): Promise<SmallDisk | undefined> {
  const directory = await temporaryDirectory();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'none', directory.path], { stdio: 'ignore' });
  } catch {
    await directory[Symbol.asyncDispose]();
    return undefined;
  }
  const ballast = `${directory.path}/ballast`;
  return {
    path: directory.path,
    async fill(leaveBytes = 0) {
      const reserve = `${directory.path}/leave`;
      await appendFile(reserve, Buffer.alloc(leaveBytes));
      const handle = await open(ballast, 'a');
      await handle.appendFile(Buffer.alloc(2 * kilobytes * 1024)).catch(() => undefined);
      await handle.close();
      await rm(reserve);
    },
    makeRoom: () => rm(ballast, { force: true }),
    async setReadOnly(readOnly) {
      // The kernel refuses while a file is open for writing, which lasts only briefly.
      for (let tries = 0; tries < 100; tries += 1) {
        try {
          execFileSync('mount', ['-o', `remount,${readOnly ? 'ro' : 'rw'}`, directory.path], { stdio: 'ignore' });
          return;
        } catch {
          await sleep(20);
        }
      }
      throw new Error('the disk cannot be remounted');
    },
    async [Symbol.asyncDispose]() {
      execFileSync('umount', [directory.path]);
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** A file system of its own on a device of its own, which counts what reaches it. */
export interface CountingDisk extends AsyncDisposable {
  readonly path: string;
  /** Returns the bytes written to the device so far, including unsynced ones. */
  written(): Promise<number>;
}

const SECTOR_BYTES = 512;

/** Mounts ext4, as on a Pi's card; undefined without the right to mount one. */
export async function mountCountingDisk(): Promise<CountingDisk | undefined> {
  const directory = await temporaryDirectory();
  const image = `${directory.path}/image`;
  const path = `${directory.path}/disk`;
  const run = (command: string, ...args: readonly string[]) =>
    execFileSync(command, args, { stdio: 'pipe' }).toString();
  let device: string;
  try {
    await mkdir(path);
    run('truncate', '--size', '256M', image);
    // ext4 initialises at once instead of later in the background.
    run('mkfs.ext4', '-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image);
    device = run('losetup', '--find', '--show', image).trim();
    run('mount', '-o', 'noatime', device, path);
  } catch {
    await directory[Symbol.asyncDispose]();
    return undefined;
  }
  return {
    path,
    async written() {
      run('sync', '--file-system', path);
      const figures = await readFile(`/sys/block/${device.replace('/dev/', '')}/stat`, 'utf8');
      return Number(figures.trim().split(/\s+/)[6]) * SECTOR_BYTES;
    },
    async [Symbol.asyncDispose]() {
      run('umount', path);
      run('losetup', '--detach', device);
      await directory[Symbol.asyncDispose]();
    },
  };
}

export const NO_MOUNT = 'mounting a small file system needs root';
