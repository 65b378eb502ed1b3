import { parseTime } from '../domain/dates.ts';
import type { Log } from '../domain/log.ts';
import type { Retained, RetainedStore, Value } from '../domain/publisher.ts';
import { parseUserId } from '../domain/token.ts';
import { type FileSystem, isMissing, nodeFiles, replaceFile, storageTrouble } from './files.ts';

/**
 * A small JSON file. What it costs to lose it is small as well: topics of people who are gone stay with the broker.
 *
 * @param path the file; its directory exists
 */
export function createRetainedFile(path: string, log: Log, files: FileSystem = nodeFiles): RetainedStore {
  return {
    async load() {
      try {
        return decode(JSON.parse((await files.readFile(path)).toString('utf8')));
      } catch (error) {
        if (!isMissing(error)) {
          const why = error instanceof Error ? error.message : String(error);
          const what = `${path} cannot be read (${why}); what the MQTT broker keeps of people who are gone may stay there`;
          log.warn({ event: 'retained_unreadable', text: what, publisher: 'mqtt' });
        }
        return { topics: new Set(), values: new Map() };
      }
    },
    async save(retained) {
      try {
        await replaceFile(files, path, `${JSON.stringify(encode(retained))}\n`);
      } catch (error) {
        throw storageTrouble(`write ${path}`, error);
      }
    },
  };
}

function encode({ topics, values }: Retained) {
  const people = [...values].map(([userId, each]) => [
    userId,
    Object.fromEntries([...each].map(([key, { value, takenAt }]) => [key, { value, measured_at: takenAt }])),
  ]);
  return { topics: [...topics], values: Object.fromEntries(people) };
}

function decode(record: unknown): Retained {
  const { topics, values } = fields(record);
  if (!Array.isArray(topics)) throw new Error('it is no list of topics');
  const people = Object.entries(fields(values)).flatMap(([id, each]) => {
    const userId = parseUserId(id);
    return userId === undefined ? [] : [[userId, decodeValues(each)] as const];
  });
  return {
    topics: new Set(topics.filter((each) => typeof each === 'string')),
    values: new Map(people),
  };
}

function decodeValues(record: unknown): ReadonlyMap<string, Value> {
  const known = Object.entries(fields(record)).flatMap(([key, each]) => {
    const { value, measured_at: at } = fields(each);
    const takenAt = parseTime(at);
    return typeof value === 'number' && takenAt ? [[key, { value, takenAt }] as const] : [];
  });
  return new Map(known);
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
