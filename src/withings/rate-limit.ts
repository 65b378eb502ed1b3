import type { Clock } from '../domain/clock.ts';
import { SAME_CALL_MS } from '../domain/retry.ts';
import { Trouble } from '../domain/trouble.ts';

/** Withings: 120 calls a minute for all users of an application together (developer guide, rate limits). */
const CALLS_PER_MINUTE = 120;
/** The share of background work, so that a person who has just stepped on the scale never queues behind it. */
const BACKGROUND_CALLS_PER_MINUTE = 90;
/** A minute, and two seconds more: Withings counts calls at arrival, and one may overtake another on its way. */
const WINDOW_MS = 62_000;

/** Decides when the next call to Withings may start. */
export interface RateLimit {
  /**
   * Waits until the call may be made, and counts it. Rejects when the program stops first, and with a `Trouble` when
   * Withings throttles: the caller may hold a lock, and that pause can be long.
   *
   * @param call.key the same for calls with the same arguments
   * @param call.urgent a person is waiting for it
   */
  turn(call: { readonly key: string; readonly urgent: boolean }): Promise<void>;
  /** Withings throttles: no call starts for so long. */
  pause(ms: number): void;
}

export function createRateLimit({ clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal }): RateLimit {
  /** The start of each call in the last window, oldest first. */
  const calls: { readonly at: number; readonly key: string }[] = [];
  let pausedUntil = 0;

  const waitMs = (key: string, urgent: boolean) => {
    const now = clock.elapsedMs();
    while (calls[0] !== undefined && calls[0].at <= now - WINDOW_MS) calls.shift();
    const limit = urgent ? CALLS_PER_MINUTE : BACKGROUND_CALLS_PER_MINUTE;
    const slot = calls.at(-limit)?.at ?? Number.NEGATIVE_INFINITY;
    const same = calls.findLast((call) => call.key === key)?.at ?? Number.NEGATIVE_INFINITY;
    return Math.max(slot + WINDOW_MS, same + SAME_CALL_MS) - now;
  };

  const checkPause = () => {
    const waitMs = pausedUntil - clock.elapsedMs();
    if (waitMs <= 0) return;
    const facts = { code: 'throttled', recovery: 'throttled', waitMs } as const;
    const hint = `Waiting ${Math.ceil(waitMs / 1000)} s.`;
    throw new Trouble('Withings rate limit reached', { ...facts, hint });
  };

  return {
    async turn({ key, urgent }) {
      checkPause();
      for (let wait = waitMs(key, urgent); wait > 0; wait = waitMs(key, urgent)) {
        await clock.sleep(wait, signal);
        signal.throwIfAborted();
        checkPause();
      }
      calls.push({ at: clock.elapsedMs(), key });
    },
    pause(ms) {
      pausedUntil = Math.max(pausedUntil, clock.elapsedMs() + ms);
    },
  };
}
