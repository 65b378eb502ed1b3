import type { BackfillProgress, BackfillRange, BackfillStore } from '../../domain/backfill.ts';
import { type Clock, checkClock, formatDay } from '../../domain/clock.ts';
import type {
  MeasureAnswer,
  MeasureGroup,
  MeasureQuery,
  MeasureSource,
  TimeWindow,
  UnreadableStore,
} from '../../domain/measure.ts';
import type { Journal } from '../../domain/reading.ts';
import { retry } from '../../domain/retry.ts';
import type { UserId } from '../../domain/token.ts';
import { explain, type Trouble } from '../../domain/trouble.ts';
import type { WithAccess } from '../tokens/access-tokens.ts';
import { askInParts, brokenOff } from './parts.ts';
import { createQueries } from './queries.ts';
import { readingsOf } from './readings.ts';

const DAY_MS = 24 * 3_600_000;
/**
 * The window of one step. Three months of several weigh-ins a day are a few pages, which cost little memory and little
 * work after a kill. The years before the person had a scale cost four calls each.
 */
const WINDOW_MS = 90 * DAY_MS;
/**
 * Newer groups belong to the daemon, which fetches and announces them at start, from its cursor or a day back. It does
 * not announce what the journal already has.
 */
const FRESH_MS = DAY_MS;

/** Withings was founded in June 2008, and sold its first scale in 2009: no scale measured anything earlier. */
export const BEFORE_THE_FIRST_SCALE = new Date('2009-01-01T00:00:00Z');

/** The progress and the result of a run; `next` moves from `begin` to `end`. */
export interface BackfillState {
  readonly since: Date;
  /** `since`, or the window at which the previous run was killed. */
  readonly begin: Date;
  /** The end of the history to fetch: the requested range without its fresh part. */
  readonly end: Date;
  readonly next: Date;
  /** How many groups Withings has that belong in the journal. */
  readonly groups: number;
  /** How many of them the journal did not have, or had in another version. */
  readonly added: number;
  /** When the first and the last of these groups were measured. */
  readonly first: Date | undefined;
  readonly last: Date | undefined;
  /** How many were left to the daemon, because they changed a short while ago. */
  readonly fresh: number;
  /** How many groups cannot be read, or only in part. */
  readonly unreadable: number;
}

const NOTHING_FOUND = { groups: 0, added: 0, first: undefined, last: undefined, fresh: 0, unreadable: 0 };

/** Receives the progress of a run. */
export interface BackfillWatch {
  /** The run begins, continues after a kill, or finished a step. */
  progress(state: BackfillState): void;
  /** The run retries after `waitMs`. */
  waiting(trouble: Trouble, waitMs: number): void;
  /** Withings sent an unreadable group, with the problem `what`. The rest is in the journal. */
  unreadable(window: TimeWindow, what: string): void;
}

export interface BackfillPorts {
  readonly withAccess: WithAccess;
  readonly measures: MeasureSource;
  readonly journal: Pick<Journal, 'append' | 'group'>;
  readonly store: BackfillStore;
  readonly unreadable: Pick<UnreadableStore, 'keep'>;
  readonly clock: Clock;
  /** Returns a number between 0 and 1, which spreads retries. */
  readonly random: () => number;
  readonly watch: BackfillWatch;
  readonly signal: AbortSignal;
}

/**
 * Fetches a person's history into the journal, oldest first, and announces none of it. It waits for trouble that
 * passes. One runs at a time. After a kill, a backfill of the same range continues with the interrupted window.
 *
 * @throws Trouble that waiting does not repair; the reason of the signal when it aborts, after the current step
 */
