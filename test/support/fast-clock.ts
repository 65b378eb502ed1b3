import type { Clock } from '../../src/domain/clock.ts';
import { realClock } from '../../src/runtime/real-clock.ts';

export interface FastClock extends Clock {
  /** Lets time pass in which nobody lives: for those who look at the clock later, not for those who are asleep. */
  skip(ms: number): void;
  /** What another process needs to share this time. */
  readonly time: FastTime;
}

export interface FastTime {
  readonly speed: number;
  /** Milliseconds since 1970, at which it shows the right time. */
  readonly startMs: number;
  readonly skippedMs?: number;
}

/**
 * Time that passes many times as fast, the same in every process that is given the same start: waiting for an hour
 * takes seconds, and the rules about time still hold between those who share the clock.
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

/** By how much a clock on the wall is wrong from the start, and by how much more from when it jumps. */
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
