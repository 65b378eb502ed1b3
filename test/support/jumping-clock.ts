import type { Clock } from '../../src/domain/clock.ts';

/** A clock that advances at once by each sleep, for sequential work. */
export interface JumpingClock extends Clock {
  /** The sleeps so far, in milliseconds. */
  readonly sleeps: readonly number[];
  /** Moves the wall clock but not the elapsed time. */
  jumpTo(date: Date): void;
}

export function createJumpingClock(start: Date): JumpingClock {
  let elapsedMs = 0;
  let offsetMs = start.getTime();
  const sleeps: number[] = [];
  return {
    sleeps,
    now: () => new Date(offsetMs + elapsedMs),
    elapsedMs: () => elapsedMs,
    sleep(ms, signal) {
      sleeps.push(ms);
      if (signal?.aborted !== true) elapsedMs += Math.max(0, ms);
      return new Promise((resolve) => setImmediate(resolve));
    },
    jumpTo(date) {
      offsetMs = date.getTime() - elapsedMs;
    },
  };
}
