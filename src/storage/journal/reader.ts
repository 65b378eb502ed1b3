import type { FileHandle } from 'node:fs/promises';
import type { UserId } from '../../domain/token.ts';
import { Trouble } from '../../domain/trouble.ts';
import { type FileSystem, isMissing, nodeFiles, storageTrouble } from '../files.ts';
import { decodeLine, type JournalLine } from './line.ts';

const NEWLINE = 0x0a;
const CHUNK_BYTES = 64 * 1024;
/** How many chunks are kept: the histories of that many people can stand one after the other and be read side by side. */
const CHUNKS = 16;

/** Which groups; all of them where nothing is said. */
export interface Wanted {
  readonly userId?: UserId | undefined;
  /** The first moment that belongs to it. */
  readonly since?: Date | undefined;
  /** The first moment that does not. */
  readonly until?: Date | undefined;
}

/** The journal as it was when it was opened. Others may append to it meanwhile. */
export interface JournalReader extends AsyncDisposable {
  /** Lines that are no readings: how many, and the number of the first, counted from 1. */
  readonly unreadable: { readonly count: number; readonly first: number } | undefined;
  /** Each group once, as its last line says, by the time of measurement and then by group. */
  read(wanted: Wanted): AsyncGenerator<JournalLine>;
}

/** Where the last line of a group stands, and what it is chosen and sorted by. */
interface Extent {
  readonly userId: UserId;
  readonly groupId: number;
  readonly takenMs: number;
  readonly offset: number;
  readonly length: number;
}

/**
 * Goes through the journal once and remembers where each group's last line stands, some 150 bytes a group; the lines
 * are read when they are asked for. Writes nothing, and takes no lock: what is whole in the journal never changes.
 *
 * @returns undefined where there is no journal
 * @throws Trouble when it cannot be read
 */
export async function openJournalReader(
  path: string,
  files: FileSystem = nodeFiles,
): Promise<JournalReader | undefined> {
  let handle: FileHandle;
  try {
    handle = await files.open(path, 'r');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw storageTrouble(`read ${path}`, error);
  }
  try {
    const { groups, unreadable } = await survey(handle);
    return {
      unreadable,
      read: (wanted) => readLines(path, handle, choose(groups, wanted)),
      [Symbol.asyncDispose]: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw storageTrouble(`read ${path}`, error);
  }
}

type Groups = ReadonlyMap<UserId, ReadonlyMap<number, Extent>>;

async function survey(handle: FileHandle): Promise<Pick<JournalReader, 'unreadable'> & { readonly groups: Groups }> {
  const groups = new Map<UserId, Map<number, Extent>>();
  let unreadable: { readonly count: number; readonly first: number } | undefined;
  let number = 0;
  for await (const { offset, bytes, isWhole } of linesOf(handle)) {
    number += 1;
    const reading = decodeLine(bytes.toString('utf8'))?.reading;
    if (reading !== undefined) {
      const { userId, groupId, takenAt } = reading;
      const known = groups.get(userId) ?? new Map<number, Extent>();
      groups.set(userId, known);
      known.set(groupId, { userId, groupId, takenMs: takenAt.getTime(), offset, length: bytes.length });
    } else if (isWhole && bytes.toString('utf8').trim() !== '') {
      unreadable = { count: (unreadable?.count ?? 0) + 1, first: unreadable?.first ?? number };
    }
    // A torn last line is none: a power cut has torn it, and what it said is fetched again.
  }
  return { groups, unreadable };
}

async function* linesOf(handle: FileHandle) {
  let rest: Buffer = Buffer.alloc(0);
  let offset = 0;
  const stream: AsyncIterable<Buffer> = handle.createReadStream({ start: 0, autoClose: false });
  for await (const chunk of stream) {
    const bytes = Buffer.concat([rest, chunk]);
    let from = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, from)) {
      yield { offset, bytes: bytes.subarray(from, end), isWhole: true };
      offset += end + 1 - from;
      from = end + 1;
    }
    rest = bytes.subarray(from);
  }
  yield { offset, bytes: rest, isWhole: false };
}

function choose(groups: Groups, { userId, since, until }: Wanted): readonly Extent[] {
  const extents: Extent[] = [];
  for (const [owner, known] of groups) {
    if (userId !== undefined && owner !== userId) continue;
    for (const extent of known.values()) {
      const isIn =
        extent.takenMs >= (since?.getTime() ?? Number.NEGATIVE_INFINITY) &&
        extent.takenMs < (until?.getTime() ?? Number.POSITIVE_INFINITY);
      if (isIn) extents.push(extent);
    }
  }
  return extents.sort(
    (a, b) =>
      a.takenMs - b.takenMs || a.groupId - b.groupId || (a.userId < b.userId ? -1 : Number(a.userId > b.userId)),
  );
}

async function* readLines(path: string, handle: FileHandle, extents: readonly Extent[]): AsyncGenerator<JournalLine> {
  const read = createChunkReader(handle);
  try {
    for (const extent of extents) {
      const line = decodeLine((await read(extent)).toString('utf8'));
      if (line === undefined) throw changed(path);
      yield line;
    }
  } catch (error) {
    throw storageTrouble(`read ${path}`, error);
  }
}

/** Reads a piece of the file from one of the last chunks, or a chunk from where the piece begins. */
function createChunkReader(handle: FileHandle): (extent: Extent) => Promise<Buffer> {
  let chunks: readonly { readonly start: number; readonly bytes: Buffer }[] = [];
  return async ({ offset, length }) => {
    const isIn = ({ start, bytes }: (typeof chunks)[number]) =>
      offset >= start && offset + length <= start + bytes.length;
    const known = chunks.find(isIn);
    if (known !== undefined) return known.bytes.subarray(offset - known.start, offset - known.start + length);
    const size = Math.max(length, CHUNK_BYTES);
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(size), 0, size, offset);
    chunks = [{ start: offset, bytes: buffer.subarray(0, bytesRead) }, ...chunks.slice(0, CHUNKS - 1)];
    return buffer.subarray(0, Math.min(length, bytesRead));
  };
}

function changed(path: string): Trouble {
  const hint = 'run it again';
  return new Trouble(`somebody has changed ${path} meanwhile`, { code: 'journal_changed', recovery: 'retry', hint });
}
