const FIRST_MS = 15_000;
const LONGEST_MS = 3_600_000;

/**
 * How long to wait after the n-th failure in a row: from 15 s doubling to 1 h, each spread over its upper half
 * so that many users do not come back in the same second.
 *
 * @param failures 1 for the first
 * @param random between 0 and 1
 */
export function backoffMs(failures: number, random: number): number {
  const step = Math.min(FIRST_MS * 2 ** (failures - 1), LONGEST_MS);
  return step * (0.5 + random / 2);
}
