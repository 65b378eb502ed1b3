import type { Clock } from '../domain/clock.ts';
import type { Log } from '../domain/log.ts';
import { nameOf, type People } from '../domain/people.ts';
import type { UserId } from '../domain/token.ts';
import { explain, type Trouble } from '../domain/trouble.ts';
import type { Records } from './records.ts';

/** The same trouble is told again after this time: never silent, never a flood. */
const REMIND_MS = 6 * 3_600_000;

/** Tells each trouble once, reminds of it while it lasts, and says when it is over. */
export interface Troubles {
  report(userId: UserId, trouble: Trouble): void;
  /** Everything this user's weigh-ins need has just worked. */
  over(userId: UserId): void;
}

export function createTroubles({
  clock,
  log,
  people,
  records,
}: {
  readonly clock: Clock;
  readonly log: Log;
  readonly people: People;
  /** Where a login that does not work any more is noted, for whoever asks later. */
  readonly records?: Records;
}): Troubles {
  const reminders = createReminders({ clock, log });
  const about = (userId: UserId, { code }: Trouble) => (SHARED.has(code) ? '' : `${nameOf(userId, people)}: `);

  const noteLogin = (userId: UserId, reason: string | undefined) =>
    void records?.change(userId, (before) => {
      const needsLogin = reason === undefined ? undefined : { since: before.needsLogin?.since ?? clock.now(), reason };
      return { ...before, needsLogin };
    });

  return {
    report(userId, trouble) {
      if (trouble.recovery === 'login') noteLogin(userId, trouble.message);
      reminders.report(keyOf(userId, trouble), trouble, { about: about(userId, trouble), fields: { userid: userId } });
    },
    over(userId) {
      noteLogin(userId, undefined);
      reminders.over((key, trouble) => key === keyOf(userId, trouble));
    },
  };
}

/** The same for a publisher, whose troubles are everybody's. */
export interface PublisherTroubles {
  report(trouble: Trouble): void;
  /** The troubles of these codes. */
  over(codes: ReadonlySet<string>): void;
}

export function createPublisherTroubles({
  clock,
  log,
  publisher,
}: {
  readonly clock: Clock;
  readonly log: Log;
  readonly publisher: string;
}): PublisherTroubles {
  const reminders = createReminders({ clock, log });
  return {
    report: (trouble) => reminders.report(trouble.code, trouble, { about: `${publisher}: `, fields: { publisher } }),
    over: (codes) => reminders.over((code) => codes.has(code)),
  };
}

interface Known {
  readonly trouble: Trouble;
  /** Whom or what it is about, in front of the line. */
  readonly about: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly sinceMs: number;
  readonly toldMs: number;
}

/** Each trouble has a key; a trouble of the same key is no news for a while. */
function createReminders({ clock, log }: { readonly clock: Clock; readonly log: Log }) {
  const known = new Map<string, Known>();
  return {
    report(key: string, trouble: Trouble, { about, fields }: Pick<Known, 'about' | 'fields'>) {
      const nowMs = clock.elapsedMs();
      const before = known.get(key);
      const isNews = before === undefined || nowMs - before.toldMs >= REMIND_MS;
      if (isNews) {
        known.set(key, { about, fields, trouble, sinceMs: nowMs, ...before, toldMs: nowMs });
      }
      log[isNews ? levelOf(trouble) : 'debug']({
        event: trouble.recovery === 'login' ? 'needs_login' : 'trouble',
        text: about + explain(trouble),
        code: trouble.code,
        ...fields,
      });
    },
    over(concerns: (key: string, trouble: Trouble) => boolean) {
      for (const [key, { trouble, about, sinceMs }] of known) {
        if (!concerns(key, trouble)) continue;
        known.delete(key);
        const minutes = Math.round((clock.elapsedMs() - sinceMs) / 60_000);
        const lasted = minutes < 1 ? '' : ` after ${minutes} min`;
        log.info({
          event: 'recovered',
          text: `works again${lasted}: ${about}${trouble.message}`,
          code: trouble.code,
        });
      }
    },
  };
}

function levelOf({ recovery }: Trouble): 'warn' | 'error' {
  return recovery === 'retry' || recovery === 'throttled' ? 'warn' : 'error';
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
