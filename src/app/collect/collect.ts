import { type Clock, isPlausible } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import type { MeasureAnswer, MeasureGroup, MeasureQuery, MeasureSource, TimeWindow } from '../../domain/measure.ts';
import { type CursorStore, type Journal, type JournalEntry, toReading } from '../../domain/reading.ts';
import type { UserId } from '../../domain/token.ts';
import { Trouble } from '../../domain/trouble.ts';
import type { AccessTokens, WithAccess } from '../tokens/access-tokens.ts';
import { createQueries } from './queries.ts';

/** A person who has just been linked sees their last weigh-in; years of history do not pour out. */
const FIRST_LOOK_MS = 24 * 3_600_000;

/** What a fetch has brought. */
export interface Collected {
  readonly groups: readonly MeasureGroup[];
  /** How many of them the journal did not have, or had otherwise. */
  readonly added: number;
}

/** Fetches one person's measures into the journal. Each call either holds everything it asked for, or fails. */
export interface Collect {
  /** Makes sure of an access token, which may take a while; what is asked for meanwhile can still be joined. */
  prepare(userId: UserId, options: { readonly urgent: boolean }): Promise<void>;
  /** What was measured within a window. */
  window(userId: UserId, window: TimeWindow, options: { readonly urgent: boolean }): Promise<Collected>;
  /** What has changed since the last time this was done, and moves the cursor. */
  since(userId: UserId, options: { readonly urgent: boolean }): Promise<Collected>;
}

export function createCollect(ports: {
  readonly accessTokens: Pick<AccessTokens, 'get'>;
  readonly withAccess: WithAccess;
  readonly measures: MeasureSource;
  readonly journal: Journal;
  readonly cursors: CursorStore;
  readonly clock: Clock;
  readonly announce: (entries: readonly JournalEntry[]) => void;
  readonly log: Log;
}): Collect {
  const { accessTokens, withAccess, measures, journal, cursors, clock, announce, log } = ports;
  const queries = createQueries(clock);

  /** A day back, or further where the journal ends earlier. */
  const firstLook = (userId: UserId, now: Date) => {
    const dayBefore = now.getTime() - FIRST_LOOK_MS;
    return new Date(Math.min(dayBefore, journal.newestModification(userId)?.getTime() ?? dayBefore));
  };

  const fetch = (userId: UserId, urgent: boolean, query: () => MeasureQuery) =>
    withAccess(userId, { urgent }, (account) => measures.getMeas({ ...account, query: query() }));

  const keep = async (userId: UserId, answer: MeasureAnswer): Promise<Collected> => {
    const entries = await journal.append(answer.groups.map((group) => toReading(userId, group)));
    announce(entries);
    const { length } = answer.groups;
    const text = `fetched ${length} groups of user ${userId}, ${entries.length} of them new`;
    log.debug({ event: 'fetched', text, userid: userId, groups: length, added: entries.length });
    if (answer.unreadable !== undefined) throw unreadable(answer.unreadable);
    return { groups: answer.groups, added: entries.length };
  };

  return {
    async prepare(userId, options) {
      await accessTokens.get(userId, options);
    },

    async window(userId, window, { urgent }) {
      return await keep(userId, await fetch(userId, urgent, () => queries.window(window)));
    },

    async since(userId, { urgent }) {
      const changedSince = (from: Date) => fetch(userId, urgent, () => queries.since(from));
      const cursor = await cursors.load(userId);
      const from = cursor ?? firstLook(userId, clock.now());
      let answer = await changedSince(from);
      // Withings' own clock is behind what we asked for: our clock, or the cursor, is wrong.
      const updatedAt = plausible(answer.updatedAt);
      if (updatedAt !== undefined && updatedAt < from) answer = await changedSince(firstLook(userId, updatedAt));
      const collected = await keep(userId, answer);
      if (changedMeanwhile(answer)) return collected;
      // Never ahead of either clock: too early costs a few groups asked for again, too late loses them.
      const next = Math.min(plausible(answer.updatedAt)?.getTime() ?? 0, clock.now().getTime());
      if (next > 0 && next !== cursor?.getTime()) await cursors.save(userId, new Date(next));
      return collected;
    },
  };
}

/** An answer without a time, or with one before this program existed, moves no cursor. */
function plausible(updatedAt: Date | undefined): Date | undefined {
  return updatedAt !== undefined && isPlausible(updatedAt) ? updatedAt : undefined;
}

/**
 * A group that is changed while the pages are turned moves to their end, and those behind it move up: one of them into
 * a page that was read before. So the cursor stays, and everything is asked for again the next time.
 */
function changedMeanwhile({ groups, updatedAt }: MeasureAnswer): boolean {
  return updatedAt !== undefined && groups.some(({ modifiedAt }) => modifiedAt >= updatedAt);
}

/** What could be read is in the journal; the cursor stays, so that the rest is asked for until it can be read. */
function unreadable(what: string): Trouble {
  return new Trouble(`Withings sent a measure group that cannot be read: ${what}`, {
    code: 'unreadable',
    recovery: 'retry',
    hint: 'asking again; if it stays, please report it',
  });
}
