import {
  type BedEvent,
  type BedEvents,
  type BedKind,
  type BedOffsetStore,
  bedKey,
  type NumberedBedEvent,
} from '../domain/bed.ts';
import { formatTime, LOCAL_ZONE } from '../domain/clock.ts';
import { parseSeconds } from '../domain/dates.ts';
import { createKeyedMutex } from '../domain/keyed-mutex.ts';
import type { Log } from '../domain/log.ts';
import { parseUserId, type UserId } from '../domain/token.ts';
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
import { parseFields, textOf } from './json.ts';

/** Holds some thousand events, which are weeks of a household. Beyond this size the older half goes. */
const MOST_BYTES = 128 * 1024;

/** The events of the file, in its order; the bytes after the last line end are a torn line. */
export async function readBedFile(path: string, files: FileSystem = nodeFiles) {
  const text = (await readText(files, path)) ?? '';
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  const lines = whole.split('\n').slice(0, -1);
  const events = lines.flatMap((line) => decode(line) ?? []);
  return { events, newest: newestOf(events), bytes: Buffer.byteLength(whole), isTorn: whole !== text };
}

/** Each person's newest event by date. Of two with one date, the later line wins. */
function newestOf(events: readonly NumberedBedEvent[]): Map<UserId, NumberedBedEvent> {
  const newest = new Map<UserId, NumberedBedEvent>();
  for (const event of events)
    if (!(Number(newest.get(event.userId)?.at) > Number(event.at))) newest.set(event.userId, event);
  return newest;
}

/**
 * One line of JSON for each event, appended and synced. Only the daemon uses it. While the file cannot be read, it
 * holds no events and appends none.
 *
 * @param path the file; its directory exists
 */
export async function openBedFile(path: string, log: Log, files: FileSystem = nodeFiles): Promise<BedEvents> {
  const inTurn = createKeyedMutex();
  const listeners = new Set<() => void>();
  let events: readonly NumberedBedEvent[] = [];
  let newest = new Map<UserId, NumberedBedEvent>();
  let keys = new Set<string>();
  let isLoaded = false;
  /** The bytes of the valid lines. */
  let bytes = 0;

  const take = (all: readonly NumberedBedEvent[]) => {
    events = all;
    newest = newestOf(all);
    keys = new Set(all.map(bedKey));
  };

  const last = () => events.at(-1)?.number ?? 0;

  const rewrite = async (all: readonly NumberedBedEvent[]) => {
    const text = all.map(encode).join('');
    await replaceFile(files, path, text);
    bytes = Buffer.byteLength(text);
  };

  /** The newer half, preceded by the newest event of each person who has none in it. */
  const newerHalf = () => {
    const half = Math.floor(events.length / 2);
    return events.filter((event, index) => index >= half || newest.get(event.userId) === event);
  };

  const write = async (all: readonly NumberedBedEvent[], line: string) => {
    await using handle = await files.open(path, 'a+', FILE_MODE);
    const { size } = await handle.stat();
    // The file is gone, or another one has replaced it.
    if (size < bytes) return await rewrite(all);
    // An append failed halfway.
    if (size > bytes) await handle.truncate(bytes);
    await handle.appendFile(line);
    await handle.sync();
    if (size === 0) await syncDirectory(files, parent(path));
    bytes += Buffer.byteLength(line);
  };

  const append = async (event: BedEvent) => {
    await load();
    if (keys.has(bedKey(event))) return;
    const numbered = { ...event, number: last() + 1 };
    const line = encode(numbered);
    const isFull = bytes + Buffer.byteLength(line) > MOST_BYTES;
    const all = [...(isFull ? newerHalf() : events), numbered];
    await attempt(`write ${path}`, () => (isFull ? rewrite(all) : write(all, line)));
    take(all);
    for (const wake of listeners) wake();
  };

  const load = async () => {
    if (isLoaded) return;
    const found = await readBedFile(path, files);
    take(found.events);
    ({ bytes } = found);
    isLoaded = true;
    if (!found.isTorn) return;
    log.warn({ event: 'bed_torn', text: `removed an incomplete last line from ${path}` });
    await rewrite(found.events);
  };
  await load().catch((error: unknown) => {
    const why = error instanceof Error ? error.message : error;
    log.warn({ event: 'trouble', text: `cannot read or write ${path}: ${why}` });
  });

  return {
    newest: (userId) => newest.get(userId),
    has: (event) => keys.has(bedKey(event)),
    async load() {
      if (!isLoaded) await inTurn(path, load);
      return last();
    },
    append: (event) => inTurn(path, () => append(event)),
    get last() {
      return last();
    },
    after: (number) => events.filter((event) => event.number > number),
    onGrowth(wake) {
      listeners.add(wake);
      return { [Symbol.dispose]: () => void listeners.delete(wake) };
    },
  };
}

function encode({ number, userId, kind, at, deviceId }: NumberedBedEvent): string {
  const timestamp = at.getTime() / 1000;
  const line = { number, userid: userId, kind, date: formatTime(at, LOCAL_ZONE), timestamp, deviceid: deviceId };
  return `${JSON.stringify(line)}\n`;
}

/** Undefined if the line is not an event. */
function decode(line: string): NumberedBedEvent | undefined {
  const { number, userid, kind, timestamp, deviceid } = parseFields(line);
  const [userId, at] = [parseUserId(userid), parseSeconds(timestamp)];
  const isWhole = typeof number === 'number' && isKind(kind) && userId !== undefined && at !== undefined;
  return isWhole ? { number, userId, kind, at, deviceId: textOf(deviceid) } : undefined;
}

function isKind(value: unknown): value is BedKind {
  return value === 'in_bed' || value === 'out_of_bed';
}

/**
 * One small file per publisher, with the number of the last delivered event.
 *
 * @param directory where the files are; it exists
 */
export function createBedOffsetFiles(directory: string, files: FileSystem = nodeFiles): BedOffsetStore {
  const pathOf = (publisher: string) => `${directory}/${publisher}.bed`;
  return {
    async load(publisher) {
      const text = await readText(files, pathOf(publisher));
      return text !== undefined && /^[0-9]{1,15}\n$/.test(text) ? Number(text) : undefined;
    },
    save: (publisher, number) => replaceFile(files, pathOf(publisher), `${number}\n`),
  };
}
