import type { Clock } from './clock.ts';
import { asTrouble, passes, type Trouble } from './trouble.ts';

/**
 * Withings answers 601 when it gets the same call with the same arguments twice within 10 s. Two more seconds, because
 * Withings' clock starts at the arrival.
 */
export const SAME_CALL_MS = 12_000;
/** The pause after a throttled call without a waiting time. */
const THROTTLE_MS = 60_000;

export interface Backoff {
  readonly firstMs: number;
  readonly longestMs: number;
  /** The wait for a trouble that waiting does not repair. Without it, such a trouble backs off like any other. */
  readonly slowMs?: number;
}

/** Calls to Withings are retried after 15 s, and after 1 h at the latest. */
const WITHINGS: Backoff = { firstMs: 15_000, longestMs: 3_600_000, slowMs: 3_600_000 };

/**
 * How long to wait after the n-th failure in a row. Unless the trouble has a waiting time, the wait doubles from the
 * first to the longest. Each is spread over its upper half, so that retries for many users do not come in the same
 * second.
 *
 * @param failures 1 for the first
 * @param random between 0 and 1
 */
export function retryDelayMs(trouble: Trouble, failures: number, random: number, backoff = WITHINGS): number {
  if (trouble.waitMs !== undefined) return trouble.waitMs;
  if (trouble.recovery === 'throttled') return THROTTLE_MS;
  if (backoff.slowMs !== undefined && !passes(trouble)) return backoff.slowMs;
  return Math.min(backoff.firstMs * 2 ** (failures - 1), backoff.longestMs) * (0.5 + random / 2);
}

export interface RetryOptions {
  readonly clock: Pick<Clock, 'sleep'>;
  readonly signal?: AbortSignal;
  /** Returns a number between 0 and 1, which spreads retries. */
  readonly random?: () => number;
  readonly backoff?: Backoff;
  /** The most retries. */
  readonly most?: number;
  /** The troubles that are worth a retry. By default those that pass. */
  readonly isWorth?: (trouble: Trouble) => boolean;
  /** Called before each wait; may throw instead of waiting. */
  readonly onWait?: (trouble: Trouble, waitMs: number) => void;
}

/** For a call that a person waits for: it is retried only if Withings just got the same call. */
export const WHILE_WAITED_FOR = { most: 3, isWorth: ({ recovery }: Trouble) => recovery === 'throttled' };

/**
 * Does the work, and retries it until it is done.
 *
 * @throws the work's error that is not worth a retry; the reason of the signal when it aborts
 */
export async function retry<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { clock, signal, random = Math.random, backoff, isWorth = passes, onWait } = options;
  let failures = 0;
  for (let left = options.most ?? Number.POSITIVE_INFINITY; ; left -= 1) {
    try {
      return await work();
    } catch (error) {
      const trouble = asTrouble(error);
      if (left === 0 || !isWorth(trouble)) throw error;
      signal?.throwIfAborted();
      // A wait of known length does not predict the length of the next trouble.
      if (trouble.waitMs === undefined) failures += 1;
      const waitMs = retryDelayMs(trouble, failures, random(), backoff);
      onWait?.(trouble, waitMs);
      await clock.sleep(waitMs, signal);
      signal?.throwIfAborted();
    }
  }
}
