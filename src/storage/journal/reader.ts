import type { UserId } from '../../domain/token.ts';
import { attemptIfThere, type FileSystem, nodeFiles } from '../files.ts';
import { type JournalLine, parseLine, wholeLength, wholeLines } from './line.ts';

/** The wanted groups. Without a field, all of them. */
export interface Wanted {
  readonly userId?: UserId | undefined;
  /** The first moment that is included. */
  readonly since?: Date | undefined;
  /** The first moment that is excluded. */
  readonly until?: Date | undefined;
}

export interface PlacedLine extends JournalLine {
  /** The offset of the line. */
  readonly at: number;
}

/** The journal at the time of reading. Other processes may append to it meanwhile. */
export interface JournalReader {
  /** The lines that are not readings: how many, and the number of the first, counted from 1. */
  readonly unreadable: { readonly count: number; readonly first: number } | undefined;
  /** Each group once, from its last line, sorted by time of measurement and then by group. */
  read(wanted: Wanted): Generator<PlacedLine>;
}

/** The offset of a group's last line, and the fields to select and sort by. */
interface Group {
  readonly userId: UserId;
  readonly groupId: number;
  readonly takenMs: number;
  readonly begin: number;
  readonly end: number;
}

/**
 * Reads the journal once. The file stays in memory as it is (some 300 bytes a line), and each line is decoded on
 * demand: a heap of 48 MB suffices for 100,000 lines. Writes nothing, and takes no lock: a whole line never changes.
 *
 * @returns undefined if there is no journal
 * @throws Trouble when it cannot be read
 */
export async function openJournalReader(
  path: string,
  files: FileSystem = nodeFiles,
): Promise<JournalReader | undefined> {
  const bytes = await attemptIfThere(`read ${path}`, async () => {
    await using handle = await files.open(path);
    // The journal may have any size, and our `readFile` is for small files.
    return await handle.readFile();
  });
  if (bytes === undefined) return undefined;
  const { groups, unreadable } = survey(bytes);
  return {
    unreadable,
    *read(wanted) {
      for (const { begin, end } of choose(groups, wanted)) {
        const line = parseLine(bytes.toString('utf8', begin, end));
        if (line !== undefined) yield { ...line, at: begin };
      }
    },
  };
}

function survey(bytes: Buffer): {
  readonly groups: readonly Group[];
  readonly unreadable: JournalReader['unreadable'];
} {
  const groups = new Map<string, Group>();
  let unreadable: JournalReader['unreadable'];
  let number = 0;
  const take = (begin: number, end: number): boolean => {
    const reading = parseLine(bytes.toString('utf8', begin, end))?.reading;
    if (reading === undefined) return false;
    const { userId, groupId, takenAt } = reading;
    groups.set(`${userId} ${groupId}`, { userId, groupId, takenMs: takenAt.getTime(), begin, end });
    return true;
  };
  for (const { at, line } of wholeLines(bytes)) {
    number += 1;
    if (take(at, at + line.length) || line.toString('utf8').trim() === '') continue;
    unreadable = { count: (unreadable?.count ?? 0) + 1, first: unreadable?.first ?? number };
  }
  // The last line may only lack its newline. A torn line does not count: weighbridge fetches its reading again.
  take(wholeLength(bytes), bytes.length);
  return { groups: [...groups.values()], unreadable };
}

function choose(groups: readonly Group[], { userId, since, until }: Wanted): readonly Group[] {
  const fromMs = since?.getTime() ?? Number.NEGATIVE_INFINITY;
  const toMs = until?.getTime() ?? Number.POSITIVE_INFINITY;
  return groups
    .filter((each) => (userId === undefined || each.userId === userId) && each.takenMs >= fromMs && each.takenMs < toMs)
    .sort(
      (a, b) =>
        a.takenMs - b.takenMs || a.groupId - b.groupId || (a.userId < b.userId ? -1 : Number(a.userId > b.userId)),
    );
}
