import type { BackfillProgress, BackfillStore } from '../domain/backfill.ts';
import { parseTime } from '../domain/dates.ts';
import { type FileSystem, isMissing, nodeFiles, replaceFile, storageTrouble } from './files.ts';

/**
 * One file per user, one line of JSON. It is there while a backfill runs, or was killed.
 *
 * @param directory where the files are; it exists
 */
export function createBackfillFiles(directory: string, files: FileSystem = nodeFiles): BackfillStore {
  return {
    async load(userId) {
      const path = `${directory}/${userId}`;
      try {
        return parseProgress((await files.readFile(path)).toString('utf8'));
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw storageTrouble(`read ${path}`, error);
      }
    },
    async save(userId, progress) {
      const path = `${directory}/${userId}`;
      try {
        await replaceFile(files, path, `${JSON.stringify(progress)}\n`);
      } catch (error) {
        throw storageTrouble(`write ${path}`, error);
      }
    },
    async remove(userId) {
      try {
        for (const name of await files.readdir(directory)) {
          // Beside the file itself, what a killed process left half-written.
          if (name === userId || name.startsWith(`${userId}.`)) await files.rm(`${directory}/${name}`, { force: true });
        }
      } catch (error) {
        throw storageTrouble(`clear the directory ${directory}`, error);
      }
    },
  };
}

function parseProgress(text: string): BackfillProgress | undefined {
  let value: { readonly since?: unknown; readonly until?: unknown; readonly next?: unknown } | null;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const [since, next] = [parseTime(value?.since), parseTime(value?.next)];
  const until = parseTime(value?.until);
  if (since === undefined || next === undefined || (value?.until !== undefined && until === undefined))
    return undefined;
  return { since, until, next };
}
