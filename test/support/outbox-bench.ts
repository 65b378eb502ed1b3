import { startOutbox } from '../../src/app/publish/outbox.ts';
import { createPublisherTroubles } from '../../src/app/status/troubles.ts';
import type { Delivery, OffsetStore, Publisher } from '../../src/domain/publisher.ts';
import { type Reading, toReading } from '../../src/domain/reading.ts';
import { type OpenJournal, openJournal } from '../../src/storage/journal/journal.ts';
import { createOffsetFiles } from '../../src/storage/publisher-files.ts';
import { createFakeClock, type FakeClock } from './fake-clock.ts';
import { ANNA, weighIn } from './people.ts';
import { createRecordingLog } from './recording-log.ts';
import { temporaryDirectory } from './temporary.ts';

export const HOUR_MS = 3_600_000;

/** Creates a publisher that records its deliveries. `fail` sets the failure of the other side. */
export function createMemoryPublisher(name = 'test') {
  const got: Delivery[] = [];
  return {
    name,
    stopMs: 5_000,
    got,
    /** The groups of the successful deliveries. */
    get groups() {
      return got.map(({ reading }) => reading.groupId);
    },
    tries: 0,
    fail: undefined as (() => unknown) | undefined,
    /** A hook that delays a delivery. */
    wait: undefined as ((signal: AbortSignal) => Promise<void>) | undefined,
    async deliver(delivery: Delivery, signal: AbortSignal): Promise<void> {
      this.tries += 1;
      await this.wait?.(signal);
      const error = this.fail?.();
      if (error !== undefined) throw error;
      got.push(delivery);
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** Creates a real journal with outboxes behind it, and a clock that the test advances. */
export async function createOutboxBench() {
  const directory = await temporaryDirectory();
  const clock = createFakeClock();
  const log = createRecordingLog();
  const path = `${directory.path}/measures.jsonl`;
  const files = createOffsetFiles(directory.path, log);
  const saves: string[] = [];
  const offsets: OffsetStore = {
    load: files.load,
    async save(publisher, offset) {
      await files.save(publisher, offset);
      saves.push(publisher);
    },
  };
  const open = () => openJournal(path, log);
  return {
    clock,
    log,
    path,
    directory: directory.path,
    offsets,
    saves,
    journal: await open(),
    open,
    start(
      publisher: Publisher,
      journal: OpenJournal,
      ports: Partial<Pick<Parameters<typeof startOutbox>[0], 'offsets' | 'maxAgeMs' | 'troubles'>> = {},
    ) {
      const troubles = createPublisherTroubles({ clock, log, publisher: publisher.name });
      const common = {
        publisher,
        feed: journal.feed,
        offsets,
        troubles,
        clock,
        random: () => 1,
        log,
        maxAgeMs: () => HOUR_MS,
      };
      return startOutbox({ ...common, ...ports });
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

/** The time is longer than the distance between the parts of one weigh-in. */
const APART_MS = 3_000;
const counts = new WeakMap<FakeClock, number>();

/** Returns Anna's weigh-in so many minutes earlier (the clock starts at six). Each call returns another moment. */
export function reading(clock: FakeClock, kilograms: number, minutesAgo = 2, changes: Partial<Reading> = {}): Reading {
  const count = counts.get(clock) ?? 0;
  counts.set(clock, count + 1);
  const takenAt = new Date(clock.now().getTime() - minutesAgo * 60_000 + count * APART_MS);
  return { ...toReading(ANNA, weighIn(kilograms, takenAt)), ...changes };
}

/** Waits for real file operations until the condition is true. */
export async function until(isSo: () => boolean | Promise<boolean>, what = 'what is waited for'): Promise<void> {
  for (const endsAt = Date.now() + 120_000; !(await isSo()); ) {
    if (Date.now() > endsAt) throw new Error(`in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
