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
  /** Those that are not over, in the order in which they began. */
  current(): readonly CurrentTrouble[];
}

export interface CurrentTrouble {
  /** Undefined where it is everybody's. */
  readonly userId: UserId | undefined;
  readonly trouble: Trouble;
  /** As it is told. */
  readonly text: string;
  /** By `clock.elapsedMs()`. */
  readonly sinceMs: number;
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
  const known = new Map<string, CurrentTrouble & { readonly toldMs: number }>();
  const about = (userId: UserId, { code }: Trouble) => (SHARED.has(code) ? '' : `${nameOf(userId, people)}: `);

  const noteLogin = (userId: UserId, reason: string | undefined) =>
    void records?.change(userId, (before) => {
      const needsLogin = reason === undefined ? undefined : { since: before.needsLogin?.since ?? clock.now(), reason };
      return { ...before, needsLogin };
    });

  return {
    report(userId, trouble) {
      if (trouble.recovery === 'login') noteLogin(userId, trouble.message);
      const key = keyOf(userId, trouble);
      const nowMs = clock.elapsedMs();
      const before = known.get(key);
      const isNews = before === undefined || nowMs - before.toldMs >= REMIND_MS;
      const text = about(userId, trouble) + explain(trouble);
      const whose = SHARED.has(trouble.code) ? undefined : userId;
      if (isNews) known.set(key, { userId: whose, trouble, text, sinceMs: nowMs, ...before, toldMs: nowMs });
      log[isNews ? levelOf(trouble) : 'debug']({
        event: trouble.recovery === 'login' ? 'needs_login' : 'trouble',
        text,
        code: trouble.code,
        userid: userId,
      });
    },
    over(userId) {
      noteLogin(userId, undefined);
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
    current: () => [...known.values()],
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
