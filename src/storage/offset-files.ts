import type { Log } from '../domain/log.ts';
import type { JournalMark, JournalOffset, OffsetStore } from '../domain/publisher.ts';
import { type FileSystem, isMissing, nodeFiles, replaceFile, storageTrouble } from './files.ts';

/** A place that no journal has: whoever goes on from it begins with the first line. */
const NOWHERE: JournalOffset = { bytes: 0, file: '', marks: [] };

/**
 * One file per publisher: the bytes of the journal that it has behind it, and which file they are of; under that a line
 * for each mark. A file without marks is read as well.
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
      const [first = '', ...rest] = text.split('\n');
      const [, digits, file] = /^([0-9]{1,15}) (.+)$/.exec(first) ?? [];
      const bytes = Number(digits);
      if (file !== undefined && rest.at(-1) === '') {
        return { bytes, file, marks: rest.flatMap(decodeMark).filter((mark) => mark.bytes <= bytes) };
      }
      // Neither the end, which would pass over what nobody has had, nor a guess.
      const what = `${path(publisher)} is no place in the journal; ${publisher} goes on from the beginning of it`;
      log.warn({ event: 'offset_unreadable', text: what, publisher });
      return NOWHERE;
    },
    async save(publisher, { bytes, file, marks }) {
      const lines = [`${bytes} ${file}`, ...marks.map(encodeMark)];
      try {
        await replaceFile(files, path(publisher), `${lines.join('\n')}\n`);
      } catch (error) {
        throw storageTrouble(`write ${path(publisher)}`, error);
      }
    },
  };
}

function encodeMark({ bytes, length, hash }: JournalMark): string {
  return `${bytes} ${length} ${hash}`;
}

/** What is none is left out: at worst more of a copy is passed on again. */
function decodeMark(line: string): JournalMark[] {
  const [, bytes, length, hash] = /^([0-9]{1,15}) ([1-9][0-9]{0,2}) ([0-9a-f]{16})$/.exec(line) ?? [];
  const mark = hash && { bytes: Number(bytes), length: Number(length), hash };
  return mark && mark.length <= mark.bytes ? [mark] : [];
}
