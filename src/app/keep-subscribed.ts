import { type Clock, isPlausible } from '../domain/clock.ts';
import type { UserId } from '../domain/token.ts';
import { asTrouble, type Trouble } from '../domain/trouble.ts';
import { backoffMs } from './backoff.ts';
import type { Collector } from './collector.ts';
import type { LinkedUsers } from './linked-users.ts';
import { SAME_CALL_MS } from './pace.ts';
import type { Subscriptions } from './subscriptions.ts';
import { SHARED, type Troubles } from './troubles.ts';

/** How often to look whose turn it is. */
const LOOK_MS = 30_000;
/** How often to try what waiting alone will not mend. */
const SLOW_RETRY_MS = 3_600_000;
/** What is everybody's trouble is told of by the fetches, unless it lasts here. */
const PATIENT_FAILURES = 3;

interface Plan {
  readonly dueMs: number;
  readonly failures: number;
}

/**
 * Sees to it that Withings calls: at start, when somebody is added, and every interval, for Withings drops
 * subscriptions without a word. What fails is tried for ever. Runs until the signal aborts.
 */
export async function keepSubscribed(ports: {
  readonly subscriptions: Subscriptions;
  readonly linkedUsers: LinkedUsers;
  readonly collector: Pick<Collector, 'needLogin'>;
  /** Of the subscriptions alone: what is over for the fetches may last here. */
  readonly troubles: Pick<Troubles, 'report' | 'over'>;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { subscriptions, linkedUsers, collector, troubles, intervalMs, clock, random, signal } = ports;
  let plans: ReadonlyMap<UserId, Plan> = new Map();

  const heal = async (userId: UserId, { failures }: Plan): Promise<Plan> => {
    try {
      await subscriptions.heal(userId, { urgent: false });
      troubles.over(userId);
      return { dueMs: clock.elapsedMs() + intervalMs, failures: 0 };
    } catch (error) {
      if (signal.aborted) return { dueMs: Number.POSITIVE_INFINITY, failures };
      const trouble = asTrouble(error);
      if (!isToldElsewhere(trouble) || failures >= PATIENT_FAILURES) troubles.report(userId, trouble);
      return { dueMs: clock.elapsedMs() + retryDelayMs(trouble, failures + 1, random()), failures: failures + 1 };
    }
  };

  // The process before this one may have asked right before it ended.
  await clock.sleep(SAME_CALL_MS, signal);
  while (!signal.aborted) {
    const users = isPlausible(clock.now()) ? await linkedUsers.refresh().catch(() => []) : [];
    const dead = new Set(collector.needLogin());
    const next = new Map<UserId, Plan>();
    for (const userId of users) {
      const plan = plans.get(userId) ?? { dueMs: 0, failures: 0 };
      const isDue = plan.dueMs <= clock.elapsedMs() && !dead.has(userId) && !signal.aborted;
      next.set(userId, isDue ? await heal(userId, plan) : plan);
    }
    if (users.length > 0) plans = next;
    await clock.sleep(LOOK_MS, signal);
  }
}

function isToldElsewhere({ code, recovery }: Trouble): boolean {
  return SHARED.has(code) || recovery === 'login' || recovery === 'unlinked';
}

function retryDelayMs(trouble: Trouble, failures: number, random: number): number {
  const isHopeful = trouble.recovery === 'retry' || trouble.recovery === 'access' || trouble.recovery === 'throttled';
  return trouble.waitMs ?? (isHopeful ? backoffMs(failures, random) : SLOW_RETRY_MS);
}
