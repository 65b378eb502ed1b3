import { type Clock, isPlausible } from '../../domain/clock.ts';
import { retryDelayMs, SAME_CALL_MS } from '../../domain/retry.ts';
import type { UserId } from '../../domain/token.ts';
import { asTrouble, type Trouble } from '../../domain/trouble.ts';
import type { Collector } from '../collect/collector.ts';
import { concernsEveryone, type Troubles } from '../status/troubles.ts';
import { dropUnlinked, type LinkedUsers } from '../tokens/linked-users.ts';
import { SCOPE_MISSING, type Subscriptions } from './subscriptions.ts';

/** How often to look whose turn it is. */
const LOOK_MS = 30_000;
/** The fetches log a trouble that concerns everyone, unless it lasts here. */
const PATIENT_FAILURES = 3;

/** The time of a person's turn, and how often it failed in a row. */
interface Plan {
  readonly dueMs: number;
  readonly failures: number;
}

/** Ensures that Withings sends notifications. */
export interface Keeper {
  /** Checks each person's subscriptions until the signal aborts. */
  run(): Promise<void>;
  /** The person linked: their turn is now, not in hours. */
  soon(userId: UserId): void;
}

/**
 * Checks at start, when a person is added or has linked again, and every interval, for Withings silently drops
 * subscriptions. Failures are retried without end.
 */
export function createKeeper(ports: {
  readonly subscriptions: Pick<Subscriptions, 'keep'>;
  readonly linkedUsers: LinkedUsers;
  readonly collector: Pick<Collector, 'needLogin'>;
  /** The troubles of the subscriptions only: one that is over for the fetches may last here. */
  readonly troubles: Pick<Troubles, 'report' | 'over'>;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly signal: AbortSignal;
}): Keeper {
  const { subscriptions, linkedUsers, collector, troubles, intervalMs, clock, random, signal } = ports;
  const plans = new Map<UserId, Plan>();

  const keep = async (userId: UserId, failures: number): Promise<Plan> => {
    try {
      await subscriptions.keep(userId);
      troubles.over(userId);
      return { dueMs: clock.elapsedMs() + intervalMs, failures: 0 };
    } catch (error) {
      if (signal.aborted) return { dueMs: Number.POSITIVE_INFINITY, failures };
      const trouble = asTrouble(error);
      if (!isToldElsewhere(trouble) || failures >= PATIENT_FAILURES) troubles.report(userId, trouble);
      return { dueMs: clock.elapsedMs() + retryDelayMs(trouble, failures + 1, random()), failures: failures + 1 };
    }
  };

  const look = async () => {
    const users = await linkedUsers.refresh();
    dropUnlinked(plans, linkedUsers);
    for (const userId of users) {
      if (signal.aborted) return;
      const { dueMs, failures } = plans.get(userId) ?? { dueMs: 0, failures: 0 };
      // A person who must link again has no turn, and is first after linking.
      if (collector.needLogin().includes(userId)) plans.delete(userId);
      else if (dueMs <= clock.elapsedMs()) plans.set(userId, await keep(userId, failures));
    }
  };

  return {
    async run() {
      // The previous process may have called right before it ended.
      await clock.sleep(SAME_CALL_MS, signal);
      while (!signal.aborted) {
        // The reconcile reports an unreadable directory.
        if (isPlausible(clock.now())) await look().catch(() => undefined);
        await clock.sleep(LOOK_MS, signal);
      }
    },
    soon: (userId) => void plans.delete(userId),
  };
}

function isToldElsewhere(trouble: Trouble): boolean {
  const isAboutLogin = trouble.recovery === 'login' && trouble.code !== SCOPE_MISSING;
  return concernsEveryone(trouble) || isAboutLogin || trouble.recovery === 'unlinked';
}
