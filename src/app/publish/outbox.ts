import { type Clock, isPlausible } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import {
  type Delivery,
  GIVEN_UP,
  type JournalFeed,
  type JournalOffset,
  type OffsetStore,
  type Publisher,
} from '../../domain/publisher.ts';
import { isAnnounced, type Reading } from '../../domain/reading.ts';
import { backoffMs } from '../../domain/retry.ts';
import { asTrouble, explain, Trouble } from '../../domain/trouble.ts';
import type { PublisherTroubles } from '../status/publisher-troubles.ts';

/** How soon what another process has appended (a backfill, a login) is found; what this one appends is known at once. */
const LOOK_MS = 30_000;
/** A broker that restarts is back within seconds; one that is away for days is asked every ten minutes. */
const BACKOFF = { firstMs: 1_000, longestMs: 600_000 };
/** Behind by more than this, some 200 lines, the place is saved once in `SAVE_EVERY_MS` and not after each delivery. */
const FAR_BEHIND_BYTES = 64 * 1024;
const SAVE_EVERY_MS = 1_000;
/** A delivery that only ever meets a defect of ours must not hold up the others for ever, nor get lost in an outage. */
const GIVE_UP_MS = 24 * 3_600_000;

export interface Outbox extends AsyncDisposable {
  /** How much of the journal has not been delivered, as far as this process knows; undefined until the place is known. */
  readonly behindBytes: number | undefined;
}

/**
 * Follows the journal from the place where it left off, and gives its publisher one reading after the other: in order,
 * at least once, trying for as long as it takes. Without a place it begins at the end of the journal as it is now.
 *
 * It ends when it is disposed: nothing new is begun, and the delivery in hand has a few seconds to finish.
 */
