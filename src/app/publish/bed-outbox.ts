import type { BedDelivery, BedEvents, BedOffsetStore, NumberedBedEvent } from '../../domain/bed.ts';
import type { Clock } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import { GIVEN_UP } from '../../domain/publisher.ts';
import { asTrouble, explain, type Trouble } from '../../domain/trouble.ts';
import type { PublisherTroubles } from '../status/troubles.ts';
import { createPersist } from './persist.ts';

/**
 * Delivers each bed event to a publisher: in order, at least once, retrying for as long as it takes. Without an offset
 * it begins with new events. It sleeps until there is an event.
 */
export function startBedOutbox(ports: {
  readonly publisher: {
    readonly name: string;
    readonly stopMs: number;
    readonly deliverBed: (delivery: BedDelivery, signal: AbortSignal) => Promise<void>;
  };
  readonly beds: BedEvents;
  readonly offsets: BedOffsetStore;
  readonly troubles: Pick<PublisherTroubles, 'report' | 'over' | 'contacted'>;
  readonly maxAgeMs: number;
  readonly clock: Clock;
  /** Returns a number between 0 and 1, which spreads retries. */
  readonly random: () => number;
  readonly log: Log;
}): AsyncDisposable {
  const { publisher, beds, offsets, troubles, maxAgeMs, clock, random, log } = ports;
  const { name } = publisher;
  const stopping = new AbortController();
  /** Ends the current delivery. */
  const cutting = new AbortController();
  let wake: () => void = () => undefined;

  const persist = createPersist({ troubles, clock, random, signal: stopping.signal });

  /** The offset is saved before any delivery: after a kill, no event may be skipped. */
  const begin = () =>
    persist(async () => {
      const lastAtStart = await beds.load();
      const known = await offsets.load(name);
      // After the file was removed, numbers start over.
      if (known !== undefined && known <= lastAtStart) return known;
      await offsets.save(name, lastAtStart);
      return lastAtStart;
    });

  const deliver = async (event: NumberedBedEvent) => {
    try {
      const attempt = async () => {
        const isOld = clock.now().getTime() - event.at.getTime() > maxAgeMs;
        const late = isOld || beds.newest(event.userId)?.number !== event.number;
        await publisher.deliverBed({ event, late }, cutting.signal);
        troubles.contacted();
      };
      await persist(attempt, undefined, isGivenUp);
    } catch (error) {
      const trouble = asTrouble(error);
      if (stopping.signal.aborted || !isGivenUp(trouble)) throw error;
      const text = `${name}: skipped a bed event after repeated errors: ${explain(trouble)}`;
      log.error({ event: 'given_up', text, publisher: name });
    }
  };

  const follow = async () => {
    for (let reached = await begin(); ; ) {
      const [event] = beds.after(reached);
      if (event === undefined && !stopping.signal.aborted) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      stopping.signal.throwIfAborted();
      if (event === undefined) continue;
      await deliver(event);
      reached = event.number;
      await persist(() => offsets.save(name, event.number));
    }
  };

  const growth = beds.onGrowth(() => wake());
  const running = follow().catch((error: unknown) => {
    if (!stopping.signal.aborted) throw error;
  });

  return {
    async [Symbol.asyncDispose]() {
      growth[Symbol.dispose]();
      stopping.abort();
      wake();
      const finished = new AbortController();
      const deadline = clock.sleep(publisher.stopMs, finished.signal).then(() => cutting.abort());
      await running;
      finished.abort();
      await deadline;
    },
  };
}

function isGivenUp({ code, recovery }: Trouble): boolean {
  return code === GIVEN_UP || recovery === 'defect';
}
