import type { Clock } from '../../src/domain/clock.ts';
import { realClock } from '../../src/real-clock.ts';

/**
 * Time that passes many times as fast, the same in every process that is given the same start: waiting for an hour
 * takes seconds, and the rules about time still hold between those who share the clock.
 *
 * @param startMs milliseconds since 1970, at which it shows the right time
 */
export function createFastClock({ speed, startMs }: { readonly speed: number; readonly startMs: number }): Clock {
  return {
    now: () => new Date(startMs + (Date.now() - startMs) * speed),
    elapsedMs: () => performance.now() * speed,
    sleep: (ms, signal) => realClock.sleep(ms / speed, signal),
  };
}
