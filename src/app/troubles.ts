import type { Clock } from '../domain/clock.ts';
import type { Log } from '../domain/log.ts';
import { nameOf, type People } from '../domain/people.ts';
import type { UserId } from '../domain/token.ts';
import type { Trouble } from '../domain/trouble.ts';

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
}: {
  readonly clock: Clock;
  readonly log: Log;
  readonly people: People;
}): Troubles {
  interface Known {
    readonly trouble: Trouble;
    readonly sinceMs: number;
    toldMs: number;
  }
  const known = new Map<string, Known>();
  const about = (userId: UserId, { code }: Trouble) => (SHARED.has(code) ? '' : `${nameOf(userId, people)}: `);

  return {
    report(userId, trouble) {
      const key = keyOf(userId, trouble);
      const nowMs = clock.elapsedMs();
      const before = known.get(key);
      const level = trouble.recovery === 'retry' || trouble.recovery === 'throttled' ? 'warn' : 'error';
      const silent = before !== undefined && nowMs - before.toldMs < REMIND_MS;
      log[silent ? 'debug' : level]({
        event: trouble.recovery === 'login' ? 'needs_login' : 'trouble',
        text: [about(userId, trouble) + trouble.message, ...(trouble.hint === undefined ? [] : [trouble.hint])].join(
          '; ',
        ),
        code: trouble.code,
        userid: userId,
      });
      if (before === undefined) known.set(key, { trouble, sinceMs: nowMs, toldMs: nowMs });
      else if (!silent) before.toldMs = nowMs;
    },
    over(userId) {
      for (const [key, { trouble, sinceMs }] of known) {
        if (key !== keyOf(userId, trouble)) continue;
        known.delete(key);
        const minutes = Math.round((clock.elapsedMs() - sinceMs) / 60_000);
        const lasted = minutes < 1 ? '' : ` after ${minutes} min`;
        log.info({
          event: 'recovered',
          text: `works again${lasted}: ${about(userId, trouble)}${trouble.message}`,
          code: trouble.code,
        });
      }
    },
  };
}

/** An outage or a full disk is everybody's and need not be told for each; a login is one person's. */
const SHARED: ReadonlySet<string> = new Set([
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
