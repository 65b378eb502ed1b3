import type { FileHandle } from 'node:fs/promises';
import type { Clock } from '../../domain/clock.ts';
import type { Histories } from '../../domain/history.ts';
import type { Log } from '../../domain/log.ts';
import type { JournalFeed, LatestValues } from '../../domain/publisher.ts';
import { counts, type Journal, type JournalEntry, type Reading } from '../../domain/reading.ts';
import { heldWith, isDue, type JournalView, NO_REVIEW, type Review } from '../../domain/review.ts';
import type { UserId } from '../../domain/token.ts';
import { Trouble } from '../../domain/trouble.ts';
import { attempt, attemptIfThere, FILE_MODE, type FileSystem, nodeFiles, parent, syncDirectory } from '../files.ts';
import { lockFile } from '../lock.ts';
import { createJournalFeed, identify, type Known } from './feed.ts';
import { createHistories } from './histories.ts';
import { createJournalIndex, createRest, inPortions, type KnownGroup, type Learned, type Placed } from './index.ts';
import { formatLine, type JournalLine, parseLine, wholeLength, wholeLines } from './line.ts';
import { isMarked, markOf, pieceOf } from './mark.ts';

/** More than most lines. */
const LINE_BYTES = 4 * 1024;
const CHANGED = { code: 'journal_changed', recovery: 'retry' } as const;
const CHUNK_BYTES = 64 * 1024;
const NOTHING = Buffer.alloc(0);
/** weighbridge fetches older measurements again only in a backfill. */
const ASKED_AGAIN_MS = 90 * 24 * 3_600_000;

/** The journal, how publishers follow it, and the newest values and histories of everyone. */
export interface OpenJournal extends Journal {
  readonly feed: JournalFeed;
  readonly latest: LatestValues;
  readonly histories: Histories;
  /** Reads what other processes appended, if anything. */
  look(): Promise<void>;
  /**
   * The groups of a person that are not taken back, by their last lines, the oldest first. It reads one line at a time,
   * so that a long history takes little memory and blocks no other work.
   */
  linesOf(userId: UserId): AsyncIterable<JournalLine>;
}

export interface JournalOptions {
  readonly files?: FileSystem;
  readonly review?: Review;
  readonly clock?: Pick<Clock, 'now'>;
}

/**
 * Opens the journal, reads it, and repairs its end by cutting off a line that a power cut tore.
 *
 * Other processes may append to the same file. Every append happens under a lock, after a look at their lines, and is
 * synced before anything is announced.
 *
 * @param path the file; its directory exists
 */
