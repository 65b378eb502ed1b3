import type { Clock } from './clock.ts';

/**
 * Allows each key once in a period, and only a limited number of keys: a stranger with made-up names cannot fill the
 * log or the memory.
 */
export function createThrottle(clock: Clock, periodMs: number, most: number): (key: string) => boolean {
  const saidMs = new Map<string, number>();
  return (key) => {
    const nowMs = clock.elapsedMs();
    for (const [old, atMs] of saidMs) {
      if (nowMs - atMs < periodMs) break;
      saidMs.delete(old);
    }
    if (saidMs.has(key) || saidMs.size >= most) return false;
    saidMs.set(key, nowMs);
    return true;
  };
}
