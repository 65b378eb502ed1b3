import { type Clock, isPlausible } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import {
  GIVEN_UP,
  type JournalFeed,
  type JournalOffset,
  type JournalPage,
  type OffsetStore,
  type Publisher,
} from '../../domain/publisher.ts';
import type { Reading } from '../../domain/reading.ts';
import type { UserId } from '../../domain/token.ts';
import { asTrouble, explain, type Trouble } from '../../domain/trouble.ts';
import type { PublisherTroubles } from '../status/troubles.ts';
import { describeRun, type Run, runsOf } from './deliveries.ts';
import { createPersist } from './persist.ts';

/** How soon the outbox finds another process's lines (a backfill, a login). It gets this process's lines at once. */
const LOOK_MS = 30_000;
/** If more is undelivered, some 200 lines, the offset is saved once in `SAVE_EVERY_MS`, not after each delivery. */
const FAR_BEHIND_BYTES = 64 * 1024;
const SAVE_EVERY_MS = 1_000;
/** A delivery that always meets our own defect must not block the others, or get lost in an outage. */
const GIVE_UP_MS = 24 * 3_600_000;

export interface Outbox extends AsyncDisposable {
  /** The undelivered bytes of the journal that this process has read. Undefined until the offset is read. */
  readonly behindBytes: number | undefined;
}

/**
 * Follows the journal from its saved offset, and delivers one reading after the other: in order, at least once,
 * retrying for as long as it takes. Without an offset it begins at the current end of the journal.
 *
 * Disposing ends it: nothing new begins, and the current delivery has a few seconds to finish.
 */
