import type { Clock } from '../../domain/clock.ts';
import { nameOf, type People } from '../../domain/household.ts';
import type { Log } from '../../domain/log.ts';
import type { UserId } from '../../domain/token.ts';
import type { Trouble } from '../../domain/trouble.ts';
import type { PersonStates } from './person-states.ts';
import { type CurrentTrouble, createReminders } from './reminders.ts';

/** Tells each trouble once, reminds of it while it lasts, and says when it is over. */
export interface Troubles {
  report(userId: UserId, trouble: Trouble): void;
  /** Everything this user's weigh-ins need has just worked. */
  over(userId: UserId): void;
  /** Those that are not over, in the order in which they began. */
  current(): readonly CurrentTrouble[];
}

export function createTroubles({
  clock,
  log,
  people,
  personStates,
}: {
  readonly clock: Clock;
  readonly log: Log;
  readonly people: People;
  /** Where a login that does not work any more is noted, for whoever asks later. */
  readonly personStates?: PersonStates;
}): Troubles {
  const reminders = createReminders({ clock, log });
  const about = (userId: UserId, { code }: Trouble) => (SHARED.has(code) ? '' : `${nameOf(userId, people)}: `);

  const noteLogin = (userId: UserId, reason: string | undefined) =>
    void personStates?.change(userId, (before) => {
      const needsLogin = reason === undefined ? undefined : { since: before.needsLogin?.since ?? clock.now(), reason };
      return { ...before, needsLogin };
    });

  return {
    report(userId, trouble) {
      if (trouble.recovery === 'login') noteLogin(userId, trouble.message);
      const whose = SHARED.has(trouble.code) ? undefined : userId;
      const told = { userId: whose, about: about(userId, trouble), fields: { userid: userId } };
      reminders.report(keyOf(userId, trouble), trouble, told);
    },
    over(userId) {
      noteLogin(userId, undefined);
      reminders.over((key, trouble) => key === keyOf(userId, trouble));
    },
    current: reminders.current,
  };
}

/** An outage or a full disk is everybody's and need not be told for each; a login is one person's. */
export const SHARED: ReadonlySet<string> = new Set([
  'unreachable',
  'bad_answer',
  'throttled',
  'wrong_client',
  'clock_wrong',
  'disk_full',
  'read_only',
]);

function keyOf(userId: UserId, trouble: Trouble): string {
  return SHARED.has(trouble.code) ? trouble.code : `${trouble.code} ${userId}`;
}
