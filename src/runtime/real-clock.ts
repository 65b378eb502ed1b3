import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../domain/clock.ts';

/** Timers count to 2^31 ms; longer waits are split. */
const LONGEST_MS = 2 ** 31 - 1;

/** The clock of this machine. */
export const realClock: Clock = {
  now: () => new Date(),
  elapsedMs: () => performance.now(),
  async sleep(ms, signal) {
    await sleep(Math.min(Math.max(ms, 0), LONGEST_MS), undefined, signal && { signal }).catch(() => undefined);
  },
};
