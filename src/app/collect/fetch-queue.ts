import type { TimeWindow } from '../../domain/measure.ts';
import { retryDelayMs, SAME_CALL_MS } from '../../domain/retry.ts';
import type { UserId } from '../../domain/token.ts';
import type { Trouble } from '../../domain/trouble.ts';
import { covers, union } from './queries.ts';

/** When to retry an empty window: data may reach Withings' database after the notification. */
const EMPTY_RETRIES_MS = [15_000, 60_000, 300_000];
/** When to try a last time. */
const LAST_CHANCE_MS = 600_000;
/** The distance between fetches, by how many in a row brought nothing new. So false notifications cost ever less. */
const SPACINGS_MS = [SAME_CALL_MS, 60_000, 300_000, 600_000];
/** The most windows that are remembered one by one. */
const MOST_WINDOWS = 8;
/** After so long without a fetch, earlier fetches do not count. */
const QUIET_MS = 900_000;
/** How many different windows may be fetched without that distance. */
const AT_ONCE = 2;

/** The content of one person's fetches. */
export interface Request {
  /** The times of measurement in the notifications. */
  readonly windows: readonly TimeWindow[];
  /** Whether to fetch everything since the cursor. */
  readonly since: boolean;
  /** Whether the person has just stepped on the scale. */
  readonly urgent: boolean;
}

export interface TakenRequest extends Request {
  /** Whether the previous fetch failed. */
  readonly isRetry: boolean;
}

/** The result of a successful fetch. */
export interface Outcome {
  readonly startedMs: number;
  readonly nowMs: number;
  /** The windows without any group. */
  readonly empty: readonly TimeWindow[];
  /** Whether anything was new to the journal. */
  readonly fruitful: boolean;
}

/**
 * The requests of one person, and when the fetch may start: coalesces, spaces, backs off. It has no clock; every time
 * is the caller's `clock.elapsedMs()`.
 */
export interface FetchQueue {
  readonly userId: UserId;
  /** When the next attempt is due: never without a request. */
  dueMs(nowMs: number): number;
  isUrgent(): boolean;
  needsLogin(): boolean;
  /** Adds a request. */
  ask(request: Request, nowMs: number): void;
  /** Lets the next attempt start at once, if it waited for a login. */
  forgetLogin(): void;
  /** Returns all requests as one. Later requests are new, because this fetch may be too early for them. */
  take(): TakenRequest;
  /** The fetch worked. Returns false when it gives up on windows that stay empty. */
  done(request: TakenRequest, outcome: Outcome): boolean;
  /** The fetch failed. Its request becomes one for everything since the cursor. */
  failed(request: TakenRequest, trouble: Trouble, at: { readonly nowMs: number; readonly random: number }): void;
  /** The fetch failed, and a retry is useless. */
  drop(): void;
}

