import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { JournalMark } from '../../domain/publisher.ts';

/** More than most lines: what stands before a place is hardly ever the same in two journals. */
const MOST_BYTES = 512;

/** As much of what stands before a place as its mark is made of. */
export function pieceOf(before: Buffer): Buffer {
  return before.subarray(Math.max(0, before.length - MOST_BYTES));
}

/**
 * The mark of a place.
 *
 * @param before what stands before it, as far as it is known
 */
export function markOf(before: Buffer, bytes: number): JournalMark {
  const piece = pieceOf(before);
  return { bytes, length: piece.length, hash: hash(piece) };
}

/** The mark of a place in this file. */
export async function readMark(handle: FileHandle, bytes: number): Promise<JournalMark> {
  return markOf(await readBefore(handle, bytes, Math.min(bytes, MOST_BYTES)), bytes);
}

/** Whether this file has before that place what the mark says. */
export async function isMarked(handle: FileHandle, { bytes, length, hash: expected }: JournalMark): Promise<boolean> {
  return hash(await readBefore(handle, bytes, length)) === expected;
}

/**
 * One mark more; and of the older ones so many that between two of them is never more than behind both, or one line.
 * Some thirty cover a journal of decades.
 */
export function addMark(marks: readonly JournalMark[], mark: JournalMark): readonly JournalMark[] {
  const kept = [mark];
  let newer = mark;
  for (const [at, each] of marks.entries()) {
    const older = marks[at + 1];
    if (older !== undefined && newer.bytes - older.bytes <= mark.bytes - newer.bytes) continue;
    kept.push(each);
    newer = each;
  }
  return kept;
}

async function readBefore(handle: FileHandle, bytes: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, bytes - length);
  return buffer.subarray(0, bytesRead);
}

function hash(piece: Buffer): string {
  return createHash('sha256').update(piece).digest('hex').slice(0, 16);
}
