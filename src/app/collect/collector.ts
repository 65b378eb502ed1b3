import pLimit from 'p-limit';
import { type Clock, checkClock } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import type { TimeWindow } from '../../domain/measure.ts';
import type { UserId } from '../../domain/token.ts';
import { asTrouble, type Trouble } from '../../domain/trouble.ts';
import type { Troubles } from '../status/troubles.ts';
import type { Collect, Collected } from './collect.ts';
import { createFetchQueue, type FetchQueue, type Request, type TakenRequest } from './fetch-queue.ts';
import { isWithin, union } from './queries.ts';
import type { Scales } from './scales.ts';

/** The most urgent attempts at a time. Background work has its own limit, so a person on the scale never waits. */
const MOST_URGENT = 4;
const MOST_BACKGROUND = 2;
/** The most windows of different days that are fetched one by one. */
const MOST_WINDOWS = 2;
/** A wider window is not a weigh-in. The cursor finds the changes in it at the cost of one page. */
const WIDEST_WINDOW_MS = 24 * 3_600_000;

const NOTHING: Collected = { taken: [], added: 0, missing: [], withdrawn: [], hasMore: false };

/** Works off one queue per person, with one fetch at a time in each. Retries for as long as it takes. */
export interface Collector extends AsyncDisposable {
  /** There may be something to fetch. Without a window, it fetches everything since the cursor. */
  notify(userId: UserId, window: TimeWindow | undefined): void;
  /**
   * Fetches everything since the cursor. Resolves after one attempt, successful or not, or at once if no attempt is
   * due.
   *
   * @param options.urgent a person waits for the result; otherwise it is background work
   */
  reconcile(userId: UserId, options?: { readonly urgent: boolean }): Promise<void>;
  /** The people who must link again before anything can be fetched. */
  needLogin(): UserId[];
  /** The people with a missing group, who are due for another reconcile. */
  awaitCheck(): readonly UserId[];
  /** The age of the oldest running attempt, or 0 without one. */
  oldestAttemptMs(): number;
}

/** A queue with its loop. */
interface Worker {
  readonly queue: FetchQueue;
  working: Promise<void> | undefined;
  /** Wakes the loop while it waits for a time. */
  alarm: AbortController | undefined;
  /** Moves an attempt that waits in the background to the urgent ones. */
  hurry: (() => void) | undefined;
  /** Called at the end of the next attempt. */
  waiters: (() => void)[];
}

