import type { Clock } from './clock.ts';
import { asTrouble, passes, type Trouble } from './trouble.ts';

/**
 * Withings answers 601 when it gets the same call with the same arguments twice within 10 s.
 * Two more, because its clock runs from the arrival.
 */
export const SAME_CALL_MS = 12_000;
/** The pause after a throttled call that does not say how long to wait. */
const THROTTLE_MS = 60_000;

export interface Backoff {
  readonly firstMs: number;
  readonly longestMs: number;
  /** For a trouble that waiting does not repair; without it such a trouble backs off like any other. */
  readonly slowMs?: number;
}

/** Withings is asked again after 15 s, and after 1 h at the latest. */
const WITHINGS: Backoff = { firstMs: 15_000, longestMs: 3_600_000, slowMs: 3_600_000 };

/**
 * How long to wait after the n-th failure in a row. Where the trouble does not say so, the wait doubles from the first
 * to the longest. Each is spread over its upper half, so that many users do not come back in the same second.
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
  /** Between 0 and 1; spreads retries. */
  readonly random?: () => number;
  readonly backoff?: Backoff;
  /** How many retries there may be. */
  readonly most?: number;
  /** Which troubles are worth a retry; those that pass, where this is missing. */
  readonly isWorth?: (trouble: Trouble) => boolean;
  /** Told before each wait; may throw instead of waiting. */
  readonly onWait?: (trouble: Trouble, waitMs: number) => void;
}

/** A person waits for the call. Withings is asked again only where it has just been asked the same. */
export const WHILE_WAITED_FOR = { most: 3, isWorth: ({ recovery }: Trouble) => recovery === 'throttled' };

/**
 * Does the work, and retries it until it is done.
 *
 * @throws what the work throws and is not worth a retry; the reason of the signal when it aborts
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
      // Waiting for a known time says nothing about how long the next trouble lasts.
      if (trouble.waitMs === undefined) failures += 1;
      const waitMs = retryDelayMs(trouble, failures, random(), backoff);
      onWait?.(trouble, waitMs);
      await clock.sleep(waitMs, signal);
      signal?.throwIfAborted();
    }
  }
}
