import { parseTime } from '../domain/dates.ts';
import type { Log } from '../domain/log.ts';
import type {
  JournalMark,
  JournalOffset,
  OffsetStore,
  Parking,
  Retained,
  RetainedStore,
  Value,
} from '../domain/publisher.ts';
import { parseUserId } from '../domain/token.ts';
import {
  attempt,
  FILE_MODE,
  type FileSystem,
  nodeFiles,
  parent,
  readText,
  replaceFile,
  syncDirectory,
} from './files.ts';
import { fieldsOf } from './json.ts';

/** No journal has this offset, so the publisher begins with the first line. */
const NOWHERE: JournalOffset = { bytes: 0, file: '', marks: [] };

/**
 * One file per publisher: its offset in bytes and the identity of the journal, then a line for each mark. A file
 * without marks is accepted.
 *
 * @param directory where the files are; it exists
 */
export function createOffsetFiles(directory: string, log: Log, files: FileSystem = nodeFiles): OffsetStore {
  const pathOf = (publisher: string) => `${directory}/${publisher}`;
  return {
    async load(publisher) {
      const text = await readText(files, pathOf(publisher));
      if (text === undefined) return undefined;
      const [first = '', ...rest] = text.split('\n');
      const [, digits, file] = /^([0-9]{1,15}) (.+)$/.exec(first) ?? [];
      const bytes = Number(digits);
      if (file !== undefined && rest.at(-1) === '') {
        return { bytes, file, marks: rest.flatMap(decodeMark).filter((mark) => mark.bytes <= bytes) };
      }
      // Do not use the end, which would skip undelivered lines, or a guess.
      const what = `${publisher}: ${pathOf(publisher)} is not an offset in the journal. Starting from the beginning of the journal.`;
      log.warn({ event: 'offset_unreadable', text: what, publisher });
      return NOWHERE;
    },
    async save(publisher, { bytes, file, marks }) {
      const lines = [`${bytes} ${file}`, ...marks.map(encodeMark)];
      await replaceFile(files, pathOf(publisher), `${lines.join('\n')}\n`);
    },
  };
}

function encodeMark({ bytes, length, hash }: JournalMark): string {
  return `${bytes} ${length} ${hash}`;
}

/** Skips a broken line. At worst, weighbridge delivers more of a copied journal a second time. */
function decodeMark(line: string): JournalMark[] {
  const [, bytes, length, hash] = /^([0-9]{1,15}) ([1-9][0-9]{0,2}) ([0-9a-f]{16})$/.exec(line) ?? [];
  const mark = hash && { bytes: Number(bytes), length: Number(length), hash };
  return mark && mark.length <= mark.bytes ? [mark] : [];
}

/**
 * An append-only file with one line of JSON for each parked delivery.
 *
 * @param path the file; its directory exists
 */
export function createParkedFile(path: string, files: FileSystem = nodeFiles): Parking {
  return {
    path,
    park: (line) =>
      attempt(`write ${path}`, async () => {
        await using handle = await files.open(path, 'a+', FILE_MODE);
        const { size } = await handle.stat();
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(1), 0, 1, Math.max(0, size - 1));
        // A power cut or a full disk left half a line.
        const isTorn = bytesRead > 0 && buffer.toString() !== '\n';
        await handle.appendFile(`${isTorn ? '\n' : ''}${line}\n`);
        await handle.sync();
        if (size === 0) await syncDirectory(files, parent(path));
      }),
  };
}

/**
 * A small JSON file. Losing it costs little: topics of people who are gone stay on the broker.
 *
 * @param path the file; its directory exists
 */
export function createRetainedFile(path: string, log: Log, files: FileSystem = nodeFiles): RetainedStore {
  const nothing = (): Retained => ({ topics: new Set(), values: new Map() });
  return {
    async load() {
      try {
        const text = await readText(files, path);
        return text === undefined ? nothing() : decodeRetained(JSON.parse(text));
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        const what = `mqtt: cannot read ${path} (${why}). The MQTT broker may keep values of people who are no longer linked.`;
        log.warn({ event: 'retained_unreadable', text: what, publisher: 'mqtt' });
        return nothing();
      }
    },
    save: (retained) => replaceFile(files, path, `${JSON.stringify(encodeRetained(retained))}\n`),
  };
}

function encodeRetained({ topics, values }: Retained) {
  const people = [...values].map(([userId, each]) => [
    userId,
    Object.fromEntries([...each].map(([key, { value, takenAt }]) => [key, { value, measured_at: takenAt }])),
  ]);
  return { topics: [...topics], values: Object.fromEntries(people) };
}

function decodeRetained(content: unknown): Retained {
  const { topics, values } = fieldsOf(content);
  if (!Array.isArray(topics)) throw new Error('not a list of topics');
  const people = Object.entries(fieldsOf(values)).flatMap(([id, each]) => {
    const userId = parseUserId(id);
    return userId === undefined ? [] : [[userId, decodeValues(each)] as const];
  });
  return {
    topics: new Set(topics.filter((each) => typeof each === 'string')),
    values: new Map(people),
  };
}

function decodeValues(content: unknown): ReadonlyMap<string, Value> {
  const known = Object.entries(fieldsOf(content)).flatMap(([key, each]) => {
    const { value, measured_at } = fieldsOf(each);
    const takenAt = parseTime(measured_at);
    return typeof value === 'number' && takenAt !== undefined ? [[key, { value, takenAt }] as const] : [];
  });
  return new Map(known);
}