export function createCollector(ports: {
  readonly collect: Collect;
  readonly scales: Scales;
  readonly troubles: Pick<Troubles, 'report' | 'over'>;
  /** Called after each successful fetch. */
  readonly onContact?: (userId: UserId) => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}): Collector {
  const { collect, scales, troubles, onContact = () => undefined, clock, random, log } = ports;
  const workers = new Map<UserId, Worker>();
  /** The running attempts, in the order of their starts. */
  const attempts = new Set<{ readonly startedMs: number }>();
  const urgentLimit = pLimit(MOST_URGENT);
  const backgroundLimit = pLimit(MOST_BACKGROUND);
  let stopping = false;

  const workerOf = (userId: UserId) => {
    const known = workers.get(userId);
    if (known !== undefined) return known;
    const queue = createFetchQueue(userId);
    const worker = { queue, working: undefined, alarm: undefined, hurry: undefined, waiters: [] };
    workers.set(userId, worker);
    return worker;
  };

  const ask = (worker: Worker, request: Request) => {
    worker.queue.ask(request, clock.elapsedMs());
    worker.alarm?.abort();
    if (request.urgent) worker.hurry?.();
    if (stopping) return;
    worker.working ??= work(worker);
  };

  const work = async (worker: Worker) => {
    const untilDueMs = () => worker.queue.dueMs(clock.elapsedMs()) - clock.elapsedMs();
    for (let waitMs = untilDueMs(); waitMs < Number.POSITIVE_INFINITY && !stopping; waitMs = untilDueMs())
      await (waitMs > 0 ? sleep(worker, waitMs) : attemptInTurn(worker));
    // This must not happen a tick later: a request in between would find no running loop.
    worker.working = undefined;
  };

  const sleep = async (worker: Worker, ms: number) => {
    worker.alarm = new AbortController();
    await clock.sleep(ms, worker.alarm.signal);
    worker.alarm = undefined;
  };

  /** Makes an attempt when one of the limits allows it. */
  const attemptInTurn = (worker: Worker) =>
    new Promise<void>((resolve) => {
      let hasBegun = false;
      const begin = async () => {
        if (hasBegun) return;
        hasBegun = true;
        worker.hurry = undefined;
        await attempt(worker);
        resolve();
      };
      worker.hurry = () => {
        worker.hurry = undefined;
        void urgentLimit(begin);
      };
      if (worker.queue.isUrgent()) worker.hurry();
      else void backgroundLimit(begin);
    });

  const attempt = async ({ queue, waiters }: Worker) => {
    if (stopping) return;
    const { userId } = queue;
    const served = waiters.splice(0);
    const started = { startedMs: clock.elapsedMs() };
    attempts.add(started);
    let request: TakenRequest | undefined;
    try {
      checkClock(clock);
      // This comes before `take`, so that later requests can still join the fetch.
      await collect.prepare(userId, { urgent: queue.isUrgent() });
      request = queue.take();
      const isBackground = request.since && !request.urgent;
      const isCheckDue = isBackground && (await collect.isCheckDue(userId));
      await fulfil(queue, request);
      troubles.over(userId);
      onContact(userId);
      if (isBackground) await lookFurther(userId, isCheckDue);
    } catch (error) {
      if (!stopping) fail(queue, request ?? queue.take(), asTrouble(error));
      // A failed attempt included the requests that arrived meanwhile, and may be the last for an hour.
      served.push(...waiters.splice(0));
    }
    attempts.delete(started);
    for (const resolve of served) resolve();
  };

  /** Does the extra work of a reconcile. Never fails. */
  const lookFurther = async (userId: UserId, isCheckDue: boolean) => {
    if (isCheckDue) await collect.check(userId);
    if (!stopping) await scales.follow(userId);
  };

  const fulfil = async (queue: FetchQueue, request: TakenRequest) => {
    const { userId } = queue;
    const startedMs = clock.elapsedMs();
    const { taken, added, missing, withdrawn, hasMore } = await fetch(userId, request);
    // A group that is missing once needs a second look, like a group that has not arrived yet.
    const isOpen = (window: TimeWindow) => {
      const has = (takenAt: Date) => isWithin(window, takenAt);
      return missing.some(has) || !(taken.some(has) || withdrawn.some(has));
    };
    const empty = request.windows.filter(isOpen);
    if (hasMore) queue.ask({ windows: [], since: true, urgent: false }, clock.elapsedMs());
    if (queue.done(request, { startedMs, nowMs: clock.elapsedMs(), empty, fruitful: added > 0 })) return;
    const left = `no measurement yet for a notification of user ${userId}. The next check asks again.`;
    log.debug({ event: 'empty', text: left, userid: userId });
  };

  const fetch = async (userId: UserId, { windows, since, urgent, isRetry }: TakenRequest): Promise<Collected> => {
    const narrow = togetherByDay(windows);
    // Windows of many days may come from a stranger. The cursor finds any changes in them at the cost of one page.
    const isFew = narrow.length > 0 && narrow.length <= MOST_WINDOWS && narrow.every(isNarrow);
    // After trouble the windows go first: trouble with the rest must not delay a fresh weigh-in.
    const own = isFew && (!since || isRetry) ? narrow : [];
    let all = NOTHING;
    for (const window of own) all = join(all, await collect.window(userId, window, { urgent }));
    if (isFew && !since) return all;
    all = join(all, await collect.since(userId, { urgent }));
    if (own.length === 0) await collect.suspect(userId, windows);
    return all;
  };

  const fail = (queue: FetchQueue, request: TakenRequest, trouble: Trouble) => {
    troubles.report(queue.userId, trouble);
    if (trouble.recovery === 'unlinked') queue.drop();
    else queue.failed(request, trouble, { nowMs: clock.elapsedMs(), random: random() });
  };

  return {
    notify(userId, window) {
      ask(workerOf(userId), {
        windows: window === undefined ? [] : [window],
        since: window === undefined,
        urgent: true,
      });
    },
    reconcile(userId, { urgent } = { urgent: false }) {
      const worker = workerOf(userId);
      worker.queue.forgetLogin();
      const attempted = new Promise<void>((resolve) => worker.waiters.push(resolve));
      ask(worker, { windows: [], since: true, urgent });
      const nowMs = clock.elapsedMs();
      return worker.queue.dueMs(nowMs) > nowMs ? Promise.resolve() : attempted;
    },
    needLogin() {
      return [...workers.values()].filter(({ queue }) => queue.needsLogin()).map(({ queue }) => queue.userId);
    },
    awaitCheck: () => collect.awaitCheck(),
    oldestAttemptMs() {
      const [oldest] = attempts;
      return oldest === undefined ? 0 : clock.elapsedMs() - oldest.startedMs;
    },
    async [Symbol.asyncDispose]() {
      stopping = true;
      for (const { alarm } of workers.values()) alarm?.abort();
      await Promise.all([...workers.values()].map(({ working }) => working));
      for (const { waiters } of workers.values()) for (const resolve of waiters.splice(0)) resolve();
    },
  };
}

function isNarrow({ start, end }: TimeWindow): boolean {
  return end.getTime() - start.getTime() <= WIDEST_WINDOW_MS;
}

/** Joins windows that together are one narrow window. */
function togetherByDay(windows: readonly TimeWindow[]): readonly TimeWindow[] {
  const sorted = [...windows].sort((one, other) => one.start.getTime() - other.start.getTime());
  const joined: TimeWindow[] = [];
  for (const window of sorted) {
    const both = union(joined.at(-1), window);
    if (joined.length > 0 && isNarrow(both)) joined[joined.length - 1] = both;
    else joined.push(window);
  }
  return joined;
}

function join(one: Collected, other: Collected): Collected {
  return {
    taken: [...one.taken, ...other.taken],
    added: one.added + other.added,
    missing: [...one.missing, ...other.missing],
    withdrawn: [...one.withdrawn, ...other.withdrawn],
    hasMore: one.hasMore || other.hasMore,
  };
}
