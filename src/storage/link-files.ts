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

/** A link is good for a quarter of an hour. The rest is for a clock that is set back. */
const KEPT_MS = 30 * 24 * 3_600_000;

/** A file without a user id that is older than this is no longer written: the disk or the process failed. */
const WRITTEN_MS = 60_000;

/**
 * One file for each link that was used, named by the id of the link: the user id and a newline. A link works again only
 * where its signed time says so, so files of the last month suffice.
 *
 * @param directory made when missing
 */
export function createLinkFiles(directory: string, files: FileSystem = nodeFiles): UsedLinks {
  /** The id comes with our signature, and still never names a file outside of the directory. */
  const pathOf = (id: string) => `${directory}/${Buffer.from(id).toString('hex')}`;

  const userOf = async (id: string) => parseUserId((await readText(files, pathOf(id)))?.trim());

  const sweep = async () => {
    for (const name of await attemptRead(`read the directory ${directory}`, () => files.readdir(directory))) {
      const path = `${directory}/${name}`;
      const ageMs = Date.now() - (await attemptRead(`read ${path}`, () => files.stat(path))).mtimeMs;
      if (ageMs > KEPT_MS) await files.rm(path, { force: true });
    }
  };

  /** Removes a file that says nothing, where no process can be writing it any more. */
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