export async function openJournal(
  path: string,
  log: Log,
  { files = nodeFiles, review = NO_REVIEW, clock = { now: () => new Date() } }: JournalOptions = {},
): Promise<OpenJournal> {
  const histories = createHistories();
  const index = createJournalIndex(histories);
  const lockPath = `${parent(path)}/.journal.lock`;
  let known: Known = { file: '', bytes: 0, piece: NOTHING };
  /** The bytes of our failed append that could not be cut off. They begin at the previous end of the file. */
  let left: { readonly at: number; readonly bytes: Buffer } | undefined;
  /** The lines of that append that were in the file after all. The next append reports them. */
  let owed: Learned[] = [];
  /** The readings that this process reported before it lost the file. It does not report them a second time. */
  const lost = new Map<string, KnownGroup>();

  const goOn = (over: Buffer) => {
    const piece = pieceOf(Buffer.concat([known.piece, pieceOf(over)]));
    known = { ...known, bytes: known.bytes + over.length, piece };
  };

  /** Opens the file, reads its new lines, and leaves its end clean. Call it under the lock. */
  const open = async (): Promise<FileHandle> => {
    const handle = await files.open(path, 'a+', FILE_MODE);
    try {
      const stats = await handle.stat();
      const { size } = stats;
      if (size === 0) await syncDirectory(files, parent(path));
      const file = identify(stats);
      // A shorter file does not have the mark either.
      if (file !== known.file || !(await isMarked(handle, markOf(known.piece, known.bytes)))) {
        const fromMs = clock.now().getTime() - ASKED_AGAIN_MS;
        for (const group of index.since(fromMs)) lost.set(keyOf(group), group);
        index.clear();
        known = { file, bytes: 0, piece: NOTHING };
        left = undefined;
      }
      if (size > known.bytes) {
        // The writer may have been killed before the sync, and from here on the lines count as stored.
        await handle.sync();
        await catchUp(handle, size);
      }
      left = undefined;
      return handle;
    } catch (error) {
      await handle.close();
      throw error;
    }
  };

  const catchUp = async (handle: FileHandle, size: number) => {
    let rest: Buffer = NOTHING;
    for (let at = known.bytes; at < size; ) {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, at);
      if (bytesRead === 0) break;
      at += bytesRead;
      rest = takeLines(Buffer.concat([rest, buffer.subarray(0, bytesRead)]));
    }
    if (rest.length > 0) await repairTail(handle, rest);
  };

  /** Adds all whole lines and returns the rest. */
  const takeLines = (bytes: Buffer): Buffer => {
    for (const { at, line } of wholeLines(bytes)) takeLine(line.toString('utf8'), known.bytes + at);
    const length = wholeLength(bytes);
    goOn(bytes.subarray(0, length));
    return bytes.subarray(length);
  };

  const takeLine = (line: string, offset: number) => {
    const reading = parseLine(line)?.reading;
    if (reading !== undefined) {
      const learned = index.learn({ reading, at: offset });
      if (isLeft(line, offset)) owed.push(learned);
    } else if (line.trim() !== '') {
      const text = `a line of ${path} cannot be read (byte ${offset}). The line was skipped.`;
      log.warn({ event: 'journal_unreadable', text, offset });
    }
  };

  const isLeft = (line: string, offset: number): boolean => {
    if (left === undefined || offset < left.at) return false;
    const bytes = Buffer.from(line);
    const from = offset - left.at;
    return left.bytes.subarray(from, from + bytes.length).equals(bytes);
  };

  const repairTail = async (handle: FileHandle, rest: Buffer) => {
    if (parseLine(rest.toString('utf8')) !== undefined) {
      // The line is whole except for its newline, as an editor leaves it.
      await handle.appendFile('\n');
      takeLines(Buffer.concat([rest, Buffer.from('\n')]));
      return;
    }
    await handle.truncate(known.bytes);
    await handle.sync();
    const text = `removed an incomplete last line from ${path} (${rest.length} bytes, probably a power cut). weighbridge fetches the weigh-in again.`;
    log.warn({ event: 'journal_torn', text, bytes: rest.length });
  };

  /** The readings that the journal does not hold, in their order. Of equally new ones of a group, the first wins. */
  const findNew = async (readings: readonly Reading[]): Promise<readonly Reading[]> => {
    const newest = new Map<string, Reading>();
    for await (const reading of inPortions(readings)) {
      const group = keyOf(reading);
      const other = newest.get(group);
      const isNewer = other === undefined ? index.isNew(reading) : other.modifiedAt < reading.modifiedAt;
      if (isNewer) newest.set(group, reading);
    }
    const found = new Set(newest.values());
    return readings.filter((reading) => found.delete(reading));
  };

  const write = async (handle: FileHandle, bytes: Buffer) => {
    try {
      await handle.appendFile(bytes);
      await handle.sync();
    } catch (error) {
      // Half a line must not stay in front of the next one. If even this fails, the next catch-up cuts off half a line,
      // and adds a whole one.
      await handle.truncate(known.bytes).catch(() => {
        left = { at: known.bytes, bytes };
      });
      throw error;
    }
  };

  /** The lines that no publisher gets. Publishers do get a line that no longer counts, also from a backfill. */
  const findHistory = async (
    handle: FileHandle,
    lines: readonly Reading[],
    fetched: readonly Reading[],
    history: boolean,
  ) => {
    const found = new Set<Reading>();
    const fresh = new Set(fetched.map(keyOf));
    for (const line of lines) {
      const isBack = line.withdrawn !== undefined || (index.group(line.userId, line.groupId)?.counts && !counts(line));
      if (isBack) continue;
      // A rewritten line keeps its kind.
      const isFetched = fresh.has(keyOf(line));
      if (isFetched ? history : (await lastLine(handle, line.userId, line.groupId)).history) found.add(line);
    }
    return found;
  };

  const addLines = async (handle: FileHandle, readings: readonly Reading[], history: ReadonlySet<Reading>) => {
    if (readings.length === 0) return await tell([]);
    const lines: Buffer[] = [];
    const placed: Placed[] = [];
    const told = new Set(readings.filter(wasTold));
    let at = known.bytes;
    for await (const reading of inPortions(readings)) {
      const line = Buffer.from(`${formatLine(reading, history.has(reading) || told.has(reading))}\n`);
      lines.push(line);
      placed.push({ reading, at });
      at += line.length;
    }
    const bytes = Buffer.concat(lines);
    await write(handle, bytes);
    const learned = await index.add(placed);
    // Not earlier: publishers must not get a line that the index does not have.
    goOn(bytes);
    for (const reading of readings) lost.delete(keyOf(reading));
    return await tell(learned.filter(({ reading }) => !told.has(reading)));
  };

  /** Whether the same reading was reported before the file was lost. */
  const wasTold = (reading: Reading): boolean => {
    const group = lost.get(keyOf(reading));
    const isSame = group?.counts === counts(reading) && group.modifiedMs >= reading.modifiedAt.getTime();
    return isSame && reading.withdrawn === undefined;
  };

  /** The entries of the added lines, after those that a failed append left unreported. */
  const tell = async (learned: readonly Learned[]): Promise<JournalEntry[]> => {
    const entries = await index.describe([...owed, ...learned]);
    owed = [];
    return entries;
  };

  const lastLine = async (handle: FileHandle, userId: UserId, groupId: number): Promise<JournalLine> => {
    const at = index.offsetOf(userId, groupId) ?? 0;
    for (let size = LINE_BYTES; ; size *= 2) {
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(size), 0, size, at);
      for (const { line } of wholeLines(buffer.subarray(0, bytesRead))) {
        const found = parseLine(line.toString('utf8'));
        if (found?.reading.userId === userId && found.reading.groupId === groupId) return found;
        throw new Trouble(`the line of the group ${groupId} in ${path} changed in the meantime`, CHANGED);
      }
      if (bytesRead < size) throw new Trouble(`the line of the group ${groupId} in ${path} is gone`, CHANGED);
    }
  };

  const viewOf = (handle: FileHandle): JournalView => ({
    ...index,
    rest: createRest(),
    lastLine: async (userId, groupId) => (await lastLine(handle, userId, groupId)).reading,
  });

  const locked = async <T>(work: (handle: FileHandle) => Promise<T>): Promise<T> => {
    // `flock` does not make a missing directory.
    await attempt(`write ${path}`, async () => (await files.open(lockPath, 'a', FILE_MODE)).close());
    await using _lock = await lockFile(lockPath);
    const before = known;
    try {
      return await attempt(`write ${path}`, async () => {
        const handle = await open();
        try {
          return await work(handle);
        } finally {
          // The data is already synced, so a failed close loses nothing.
          await handle.close().catch(() => undefined);
        }
      });
    } finally {
      if (known !== before) feed.wake();
    }
  };

  const refresh = () => locked(async () => undefined);
  const feed = createJournalFeed({ path, files, index, known: () => known, refresh });

  await refresh();

  return {
    // The next append creates a missing file.
    look: () => attemptIfThere(`read ${path}`, feed.look),
    feed,
    latest: histories,
    histories,
    async *linesOf(userId) {
      const table = histories.groupsOf(userId);
      if (table === undefined) return;
      const groups = Array.from({ length: table.rows }, (_, row) => table.state(row))
        .filter(({ withdrawn }) => withdrawn === undefined)
        .sort((one, other) => one.takenAt.getTime() - other.takenAt.getTime() || one.groupId - other.groupId);
      await using handle = await attempt(`read ${path}`, () => files.open(path, 'r'));
      for (const { groupId } of groups) yield await attempt(`read ${path}`, () => lastLine(handle, userId, groupId));
    },
    async append(readings, { history = false, updatedAt } = {}) {
      const now = new Date(Math.max(clock.now().getTime(), updatedAt?.getTime() ?? 0));
      const findDue = () => [...histories.people()].filter((each) => index.heldOf(each).some((one) => isDue(one, now)));
      if (readings.length === 0 && left === undefined && owed.length === 0 && findDue().length === 0) return [];
      return await locked(async (handle) => {
        const added = await findNew(readings);
        const userIds = new Set([...findDue(), ...readings.map(({ userId }) => userId)]);
        const lines = await review(added, viewOf(handle), now, [...userIds]);
        return await addLines(handle, lines, await findHistory(handle, lines, added, history));
      });
    },
    async withdraw(userId, groupIds, reason) {
      return await locked(async (handle) => {
        const lines: Reading[] = [];
        // A write that tears after the weight would leave the other groups held.
        for (const groupId of new Set([...heldWith(index, userId, groupIds), ...groupIds])) {
          const group = index.group(userId, groupId);
          // A group that Withings took back may come back. One that a person took back may not.
          const isBack = group?.withdrawn !== undefined && (reason !== 'forgotten' || group.withdrawn === reason);
          if (group === undefined || isBack) continue;
          const { reading } = await lastLine(handle, userId, groupId);
          lines.push({ ...reading, held: undefined, withdrawn: reason });
        }
        return await addLines(handle, lines, new Set());
      });
    },
    group: (userId, groupId) => index.group(userId, groupId),
    groupsWithin: (userId, window) => index.groupsWithin(userId, window),
    heldOf: (userId) => index.heldOf(userId),
    newestModification: (userId) => index.newestModification(userId),
    lastWeighIn: (userId) => index.lastWeighIn(userId),
  };
}

function keyOf({ userId, groupId }: Pick<Reading, 'userId' | 'groupId'>): string {
  return `${userId} ${groupId}`;
}
