import { parseSeconds } from '../domain/dates.ts';
import type { Log } from '../domain/log.ts';
import type { CursorStore } from '../domain/reading.ts';
import type { UserId } from '../domain/token.ts';
import { type FileSystem, isMissing, nodeFiles, replaceFile, storageTrouble } from './files.ts';

const GUESS_MARGIN_MS = 7 * 24 * 3_600_000;

/**
 * One file per user: seconds since 1970 and a newline.
 *
 * @param directory where the files are; it exists
 */
export function createCursorFiles(directory: string, log: Log, files: FileSystem = nodeFiles): CursorStore {
  const path = (userId: UserId) => `${directory}/${userId}`;

  /** The file was written when the cursor was about that time. */
  const guess = async (userId: UserId) => {
    const { mtimeMs } = await files.stat(path(userId));
    const cursor = new Date(mtimeMs - GUESS_MARGIN_MS);
    const text = `the cursor ${path(userId)} is no time; going on from a week before it was written`;
    log.warn({ event: 'cursor_unreadable', text, userid: userId });
    return cursor;
  };

  return {
    async load(userId) {
      try {
        const text = (await files.readFile(path(userId))).toString('utf8').trim();
        const cursor = parseSeconds(text);
        return cursor !== undefined && cursor.getTime() > 0 ? cursor : await guess(userId);
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw storageTrouble(`read ${path(userId)}`, error);
      }
    },
    async save(userId, cursor) {
      try {
        await replaceFile(files, path(userId), `${Math.floor(cursor.getTime() / 1000)}\n`);
      } catch (error) {
        throw storageTrouble(`write ${path(userId)}`, error);
      }
    },
  };
}
