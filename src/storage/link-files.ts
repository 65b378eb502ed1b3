import type { UsedLinks } from '../domain/link.ts';
import { parseUserId } from '../domain/token.ts';
import { errorCode } from '../domain/trouble.ts';
import {
  attempt,
  attemptRead,
  FILE_MODE,
  type FileSystem,
  makeDirectory,
  nodeFiles,
  readText,
  syncDirectory,
} from './files.ts';

/** A link is valid for 15 minutes. The rest allows for a clock that is set back. */
const KEPT_MS = 30 * 24 * 3_600_000;

/** No process still writes a file without a user id that is older than this: the disk or the process failed. */
const WRITTEN_MS = 60_000;

/**
 * One file for each used link, named by the link's id. It holds the user id and a newline. A link's signed time limits
 * its use, so the files of the last month suffice.
 *
 * @param directory created if missing
 */
export function createLinkFiles(directory: string, files: FileSystem = nodeFiles): UsedLinks {
  /** The id carries our signature. Even so, it never names a file outside the directory. */
  const pathOf = (id: string) => `${directory}/${Buffer.from(id).toString('hex')}`;

  const userOf = async (id: string) => parseUserId((await readText(files, pathOf(id)))?.trim());

  const sweep = async () => {
    for (const name of await attemptRead(`read the directory ${directory}`, () => files.readdir(directory))) {
      const path = `${directory}/${name}`;
      const ageMs = Date.now() - (await attemptRead(`read ${path}`, () => files.stat(path))).mtimeMs;
      if (ageMs > KEPT_MS) await files.rm(path, { force: true });
    }
  };

  /** Removes an empty file that no process can still be writing. */
  const dropBroken = async (id: string) => {
    const path = pathOf(id);
    const stats = await files.stat(path).catch(() => undefined);
    if (stats === undefined || Date.now() - stats.mtimeMs < WRITTEN_MS) return;
    if ((await userOf(id)) === undefined) await files.rm(path, { force: true });
  };

  return {
    userOf,
    async claim(id, userId) {
      await makeDirectory(directory);
      await sweep().catch(() => undefined);
      await dropBroken(id);
      const path = pathOf(id);
      const isOurs = await attempt(`write ${path}`, async () => {
        const handle = await files.open(path, 'wx', FILE_MODE).catch((error: unknown) => {
          if (errorCode(error) === 'EEXIST') return undefined;
          throw error;
        });
        if (handle === undefined) return false;
        try {
          await handle.writeFile(`${userId}\n`);
          await handle.sync();
          await syncDirectory(files, directory);
        } catch (error) {
          await files.rm(path, { force: true }).catch(() => undefined);
          throw error;
        } finally {
          await handle.close();
        }
        return true;
      });
      // The other process may not have written its line yet.
      return isOurs ? 'claimed' : ((await userOf(id)) ?? userId);
    },
    release: (id) =>
      attempt(`remove ${pathOf(id)}`, async () => {
        await files.rm(pathOf(id), { force: true });
        await syncDirectory(files, directory);
      }),
  };
}