export async function backfill(ports: BackfillPorts, userId: UserId, range: BackfillRange): Promise<BackfillState> {
  const { withAccess, measures, journal, store, clock, random, watch, signal } = ports;
  const queries = createQueries(clock);

  const persist = <T>(work: () => Promise<T>) => retry(work, { clock, random, signal, onWait: watch.waiting });

  const begin = async (): Promise<BackfillState> => {
    checkClock(clock);
    const known = await store.load(userId);
    const settled = clock.now().getTime() - FRESH_MS;
    const begin = known !== undefined && isSame(known, range) ? known.next : range.since;
    const end = new Date(Math.min(range.until?.getTime() ?? settled, settled));
    return { ...NOTHING_FOUND, since: range.since, begin, end, next: begin };
  };

  const fetch = async (queryOf: () => MeasureQuery, offset?: number): Promise<MeasureAnswer> => {
    checkClock(clock);
    return await withAccess(userId, { urgent: false }, (account) =>
      measures.getMeas({ ...account, query: queryOf(), offset }),
    );
  };

  /** Journals a part of a window. */
  const take = async (state: BackfillState, window: TimeWindow, answer: MeasureAnswer): Promise<BackfillState> => {
    // The query has margins; a group on the edge belongs to one window.
    const groups = answer.groups.filter(({ takenAt }) => takenAt >= window.start && takenAt < window.end);
    // The earlier clock counts: with ours ahead of Withings', news would look old.
    const nowMs = Math.min(clock.now().getTime(), answer.updatedAt?.getTime() ?? Number.POSITIVE_INFINITY);
    const settled = groups.filter((group) => changedMs(group) <= nowMs - FRESH_MS);
    const readings = readingsOf(userId, settled, journal);
    const { updatedAt } = answer;
    const added = await persist(() => journal.append(readings, { history: true, updatedAt }));
    for (const { what } of await ports.unreadable.keep(userId, answer.unreadable)) watch.unreadable(window, what);
    const moments = [state.first, state.last, settled[0]?.takenAt, settled.at(-1)?.takenAt];
    const known = moments.filter((moment) => moment !== undefined).sort((one, other) => +one - +other);
    return {
      ...state,
      groups: state.groups + settled.length,
      added: state.added + added.length,
      first: known[0],
      last: known.at(-1),
      fresh: state.fresh + groups.length - settled.length,
      unreadable: state.unreadable + answer.unreadable.length,
    };
  };

  const step = async (state: BackfillState): Promise<BackfillState> => {
    const endMs = Math.min(state.next.getTime() + WINDOW_MS, state.end.getTime());
    const window = { start: state.next, end: new Date(endMs) };
    const answer = await askInParts(
      () => queries.window(window),
      (queryOf, offset) => persist(() => fetch(queryOf, offset)),
    );
    let taken = state;
    let last = answer.first;
    for await (const part of answer.parts()) {
      taken = await take(taken, window, part);
      last = part;
    }
    if (!last.complete) throw brokenOff(last.next);
    await persist(() => store.save(userId, { ...range, next: window.end }));
    return { ...taken, next: window.end };
  };

  await using _lock = await store.lock();
  let state = await persist(begin);
  watch.progress(state);
  while (state.next < state.end) {
    signal.throwIfAborted();
    state = await step(state);
    watch.progress(state);
  }
  await persist(() => store.remove(userId));
  return state;
}

/** The fetched share of the time, between 0 and 1. */
export function shareOf({ since, next, end }: BackfillState): number {
  return Math.min((next.getTime() - since.getTime()) / (end.getTime() - since.getTime()), 1);
}

export function describeProgress({ next, groups, added }: BackfillState): string {
  return `up to ${formatDay(next)}: ${groups} measure groups, ${added} new`;
}

/** The result of a run, in words. */
export function describeResult({ begin, end, groups, added, first, last }: BackfillState): string {
  if (begin >= end) return 'nothing to fetch';
  if (first === undefined || last === undefined)
    return `no measure groups from ${formatDay(begin)} to ${formatDay(end)}`;
  return `${groups} measure groups from ${formatDay(first)} to ${formatDay(last)}, ${added} new`;
}

export function describeWait(trouble: Trouble, waitMs: number): string {
  // A throttled call's hint is only its waiting time.
  const what = trouble.recovery === 'throttled' ? trouble.message : explain(trouble);
  return explain({ message: what, hint: `Next try in ${Math.ceil(waitMs / 1000)} s.` });
}

export function describeUnreadable({ start, end }: TimeWindow, what: string): string {
  const where = `between ${formatDay(start)} and ${formatDay(end)}`;
  const kept = 'weighbridge kept the measure group in unreadable.jsonl in the data directory. Please report it.';
  return `cannot read a measure group from Withings ${where}: ${what}. ${kept}`;
}

function isSame(known: BackfillProgress, range: BackfillRange): boolean {
  return +known.since === +range.since && known.until?.getTime() === range.until?.getTime();
}

function changedMs({ takenAt, modifiedAt }: MeasureGroup): number {
  return Math.max(takenAt.getTime(), modifiedAt.getTime());
}
