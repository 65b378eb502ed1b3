import type { BackfillRange, BackfillRun } from '../../domain/backfill.ts';
import type { Clock } from '../../domain/clock.ts';
import { nameOf, type People } from '../../domain/household.ts';
import type { Log } from '../../domain/log.ts';
import type { UserId } from '../../domain/token.ts';
import { asTrouble, explain } from '../../domain/trouble.ts';
import {
  type BackfillState,
  type BackfillWatch,
  BEFORE_THE_FIRST_SCALE,
  describeProgress,
  describeResult,
  describeUnreadable,
  describeWait,
  shareOf,
} from './backfill.ts';

const EVERYTHING: BackfillRange = { since: BEFORE_THE_FIRST_SCALE, until: undefined };

/** A finished run finds the same again, and each uses up calls that weigh-ins need. */
const SAME_AGAIN_MS = 600_000;

/** The backfills that the page starts, one at a time. */
export interface Backfills extends AsyncDisposable {
  /** Fetches all past years of a person, unless a run is going on or theirs has just ended well. */
  begin(userId: UserId): void;
  /** The current state of the newest run since the start. */
  newest(): BackfillRun | undefined;
}

/** @param ports.signal ends a run after the current step; the person's next run continues there */
export function createBackfills(ports: {
  readonly backfill: (watch: BackfillWatch, userId: UserId, range: BackfillRange) => Promise<BackfillState>;
  readonly people: People;
  readonly clock: Pick<Clock, 'elapsedMs'>;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Backfills {
  const { backfill, people, clock, log, signal } = ports;
  const doneMs = new Map<UserId, number>();
  let newest: BackfillRun | undefined;
  let running: Promise<void> | undefined;

  const run = async (userId: UserId) => {
    const tell = (level: 'info' | 'warn' | 'error', text: string) =>
      log[level]({ event: 'backfill', text: `${nameOf(userId, people)}: ${text}`, userid: userId });
    let now: BackfillRun = { userId, state: 'running', share: 0, text: 'starting' };
    const change = (changes: Partial<BackfillRun>) => {
      now = { ...now, ...changes };
      newest = now;
    };
    change({});
    tell('info', 'fetching past years, as the status page asked');
    try {
      const watch: BackfillWatch = {
        progress: (state) => change({ share: shareOf(state), text: describeProgress(state) }),
        waiting(trouble, waitMs) {
          change({ text: describeWait(trouble, waitMs) });
          tell('warn', `past years: ${now.text}`);
        },
        unreadable: (window, what) => tell('warn', describeUnreadable(window, what)),
      };
      const state = await backfill(watch, userId, EVERYTHING);
      doneMs.set(userId, clock.elapsedMs());
      change({ state: 'done', share: 1, text: describeResult(state) });
      tell('info', `past years: ${now.text}`);
    } catch (error) {
      change({ state: 'failed', text: explain(asTrouble(error)) });
      if (!signal.aborted) tell('error', `cannot fetch past years: ${now.text}`);
    }
  };

  return {
    begin(userId) {
      const sinceMs = clock.elapsedMs() - (doneMs.get(userId) ?? Number.NEGATIVE_INFINITY);
      if (signal.aborted || sinceMs < SAME_AGAIN_MS) return;
      running ??= run(userId).finally(() => {
        running = undefined;
      });
    },
    newest: () => newest,
    [Symbol.asyncDispose]: async () => await running,
  };
}
