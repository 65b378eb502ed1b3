import type { Clock } from '../../domain/clock.ts';

/** The round over all people comes every minute. */
const ROUND_LIMIT_MS = 10 * 60_000;
/** Every call has a time limit and a turn; nothing that goes on takes anything like it. */
const ATTEMPT_LIMIT_MS = 60 * 60_000;

/** Whether the work goes on: not whether it succeeds, but whether it would be done. */
export interface Liveness {
  /** Another round over all people begins. */
  beat(): void;
  /** What has come to a standstill, in words; undefined while nothing has. */
  stuck(): string | undefined;
}

/** @param oldestAttemptMs how long the oldest attempt to fetch has been going on */
export function createLiveness(clock: Clock, oldestAttemptMs: () => number): Liveness {
  let lastMs = clock.elapsedMs();
  return {
    beat() {
      lastMs = clock.elapsedMs();
    },
    stuck() {
      const silentMs = clock.elapsedMs() - lastMs;
      if (silentMs > ROUND_LIMIT_MS) return `nobody has been looked after for ${minutes(silentMs)} min`;
      const busyMs = oldestAttemptMs();
      if (busyMs > ATTEMPT_LIMIT_MS) return `a fetch has been going on for ${minutes(busyMs)} min`;
      return undefined;
    },
  };
}

function minutes(ms: number): number {
  return Math.floor(ms / 60_000);
}
