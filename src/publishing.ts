import { startOutbox } from './app/outbox.ts';
import { createPublisherTroubles } from './app/troubles.ts';
import type { Config } from './config.ts';
import type { Clock } from './domain/clock.ts';
import type { Log } from './domain/log.ts';
import type { JournalFeed, Publisher } from './domain/publisher.ts';
import { makeDirectory, sweepTemporaryFiles } from './storage/files.ts';
import { createOffsetFiles } from './storage/offset-files.ts';
import { createParkedFile } from './storage/parked-file.ts';

/** What publishers and their outboxes need of the daemon. */
export interface PublishingPorts {
  readonly feed: JournalFeed;
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
    const { log, clock } = ports;
    const offsets = createOffsetFiles(directory, log);
    const started = makers.map((make) => {
      const publisher = make(ports);
      const troubles = createPublisherTroubles({ clock, log, publisher: publisher.name });
      const outbox = startOutbox({ ...ports, publisher, offsets, troubles, maxAgeMs: config.announceMaxAgeMs });
      return { outbox, publisher };
    });
    const stop = async ({ outbox, publisher }: (typeof started)[number]) => {
      await outbox[Symbol.asyncDispose]();
      await publisher[Symbol.asyncDispose]();
    };
    return { [Symbol.asyncDispose]: async () => void (await Promise.all(started.map(stop))) };
  };
}

type MakePublisher = (ports: PublishingPorts) => Publisher;

async function loadPublishers({ hook, people }: Config, directory: string): Promise<readonly MakePublisher[]> {
  const makers: MakePublisher[] = [];
  if (hook !== undefined) {
    const { createHook } = await import('./publishers/hook.ts');
    const parking = createParkedFile(`${directory}/hook.parked.jsonl`);
    makers.push((ports) => createHook({ ...ports, ...hook, people, parking }));
  }
  return makers;
}
