import { type BackfillState, type BackfillWatch, backfill } from '../app/collect/backfill.ts';
import { makeDirectories } from '../daemon/core.ts';
import { backfillIn } from '../daemon/data-directory.ts';

import { nameOf } from '../domain/household.ts';
import type { UserId } from '../domain/token.ts';
import { explain } from '../domain/trouble.ts';
import { realClock } from '../runtime/real-clock.ts';
import { makeDirectory } from '../storage/files.ts';
import { createBackfillFiles } from '../storage/progress-files.ts';
import { type DateRange, describeEmptyRange, formatDay, isEmptyRange } from './dates.ts';
import { openCommand, readPeople } from './open-command.ts';
import { openProgress, type Progress } from './progress.ts';
import { ExitCode, ExitError, type Shell } from './shell.ts';

/** Withings was founded in June 2008, and its first scale was sold from 2009 on: no scale has measured anything before. */
const BEFORE_THE_FIRST_SCALE = new Date('2009-01-01T00:00:00Z');

/** Fetches a person's history into the journal, beside a running daemon or without one. */
export async function backfillUser(shell: Shell, userId: UserId, options: DateRange): Promise<ExitCode> {
  const { since = BEFORE_THE_FIRST_SCALE, until } = options;
  if (isEmptyRange({ since, until })) throw new ExitError(ExitCode.usage, describeEmptyRange({ since, until }));
  using progress = await openProgress(shell, realClock);
  const { config, core } = openCommand(progress.shell);
  const directory = backfillIn(config.directories.data);
  await makeDirectories(config.directories);
  await makeDirectory(directory);
  await readPeople(shell, core.tokens, userId);

  const { print, say, signal } = progress.shell;
  const who = nameOf(userId, config.people);
  const ports = {
    withAccess: core.withAccess,
    measures: core.client,
    journal: await core.openJournal(),
    store: createBackfillFiles(directory),
    unreadable: await core.openUnreadable(),
    clock: realClock,
    random: Math.random,
    watch: createWatch(progress, who),
    signal,
  };
  try {
    const state = await backfill(ports, userId, { since, until });
    print(summary(who, state));
    if (state.fresh > 0 || until === undefined || until > state.end) {
      say('"weighbridge serve" fetches and publishes the last 24 hours.');
    }
    if (state.unreadable > 0) say(`weighbridge cannot read ${state.unreadable} measure groups completely.`);
    return ExitCode.done;
  } catch (error) {
    if (error !== signal.reason) throw error;
    say('Stopped. Run the same command to continue from here.');
    return ExitCode.failed;
  }
}

function createWatch({ shell, update }: Progress<Shell>, who: string): BackfillWatch {
  let hasBegun = false;
  return {
    progress({ since, begin, next, end, groups, added }) {
      if (!hasBegun && begin < end) {
        const where = begin > since ? `, continuing at ${formatDay(begin)}` : '';
        shell.say(`${who}: fetching weigh-ins from ${formatDay(since)} to ${formatDay(end)}${where}`);
      }
      hasBegun = true;
      const done = (next.getTime() - since.getTime()) / (end.getTime() - since.getTime());
      update(Math.min(done, 1), `up to ${formatDay(next)}: ${groups} measure groups, ${added} new`);
    },
    waiting(trouble, waitMs) {
      // The hint of a throttled call is how long it waits.
      const what = trouble.recovery === 'throttled' ? trouble.message : explain(trouble);
      shell.say(explain({ message: what, hint: `Next try in ${Math.ceil(waitMs / 1000)} s.` }));
    },
    unreadable(window, what) {
      const where = `between ${formatDay(window.start)} and ${formatDay(window.end)}`;
      const kept = 'weighbridge kept the measure group in unreadable.jsonl in the data directory. Please report it.';
      shell.say(`warning: cannot read a measure group from Withings ${where}: ${what}. ${kept}`);
    },
  };
}

function summary(who: string, { begin, end, groups, added, first, last }: BackfillState): string {
  if (begin >= end) return `${who}: nothing to fetch`;
  if (first === undefined || last === undefined)
    return `${who}: no measure groups from ${formatDay(begin)} to ${formatDay(end)}`;
  return `${who}: ${groups} measure groups from ${formatDay(first)} to ${formatDay(last)}, ${added} new`;
}
