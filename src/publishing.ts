import type { LinkedUsers } from './app/linked-users.ts';
import { startOutbox } from './app/outbox.ts';
import type { Records } from './app/records.ts';
import { createPublisherTroubles } from './app/troubles.ts';
import type { Config, MqttConfig } from './config.ts';
import { publishersIn } from './core.ts';
import type { Clock } from './domain/clock.ts';
import type { Log } from './domain/log.ts';
import type { Publisher } from './domain/publisher.ts';
import type { OpenJournal } from './storage/journal.ts';
import { createOffsetFiles } from './storage/offset-files.ts';
import { createRetainedFile } from './storage/retained-file.ts';
import { readVersion } from './version.ts';

interface Ports {
  readonly journal: OpenJournal;
  readonly linkedUsers: LinkedUsers;
  readonly records: Records;
  readonly clock: Clock;
  /** Between 0 and 1; spreads retries. */
  readonly random: () => number;
  readonly log: Log;
}

/** Everybody that readings are passed on to, each following the journal at its own pace. Nobody without a setting. */
export async function startPublishing(config: Config, ports: Ports): Promise<AsyncDisposable> {
  const { journal, clock, random, log } = ports;
  const publishers: readonly Publisher[] =
    config.mqtt === undefined ? [] : [await createMqtt(config, config.mqtt, ports)];
  const offsets = createOffsetFiles(publishersIn(config.directories.data), log);
  const running = publishers.map((publisher) => {
    const troubles = createPublisherTroubles({ clock, log, publisher: publisher.name });
    const maxAgeMs = config.announceMaxAgeMs;
    const outbox = startOutbox({ publisher, feed: journal.feed, offsets, troubles, clock, random, log, maxAgeMs });
    return { publisher, outbox };
  });
  return {
    async [Symbol.asyncDispose]() {
      const stop = async ({ publisher, outbox }: (typeof running)[number]) => {
        await outbox[Symbol.asyncDispose]();
        await publisher[Symbol.asyncDispose]();
      };
      await Promise.all(running.map(stop));
    },
  };
}

/** Loaded only where there is a broker. */
async function createMqtt(config: Config, mqtt: MqttConfig, ports: Ports): Promise<Publisher> {
  const { createMqttPublisher } = await import('./publishers/mqtt.ts');
  const { journal, linkedUsers, records, clock, random, log } = ports;
  const { url, username, password, caFile, prefix, discoveryPrefix, channel } = mqtt;
  return createMqttPublisher({
    broker: { url, username, password, caFile },
    prefix,
    discoveryPrefix,
    channel,
    people: config.people,
    version: readVersion(),
    linkedUsers: () => linkedUsers.refresh(),
    stateOf: (userId) => records.of(userId),
    latest: journal.latest,
    store: createRetainedFile(`${publishersIn(config.directories.data)}/mqtt.retained`),
    troubles: createPublisherTroubles({ clock, log, publisher: 'mqtt' }),
    clock,
    random,
    log,
  });
}
