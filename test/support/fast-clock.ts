import type { Clock } from '../../src/domain/clock.ts';
import { realClock } from '../../src/runtime/real-clock.ts';

export interface FastClock extends Clock {
  /** Skips time for readers of the clock, but wakes no sleeper. */
  skip(ms: number): void;
  /** The data that another process needs to share this time. */
  readonly time: FastTime;
}

export interface FastTime {
  readonly speed: number;
  /** The milliseconds since 1970 at which the clock is correct. */
  readonly startMs: number;
  readonly skippedMs?: number;
}

/**
 * Creates a clock that runs many times as fast, and equally in every process with the same start. An hour of waiting
 * takes seconds, and time rules still hold between those processes.
 */
export function createFastClock({ speed, startMs, skippedMs = 0 }: FastTime): FastClock {
  let skipped = skippedMs;
  return {
    now: () => new Date(startMs + skipped + (Date.now() - startMs) * speed),
    elapsedMs: () => performance.now() * speed,
    sleep: (ms, signal) => realClock.sleep(ms / speed, signal),
    skip(ms) {
      skipped += ms;
    },
    get time() {
      return { speed, startMs, skippedMs: skipped };
    },
  };
}

/** The error of a wall clock from the start, and its additional error after a jump. */
export interface WrongClock {
  readonly wrongByMs?: number;
  readonly jumpMs?: number;
}

/** A clock on the wall that is wrong. However it jumps, time passes as on the right one. */
export function createWrongClock(clock: Clock, { wrongByMs = 0, jumpMs = 0 }: WrongClock): Clock & { jump(): void } {
  let offsetMs = wrongByMs;
  return {
    now: () => new Date(clock.now().getTime() + offsetMs),
    elapsedMs: () => clock.elapsedMs(),
    sleep: (ms, signal) => clock.sleep(ms, signal),
    jump() {
      offsetMs = wrongByMs + jumpMs;
    },
  };
}
