import { isPolled, NOTHING_KNOWN, type PersonState } from '../../domain/status.ts';
import type { UserId } from '../../domain/token.ts';

/**
 * A little more than `POLL_INTERVAL`: no two polls are closer than 10 minutes by Withings' clock. A day has at most 141
 * polls and 8 token refreshes.
 */
const MARGIN = 1.025;
/** How much older than the interval a weigh-in may be: Withings takes some 2 minutes, and one call may fail. */
const SLACK_MS = 5 * 60_000;

/** How often weighbridge fetches a person's weigh-ins, and how old a fresh one may be. */
export interface Schedule {
  /** How often it polls. */
  readonly pollMs: number;
  readonly hasCallback: boolean;
  isPolled(userId: UserId): boolean;
  intervalMs(userId: UserId): number;
  /** A weigh-in older than this is late. It is `ANNOUNCE_MAX_AGE`, or the time since the previous poll. */
  maxAgeMs(userId: UserId): number;
}

export function createSchedule(ports: {
  readonly hasCallback: boolean;
  readonly pollMs: number;
  readonly reconcileMs: number;
  /** `ANNOUNCE_MAX_AGE` */
  readonly maxAgeMs: number;
  readonly remembered: (userId: UserId) => PersonState | undefined;
}): Schedule {
  const { hasCallback, pollMs, reconcileMs, maxAgeMs, remembered } = ports;
  const isPolledNow = (userId: UserId) => isPolled(remembered(userId) ?? NOTHING_KNOWN, hasCallback);
  return {
    pollMs,
    hasCallback,
    isPolled: isPolledNow,
    intervalMs: (userId) => (isPolledNow(userId) ? pollMs * MARGIN : reconcileMs),
    maxAgeMs: (userId) => (isPolledNow(userId) ? Math.max(maxAgeMs, pollMs * MARGIN + SLACK_MS) : maxAgeMs),
  };
}
