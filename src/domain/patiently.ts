import type { Clock } from './clock.ts';
import { asTrouble } from './trouble.ts';

/** Somebody asks twice, or another process has just asked the same. */
const MOST_WAITS = 3;

/**
 * Makes a call that somebody waits for. Withings does not answer the same question twice in 10 s; then it is asked
 * again as soon as it would, a few times.
 *
 * @param options.onWait told before each wait; may throw instead of waiting
 */
export async function patiently<T>(
  work: () => Promise<T>,
  {
    clock,
    signal,
    onWait,
  }: { readonly clock: Clock; readonly signal: AbortSignal; readonly onWait?: (ms: number) => void },
): Promise<T> {
  for (let waits = 0; ; waits += 1) {
    try {
      return await work();
    } catch (error) {
      const { recovery, waitMs = 0 } = asTrouble(error);
      if (recovery !== 'throttled' || waits === MOST_WAITS || signal.aborted) throw error;
      onWait?.(waitMs);
      await clock.sleep(waitMs, signal);
    }
  }
}
