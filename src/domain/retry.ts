/**
 * Withings answers 601 when it gets the same call with the same arguments twice within 10 s.
 * Two more, because its clock runs from the arrival.
 */
export const SAME_CALL_MS = 12_000;

/** Withings is asked again after 15 s, and after 1 h at the latest. */
const WITHINGS = { firstMs: 15_000, longestMs: 3_600_000 };

/**
 * How long to wait after the n-th failure in a row: from the first wait doubling to the longest, each spread over its
 * upper half so that many users do not come back in the same second.
 *
 * @param failures 1 for the first
 * @param random between 0 and 1
 */
export function backoffMs(failures: number, random: number, { firstMs, longestMs } = WITHINGS): number {
  const step = Math.min(firstMs * 2 ** (failures - 1), longestMs);
  return step * (0.5 + random / 2);
}