export function startOutbox(ports: {
  readonly publisher: Publisher;
  readonly feed: JournalFeed;
  readonly offsets: OffsetStore;
  readonly troubles: PublisherTroubles;
  readonly clock: Clock;
  /** Returns a number between 0 and 1, which spreads retries. */
  readonly random: () => number;
  readonly log: Log;
  /** How old a fresh reading of this person may be. */
  readonly maxAgeMs: (userId: UserId) => number;
}): Outbox {
  const { publisher, feed, offsets, troubles, clock, random, log, maxAgeMs } = ports;
  const { name } = publisher;
  const endAtStart = { ...feed.end(), marks: [] };
  const stopping = new AbortController();
  /** Ends the current delivery. */
  const cutting = new AbortController();
  /** The current troubles of deliveries. Giving up on a delivery does not end its troubles. */
  const failing = new Set<string>();
  let alarm: AbortController | undefined;
  let hasGrown = false;
  /** The offset after the delivered or skipped lines. */
  let reached: JournalOffset | undefined;
  let isUnsaved = false;
  let savedMs = Number.NEGATIVE_INFINITY;

  const persist = createPersist({ troubles, clock, random, signal: stopping.signal });

  const save = async (offset: JournalOffset) => {
    await offsets.save(name, offset);
    isUnsaved = false;
    savedMs = clock.elapsedMs();
  };

  /** The first offset. It is saved before any delivery: after a kill, no line may be skipped. */
  const begin = () =>
    persist(async () => {
      const known = await offsets.load(name);
      if (known === undefined) await save(endAtStart);
      return known ?? endAtStart;
    });

  const isOld = ({ userId, takenAt }: Reading) => {
    const now = clock.now();
    return now.getTime() - takenAt.getTime() > maxAgeMs(userId) || !isPlausible(now);
  };

  /** Each try computes age and context anew. */
  const deliver = async (run: Run) => {
    const startedMs = clock.elapsedMs();
    const isGivenUp = ({ code, recovery }: Trouble) =>
      code === GIVEN_UP || (recovery === 'defect' && clock.elapsedMs() - startedMs >= GIVE_UP_MS);
    const attempt = async () => {
      const delivery = describeRun(run, { contextOf: feed.contextOf, isOld });
      if (delivery === undefined) return;
      await publisher.deliver(delivery, cutting.signal);
      troubles.contacted();
    };
    try {
      await persist(attempt, failing, isGivenUp);
    } catch (error) {
      const trouble = asTrouble(error);
      // A delivery that a stop cut off has no failure of its own.
      if (cutting.signal.aborted || !isGivenUp(trouble)) throw error;
      const [{ reading }] = run;
      const text = `skipped weigh-in ${reading.groupId} after repeated errors: ${explain(trouble)}`;
      log.error({ event: 'given_up', text: `${name}: ${text}`, publisher: name, grpid: reading.groupId });
    }
  };

  /** Delivers the lines of one page, and returns the offset after them. */
  const turnPage = async (from: JournalOffset): Promise<JournalOffset> => {
    const page = await persist(() => feed.read(from));
    if (page.from !== from) isUnsaved = true;
    if (!isSame(page.from, from)) tellMoved(from, page.from);
    reached = page.from;
    const { runs, next: end } = wholeRuns(page);
    for (const run of runs) {
      stopping.signal.throwIfAborted();
      const { history, next } = run.at(-1) ?? run[0];
      if (!history) await deliver(run);
      reached = next;
      if (!history) await keep(next);
    }
    reached = end;
    return end;
  };

  /** A weigh-in may continue after the page. Its run is left to the next page, unless it is the only one. */
  const wholeRuns = (page: JournalPage): { readonly runs: readonly Run[]; readonly next: JournalOffset } => {
    const runs = runsOf(page.lines);
    const before = runs.at(-2)?.at(-1);
    const isEnd = page.next.bytes >= feed.end().bytes;
    return isEnd || before === undefined ? { runs, next: page.next } : { runs: runs.slice(0, -1), next: before.next };
  };

  const keep = async (offset: JournalOffset) => {
    isUnsaved = true;
    const isFarBehind = feed.end().bytes - offset.bytes > FAR_BEHIND_BYTES;
    if (!isFarBehind || clock.elapsedMs() - savedMs >= SAVE_EVERY_MS) await persist(() => save(offset));
  };

  const tellMoved = (from: JournalOffset, to: JournalOffset) => {
    if (from.bytes === 0) return;
    const isCopy = to.bytes === from.marks[0]?.bytes;
    const how = isCopy
      ? 'the journal is a copy. Continuing where the old journal was.'
      : `the journal was replaced. Sending ${to.bytes === 0 ? 'all' : 'the newest'} readings again, old ones marked as late.`;
    const text = `${name}: ${how}`;
    log[isCopy ? 'info' : 'warn']({ event: 'journal_replaced', text, publisher: name, offset: to.bytes });
  };

  const rest = async () => {
    if (hasGrown || stopping.signal.aborted) return;
    alarm = new AbortController();
    await clock.sleep(LOOK_MS, alarm.signal);
    alarm = undefined;
  };

  const follow = async () => {
    for (let offset = await begin(); ; ) {
      hasGrown = false;
      const next = await turnPage(offset);
      const isThrough = isSame(next, offset);
      offset = next;
      if (!isThrough) continue;
      if (isUnsaved) await persist(() => save(next));
      await rest();
      stopping.signal.throwIfAborted();
    }
  };

  const run = async () => {
    try {
      await follow();
    } catch (error) {
      if (!stopping.signal.aborted) throw error;
    }
    // If even this fails, a few are delivered a second time.
    if (isUnsaved && reached !== undefined) await save(reached).catch(() => undefined);
  };

  const growth = feed.onGrowth(() => {
    hasGrown = true;
    alarm?.abort();
  });
  const running = run();

  return {
    get behindBytes() {
      if (reached === undefined) return undefined;
      const { bytes, file } = feed.end();
      return reached.file === file ? Math.max(0, bytes - reached.bytes) : bytes;
    },
    async [Symbol.asyncDispose]() {
      growth[Symbol.dispose]();
      stopping.abort();
      alarm?.abort();
      const finished = new AbortController();
      const deadline = clock.sleep(publisher.stopMs, finished.signal).then(() => cutting.abort());
      await running;
      finished.abort();
      await deadline;
    },
  };
}

function isSame(one: JournalOffset, other: JournalOffset): boolean {
  return one.bytes === other.bytes && one.file === other.file;
}
