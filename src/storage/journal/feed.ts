import type { Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { FeedLine, JournalFeed, JournalMark, JournalOffset, JournalPage } from '../../domain/publisher.ts';
import { type FileSystem, isMissing, storageTrouble } from '../files.ts';
import type { JournalIndex } from './index.ts';
import { decodeLine } from './line.ts';
import { addMark, isMarked, markOf, readMark } from './mark.ts';

const NEWLINE = 0x0a;
/** Some 200 lines: what one publisher holds in memory, however far it lags behind. */
const PAGE_BYTES = 64 * 1024;

type JournalEnd = ReturnType<JournalFeed['end']>;

/** Up to where, and of which file, the index knows everything, and the mark of that place. */
interface Known {
  readonly file: string;
  readonly mark: JournalMark;
}

/** Which file it is. An inode number alone is given to the next file as soon as this one is deleted. */
export function identify({ ino, birthtimeMs }: Stats): string {
  return `${ino} ${birthtimeMs}`;
}

/**
 * Reads the journal page by page, up to where the index knows everything: what lies behind may still be torn, or be
 * taken back by whoever writes it.
 *
 * @param journal.refresh takes in what other processes have appended; waits for the lock
 */
export function createJournalFeed(journal: {
  readonly path: string;
  readonly files: FileSystem;
  readonly index: Pick<JournalIndex, 'contextOf'>;
  readonly known: () => Known;
  readonly refresh: () => Promise<void>;
}): JournalFeed & { readonly tell: () => void; readonly look: () => Promise<void> } {
  const { path, files, index, known, refresh } = journal;
  const listeners = new Set<() => void>();

  /** Makes sure that the index knows the file as it is; a missing one is begun by the next append. */
  const look = async (): Promise<void> => {
    if (!(await isKnown())) await refresh();
  };

  const isKnown = async (): Promise<boolean> => {
    await using handle = await files.open(path, 'r');
    const stats = await handle.stat();
    const { file, mark } = known();
    return stats.size === mark.bytes && identify(stats) === file && (await isMarked(handle, mark));
  };

  const endOf = ({ file, mark }: Known): JournalEnd => ({ bytes: mark.bytes, file });

  const readFrom = async (handle: FileHandle, from: JournalOffset, end: JournalEnd): Promise<JournalPage> => {
    let size = PAGE_BYTES;
    for (;;) {
      const room = Math.min(size, end.bytes - from.bytes);
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(room), 0, room, from.bytes);
      const whole = buffer.subarray(0, buffer.lastIndexOf(NEWLINE, bytesRead - 1) + 1);
      // A line that is longer than a page.
      if (whole.length > 0 || bytesRead < size) return splitLines(whole, from);
      size *= 2;
    }
  };

  return {
    look,
    end: () => endOf(known()),
    async read(asked) {
      const nothing = { from: asked, lines: [], next: asked };
      try {
        await look();
        await using handle = await files.open(path, 'r');
        const end = endOf(known());
        // Another file has taken its place since the look, and is looked at the next time.
        if (identify(await handle.stat()) !== end.file) return nothing;
        const from = await findOffset(handle, asked, end);
        return from.bytes === end.bytes ? { from, lines: [], next: from } : await readFrom(handle, from, end);
      } catch (error) {
        if (isMissing(error)) return nothing;
        throw storageTrouble(`read ${path}`, error);
      }
    },
    contextOf: (reading) => index.contextOf(reading),
    onGrowth(wake) {
      listeners.add(wake);
      return { [Symbol.dispose]: () => void listeners.delete(wake) };
    },
    tell() {
      for (const wake of listeners) wake();
    },
  };
}

/** The place in this file: it may be a copy, or an editor may have kept the file and not what is in it. */
async function findOffset(handle: FileHandle, asked: JournalOffset, end: JournalEnd): Promise<JournalOffset> {
  const { bytes, file, marks } = asked;
  const isHere = file === end.file && bytes <= end.bytes && (bytes === 0 || (await isBehindLine(handle, bytes)));
  // Nothing better can be said of a place that nobody has marked.
  if (isHere && marks.length === 0) return bytes === 0 ? asked : { ...asked, marks: [await readMark(handle, bytes)] };
  for (const [at, mark] of marks.entries()) {
    if (mark.bytes > end.bytes || !(await isMarked(handle, mark))) continue;
    return isHere && at === 0 ? asked : { bytes: mark.bytes, file: end.file, marks: marks.slice(at) };
  }
  return { bytes: 0, file: end.file, marks: [] };
}

async function isBehindLine(handle: FileHandle, bytes: number): Promise<boolean> {
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, bytes - 1);
  return buffer[0] === NEWLINE;
}

function splitLines(bytes: Buffer, from: JournalOffset): JournalPage {
  const lines: FeedLine[] = [];
  let next = from;
  for (let begin = 0, end = bytes.indexOf(NEWLINE); end !== -1; begin = end + 1, end = bytes.indexOf(NEWLINE, begin)) {
    const line = decodeLine(bytes.subarray(begin, end).toString('utf8'));
    next = { ...next, bytes: from.bytes + end + 1 };
    if (line === undefined) continue;
    next = { ...next, marks: addMark(next.marks, markOf(bytes.subarray(0, end + 1), next.bytes)) };
    lines.push({ reading: line.reading, history: line.history, next });
  }
  return { from, lines, next };
}
