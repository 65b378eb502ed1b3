import pLimit from 'p-limit';
import type { Clock } from '../../domain/clock.ts';
import { nameOf, type People } from '../../domain/household.ts';
import type { Log } from '../../domain/log.ts';
import { describePolling } from '../../domain/status.ts';
import type { UserId } from '../../domain/token.ts';
import type { AccessTokens } from '../tokens/access-tokens.ts';
import { dropUnlinked, type LinkedUsers } from '../tokens/linked-users.ts';
import type { Collector } from './collector.ts';
import type { Schedule } from './schedule.ts';

/** The longest time between two looks for people who were linked by hand. */
const LOOK_MS = 60_000;
/** The shortest time between two such looks. */
const LEAST_LOOK_MS = 1_000;
/** How many people are checked at the same time. The rate limit sets the real speed. */
const AT_ONCE = 2;
/** People who are due together are spread over this share of the interval, at most over a minute. */
const SPREAD = { share: 0.1, mostMs: 60_000 };

/** The end of a person's turn, and how much later than the interval the next one comes. */
interface Turn {
  readonly endedMs: number;
  readonly laterMs: number;
}

/**
 * Fetches everything since each person's cursor: at start, when a person is added or linked again, and every interval,
 * even when notifications work. Runs until the signal aborts.
 */
export async function reconcileForever(ports: {
  readonly linkedUsers: LinkedUsers;
  readonly accessTokens: AccessTokens;
  readonly collector: Collector;
  /** Called in each round. */
  readonly onRound: () => void;
  readonly schedule: Pick<Schedule, 'isPolled' | 'intervalMs' | 'pollMs'>;
  readonly people: People;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { linkedUsers, accessTokens, collector, onRound, schedule, clock, log, signal } = ports;
  const lastTurns = new Map<UserId, Turn>();
  const polled = new Map<UserId, boolean>();
  const limit = pLimit(AT_ONCE);
  /** The turn of each person, waiting or running. */
  const turns = new Map<UserId, Promise<void>>();

  const reconcile = async (userId: UserId, share: number) => {
    if (!signal.aborted) await collector.reconcile(userId);
    const laterMs = share * Math.min(SPREAD.mostMs, schedule.intervalMs(userId) * SPREAD.share);
    lastTurns.set(userId, { endedMs: clock.elapsedMs(), laterMs });
    turns.delete(userId);
  };

  const dueMs = (userId: UserId) => {
    const last = lastTurns.get(userId);
    return last === undefined ? 0 : last.endedMs + schedule.intervalMs(userId) + last.laterMs;
  };

  const logChange = (userId: UserId) => {
    const isPolled = schedule.isPolled(userId);
    const wasPolled = polled.get(userId) ?? isPolled;
    polled.set(userId, isPolled);
    if (isPolled === wasPolled) return;
    const text = isPolled
      ? `${describePolling(schedule.pollMs)}: Withings cannot reach CALLBACK_URL`
      : 'no longer polling: Withings sends notifications';
    log.info({ event: 'polling', text: `${nameOf(userId, ports.people)}: ${text}`, userid: userId, polling: isPolled });
  };

  /** The people whose turn it is, and how long the others wait. */
  const look = async () => {
    const users = await linkedUsers.refresh();
    for (const each of [lastTurns, polled]) dropUnlinked(each, linkedUsers);
    users.forEach(logChange);
    const nowMs = clock.elapsedMs();
    const refused = collector.needLogin();
    // The collector itself retries a refused login once an hour.
    const isLeft = (userId: UserId) => refused.includes(userId) && lastTurns.has(userId);
    const expected = users.filter((userId) => !turns.has(userId) && !isLeft(userId));
    const due = expected.filter((userId) => dueMs(userId) <= nowMs);
    const others = expected.filter((userId) => dueMs(userId) > nowMs);
    for (const userId of collector.awaitCheck()) if (linkedUsers.has(userId)) due.push(userId);
    for (const userId of refused) if (await accessTokens.hasOtherLogin(userId)) due.push(userId);
    const nextMs = others.reduce((least, userId) => Math.min(least, dueMs(userId) - nowMs), LOOK_MS);
    return { due, waitMs: Math.max(LEAST_LOOK_MS, nextMs) };
  };

  while (!signal.aborted) {
    onRound();
    let waitMs = LOOK_MS;
    try {
      const found = await look();
      waitMs = found.waitMs;
      for (const [index, userId] of found.due.entries())
        if (!turns.has(userId)) turns.set(userId, limit(reconcile, userId, index / found.due.length));
    } catch (error) {
      const text = `cannot read the tokens directory: ${error instanceof Error ? error.message : error}`;
      log.warn({ event: 'trouble', text });
    }
    await clock.sleep(waitMs, signal);
  }
  await Promise.all(turns.values());
}
