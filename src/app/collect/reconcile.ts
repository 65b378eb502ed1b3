import pLimit from 'p-limit';
import type { Clock } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import type { UserId } from '../../domain/token.ts';
import type { AccessTokens } from '../tokens/access-tokens.ts';
import { dropUnlinked, type LinkedUsers } from '../tokens/linked-users.ts';
import type { Collector } from './collector.ts';

/** How often to look for people who were linked by hand. */
const LOOK_MS = 60_000;
/** How many people are checked at the same time; the rate limit is what really sets the speed. */
const AT_ONCE = 2;

/**
 * Asks for everything since each person's cursor: at start, when a person is added or linked again,
 * and every interval even when webhooks work. Runs until the signal aborts.
 */
export async function reconcileForever(ports: {
  readonly linkedUsers: LinkedUsers;
  readonly accessTokens: AccessTokens;
  readonly collector: Collector;
  /** Told of each round. */
  readonly onRound: () => void;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { linkedUsers, accessTokens, collector, onRound, intervalMs, clock, log, signal } = ports;
  const dueMs = new Map<UserId, number>();
  const limit = pLimit(AT_ONCE);
  /** Of each person whose turn has not come yet, or is now. */
  const turns = new Map<UserId, Promise<void>>();

  const reconcile = async (userId: UserId) => {
    if (!signal.aborted) await collector.reconcile(userId);
    turns.delete(userId);
  };

  const look = async () => {
    const users = await linkedUsers.refresh();
    dropUnlinked(dueMs, linkedUsers);
    const nowMs = clock.elapsedMs();
    const due = users.filter((userId) => (dueMs.get(userId) ?? nowMs) <= nowMs);
    for (const userId of due) dueMs.set(userId, nowMs + intervalMs);
    for (const userId of collector.awaitCheck()) if (linkedUsers.has(userId) && !due.includes(userId)) due.push(userId);
    for (const userId of collector.needLogin()) if (await accessTokens.hasOtherLogin(userId)) due.push(userId);
    return due;
  };

  while (!signal.aborted) {
    onRound();
    try {
      for (const userId of await look()) if (!turns.has(userId)) turns.set(userId, limit(reconcile, userId));
    } catch (error) {
      const text = `cannot read the tokens directory: ${error instanceof Error ? error.message : error}`;
      log.warn({ event: 'trouble', text });
    }
    await clock.sleep(LOOK_MS, signal);
  }
  await Promise.all(turns.values());
}
