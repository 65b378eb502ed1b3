import { type BackfillState, type BackfillWatch, backfill } from '../../src/app/collect/backfill.ts';
import { createAccessTokens, createWithAccess } from '../../src/app/tokens/access-tokens.ts';
import type { BackfillProgress, BackfillRange, BackfillStore } from '../../src/domain/backfill.ts';
import type { Trouble } from '../../src/domain/trouble.ts';
import { realClock } from '../../src/runtime/real-clock.ts';
import type { Call } from '../../src/sandbox/calls.ts';
import type { RawGroup } from '../../src/sandbox/measures.ts';
import { type SandboxOptions, startSandbox } from '../../src/sandbox/sandbox.ts';
import { createWithingsClient } from '../../src/withings/client.ts';
import { createRateLimit } from '../../src/withings/rate-limit.ts';
import { createJumpingClock } from './jumping-clock.ts';
import { createMemoryJournal, createMemoryUnreadable } from './memory-journal.ts';
import { createMemoryTokens } from './memory-tokens.ts';
import { ANNA, refreshToken } from './people.ts';
import { createRecordingLog } from './recording-log.ts';

export const NOW = new Date('2026-11-20T06:00:00Z');
export const SINCE = new Date('2009-01-01T00:00:00Z');
export const ALL: BackfillRange = { since: SINCE, until: undefined };

const CLIENT = { clientId: 'id', clientSecret: 'secret' };

/** Returns a group of one weight in the wire format. Withings stored it a minute after its measurement. */
export function rawGroup(grpid: number, takenAt: Date, changes: Partial<RawGroup> = {}): RawGroup {
  const date = Math.floor(takenAt.getTime() / 1000);
  return {
    grpid,
    attrib: 0,
    date,
    created: date + 60,
    modified: date + 60,
    category: 1,
    deviceid: 'scale',
    model: 'Body+',
    modelid: 5,
    timezone: 'Europe/Vienna',
    measures: [{ value: 80_000 + (grpid % 1000), type: 1, unit: -3 }],
    ...changes,
  };
}

/** Returns so many groups, spread evenly over the time. */
export function history(count: number, from: Date, to: Date): RawGroup[] {
  const stepMs = (to.getTime() - from.getTime()) / count;
  return Array.from({ length: count }, (_, index) => rawGroup(1 + index, new Date(from.getTime() + index * stepMs)));
}

/** Creates a progress store in memory. */
export function createMemoryProgress(): BackfillStore & { held: BackfillProgress | undefined } {
  return {
    held: undefined,
    load() {
      return Promise.resolve(this.held);
    },
    save(_userId, progress) {
      this.held = progress;
      return Promise.resolve();
    },
    remove() {
      this.held = undefined;
      return Promise.resolve();
    },
    lock: () => Promise.resolve({ [Symbol.asyncDispose]: () => Promise.resolve() }),
  };
}

/**
 * Creates a backfill with the real client and a Withings on loopback with its limits. Waits take no time.
 *
 * @param options.groups Anna's groups at Withings
 */
export async function createBackfillBench({
  groups = [],
  ...options
}: Partial<SandboxOptions> & { readonly groups?: readonly RawGroup[] } = {}) {
  const clock = createJumpingClock(NOW);
  const calls: (Call & { readonly status: number | undefined })[] = [];
  const sandbox = await startSandbox({
    clock,
    client: CLIENT,
    strict: true,
    ...options,
    onCall(call, answer) {
      calls.push({ ...call, status: answer?.status });
      options.onCall?.(call, answer);
    },
  });
  for (const group of groups) sandbox.measures.put(ANNA, group);
  const log = createRecordingLog();
  const tokens = createMemoryTokens(new Map([[ANNA, refreshToken(sandbox.grants.link(ANNA))]]), () =>
    clock.now().getTime(),
  );
  const journal = createMemoryJournal();
  const store = createMemoryProgress();
  const unreadable = createMemoryUnreadable();
  const told = { states: [] as BackfillState[], waits: [] as [Trouble, number][], unreadable: [] as string[] };
  const watch: BackfillWatch = {
    progress: (state) => void told.states.push(state),
    waiting: (trouble, waitMs) => void told.waits.push([trouble, waitMs]),
    unreadable: (_window, what) => void told.unreadable.push(what),
  };

  return {
    clock,
    calls,
    sandbox,
    tokens,
    journal,
    store,
    told,
    /** The answered requests for measures. */
    get asked() {
      return calls.filter(({ path }) => path === '/measure');
    },
    /** Runs one process from start to end. */
    async run(
      range = ALL,
      ports: Partial<Pick<Parameters<typeof backfill>[0], 'signal' | 'journal' | 'store' | 'clock' | 'watch'>> = {},
    ): Promise<BackfillState> {
      const { signal = new AbortController().signal } = ports;
      const rateLimit = createRateLimit({ clock, signal });
      // Only waits of the program take no time. Withings can take as long as necessary.
      const patience = { now: clock.now, sleep: realClock.sleep };
      const client = createWithingsClient({ apiUrl: sandbox.url, ...CLIENT, rateLimit, clock: patience, signal });
      const accesses = { load: async () => undefined, save: async () => undefined };
      const accessTokens = createAccessTokens({ tokens, accesses, issuer: client, clock, log });
      const withAccess = createWithAccess(accessTokens);
      const common = { withAccess, measures: client, journal, store, unreadable, clock, random: () => 1, watch };
      return await backfill({ ...common, ...ports, signal }, ANNA, range);
    },
    [Symbol.asyncDispose]: () => sandbox[Symbol.asyncDispose](),
  };
}