export function createFetchQueue(userId: UserId): FetchQueue {
  let windows: readonly TimeWindow[] = [];
  let since = false;
  let urgent = false;
  /** Part of the request is new since the last attempt. */
  let asked = false;
  /** When to retry, and the time before which even a new request must wait. */
  let retryAtMs = Number.POSITIVE_INFINITY;
  let notBeforeMs = 0;

  /** The current request, and whether another arrived meanwhile. */
  let running: TakenRequest | undefined;
  let overtaken = false;

  /** Everything since the cursor was fetched, including what was missed while no daemon ran. */
  let caughtUp = false;
  let lastFetchMs = Number.NEGATIVE_INFINITY;
  let lastWindows: readonly TimeWindow[] = [];
  let windowFetchesMs: readonly number[] = [];
  let fruitless = 0;
  let emptyAnswers = 0;
  let lastChances: readonly TimeWindow[] = [];
  let failures = 0;
  let login = true;

  /**
   * A burst of any size is one fetch at once and one 12 s later: a weigh-in is stored in several groups. A request
   * about another moment skips the wait once, and so does the first fetch of missed groups.
   */
  const earliestMs = (nowMs: number) => {
    if (since && !caughtUp) return nowMs;
    const spacingMs = SPACINGS_MS[Math.min(fruitless, SPACINGS_MS.length - 1)] ?? SAME_CALL_MS;
    const isNew = !areCovered(windows, lastWindows);
    const recent = windowFetchesMs.filter((at) => at > nowMs - spacingMs);
    const mayPass = isNew && !overtaken && recent.length < AT_ONCE;
    return mayPass ? nowMs : Math.max(nowMs, lastFetchMs + spacingMs);
  };

  return {
    userId,
    dueMs(nowMs) {
      const newMs = asked ? Math.max(earliestMs(nowMs), notBeforeMs) : Number.POSITIVE_INFINITY;
      return Math.min(retryAtMs, newMs);
    },
    isUrgent: () => urgent,
    needsLogin: () => !login,
    ask(request, nowMs) {
      asked = true;
      if (nowMs - lastFetchMs > QUIET_MS) {
        fruitless = 0;
        emptyAnswers = 0;
      }
      overtaken ||= request.windows.length > 0 && running !== undefined && areCovered(request.windows, running.windows);
      // New windows begin with short waits, unless earlier ones were empty again and again.
      const isNew = !areCovered(request.windows, [...windows, ...lastWindows]);
      if (isNew && fruitless < SPACINGS_MS.length) emptyAnswers = 0;
      since ||= request.since;
      urgent ||= request.urgent;
      windows = merge(windows, request.windows);
    },
    forgetLogin() {
      if (!login) notBeforeMs = 0;
    },
    take() {
      const request = { windows, since, urgent, isRetry: failures > 0 };
      windows = [];
      since = false;
      urgent = false;
      asked = false;
      overtaken = false;
      running = request;
      retryAtMs = Number.POSITIVE_INFINITY;
      return request;
    },
    done(request, { startedMs, nowMs, empty, fruitful }) {
      running = undefined;
      lastFetchMs = startedMs;
      lastWindows = request.windows;
      caughtUp ||= request.since;
      if (request.windows.length > 0) windowFetchesMs = [...windowFetchesMs.slice(1 - AT_ONCE), startedMs];
      fruitless = fruitful ? 0 : fruitless + 1;
      failures = 0;
      notBeforeMs = 0;
      login = true;
      if (empty.length === 0) {
        emptyAnswers = 0;
        return true;
      }
      const delayMs = EMPTY_RETRIES_MS[emptyAnswers];
      emptyAnswers += 1;
      // After a flood of false notifications no retries are left, but each window gets one more look.
      const again = delayMs === undefined ? empty.filter((window) => !areCovered([window], lastChances)) : empty;
      lastChances = delayMs === undefined ? again : [];
      if (again.length === 0) return false;
      windows = merge(windows, again);
      retryAtMs = nowMs + (delayMs ?? LAST_CHANCE_MS);
      return true;
    },
    failed(request, trouble, { nowMs, random }) {
      running = undefined;
      // A wait of known length does not predict the length of the next trouble.
      if (trouble.waitMs === undefined) failures += 1;
      login = trouble.recovery !== 'login';
      since = true;
      urgent ||= request.urgent;
      windows = merge(windows, request.windows);
      retryAtMs = nowMs + retryDelayMs(trouble, failures, random);
      // A notification is a sign of life and brings the retry forward, unless that cannot help.
      const isHopeful = trouble.recovery === 'retry' && trouble.waitMs === undefined;
      notBeforeMs = isHopeful ? Math.min(retryAtMs, nowMs + SAME_CALL_MS) : retryAtMs;
    },
    drop() {
      running = undefined;
    },
  };
}

function areCovered(inner: readonly TimeWindow[], outer: readonly TimeWindow[]): boolean {
  return inner.every((one) => outer.some((other) => covers(other, one)));
}

/** Adds windows that are not covered yet. Too many windows become one. */
function merge(known: readonly TimeWindow[], added: readonly TimeWindow[]): readonly TimeWindow[] {
  const all = [...known];
  for (const window of added) if (!areCovered([window], all)) all.push(window);
  if (all.length <= MOST_WINDOWS) return all;
  const one = all.reduce<TimeWindow | undefined>(union, undefined);
  return one === undefined ? [] : [one];
}
