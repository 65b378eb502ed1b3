import { journalIn } from '../daemon/data-directory.ts';
import { formatTime, LOCAL_ZONE } from '../domain/clock.ts';
import { formatWeight, listMeasures } from '../domain/format.ts';
import { nameOf, type People } from '../domain/household.ts';
import { counts, type Reading, weightOf } from '../domain/reading.ts';
import type { UserId } from '../domain/token.ts';
import { openJournal } from '../storage/journal/journal.ts';
import { openJournalReader } from '../storage/journal/reader.ts';
import { openMessages, readSettings } from './open-command.ts';
import { ExitCode, ExitError, type Shell } from './shell.ts';

/** How many groups are listed for group 0, or if the group is unknown. */
const MOST_LISTED = 5;

/**
 * Takes a measure group back by hand, with or without a running daemon.
 *
 * @param groupId 0 lists the newest groups
 */
export async function forget(shell: Shell, userId: UserId, groupId: number | undefined): Promise<ExitCode> {
  if (groupId === undefined) {
    const message = `expected a measure group. To list the newest, run "weighbridge forget ${userId} 0".`;
    throw new ExitError(ExitCode.usage, message);
  }
  const config = readSettings(shell, 'files');
  const { people } = config;
  const path = journalIn(config.directories.data);
  const readings = await readOf(userId, path);
  const reading = readings.find((each) => each.groupId === groupId);
  if (reading === undefined) {
    const name = nameOf(userId, people);
    const newest = listNewest(readings, people);
    if (newest === undefined) throw new ExitError(ExitCode.failed, `${name} has no measure groups in the journal`);
    if (groupId !== 0) throw new ExitError(ExitCode.failed, `${name} has no measure group ${groupId}. ${newest}`);
    shell.print(`${name}: ${newest}`);
    return ExitCode.done;
  }

  const journal = await openJournal(path, openMessages(shell, config));
  const [entry] = await journal.withdraw(userId, [groupId], 'forgotten');
  const what = summary(reading, people);
  shell.print(
    `${nameOf(userId, people)}: ${entry === undefined ? `${what}, was withdrawn before` : `withdrew ${what}`}.`,
  );
  if (weightOf(reading) === undefined) return ExitCode.done;
  const last = journal.lastWeighIn(userId);
  if (last === undefined) shell.print(`${nameOf(userId, people)} has no weight left.`);
  else {
    const weight = formatWeight(last.kilograms, people.unit);
    shell.print(`The weight of ${nameOf(userId, people)} is now ${weight}, measured ${formatMoment(last.takenAt)}.`);
  }
  return ExitCode.done;
}

/** The last line of each group of the person, the oldest first. */
async function readOf(userId: UserId, path: string): Promise<readonly Reading[]> {
  const journal = await openJournalReader(path);
  if (journal === undefined) throw new ExitError(ExitCode.failed, `no measurements yet: ${path} does not exist`);
  return [...journal.read({ userId })].map(({ reading }) => reading);
}

/** The newest groups that count or are held, the newest first, each as a command. Undefined if there are none. */
function listNewest(readings: readonly Reading[], people: People): string | undefined {
  const known = readings.filter((each) => counts(each) || each.held !== undefined).slice(-MOST_LISTED);
  if (known.length === 0) return undefined;
  const lines = known.map((each) => `  weighbridge forget ${each.userId} ${each.groupId}   # ${summary(each, people)}`);
  const heading = known.length === 1 ? 'Newest measure group:' : `The ${known.length} newest measure groups:`;
  return [heading, ...lines.reverse()].join('\n');
}

function summary(reading: Reading, { unit }: People): string {
  const weight = weightOf(reading);
  const what = weight === undefined ? listMeasures(reading, unit) || 'no measures' : formatWeight(weight, unit);
  return `${what}, measured ${formatTime(reading.takenAt, reading.timeZone)}`;
}

function formatMoment(date: Date): string {
  return formatTime(date, LOCAL_ZONE);
}
