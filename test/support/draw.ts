import { createRandom } from './random.ts';

/** A generator of values that are equal for an equal seed. */
export interface Draw {
  /** Returns an integer between both numbers, both included. */
  int(from: number, to: number): number;
  pick<T>(list: readonly [T, ...T[]]): T;
  chance(probability: number): boolean;
  /** Returns random bytes, one character each. */
  bytes(count: number): string;
}

export function createDraw(seed: number): Draw {
  const random = createRandom(seed);
  const int = (from: number, to: number) => from + Math.floor(random() * (to - from + 1));
  return {
    int,
    pick: (list) => list[int(0, list.length - 1)] ?? list[0],
    chance: (probability) => random() < probability,
    bytes: (count) => Array.from({ length: count }, () => String.fromCharCode(int(0, 255))).join(''),
  };
}
