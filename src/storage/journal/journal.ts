import type { FileHandle } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Histories } from '../../domain/history.ts';
import type { Log } from '../../domain/log.ts';
import type { JournalFeed, LatestValues } from '../../domain/publisher.ts';
import type { Journal, Reading } from '../../domain/reading.ts';
import { type FileSystem, isMissing, nodeFiles, parent, storageTrouble, syncDirectory } from '../files.ts';
import { lockFile } from '../lock.ts';
import { createJournalFeed, identify } from './feed.ts';
import { createHistories } from './histories.ts';
import { createJournalIndex } from './index.ts';
import { formatLine, parseLine } from './line.ts';
import { isMarked, markOf, pieceOf } from './mark.ts';

const FILE_MODE = 0o600;
const NEWLINE = 0x0a;
const CHUNK_BYTES = 256 * 1024;
const NOTHING = Buffer.alloc(0);

/** The journal, how publishers follow it, and what it says of everybody now. */
export interface OpenJournal extends Journal {
  readonly feed: JournalFeed;
  readonly latest: LatestValues;
  readonly histories: Histories;
  /** Takes in what other processes have appended, where there is anything. */
  look(): Promise<void>;
}

/**
 * Opens the journal, reads what it holds, and repairs its end: a line that a power cut has torn is cut off.
 *
 * Other processes may append to the same file. Every append happens under a lock, after a look at what they have
 * added, and is synced before it is told of.
 *
 * @param path the file; its directory exists
 */
export async function openJournal(path: string, log: Log, files: FileSystem = nodeFiles): Promise<OpenJournal> {
  const histories = createHistories();
  const index = createJournalIndex(histories);
  const lockPath = `${parent(path)}/.journal.lock`;
  /** Up to where, and of which file, the index knows everything. */
  let knownBytes = 0;
  let knownFile = '';
  /** What stands before that place: an editor may keep the file and change what is in it. */
  let knownPiece: Buffer = NOTHING;

  const known = () => ({ file: knownFile, mark: markOf(knownPiece, knownBytes) });

  const goOn = (over: Buffer) => {
    knownBytes += over.length;
    knownPiece = pieceOf(Buffer.concat([knownPiece, pieceOf(over)]));
  };

  /** Opens the file, takes in what is not known of it, and leaves its end clean. Call it under the lock. */
  const open = async (): Promise<FileHandle> => {
    const handle = await files.open(path, 'a+', FILE_MODE);
    try {
      const stats = await handle.stat();
      const { size } = stats;
      if (size === 0) await syncDirectory(files, parent(path));
      const file = identify(stats);
      // Of a file that is shorter the mark is not true either.
      if (file !== knownFile || !(await isMarked(handle, known().mark))) {
        index.clear();
        knownBytes = 0;
        knownFile = file;
        knownPiece = NOTHING;
      }
      if (size > knownBytes) {
        // Whoever wrote this may have been killed before it was synced, and from here on it counts as kept.
        await handle.sync();
        await catchUp(handle, size);
      }
      return handle;
    } catch (error) {
      await handle.close();
      throw error;
    }
  };

  const catchUp = async (handle: FileHandle, size: number) => {
    let rest: Buffer = NOTHING;
    for (let at = knownBytes; at < size; ) {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, at);
      if (bytesRead === 0) break;
      at += bytesRead;
      rest = takeLines(Buffer.concat([rest, buffer.subarray(0, bytesRead)]));
    }
    if (rest.length > 0) await repairTail(handle, rest);
  };

  /** Takes in all whole lines and returns what is left. */
  const takeLines = (bytes: Buffer): Buffer => {
    let from = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, from)) {
      takeLine(bytes.subarray(from, end).toString('utf8'), knownBytes + from);
      from = end + 1;
    }
    goOn(bytes.subarray(0, from));
    return bytes.subarray(from);
  };

  const takeLine = (line: string, offset: number) => {
    const reading = parseLine(line);
    if (reading !== undefined) {
      index.learn(reading);
    } else if (line.trim() !== '') {
      const text = `a line of ${path} cannot be read (byte ${offset}); it stays, and is passed over`;
      log.warn({ event: 'journal_unreadable', text, offset });
    }
  };

  const repairTail = async (handle: FileHandle, rest: Buffer) => {
    if (parseLine(rest.toString('utf8')) !== undefined) {
      // Whole but for its newline, as an editor leaves it.
      await handle.appendFile('\n');
      takeLines(Buffer.concat([rest, Buffer.from([NEWLINE])]));
      return;
    }
    await handle.truncate(knownBytes);
    await handle.sync();
    const text = `the last line of ${path} was torn (${rest.length} bytes) and is cut off; what it said is fetched again`;
    log.warn({ event: 'journal_torn', text, bytes: rest.length });
  };

  const write = async (handle: FileHandle, text: string) => {
    try {
      await handle.appendFile(text);
      await handle.sync();
    } catch (error) {
      // Half a line must not stay in front of the next one. Where even this fails, the next catch-up cuts it.
      await handle.truncate(knownBytes).catch(() => undefined);
      throw error;
    }
    goOn(Buffer.from(text));
  };

  const locked = async <T>(work: (handle: FileHandle) => Promise<T>): Promise<T> => {
    await using _lock = await lockFile(lockPath);
    const before = known();
    try {
      const handle = await open();
      try {
        return await work(handle);
      } finally {
        // What had to be on the disk is synced; a close that fails takes nothing back.
        await handle.close().catch(() => undefined);
      }
    } catch (error) {
      throw storageTrouble(`write ${path}`, error);
    } finally {
      if (!isDeepStrictEqual(known(), before)) feed.tell();
    }
  };

  const refresh = () => locked(async () => undefined);
  const feed = createJournalFeed({ path, files, index, known, refresh });

  await refresh();

  return {
    async look() {
      try {
        await feed.look();
      } catch (error) {
        // The next append makes it anew.
        if (!isMissing(error)) throw storageTrouble(`read ${path}`, error);
      }
    },
    feed,
    latest: histories,
    histories,
    async append(readings, { history } = { history: false }) {
      if (readings.length === 0) return [];
      return await locked(async (handle) => {
        const added = onceEach(readings.filter((reading) => index.isNew(reading)));
        if (added.length === 0) return [];
        await write(handle, added.map((reading) => `${formatLine(reading, history)}\n`).join(''));
        return index.add(added);
      });
    },
    newestModification: (userId) => index.newestModification(userId),
    lastWeighIn: (userId) => index.lastWeighIn(userId),
  };
}

/** Of several readings of one group, the newest. */
function onceEach(readings: readonly Reading[]): Reading[] {
  const isBest = (reading: Reading, index: number) =>
    !readings.some(
      (other, at) =>
        other.userId === reading.userId &&
        other.groupId === reading.groupId &&
        (other.modifiedAt > reading.modifiedAt || (at < index && +other.modifiedAt === +reading.modifiedAt)),
    );
  return readings.filter(isBest);
}
