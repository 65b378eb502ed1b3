import { createHash } from 'node:crypto';
import type { Log } from '../domain/log.ts';
import type { Unreadable, UnreadableStore } from '../domain/measure.ts';
import { parseUserId, type UserId } from '../domain/token.ts';
import { attempt, FILE_MODE, type FileSystem, nodeFiles, readText } from './files.ts';
import { parseFields, textOf } from './json.ts';

/** The file does not grow beyond this. Later groups are counted but not stored. */
const MOST_BYTES = 1024 * 1024;
/** Limit of remembered hashes, far more than fit into the file. */
const MOST_KNOWN = 10_000;

/**
 * One line of JSON for each group that could not be read, with the group as Withings sent it. A person can send the
 * file with a report. If it cannot be read or written, weighbridge logs that and goes on.
 */
export async function openUnreadableFile(
  path: string,
  log: Log,
  files: FileSystem = nodeFiles,
): Promise<UnreadableStore> {
  /** The hash of each group's content, and its owner. */
  const known = new Map<string, UserId>();
  let bytes = 0;

  const complain = (error: unknown) =>
    log.warn({
      event: 'trouble',
      text: `cannot read or write ${path}: ${error instanceof Error ? error.message : error}`,
    });

  const load = async () => {
    const content = (await readText(files, path)) ?? '';
    bytes = Buffer.byteLength(content);
    for (const line of content.split('\n')) {
      const fields = parseFields(line);
      const [userId, raw] = [parseUserId(fields['userid']), textOf(fields['raw'])];
      if (userId !== undefined && raw !== undefined) known.set(hash(userId, raw), userId);
    }
  };

  const append = async (text: string) => {
    const handle = await files.open(path, 'a', FILE_MODE);
    try {
      await handle.appendFile(text);
    } finally {
      await handle.close();
    }
  };

  await load().catch(complain);

  return {
    async keep(userId, found) {
      const added: Unreadable[] = [];
      let lines = '';
      for (const each of found) {
        const key = hash(userId, each.raw);
        if (known.has(key) || known.size >= MOST_KNOWN) continue;
        known.set(key, userId);
        added.push(each);
        const line = `${JSON.stringify({ userid: userId, what: each.what, raw: each.raw })}\n`;
        if (bytes + Buffer.byteLength(line) > MOST_BYTES) continue;
        bytes += Buffer.byteLength(line);
        lines += line;
      }
      if (lines !== '') await attempt(`write ${path}`, () => append(lines)).catch(complain);
      return added;
    },
    countOf: (userId) => [...known.values()].filter((each) => each === userId).length,
  };
}

function hash(userId: UserId, raw: string): string {
  return createHash('sha256').update(`${userId} ${raw}`).digest('base64');
}
