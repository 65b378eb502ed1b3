import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { JournalMark } from '../../domain/publisher.ts';

/** More than most lines: two journals hardly ever have the same bytes before an offset. */
const MOST_BYTES = 512;

/** The part of the bytes before an offset that its mark is made of. */
export function pieceOf(before: Buffer): Buffer {
  return before.subarray(Math.max(0, before.length - MOST_BYTES));
}

/**
 * The mark of an offset.
 *
 * @param before the known bytes before the offset
 */
export function markOf(before: Buffer, bytes: number): JournalMark {
  const piece = pieceOf(before);
  return { bytes, length: piece.length, hash: createHash('sha256').update(piece).digest('hex').slice(0, 16) };
}

/** The mark of an offset in this file. */
export async function readMark(handle: FileHandle, bytes: number, length = MOST_BYTES): Promise<JournalMark> {
  const room = Math.min(bytes, length);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(room), 0, room, bytes - room);
  return markOf(buffer.subarray(0, bytesRead), bytes);
}

/** Whether this file has the mark's bytes before that offset. */
export async function isMarked(handle: FileHandle, { bytes, length, hash }: JournalMark): Promise<boolean> {
  return (await readMark(handle, bytes, length)).hash === hash;
}

/**
 * Adds a mark and drops older ones. The gap between two marks stays at most as long as the part after both, or one
 * line. Some thirty marks cover a journal of decades.
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
