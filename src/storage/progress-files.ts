import type { BackfillProgress, BackfillStore } from '../domain/backfill.ts';
import { parseTime } from '../domain/dates.ts';
import type { Log } from '../domain/log.ts';
import type { CursorStore } from '../domain/reading.ts';
import type { UserId } from '../domain/token.ts';
import { Trouble } from '../domain/trouble.ts';
import { attempt, attemptRead, type FileSystem, nodeFiles, readText, replaceFile } from './files.ts';
import { parseFields } from './json.ts';
import { lockFile } from './lock.ts';

/** 9999-12-31. No cursor is later, whatever a broken disk returns. */
const LATEST_SECONDS = 253_402_300_799;
const GUESS_MARGIN_MS = 7 * 24 * 3_600_000;

/**
 * One file per user: seconds since 1970 and a newline.
 *
 * @param directory where the files are; it exists
 */
export function createCursorFiles(directory: string, log: Log, files: FileSystem = nodeFiles): CursorStore {
  const pathOf = (userId: UserId) => `${directory}/${userId}`;

  /** The file was written when the cursor was about that time. */
  const guess = async (userId: UserId) => {
    const path = pathOf(userId);
    const { mtimeMs } = await attemptRead(`read ${path}`, () => files.stat(path));
    const text = `the cursor ${path} is not a time. Continuing from a week before the cursor was written.`;
    log.warn({ event: 'cursor_unreadable', text, userid: userId });
    return new Date(mtimeMs - GUESS_MARGIN_MS);
  };

  return {
    async load(userId) {
      const text = (await readText(files, pathOf(userId)))?.trim();
      if (text === undefined) return undefined;
      const seconds = /^[0-9]{1,12}$/.test(text) ? Number(text) : 0;
      return seconds > 0 && seconds <= LATEST_SECONDS ? new Date(seconds * 1000) : await guess(userId);
    },
    save: (userId, cursor) => replaceFile(files, pathOf(userId), `${Math.floor(cursor.getTime() / 1000)}\n`),
  };
}

/** Far longer than it takes to start flock(1). */
const LOCK_WAIT_MS = 5_000;

/**
 * One file per user, one line of JSON. It exists while a backfill runs, and after one was killed.
 *
 * @param directory where the files are; it exists
 */
export function createBackfillFiles(directory: string, files: FileSystem = nodeFiles): BackfillStore {
  const pathOf = (userId: UserId) => `${directory}/${userId}`;
  return {
    load: async (userId) => parseProgress(await readText(files, pathOf(userId))),
    save: (userId, progress) => replaceFile(files, pathOf(userId), `${JSON.stringify(progress)}\n`),
    remove: (userId) =>
      attempt(`clear the directory ${directory}`, async () => {
        for (const name of await files.readdir(directory)) {
          // This covers the file, and what a killed process left half-written.
          if (name === userId || name.startsWith(`${userId}.`)) await files.rm(`${directory}/${name}`, { force: true });
        }
      }),
    async lock() {
      const late = AbortSignal.timeout(LOCK_WAIT_MS);
      return await lockFile(`${directory}/.lock`, late).catch((error) => {
        throw late.aborted ? isRunning() : error;
      });
    },
  };
}

function isRunning(): Trouble {
  const hint = 'Wait until it ends, and start this one again.';
  return new Trouble('another backfill is running', { code: 'backfill_running', recovery: 'retry', hint });
}

function parseProgress(text: string | undefined): BackfillProgress | undefined {
  const fields = parseFields(text);
  const [since, until, next] = [parseTime(fields['since']), parseTime(fields['until']), parseTime(fields['next'])];
  const isUntilBroken = fields['until'] !== undefined && until === undefined;
  return since === undefined || next === undefined || isUntilBroken ? undefined : { since, until, next };
}
