import { type Clock, isPeriodOver, isPlausible } from '../../domain/clock.ts';
import { nameOf, type People } from '../../domain/household.ts';
import type { Log } from '../../domain/log.ts';
import type { MeasureAnswer, MeasureQuery, MeasureSource, TimeWindow, UnreadableStore } from '../../domain/measure.ts';
import type { CursorStore, Journal, JournalEntry } from '../../domain/reading.ts';
import type { PersonState } from '../../domain/status.ts';
import type { UserId } from '../../domain/token.ts';
import { REPORT } from '../../domain/trouble.ts';
import type { PersonStates } from '../status/person-states.ts';
import type { AccessTokens, WithAccess } from '../tokens/access-tokens.ts';
import { APART_MS, createDeletions } from './deletions.ts';
import type { Heights } from './heights.ts';
import { askInParts, brokenOff, type PartedAnswer } from './parts.ts';
import { createQueries } from './queries.ts';
import { readingsOf } from './readings.ts';

const DAY_MS = 24 * 3_600_000;
/** A newly linked person sees their last weigh-in, not years of history. */
const FIRST_LOOK_MS = DAY_MS;
/** How often weighbridge compares recent groups with Withings' groups. */
const CHECK_EVERY_MS = 7 * DAY_MS;
const CHECKED_MS = 90 * DAY_MS;
/** The delay until a failed check is due. */
const RETRY_CHECK_MS = DAY_MS;

/** The result of a fetch. */
export interface Collected {
  /** When the groups that Withings has were taken. */
  readonly taken: readonly Date[];
  /** How many lines the journal added. */
  readonly added: number;
  /** When the groups were taken that the journal has and this answer lacks. A second answer must lack them as well. */
  readonly missing: readonly Date[];
  /** When the groups were taken that are now withdrawn, because two answers lacked them. */
  readonly withdrawn: readonly Date[];
  /** Withings has more: fetch the changes since the cursor. */
  readonly hasMore: boolean;
}

/** Fetches one person's measures into the journal. Each call either returns all of its range, or fails. */
export interface Collect {
  /** Gets an access token, which may take a while. Later requests can still join meanwhile. */
  prepare(userId: UserId, options: { readonly urgent: boolean }): Promise<void>;
  /** Fetches the groups measured within a window. Finds the groups that Withings deleted there. */
  window(userId: UserId, window: TimeWindow, options: { readonly urgent: boolean }): Promise<Collected>;
  /** Fetches the changes since the previous run, and moves the cursor. */
  since(userId: UserId, options: { readonly urgent: boolean }): Promise<Collected>;
  /**
   * A notification named these windows, and `since` answered it, which does not show missing groups. The check is due
   * at the next reconcile if the journal has groups there.
   */
  suspect(userId: UserId, windows: readonly TimeWindow[]): Promise<void>;
  /** Whether `check` is due: once a week, if the journal has anything of the last 90 days. */
  isCheckDue(userId: UserId): Promise<boolean>;
  /**
   * Finds what Withings deleted in the last 90 days, and fetches the height. Each costs a call. If a group is missing,
   * a second call follows at least a minute later. Never fails: a later reconcile checks again.
   */
  check(userId: UserId): Promise<void>;
  /** The people for whom the second of these calls is due. */
  awaitCheck(): readonly UserId[];
}

/** The part of an answer that stays in memory after its groups are in the journal. */
interface Kept extends Pick<Collected, 'taken' | 'added'> {
  /** The start of the next part, or undefined without one. */
  readonly next: number | undefined;
  readonly complete: boolean;
  /** The answer came in several pages, and a group may be lost between two of them. */
  readonly isPaged: boolean;
  /** Withings sent the oldest changes first, from the first part to the last. */
  readonly isOrdered: boolean;
  /** The time of the newest change. */
  readonly newestMs: number;
}

