import { execFileSync } from 'node:child_process';
import { appendFile, open, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryDirectory } from './temporary.ts';

/** A file system of its own that can be filled up. */
export interface SmallDisk extends AsyncDisposable {
  readonly path: string;
  /** Takes all the room there is, but for so many bytes of it. */
  fill(leaveBytes?: number): Promise<void>;
  makeRoom(): Promise<void>;
  /** As an SD card does when it is dying. */
  setReadOnly(readOnly: boolean): Promise<void>;
}

/** Undefined where this machine does not let us mount one. */
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
      // The kernel refuses while somebody has a file open for writing, which nobody has for long.
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

export const NO_MOUNT = 'mounting a small file system needs root';
