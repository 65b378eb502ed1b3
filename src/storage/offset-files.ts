import type { Log } from '../domain/log.ts';
import type { JournalOffset, OffsetStore } from '../domain/publisher.ts';
import { type FileSystem, isMissing, nodeFiles, replaceFile, storageTrouble } from './files.ts';

/** A place that no journal has: whoever goes on from it begins with the first line. */
const NOWHERE: JournalOffset = { bytes: 0, file: '' };

/**
 * One file per publisher: the bytes of the journal that it has behind it, and which file they are of.
 *
 * @param directory where the files are; it exists
 */
export function createOffsetFiles(directory: string, log: Log, files: FileSystem = nodeFiles): OffsetStore {
  const path = (publisher: string) => `${directory}/${publisher}`;
  return {
    async load(publisher) {
      let text: string;
      try {
        text = (await files.readFile(path(publisher))).toString('utf8');
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw storageTrouble(`read ${path(publisher)}`, error);
      }
      const [, bytes, file] = /^([0-9]{1,15}) (.+)\n$/.exec(text) ?? [];
      if (bytes !== undefined && file !== undefined) return { bytes: Number(bytes), file };
      // Neither the end, which would pass over what nobody has had, nor a guess.
      const what = `${path(publisher)} is no place in the journal; ${publisher} goes on from the beginning of it`;
      log.warn({ event: 'offset_unreadable', text: what, publisher });
      return NOWHERE;
    },
    async save(publisher, { bytes, file }) {
      try {
        await replaceFile(files, path(publisher), `${bytes} ${file}\n`);
      } catch (error) {
        throw storageTrouble(`write ${path(publisher)}`, error);
      }
    },
  };
}