export function createCollect(ports: {
  readonly accessTokens: Pick<AccessTokens, 'get'>;
  readonly withAccess: WithAccess;
  readonly measures: MeasureSource;
  readonly journal: Journal;
  readonly cursors: CursorStore;
  readonly unreadable: Pick<UnreadableStore, 'keep'>;
  readonly heights: Heights;
  readonly personStates: Pick<PersonStates, 'of' | 'change'>;
  readonly people: People;
  readonly clock: Clock;
  readonly announce: (entries: readonly JournalEntry[]) => void;
  readonly log: Log;
}): Collect {
  const { accessTokens, withAccess, measures, journal, cursors, personStates, people, clock, announce, log } = ports;
  const { heights } = ports;
  const queries = createQueries(clock);
  const deletions = createDeletions({ journal, clock });
  /** When the second call of a check is due, by `clock.elapsedMs()`. */
  const secondCheckMs = new Map<UserId, number>();
  /** The people whose last answer came in pages and did not move the cursor. */
  const readInPages = new Set<UserId>();

  /** One day ago, or earlier if the journal ends earlier. */
  const firstLook = (userId: UserId, now: Date) => {
    const dayBefore = now.getTime() - FIRST_LOOK_MS;
    return new Date(Math.min(dayBefore, journal.newestModification(userId)?.getTime() ?? dayBefore));
  };

  /**
   * The cursor. Without one, the first look becomes the cursor before anything else is journalled: a newer group would
   * hide earlier missed ones. Undefined for a person of whom the journal has nothing.
   */
  const loadCursor = async (userId: UserId): Promise<Date | undefined> => {
    const cursor = await cursors.load(userId);
    if (cursor !== undefined || journal.newestModification(userId) === undefined) return cursor;
    const first = firstLook(userId, clock.now());
    await cursors.save(userId, first);
    return first;
  };

  const fetch = (userId: UserId, urgent: boolean, makeQuery: () => MeasureQuery) =>
    askInParts(makeQuery, (queryOf, offset) =>
      withAccess(userId, { urgent }, (account) => measures.getMeas({ ...account, query: queryOf(), offset })),
    );

  /** Journals a part of an answer. Returns how many lines the journal added. */
  const keep = async (userId: UserId, answer: MeasureAnswer): Promise<number> => {
    const { updatedAt } = answer;
    const readings = readingsOf(userId, answer.groups, journal);
    const entries = await journal.append(readings, { updatedAt: plausible(updatedAt) });
    announce(entries);
    deletions.seen(userId, answer);
    await heights.learn(userId, answer.groups);
    const { length } = answer.groups;
    const text = `fetched ${length} groups of user ${userId}, ${entries.length} of them new`;
    log.debug({ event: 'fetched', text, userid: userId, groups: length, added: entries.length });
    for (const { what } of await ports.unreadable.keep(userId, answer.unreadable)) {
      const about = `${nameOf(userId, people)}: cannot read a measure group from Withings: ${what}`;
      const text = `${about}. weighbridge kept the measure group in unreadable.jsonl in the data directory. ${REPORT}`;
      log.warn({ event: 'unreadable', text, userid: userId, what });
    }
    return entries.length;
  };

  /** Journals an answer, each part before the call for the next. */
  const keepAll = async (userId: UserId, { parts }: PartedAnswer): Promise<Kept> => {
    const taken: Date[] = [];
    const whole = { added: 0, complete: false, isPaged: false, isOrdered: true, newestMs: 0 };
    let next: number | undefined;
    for await (const part of parts()) {
      whole.added += await keep(userId, part);
      taken.push(...part.groups.map(({ takenAt }) => takenAt));
      const changesMs = part.groups.map(({ modifiedAt }) => modifiedAt.getTime());
      whole.isOrdered &&= part.ascends === true && changesMs.every((ms) => ms >= whole.newestMs);
      whole.newestMs = changesMs.reduce((newest, ms) => Math.max(newest, ms), whole.newestMs);
      whole.isPaged ||= part.isPaged === true || part.next !== undefined;
      whole.complete = part.complete;
      next = part.next;
    }
    return { ...whole, taken, next };
  };

  /** The same. Fails if Withings has more than weighbridge fetches at a time. */
  const keepWhole = async (userId: UserId, fetched: PartedAnswer): Promise<Kept> => {
    const kept = await keepAll(userId, fetched);
    if (kept.next !== undefined) throw brokenOff(kept.next);
    return kept;
  };

  /** An answer in pages counts once the next reconcile repeats it without anything new. */
  const isSettled = (userId: UserId, { isPaged, next, added }: Kept): boolean => {
    const isSecond = readInPages.delete(userId);
    if (!isPaged || next !== undefined || (isSecond && added === 0)) return true;
    readInPages.add(userId);
    return false;
  };

  const compare = async (...args: Parameters<typeof deletions.compare>) => {
    const { suspects, withdrawn } = await deletions.compare(...args);
    announce(withdrawn);
    return {
      missing: suspects.map(({ takenAt }) => takenAt),
      withdrawn: withdrawn.map(({ reading }) => reading.takenAt),
    };
  };

  const lastDays = (): TimeWindow => {
    const end = clock.now();
    return { start: new Date(end.getTime() - CHECKED_MS), end };
  };

  const makeCheckDue = (userId: UserId) =>
    personStates.change(userId, (before) => ({ ...before, checkedAt: undefined }));

  /** Returns whether another answer is needed. */
  const compareLastDays = async (userId: UserId): Promise<boolean> => {
    const window = lastDays();
    const expected = deletions.expect(userId, window);
    const fetched = await fetch(userId, false, () => queries.window(window));
    await keepWhole(userId, fetched);
    if (deletions.isDoubtful(expected, fetched.first)) {
      const about = `${nameOf(userId, people)}: Withings returned fewer than half of the measures of the last 90 days`;
      const text = `${about}. weighbridge keeps all of them. Check in the Withings app whether sharing is paused.`;
      log.warn({ event: 'missing', text, userid: userId });
      return false;
    }
    return (await compare(userId, expected, fetched.first)).missing.length > 0;
  };

  const isLookDue = ({ checkedAt }: PersonState) => isPeriodOver(checkedAt, CHECK_EVERY_MS, clock.now());

  const lookAtLastDays = async (userId: UserId, isSecond: boolean) => {
    try {
      if ((await compareLastDays(userId)) && !isSecond) {
        secondCheckMs.set(userId, clock.elapsedMs() + APART_MS);
        return;
      }
      const checkedAt = clock.now();
      await personStates.change(userId, (before) => ({ ...before, checkedAt }));
    } catch (error) {
      const text = `cannot check the last 90 days of user ${userId}: ${error instanceof Error ? error.message : error}`;
      log.debug({ event: 'check_failed', text, userid: userId });
      const triedAt = new Date(clock.now().getTime() - CHECK_EVERY_MS + RETRY_CHECK_MS);
      await personStates.change(userId, (before) => ({ ...before, checkedAt: triedAt }));
    }
  };

  return {
    async prepare(userId, options) {
      await accessTokens.get(userId, options);
    },

    async window(userId, window, { urgent }) {
      await loadCursor(userId);
      const expected = deletions.expect(userId, window);
      const fetched = await fetch(userId, urgent, () => queries.window(window));
      const { taken, added, complete } = await keepWhole(userId, fetched);
      const { missing, withdrawn } = await compare(userId, expected, fetched.first);
      // This also covers a kill before the second answer: the check at the next start repeats the comparison.
      if (missing.length > 0) await makeCheckDue(userId);
      return { taken, added: added + withdrawn.length, missing, withdrawn, hasMore: !complete };
    },

    async since(userId, { urgent }) {
      const changedSince = (from: Date) => fetch(userId, urgent, () => queries.since(from));
      const cursor = await loadCursor(userId);
      const from = cursor ?? firstLook(userId, clock.now());
      let fetched = await changedSince(from);
      // Withings' clock is behind the query's start: our clock or the cursor is wrong.
      const updatedAt = plausible(fetched.first.updatedAt);
      if (updatedAt !== undefined && updatedAt < from) fetched = await changedSince(firstLook(userId, updatedAt));
      const kept = await keepAll(userId, fetched);
      const hasMore = kept.next !== undefined;
      const collected = { taken: kept.taken, added: kept.added, missing: [], withdrawn: [], hasMore };
      if (!isSettled(userId, kept)) return collected;
      // The cursor is never ahead of either clock: too early repeats a few groups, too late loses them.
      const answeredMs = plausible(fetched.first.updatedAt)?.getTime() ?? 0;
      const next = Math.min(answeredMs, clock.now().getTime(), readUpTo(kept));
      // Otherwise the same answer would come again and again.
      if (!kept.complete && next <= from.getTime()) throw brokenOff(kept.next);
      if (next > 0 && next !== cursor?.getTime()) await cursors.save(userId, new Date(next));
      return collected;
    },

    async suspect(userId, windows) {
      const isThere = (window: TimeWindow) => deletions.expect(userId, window).groups.length > 0;
      if (windows.some(isThere)) await makeCheckDue(userId);
    },

    async isCheckDue(userId) {
      const secondMs = secondCheckMs.get(userId);
      if (secondMs !== undefined) return secondMs <= clock.elapsedMs();
      // Deleted groups count as well: Withings may share them again.
      if (journal.groupsWithin(userId, lastDays()).length === 0) return false;
      const person = await personStates.of(userId);
      return isLookDue(person) || heights.isDue(person);
    },

    async check(userId) {
      const isSecond = secondCheckMs.delete(userId);
      const person = await personStates.of(userId);
      if (isSecond || isLookDue(person)) await lookAtLastDays(userId, isSecond);
      if (heights.isDue(person)) await heights.ask(userId);
    },

    awaitCheck() {
      const nowMs = clock.elapsedMs();
      return [...secondCheckMs].flatMap(([userId, dueMs]) => (dueMs <= nowMs ? [userId] : []));
    },
  };
}

/** An answer without a time, or with one before this program existed, moves no cursor. */
function plausible(updatedAt: Date | undefined): Date | undefined {
  return updatedAt !== undefined && isPlausible(updatedAt) ? updatedAt : undefined;
}

/**
 * If a broken-off answer has the oldest changes first, it is complete up to its newest change. In another order it
 * proves nothing.
 */
function readUpTo({ complete, isOrdered, newestMs }: Kept): number {
  if (complete) return Number.POSITIVE_INFINITY;
  return isOrdered ? newestMs : 0;
}
