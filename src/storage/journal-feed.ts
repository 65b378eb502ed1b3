import type { Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { FeedLine, JournalFeed, JournalOffset } from '../domain/publisher.ts';
import { type FileSystem, isMissing, storageTrouble } from './files.ts';
import type { JournalIndex } from './journal-index.ts';
import { decodeLine } from './journal-line.ts';

const NEWLINE = 0x0a;
/** Some 200 lines: what one publisher holds in memory, however far it lags behind. */
const PAGE_BYTES = 64 * 1024;

/** Which file it is. An inode number alone is given to the next file as soon as this one is deleted. */
export function identify({ ino, birthtimeMs }: Stats): string {
  return `${ino} ${birthtimeMs}`;
}

/**
 * Reads the journal page by page, up to where the index knows everything: what lies behind may still be torn, or be
 * taken back by whoever writes it.
 *
 * @param journal.known up to where, and of which file, the index knows everything
 * @param journal.refresh takes in what other processes have appended; waits for the lock
 */
export function createJournalFeed(journal: {
  readonly path: string;
  readonly files: FileSystem;
  readonly index: Pick<JournalIndex, 'contextOf'>;
  readonly known: () => JournalOffset;
  readonly refresh: () => Promise<void>;
}): JournalFeed & { readonly tell: () => void; readonly look: () => Promise<void> } {
  const { path, files, index, known, refresh } = journal;
  const listeners = new Set<() => void>();

  /** Makes sure that the index knows the file as it is; a missing one is begun by the next append. */
  const look = async (): Promise<void> => {
    const stats = await files.stat(path);
    const { bytes, file } = known();
    if (stats.size !== bytes || identify(stats) !== file) await refresh();
  };

  const readFrom = async (handle: FileHandle, begin: number, end: JournalOffset) => {
    let size = PAGE_BYTES;
    for (;;) {
      const room = Math.min(size, end.bytes - begin);
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(room), 0, room, begin);
      const whole = buffer.subarray(0, buffer.lastIndexOf(NEWLINE, bytesRead - 1) + 1);
      // A line that is longer than a page.
      if (whole.length > 0 || bytesRead < size) return splitLines(whole, begin, end.file);
      size *= 2;
    }
  };

  return {
    look,
    end: known,
    async read(from) {
      try {
        await look();
        await using handle = await files.open(path, 'r');
        const end = known();
        // Another file has taken its place since the look, and is looked at the next time.
        if (identify(await handle.stat()) !== end.file) return { lines: [], next: from, isRestart: false };
        const isRestart = !(await isPlace(handle, from, end));
        const begin = isRestart ? 0 : from.bytes;
        if (begin === end.bytes) return { lines: [], next: { ...end, bytes: begin }, isRestart };
        return { ...(await readFrom(handle, begin, end)), isRestart };
      } catch (error) {
        if (isMissing(error)) return { lines: [], next: from, isRestart: false };
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

/** Whether it lies between two lines of this file, as far as can be seen: an editor may have kept the file. */
async function isPlace(handle: FileHandle, { bytes, file }: JournalOffset, end: JournalOffset): Promise<boolean> {
  if (file !== end.file || bytes > end.bytes) return false;
  if (bytes === 0) return true;
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, bytes - 1);
  return buffer[0] === NEWLINE;
}

function splitLines(bytes: Buffer, begin: number, file: string) {
  const lines: FeedLine[] = [];
  let from = 0;
  for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, from)) {
    const line = decodeLine(bytes.subarray(from, end).toString('utf8'));
    from = end + 1;
    if (line !== undefined)
      lines.push({ reading: line.reading, history: line.history, next: { bytes: begin + from, file } });
  }
  return { lines, next: { bytes: begin + from, file } };
}
