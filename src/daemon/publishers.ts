import { type Outbox, startOutbox } from '../app/publish/outbox.ts';
import type { PublisherSource } from '../app/status/live-status.ts';
import type { PersonStates } from '../app/status/person-states.ts';
import { createPublisherTroubles, type PublisherTroubles } from '../app/status/publisher-troubles.ts';
import type { LinkedUsers } from '../app/tokens/linked-users.ts';
import type { Config } from '../config/config.ts';
import type { Clock } from '../domain/clock.ts';
import type { Log } from '../domain/log.ts';
import type { OffsetStore, Publisher } from '../domain/publisher.ts';
import { makeDirectory, sweepTemporaryFiles } from '../storage/files.ts';
import type { OpenJournal } from '../storage/journal/journal.ts';
import { createOffsetFiles, createParkedFile, createRetainedFile } from '../storage/publisher-files.ts';

/** What publishers and their outboxes need of the daemon. */
export interface PublishingPorts {
  readonly journal: OpenJournal;
  readonly linkedUsers: LinkedUsers;
  readonly personStates: PersonStates;
  readonly random: () => number;
  readonly signalGroup: (pid: number, signal: 'SIGTERM' | 'SIGKILL') => void;
}

/** Publishers that are ready, and begin nothing before they are told to. */
export interface Publishing {
  /**
   * Starts them, each behind an outbox of its own. Disposing ends them within some 7 s: a delivery in hand may finish,
   * no other is begun.
   */
  start(ports: PublishingPorts): AsyncDisposable;
  /** How each of them stands, started or not. */
  signs(): readonly PublisherSource[];
}

/**
 * Gets ready to pass readings on. What is not configured is not even loaded.
 *
 * @throws Trouble when the directory cannot be written
 */
export async function preparePublishing(
  config: Config,
  { version, clock, log }: { readonly version: string; readonly clock: Clock; readonly log: Log },
): Promise<Publishing> {
  const directory = `${config.directories.data}/publishers`;
  const loaded = await loadPublishers(config, { directory, version, log });
  if (loaded.length > 0) {
    await makeDirectory(directory);
    await sweepTemporaryFiles(directory);
  }
  // One for both: a broker that is away is told of once, by whoever notices.
  const makers = loaded.map((each) => ({
    ...each,
    troubles: createPublisherTroubles({ clock, log, publisher: each.name }),
  }));
  const outboxes = new Map<string, Outbox>();
  const startOne = (
    ports: PublishingPorts,
    offsets: OffsetStore,
    { name, make, troubles }: (typeof makers)[number],
  ) => {
    const common = { ...ports, clock, log, troubles };
    const publisher = make(common);
    const { feed } = ports.journal;
    const outbox = startOutbox({ ...common, publisher, feed, offsets, maxAgeMs: config.announceMaxAgeMs });
    outboxes.set(name, outbox);
    return async () => {
      await outbox[Symbol.asyncDispose]();
      await publisher[Symbol.asyncDispose]();
    };
  };
  return {
    start(ports) {
      const offsets = createOffsetFiles(directory, log);
      const stops = makers.map((each) => startOne(ports, offsets, each));
      return { [Symbol.asyncDispose]: async () => void (await Promise.all(stops.map((stop) => stop()))) };
    },
    signs: () => makers.map(({ name, troubles }) => ({ name, troubles, behindBytes: outboxes.get(name)?.behindBytes })),
  };
}

interface CommonPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly troubles: PublisherTroubles;
}

interface Maker {
  readonly name: string;
  readonly make: (ports: PublishingPorts & CommonPorts) => Publisher;
}

async function loadPublishers(
  { mqtt, hook, people }: Config,
  { directory, version, log }: { readonly directory: string; readonly version: string; readonly log: Log },
): Promise<readonly Maker[]> {
  const makers: Maker[] = [];
  if (mqtt !== undefined) {
    const { createMqttPublisher } = await import('../publishers/mqtt/publisher.ts');
    const { url, username, password, caFile, ...topics } = mqtt;
    const store = createRetainedFile(`${directory}/mqtt.retained`, log);
    const make: Maker['make'] = ({ journal, linkedUsers, personStates, ...ports }) =>
      createMqttPublisher({
        ...ports,
        ...topics,
        broker: { url, username, password, caFile },
        people,
        version,
        linkedUsers: () => linkedUsers.refresh(),
        stateOf: (userId) => personStates.of(userId),
        latest: journal.latest,
        store,
      });
    makers.push({ name: 'mqtt', make });
  }
  if (hook !== undefined) {
    const { createHook } = await import('../publishers/hook/publisher.ts');
    const parking = createParkedFile(`${directory}/hook.parked.jsonl`);
    makers.push({ name: 'hook', make: (ports) => createHook({ ...ports, ...hook, people, parking }) });
  }
  return makers;
}