export function startOutbox(ports: {
  readonly publisher: Publisher;
  readonly feed: JournalFeed;
  readonly offsets: OffsetStore;
  readonly troubles: PublisherTroubles;
  readonly clock: Clock;
  /** Between 0 and 1; spreads retries. */
  readonly random: () => number;
  readonly log: Log;
  /** `ANNOUNCE_MAX_AGE` */
  readonly maxAgeMs: number;
}): Outbox {
  const { publisher, feed, offsets, troubles, clock, random, log, maxAgeMs } = ports;
  const { name } = publisher;
  const endAtStart = { ...feed.end(), marks: [] };
  const stopping = new AbortController();
  /** Ends the delivery in hand. */
  const cutting = new AbortController();
  /** The troubles of deliveries that are not over: one that was given up on did not end them. */
  const failing = new Set<string>();
  let alarm: AbortController | undefined;
  let hasGrown = false;
  /** The place behind what has been delivered, or passed over. */
  let reached: JournalOffset | undefined;
  let isUnsaved = false;
  let savedMs = Number.NEGATIVE_INFINITY;

  /**
   * Does it, again and again until it is done. Undefined when the outbox was told to stop before that.
   *
   * @param met the codes of the troubles that are over when it is done
   * @throws Trouble `GIVEN_UP`
   */
  const patiently = async <T>(work: () => Promise<T>, met = new Set<string>()): Promise<T | undefined> => {
    for (let failures = 1; ; failures += 1) {
      try {
        const done = await work();
        troubles.over(met);
        met.clear();
        return done;
      } catch (error) {
        // What a stop has cut off fails for no reason of its own.
        if (cutting.signal.aborted) return undefined;
        await waitAfter(asTrouble(error), failures, met);
        if (stopping.signal.aborted) return undefined;
      }
    }
  };

  const waitAfter = async (trouble: Trouble, failures: number, met: Set<string>) => {
    if (trouble.code === GIVEN_UP) throw trouble;
    troubles.report(trouble);
    met.add(trouble.code);
    await clock.sleep(trouble.waitMs ?? backoffMs(failures, random(), BACKOFF), stopping.signal);
  };

  const save = async (offset: JournalOffset) => {
    await offsets.save(name, offset);
    isUnsaved = false;
    savedMs = clock.elapsedMs();
  };

  /** Where to begin. It is saved before anything is delivered: a kill must not pass over what comes meanwhile. */
  const begin = async (): Promise<JournalOffset> => {
    const offset = await patiently(async () => {
      const known = await offsets.load(name);
      if (known === undefined) await save(endAtStart);
      return known ?? endAtStart;
    });
    return offset ?? endAtStart;
  };

  const describe = (reading: Reading): Delivery => {
    const { previousWeight, correction, announcedBefore } = feed.contextOf(reading);
    const now = clock.now();
    const isOld = now.getTime() - reading.takenAt.getTime() > maxAgeMs || !isPlausible(now);
    return { reading, previousWeight, correction, late: isOld || announcedBefore || !isAnnounced(reading) };
  };

  /** Age and context are those of this moment, also where it is the tenth try. */
  const attempt = async (reading: Reading, startedMs: number): Promise<true> => {
    try {
      await publisher.deliver(describe(reading), cutting.signal);
      troubles.contacted();
      return true;
    } catch (error) {
      const { message, hint, recovery } = asTrouble(error);
      if (recovery !== 'defect' || clock.elapsedMs() - startedMs < GIVE_UP_MS) throw error;
      throw new Trouble(message, { code: GIVEN_UP, recovery, hint });
    }
  };

  /** Whether the place behind it is reached; it is not where a stop has cut it off. */
  const deliver = async (reading: Reading, next: JournalOffset): Promise<boolean> => {
    if (stopping.signal.aborted) return false;
    const startedMs = clock.elapsedMs();
    try {
      const done = await patiently(() => attempt(reading, startedMs), failing);
      if (done === undefined) return false;
    } catch (error) {
      const text = `gave up on the reading ${reading.groupId}, and goes on with the next: ${explain(asTrouble(error))}`;
      log.error({ event: 'given_up', text: `${name}: ${text}`, publisher: name, grpid: reading.groupId });
    }
    await keep(next);
    return true;
  };

  /** Delivers the lines of one page, and returns the place behind what was delivered. */
  const turnPage = async (from: JournalOffset): Promise<JournalOffset> => {
    const page = await patiently(() => feed.read(from));
    if (page === undefined) return from;
    if (page.from !== from) isUnsaved = true;
    if (page.from.file !== from.file || page.from.bytes !== from.bytes) tellMoved(from, page.from);
    let offset = page.from;
    for (const { reading, history, next } of page.lines) {
      if (!history && !(await deliver(reading, next))) return offset;
      offset = next;
      reached = next;
    }
    return page.next;
  };

  const keep = async (offset: JournalOffset) => {
    isUnsaved = true;
    const isFarBehind = feed.end().bytes - offset.bytes > FAR_BEHIND_BYTES;
    if (!isFarBehind || clock.elapsedMs() - savedMs >= SAVE_EVERY_MS) await patiently(() => save(offset));
  };

  const tellMoved = (from: JournalOffset, to: JournalOffset) => {
    if (from.bytes === 0) return;
    const isCopy = to.bytes === from.marks[0]?.bytes;
    const how = isCopy
      ? 'a copy of what it was; goes on where it was'
      : `not what it was; ${to.bytes === 0 ? 'all' : 'the end'} of it is passed on again, what is old marked as late`;
    const text = `${name}: the journal is ${how}`;
    log[isCopy ? 'info' : 'warn']({ event: 'journal_replaced', text, publisher: name, offset: to.bytes });
  };

  const rest = async () => {
    if (hasGrown || stopping.signal.aborted) return;
    alarm = new AbortController();
    await clock.sleep(LOOK_MS, alarm.signal);
    alarm = undefined;
  };

  const run = async () => {
    let offset = await begin();
    while (!stopping.signal.aborted) {
      reached = offset;
      hasGrown = false;
      const next = await turnPage(offset);
      const isThrough = next.bytes === offset.bytes && next.file === offset.file;
      offset = next;
      if (!isThrough) continue;
      if (isUnsaved) await patiently(() => save(next));
      await rest();
    }
    // Where even this fails, a few are delivered again.
    if (isUnsaved) await save(offset).catch(() => undefined);
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
