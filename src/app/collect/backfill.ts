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
 * What is asked for and journalled in one step. Three months of several weigh-ins a day are a few pages, little to
 * hold and little to repeat after a kill; and the years before the person had a scale cost four calls each.
 */
const WINDOW_MS = 90 * DAY_MS;
/**
 * What is younger is news, and belongs to the daemon: it fetches it at start, from its cursor or a day back, and
 * announces it. What is in the journal already is not announced.
 */
const FRESH_MS = DAY_MS;

/** Withings was founded in June 2008, and its first scale was sold from 2009 on: no scale has measured anything before. */
export const BEFORE_THE_FIRST_SCALE = new Date('2009-01-01T00:00:00Z');

/** How far a run has come, and what it has found on the way; `next` moves from `begin` to `end`. */
export interface BackfillState {
  readonly since: Date;
  /** `since`, or where the run before it was killed. */
  readonly begin: Date;
  /** Up to here history is fetched: what was asked for, but for what is fresh. */
  readonly end: Date;
  readonly next: Date;
  /** How many groups Withings has, of those the journal is to have. */
  readonly groups: number;
  /** How many of them the journal did not have, or had otherwise. */
  readonly added: number;
  /** When the first and the last of them were measured. */
  readonly first: Date | undefined;
  readonly last: Date | undefined;
  /** How many were left to the daemon, because they were changed a short while ago. */
  readonly fresh: number;
  /** How many groups cannot be read, or not whole. */
  readonly unreadable: number;
}

const NOTHING_FOUND = { groups: 0, added: 0, first: undefined, last: undefined, fresh: 0, unreadable: 0 };

/** Told of what happens while it happens. */
export interface BackfillWatch {
  /** It begins, goes on where it was killed, or has finished a step. */
  progress(state: BackfillState): void;
  /** It tries again after `waitMs`. */
  waiting(trouble: Trouble, waitMs: number): void;
  /** Withings sent a group that cannot be read: `what` is wrong with it. The rest is in the journal. */
  unreadable(window: TimeWindow, what: string): void;
}

export interface BackfillPorts {
  readonly withAccess: WithAccess;
  readonly measures: MeasureSource;
  readonly journal: Pick<Journal, 'append' | 'group'>;
  readonly store: BackfillStore;
  readonly unreadable: Pick<UnreadableStore, 'keep'>;
  readonly clock: Clock;
  /** Between 0 and 1; spreads retries. */
  readonly random: () => number;
  readonly watch: BackfillWatch;
  readonly signal: AbortSignal;
}

/**
 * Fetches a person's history into the journal, oldest first, and announces none of it. Trouble that passes is waited
 * for. One runs at a time. Killed at any moment, it goes on with the window it was at when it is asked for the same range
 * again.
 *
 * @throws Trouble that waiting does not repair; the reason of the signal when it is told to stop, after the step in hand
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

  /** Journals a part of what a window holds. */
  const take = async (state: BackfillState, window: TimeWindow, answer: MeasureAnswer): Promise<BackfillState> => {
    // The query has margins; a group on the edge belongs to one window.
    const groups = answer.groups.filter(({ takenAt }) => takenAt >= window.start && takenAt < window.end);
    // By the earlier clock: with ours ahead of Withings', news would look old.
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

/** How much of the time is fetched, between 0 and 1. */
export function shareOf({ since, next, end }: BackfillState): number {
  return Math.min((next.getTime() - since.getTime()) / (end.getTime() - since.getTime()), 1);
}

export function describeProgress({ next, groups, added }: BackfillState): string {
  return `up to ${formatDay(next)}: ${groups} measure groups, ${added} new`;
}

/** What a run has brought. */
export function describeResult({ begin, end, groups, added, first, last }: BackfillState): string {
  if (begin >= end) return 'nothing to fetch';
  if (first === undefined || last === undefined)
    return `no measure groups from ${formatDay(begin)} to ${formatDay(end)}`;
  return `${groups} measure groups from ${formatDay(first)} to ${formatDay(last)}, ${added} new`;
}

export function describeWait(trouble: Trouble, waitMs: number): string {
  // The hint of a throttled call is how long it waits.
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
