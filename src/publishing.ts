import type { LinkedUsers } from './app/linked-users.ts';
import { startOutbox } from './app/outbox.ts';
import type { Records } from './app/records.ts';
import { createPublisherTroubles, type PublisherTroubles } from './app/troubles.ts';
import type { Config } from './config.ts';
import type { Clock } from './domain/clock.ts';
import type { Log } from './domain/log.ts';
import type { Publisher } from './domain/publisher.ts';
import { makeDirectory, sweepTemporaryFiles } from './storage/files.ts';
import type { OpenJournal } from './storage/journal.ts';
import { createOffsetFiles } from './storage/offset-files.ts';
import { createParkedFile } from './storage/parked-file.ts';
import { createRetainedFile } from './storage/retained-file.ts';
import { readVersion } from './version.ts';

/** What publishers and their outboxes need of the daemon. */
export interface PublishingPorts {
  readonly journal: OpenJournal;
  readonly linkedUsers: LinkedUsers;
  readonly records: Records;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly signalGroup: (pid: number, signal: 'SIGTERM' | 'SIGKILL') => void;
}

/**
 * Gets ready to pass readings on, and begins nothing. What is not configured is not even loaded.
 *
 * @returns what starts the publishers, each behind an outbox of its own. Disposing ends them within some 7 s: a
 * delivery in hand may finish, no other is begun
 * @throws Trouble when the directory cannot be written
 */
export async function preparePublishing(config: Config): Promise<(ports: PublishingPorts) => AsyncDisposable> {
  const directory = `${config.directories.data}/publishers`;
  const makers = await loadPublishers(config, directory);
  if (makers.length > 0) {
    await makeDirectory(directory);
    await sweepTemporaryFiles(directory);
  }
  return (ports) => {
    const { journal, log, clock } = ports;
    const offsets = createOffsetFiles(directory, log);
    const maxAgeMs = config.announceMaxAgeMs;
    const started = makers.map(({ name, make }) => {
      // One for both: a broker that is away is told of once, by whoever notices.
      const troubles = createPublisherTroubles({ clock, log, publisher: name });
      const publisher = make({ ...ports, troubles });
      const outbox = startOutbox({ ...ports, publisher, feed: journal.feed, offsets, troubles, maxAgeMs });
      return { outbox, publisher };
    });
    const stop = async ({ outbox, publisher }: (typeof started)[number]) => {
      await outbox[Symbol.asyncDispose]();
      await publisher[Symbol.asyncDispose]();
    };
    return { [Symbol.asyncDispose]: async () => void (await Promise.all(started.map(stop))) };
  };
}

interface Maker {
  readonly name: string;
  readonly make: (ports: PublishingPorts & { readonly troubles: PublisherTroubles }) => Publisher;
}

async function loadPublishers({ mqtt, hook, people }: Config, directory: string): Promise<readonly Maker[]> {
  const makers: Maker[] = [];
  if (mqtt !== undefined) {
    const { createMqttPublisher } = await import('./publishers/mqtt.ts');
    const { url, username, password, caFile, ...topics } = mqtt;
    const store = createRetainedFile(`${directory}/mqtt.retained`);
    const make: Maker['make'] = ({ journal, linkedUsers, records, ...ports }) =>
      createMqttPublisher({
        ...ports,
        ...topics,
        broker: { url, username, password, caFile },
        people,
        version: readVersion(),
        linkedUsers: () => linkedUsers.refresh(),
        stateOf: (userId) => records.of(userId),
        latest: journal.latest,
        store,
      });
    makers.push({ name: 'mqtt', make });
  }
  if (hook !== undefined) {
    const { createHook } = await import('./publishers/hook.ts');
    const parking = createParkedFile(`${directory}/hook.parked.jsonl`);
    makers.push({ name: 'hook', make: (ports) => createHook({ ...ports, ...hook, people, parking }) });
  }
  return makers;
}
