import type { Clock } from '../../src/domain/clock.ts';

export interface FakeClock extends Clock {
  /** Lets so much time pass, waking every sleeper on the way in its order, and everything they start. */
  advance(ms: number): Promise<void>;
  /** Moves the wall clock without letting time pass, as NTP or a dead battery does. */
  jumpTo(date: Date): void;
  /** How many are asleep. */
  readonly sleepers: number;
}

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

/** A clock that stands still until it is told to go on. */
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

/** Lets everything that needs no time happen: promises first, then what the event loop has ready. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}
