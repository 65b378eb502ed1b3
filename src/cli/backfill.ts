import {
  type BackfillWatch,
  BEFORE_THE_FIRST_SCALE,
  describeProgress,
  describeResult,
  describeUnreadable,
  describeWait,
  shareOf,
} from '../app/collect/backfill.ts';
import { makeDirectories } from '../daemon/core.ts';
import { formatDay } from '../domain/clock.ts';
import { nameOf } from '../domain/household.ts';
import type { UserId } from '../domain/token.ts';
import { realClock } from '../runtime/real-clock.ts';
import { type DateRange, describeEmptyRange, isEmptyRange } from './dates.ts';
import { openCommand, readPeople } from './open-command.ts';
import { openProgress, type Progress } from './progress.ts';
import { ExitCode, ExitError, type Shell } from './shell.ts';

/** Fetches a person's history into the journal, with or without a running daemon. */
export async function backfillUser(shell: Shell, userId: UserId, options: DateRange): Promise<ExitCode> {
  const { since = BEFORE_THE_FIRST_SCALE, until } = options;
  if (isEmptyRange({ since, until })) throw new ExitError(ExitCode.usage, describeEmptyRange({ since, until }));
  using progress = await openProgress(shell, realClock);
  const { config, core } = openCommand(progress.shell);
  await makeDirectories(config.directories);
  await readPeople(shell, core.tokens, userId);

  const { print, say, signal } = progress.shell;
  const who = nameOf(userId, config.people);
  const opened = {
    journal: await core.openJournal(),
    unreadable: await core.openUnreadable(),
    random: Math.random,
    watch: createWatch(progress, who),
  };
  try {
    const state = await core.backfill(opened, userId, { since, until });
    print(`${who}: ${describeResult(state)}`);
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
    progress(state) {
      const { since, begin, end } = state;
      if (!hasBegun && begin < end) {
        const where = begin > since ? `, continuing at ${formatDay(begin)}` : '';
        shell.say(`${who}: fetching weigh-ins from ${formatDay(since)} to ${formatDay(end)}${where}`);
      }
      hasBegun = true;
      update(shareOf(state), describeProgress(state));
    },
    waiting: (trouble, waitMs) => shell.say(describeWait(trouble, waitMs)),
    unreadable: (window, what) => shell.say(`warning: ${describeUnreadable(window, what)}`),
  };
}
