import type { Schedule } from '../app/collect/schedule.ts';
import { startBedOutbox } from '../app/publish/bed-outbox.ts';
import { type Outbox, startOutbox } from '../app/publish/outbox.ts';
import type { PublisherSource } from '../app/status/live-status.ts';
import type { PersonStates } from '../app/status/person-states.ts';
import { createPublisherTroubles, type PublisherTroubles } from '../app/status/troubles.ts';
import type { LinkedUsers } from '../app/tokens/linked-users.ts';
import type { Config } from '../config/config.ts';
import type { BedEvents } from '../domain/bed.ts';
import type { Clock } from '../domain/clock.ts';
import { type Derive, derivedValues } from '../domain/derived.ts';
import type { Log } from '../domain/log.ts';
import type { Publisher } from '../domain/publisher.ts';
import type { UserId } from '../domain/token.ts';
import type { SignalGroup } from '../publishers/hook/run.ts';
import type { Program } from '../publishers/mqtt/home-assistant.ts';
import type { AskLogin } from '../publishers/mqtt/publisher.ts';
import { createBedOffsetFiles } from '../storage/bed-file.ts';
import { makeDirectory, sweepTemporaryFiles } from '../storage/files.ts';
import type { OpenJournal } from '../storage/journal/journal.ts';
import { createLastingFiles } from '../storage/lasting-files.ts';
import { createOffsetFiles, createParkedFile, createRetainedFile } from '../storage/publisher-files.ts';
import { parkedIn, publishersIn, retainedIn } from './data-directory.ts';

/** The parts of the daemon that publishers and their outboxes need. */
export interface PublishingPorts {
  readonly journal: OpenJournal;
  /** Undefined if `APPLIS` has no bed category. */
  readonly beds: BedEvents | undefined;
  readonly linkedUsers: LinkedUsers;
  readonly personStates: PersonStates;
  readonly schedule: Schedule;
  readonly derive: Derive;
  readonly random: () => number;
  readonly signalGroup: SignalGroup;
}

interface Common {
  readonly clock: Clock;
  readonly log: Log;
}

/** The further parts that the MQTT publisher needs. */
interface BrokerPorts {
  readonly program: Program;
  readonly askLogin: AskLogin | undefined;
}

/** Makes a configured publisher. */
type Make = (ports: PublishingPorts & Common & { readonly troubles: PublisherTroubles }) => Publisher;

interface Loaded {
  readonly name: string;
  readonly make: Make;
  /** Loads what the publisher would load late. */
  readonly load?: () => Promise<unknown>;
  /** The publisher and its outbox share them, so that an unreachable broker is reported once. */
  readonly troubles: PublisherTroubles;
  outbox?: Outbox;
}

/**
 * Loads the configured publishers, and no others. None is started yet.
 *
 * @throws Trouble if their directory cannot be written
 */
export async function preparePublishing(config: Config, ports: Common & BrokerPorts) {
  const { clock, log } = ports;
  const directory = publishersIn(config.directories.data);
  const publishers = await loadPublishers(config, ports);
  if (publishers.length > 0) {
    await makeDirectory(directory);
    await sweepTemporaryFiles(directory);
  }
  return {
    /**
     * Starts the publishers, each with its own outbox. Disposing ends them within some 7 s: the current delivery may
     * finish, and no other begins.
     */
    start(started: PublishingPorts): AsyncDisposable {
      const files = createLastingFiles(log);
      const offsets = createOffsetFiles(directory, log, files);
      const bedOffsets = createBedOffsetFiles(directory, files);
      const { beds, journal } = started;
      const { feed } = journal;
      const stops = publishers.map((each) => {
        const common = { ...started, clock, log, troubles: each.troubles };
        const publisher = each.make(common);
        const outbox = startOutbox({ ...common, publisher, feed, offsets, maxAgeMs: started.schedule.maxAgeMs });
        each.outbox = outbox;
        const { name, stopMs } = publisher;
        const deliverBed = publisher.deliverBed?.bind(publisher);
        const bedOutbox =
          beds &&
          deliverBed &&
          startBedOutbox({
            ...common,
            publisher: { name, stopMs, deliverBed },
            beds,
            offsets: bedOffsets,
            maxAgeMs: config.announceMaxAgeMs,
          });
        return async () => {
          await Promise.all([outbox, bedOutbox].map((each) => each?.[Symbol.asyncDispose]()));
          await publisher[Symbol.asyncDispose]();
        };
      });
      return { [Symbol.asyncDispose]: async () => void (await Promise.all(stops.map((stop) => stop()))) };
    },
    load: async () => void (await Promise.all(publishers.map((each) => each.load?.()))),
    /** The sources of each publisher's status, started or not. */
    sources: (): readonly PublisherSource[] =>
      publishers.map(({ name, troubles, outbox }) => ({ name, troubles, behindBytes: outbox?.behindBytes })),
  };
}

async function loadPublishers(
  { mqtt, hook, people, directories: { data } }: Config,
  { program, askLogin, clock, log }: Common & BrokerPorts,
): Promise<readonly Loaded[]> {
  const loaded: Loaded[] = [];
  const files = createLastingFiles(log);
  const add = (name: string, make: Make, late: Pick<Loaded, 'load'> = {}) =>
    loaded.push({ ...late, name, make, troubles: createPublisherTroubles({ clock, log, publisher: name }) });
  if (mqtt !== undefined) {
    const { createMqttPublisher } = await import('../publishers/mqtt/publisher.ts');
    const { loadMqtt: load } = await import('../publishers/mqtt/connection.ts');
    const { channel, prefix, discoveryPrefix, ...broker } = mqtt;
    const store = createRetainedFile(retainedIn(data), log, files);
    const make: Make = ({ journal, beds, linkedUsers, personStates, schedule, derive, ...ports }) =>
      createMqttPublisher({
        ...ports,
        channel,
        prefix,
        discoveryPrefix,
        broker,
        askLogin,
        people,
        program,
        maxAgeMs: schedule.maxAgeMs,
        linkedUsers: () => linkedUsers.refresh(),
        stateOf: (userId) => personStates.of(userId),
        pollMs: schedule.pollMs,
        hasCallback: schedule.hasCallback,
        latest: journal.latest,
        derived: async (userId) => derivedValues(derive(userId, await personStates.of(userId))),
        beds,
        store,
      });
    add('mqtt', make, { load });
  }
  if (hook !== undefined) {
    const { createHook } = await import('../publishers/hook/publisher.ts');
    const parking = createParkedFile(parkedIn(data), files);
    add('hook', ({ derive, personStates, ...ports }) => {
      const derived = async (userId: UserId) => derive(userId, await personStates.of(userId));
      return createHook({ ...ports, ...hook, people, derived, parking });
    });
  }
  return loaded;
}
