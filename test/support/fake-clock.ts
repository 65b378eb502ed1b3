import type { Clock } from '../../src/domain/clock.ts';

export interface FakeClock extends Clock {
  /** Advances the time, and wakes every sleeper in order, with everything that the sleepers start. */
  advance(ms: number): Promise<void>;
  /** Moves the wall clock but not the elapsed time, as NTP or an empty battery does. */
  jumpTo(date: Date): void;
  /** The number of sleepers. */
  readonly sleepers: number;
}

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

/** Creates a clock that stands still until the test advances it. */
export function createFakeClock(start = new Date('2026-11-20T06:00:00Z')): FakeClock {
  let elapsedMs = 0;
  let offsetMs = start.getTime();
  const sleepers = new Set<Sleeper>();

  return {
    now: () => new Date(offsetMs + elapsedMs),
    elapsedMs: () => elapsedMs,
    sleep(ms, signal) {
      if (signal?.aborted === true) return Promise.resolve();
      return new Promise<void>((resolve) => {
        const sleeper = {
          atMs: elapsedMs + Math.max(0, ms),
          wake: () => {
            sleepers.delete(sleeper);
            signal?.removeEventListener('abort', sleeper.wake);
            resolve();
          },
        };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', sleeper.wake);
      });
    },
    async advance(ms) {
      const endMs = elapsedMs + ms;
      for (await settle(); ; await settle()) {
        const [next] = [...sleepers].sort((a, b) => a.atMs - b.atMs);
        if (next === undefined || next.atMs > endMs) break;
        elapsedMs = Math.max(elapsedMs, next.atMs);
        next.wake();
      }
      elapsedMs = endMs;
    },
    jumpTo(date) {
      offsetMs = date.getTime() - elapsedMs;
    },
    get sleepers() {
      return sleepers.size;
    },
  };
}

/** Runs all work that needs no time: promises first, then the event loop. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}
