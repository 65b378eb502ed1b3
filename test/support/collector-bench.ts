import { createCollect } from '../../src/app/collect/collect.ts';
import { createCollector } from '../../src/app/collect/collector.ts';
import { createHeights } from '../../src/app/collect/heights.ts';
import { createScales } from '../../src/app/collect/scales.ts';
import { createPersonStates } from '../../src/app/status/person-states.ts';
import { createTroubles } from '../../src/app/status/troubles.ts';
import { type AccessTokens, createWithAccess } from '../../src/app/tokens/access-tokens.ts';
import type { People } from '../../src/domain/household.ts';
import type {
  MeasureAnswer,
  MeasureGroup,
  MeasureQuery,
  MeasureRequest,
  Unreadable,
} from '../../src/domain/measure.ts';
import type { JournalEntry } from '../../src/domain/reading.ts';
import type { Scale } from '../../src/domain/scale.ts';
import { NOTHING_KNOWN, type PersonState } from '../../src/domain/status.ts';
import type { UserId } from '../../src/domain/token.ts';
import { createFakeClock } from './fake-clock.ts';
import { createMemoryCursors, createMemoryJournal, createMemoryUnreadable } from './memory-journal.ts';
import { accessToken } from './people.ts';
import { createRecordingLog } from './recording-log.ts';

/** A recorded request of getMeas. */
export interface RecordedCall {
  readonly atMs: number;
  readonly userId: UserId;
  readonly query: MeasureQuery;
  readonly offset: number | undefined;
  readonly token: string;
  readonly urgent: boolean;
}

/**
 * Creates a collector over in-memory ports and a stopped clock. `answer` plays Withings' measure service. It can throw,
 * or return a promise that settles later.
 */
export function createCollectorBench(
  answer: (call: RecordedCall) => MeasureAnswer | Promise<MeasureAnswer>,
  hears: {
    readonly announce?: (entries: readonly JournalEntry[]) => void;
    readonly onContact?: (userId: UserId) => void;
  } = {},
) {
  const clock = createFakeClock();
  const start = clock.now();
  const log = createRecordingLog();
  const journal = createMemoryJournal();
  const { cursors, ...cursorStore } = createMemoryCursors();
  const calls: RecordedCall[] = [];
  const announced: JournalEntry[] = [];
  const tokens = { issued: 0, held: new Map<UserId, string>(), failure: undefined as Error | undefined };
  const accessTokens: AccessTokens = {
    get(userId) {
      if (tokens.failure !== undefined) return Promise.reject(tokens.failure);
      const held = tokens.held.get(userId) ?? `access-${++tokens.issued}`;
      tokens.held.set(userId, held);
      return Promise.resolve(accessToken(held));
    },
    forget: (userId) => void tokens.held.delete(userId),
    accept: () => undefined,
    isFresh: () => false,
    refuse: () => undefined,
    scopeOf: () => undefined,
    hasOtherLogin: () => Promise.resolve(false),
    adopt: () => Promise.resolve(),
  };
  const measures = {
    async getMeas({ userId, accessToken: token, query, offset, urgent }: MeasureRequest) {
      const call = { atMs: clock.elapsedMs(), userId, query, offset, token, urgent };
      calls.push(call);
      return await answer(call);
    },
  };
  const people: People = { names: new Map(), unit: 'kg' };
  /** The weekly check has just run, so that only tests of that check cause one. */
  const states = new Map<UserId, PersonState>();
  const fresh = { ...NOTHING_KNOWN, checkedAt: start, heightAskedAt: start, scalesAskedAt: start };
  const personStates = createPersonStates({
    people: {
      load: async (userId) => states.get(userId) ?? fresh,
      save: async (userId, state) => void states.set(userId, state),
    },
    log,
  });
  const withAccess = createWithAccess(accessTokens);
  /** The heights at Withings, which can reject the request. */
  const heights = {
    asked: 0,
    groups: [] as readonly MeasureGroup[],
    unreadable: [] as readonly Unreadable[],
    complete: true,
    failure: undefined as Error | undefined,
  };
  const source = {
    async getHeights() {
      heights.asked += 1;
      if (heights.failure !== undefined) throw heights.failure;
      return heights;
    },
  };
  /** The scales at Withings, which can reject the request. */
  const scales = {
    calls: [] as UserId[],
    of: new Map<UserId, readonly Omit<Scale, 'seenAt'>[]>(),
    failure: undefined as Error | undefined,
  };
  const scaleSource = {
    async getScales({ userId }: { readonly userId: UserId }) {
      scales.calls.push(userId);
      if (scales.failure !== undefined) throw scales.failure;
      return scales.of.get(userId) ?? [];
    },
  };
  const collect = createCollect({
    accessTokens,
    withAccess,
    heights: createHeights({ withAccess, source, personStates, clock, log }),
    measures,
    journal,
    cursors: cursorStore,
    unreadable: createMemoryUnreadable(),
    personStates,
    people,
    clock,
    announce(entries) {
      announced.push(...entries);
      hears.announce?.(entries);
    },
    log,
  });
  const troubles = createTroubles({ clock, log, people });
  const collector = createCollector({
    collect,
    scales: createScales({
      accessTokens,
      source: scaleSource,
      personStates,
      household: async () => [...states.keys()],
      people,
      clock,
      log,
    }),
    troubles,
    onContact: (userId) => hears.onContact?.(userId),
    clock,
    random: () => 1,
    log,
  });
  return {
    clock,
    log,
    journal,
    cursors,
    calls,
    announced,
    tokens,
    states,
    personStates,
    troubles,
    accessTokens,
    heights,
    scales,
    collector,
    collect,
  };
}

/** Returns a successful answer of getMeas. */
export function answerOf(groups: readonly MeasureGroup[], updatedAt: Date): MeasureAnswer {
  return { groups, updatedAt, unreadable: [], complete: true };
}
