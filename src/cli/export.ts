import { pipeline } from 'node:stream/promises';
import { journalIn } from '../daemon/data-directory.ts';
import { counts } from '../domain/reading.ts';
import type { UserId } from '../domain/token.ts';
import { errorCode } from '../domain/trouble.ts';
import { inChunks, toCsv } from '../storage/journal/csv.ts';
import { formatInfluxLine } from '../storage/journal/influx.ts';
import type { JournalLine } from '../storage/journal/line.ts';
import { type JournalReader, openJournalReader, type Wanted } from '../storage/journal/reader.ts';
import { type DateRange, describeEmptyRange, isEmptyRange } from './dates.ts';
import { listLinked, notLinked, readSettings } from './open-command.ts';
import { ExitCode, ExitError, type Shell } from './shell.ts';

/** Prints the journal: the last line of each group that is not taken back, by time. Reads one file, writes none. */
export async function exportJournal(
  shell: Shell,
  options: DateRange & { readonly user: UserId | undefined; readonly format: keyof typeof WRITERS },
): Promise<ExitCode> {
  const { user: userId, since, until, format } = options;
  if (isEmptyRange(options)) throw new ExitError(ExitCode.usage, describeEmptyRange(options));
  const config = readSettings(shell, 'files');
  const path = journalIn(config.directories.data);
  const journal = await openJournalReader(path);
  const isUnknown = userId !== undefined && (journal?.read({ userId }).next().done ?? true);
  if (isUnknown) {
    const linked = await listLinked(config.directories.tokens);
    if (!linked.includes(userId)) throw notLinked(userId, linked);
  }
  if (journal === undefined)
    shell.say(`No measurements yet: ${path} does not exist. To link a person, run "weighbridge login".`);
  if (journal?.unreadable !== undefined) {
    const { count, first } = journal.unreadable;
    shell.say(
      `warning: skipped ${count} unreadable line${count === 1 ? '' : 's'} of ${path}, the first is line ${first}`,
    );
  }
  const lines = read(journal, { userId, since, until }, () => {
    shell.say(isUnknown ? `${path} has no measurements of user ${userId}.` : 'No measurements match.');
  });
  try {
    await pipeline(inChunks(WRITERS[format](lines, config.people.names)), shell.output, {
      end: false,
      signal: shell.signal,
    });
  } catch (error) {
    if (shell.signal.aborted) return ExitCode.failed;
    if (!hasGoneAway(error)) throw error;
  }
  return ExitCode.done;
}

async function* read(
  journal: JournalReader | undefined,
  wanted: Wanted,
  onNothing: () => void,
): AsyncGenerator<JournalLine> {
  if (journal === undefined) return;
  let isEmpty = true;
  for (const line of journal.read(wanted)) {
    if (line.reading.withdrawn !== undefined) continue;
    isEmpty = false;
    yield line;
  }
  if (isEmpty) onNothing();
}

type Lines = AsyncIterable<JournalLine>;
type Names = ReadonlyMap<UserId, string>;

const WRITERS = { csv: toCsv, json: toJson, influx: toInflux };

async function* toJson(lines: Lines): AsyncGenerator<string> {
  for await (const { text } of lines) yield `${text.trim()}\n`;
}

/** Only readings that count: InfluxDB cannot tell a held point from others. */
async function* toInflux(lines: Lines, names: Names): AsyncGenerator<string> {
  for await (const { reading } of lines)
    if (counts(reading)) yield formatInfluxLine(reading, names.get(reading.userId));
}

/** Whether the reader has closed the output, as `head` does. */
function hasGoneAway(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'EPIPE' || code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ERR_STREAM_DESTROYED';
}
