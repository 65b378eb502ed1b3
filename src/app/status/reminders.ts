import type { Clock } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import type { UserId } from '../../domain/token.ts';
import { explain, type Trouble } from '../../domain/trouble.ts';

/** The same trouble is told again after this time: never silent, never a flood. */
const REMIND_MS = 6 * 3_600_000;

export interface CurrentTrouble {
  /** Undefined where it is everybody's. */
  readonly userId: UserId | undefined;
  readonly trouble: Trouble;
  /** As it is told. */
  readonly text: string;
  /** By `clock.elapsedMs()`. */
  readonly sinceMs: number;
}

interface Known {
  readonly userId: UserId | undefined;
  readonly trouble: Trouble;
  /** Whom or what it is about, in front of the line. */
  readonly about: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly sinceMs: number;
  readonly toldMs: number;
}

/** Each trouble has a key; a trouble of the same key is no news for a while. */
export function createReminders({ clock, log }: { readonly clock: Clock; readonly log: Log }) {
  const known = new Map<string, Known>();
  return {
    report(key: string, trouble: Trouble, told: Pick<Known, 'userId' | 'about' | 'fields'>) {
      const { about, fields } = told;
      const nowMs = clock.elapsedMs();
      const before = known.get(key);
      const isNews = before === undefined || nowMs - before.toldMs >= REMIND_MS;
      if (isNews) {
        known.set(key, { ...told, trouble, sinceMs: nowMs, ...before, toldMs: nowMs });
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
    current(): readonly CurrentTrouble[] {
      const all = [...known.values()];
      return all.map(({ userId, trouble, about, sinceMs }) => ({
        userId,
        trouble,
        text: about + explain(trouble),
        sinceMs,
      }));
    },
  };
}

function levelOf({ recovery }: Trouble): 'warn' | 'error' {
  return recovery === 'retry' || recovery === 'throttled' ? 'warn' : 'error';
}
