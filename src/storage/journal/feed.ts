import type { Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { FeedLine, JournalFeed, JournalOffset, JournalPage } from '../../domain/publisher.ts';
import { attemptIfThere, type FileSystem } from '../files.ts';
import type { JournalIndex } from './index.ts';
import { parseLine, wholeLength, wholeLines } from './line.ts';
import { addMark, isMarked, markOf, readMark } from './mark.ts';

/** Some 200 lines, the most that one publisher holds in memory, however far it lags behind. */
const PAGE_BYTES = 64 * 1024;

type JournalEnd = ReturnType<JournalFeed['end']>;

/** The file that the index has read, and how much of it. */
export interface Known extends JournalEnd {
  /** The last bytes of that part: an editor may keep the file and change its content. */
  readonly piece: Buffer;
}

/** Identifies the file. The inode number alone does not: the next file gets it as soon as this one is deleted. */
export function identify({ ino, birthtimeMs }: Stats): string {
  return `${ino} ${birthtimeMs}`;
}

/**
 * Reads the journal page by page, as far as the index has read it. The rest may still be torn, or the writing process
 * may take it back.
 *
 * @param journal.refresh reads what other processes appended; waits for the lock
 */
export function createJournalFeed(journal: {
  readonly path: string;
  readonly files: FileSystem;
  readonly index: Pick<JournalIndex, 'contextOf'>;
  readonly known: () => Known;
  readonly refresh: () => Promise<void>;
}): JournalFeed & { readonly wake: () => void; readonly look: () => Promise<void> } {
  const { path, files, index, known, refresh } = journal;
  const listeners = new Set<() => void>();

  /** Makes sure that the index matches the file. The next append creates a missing file. */
  const look = async (): Promise<void> => {
    if (!(await isKnown())) await refresh();
  };

  const isKnown = async (): Promise<boolean> => {
    await using handle = await files.open(path, 'r');
    const stats = await handle.stat();
    const { file, bytes, piece } = known();
    return stats.size === bytes && identify(stats) === file && (await isMarked(handle, markOf(piece, bytes)));
  };

  const readPage = async (asked: JournalOffset): Promise<JournalPage | undefined> => {
    await look();
    await using handle = await files.open(path, 'r');
    const end = known();
    // Another file replaced it since the look. The next look finds the new file.
    if (identify(await handle.stat()) !== end.file) return undefined;
    const from = await findOffset(handle, asked, end);
    for (let size = PAGE_BYTES; ; size *= 2) {
      const room = Math.min(size, end.bytes - from.bytes);
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(room), 0, room, from.bytes);
      const whole = buffer.subarray(0, wholeLength(buffer.subarray(0, bytesRead)));
      // A line may be longer than a page.
      if (whole.length > 0 || bytesRead < size) return splitLines(whole, from);
    }
  };

  return {
    look,
    end() {
      const { bytes, file } = known();
      return { bytes, file };
    },
    async read(asked) {
      const page = await attemptIfThere(`read ${path}`, () => readPage(asked));
      return page ?? { from: asked, lines: [], next: asked };
    },
    contextOf: (line) => index.contextOf(line),
    onGrowth(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    wake() {
      for (const listener of listeners) listener();
    },
  };
}

/** The offset in this file. The file may be a copy, or an editor may have changed its content. */
async function findOffset(handle: FileHandle, asked: JournalOffset, end: JournalEnd): Promise<JournalOffset> {
  const { bytes, file, marks } = asked;
  const isHere = file === end.file && bytes <= end.bytes && (bytes === 0 || (await isBehindLine(handle, bytes)));
  // Without marks, only the file's identity counts.
  if (isHere && marks.length === 0) return bytes === 0 ? asked : { ...asked, marks: [await readMark(handle, bytes)] };
  for (const [at, mark] of marks.entries()) {
    if (mark.bytes > end.bytes || !(await isMarked(handle, mark))) continue;
    return isHere && at === 0 ? asked : { bytes: mark.bytes, file: end.file, marks: marks.slice(at) };
  }
  return { bytes: 0, file: end.file, marks: [] };
}

async function isBehindLine(handle: FileHandle, bytes: number): Promise<boolean> {
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, bytes - 1);
  return wholeLength(buffer) === 1;
}

function splitLines(bytes: Buffer, from: JournalOffset): JournalPage {
  const lines: FeedLine[] = [];
  let next = from;
  for (const { at, line: raw } of wholeLines(bytes)) {
    const end = at + raw.length + 1;
    next = { ...next, bytes: from.bytes + end };
    const line = parseLine(raw.toString('utf8'));
    if (line === undefined) continue;
    next = { ...next, marks: addMark(next.marks, markOf(bytes.subarray(0, end), next.bytes)) };
    lines.push({ reading: line.reading, history: line.history, at: from.bytes + at, next });
  }
  return { from, lines, next };
}
