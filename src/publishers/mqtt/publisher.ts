import type { Clock } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import type { Delivery, Publisher } from '../../domain/publisher.ts';
import { isAnnounced } from '../../domain/reading.ts';
import { asTrouble, explain } from '../../domain/trouble.ts';
import { type BoardPorts, createBoard } from './board.ts';
import { type BrokerOptions, type Connection, connectEither } from './connection.ts';
import { birthTopics } from './home-assistant.ts';
import { createTopics, hashOf, OFFLINE, ONLINE, weighInMessages } from './messages.ts';
import { keepConnected } from './reconnect.ts';
import { UNHEARD } from './trouble.ts';

export interface MqttOptions extends Omit<BoardPorts, 'topics'> {
  readonly broker: Omit<BrokerOptions, 'clientId' | 'will'>;
  readonly prefix: string;
  /** The topic of the plain form. */
  readonly channel: string | undefined;
  readonly clock: Clock;
  /** Between 0 and 1; spreads retries. */
  readonly random: () => number;
  readonly log: Log;
}

/** A broker acknowledges within milliseconds; one that has frozen does not after a minute either. */
const STOP_MS = 2_000;
/** How often it is looked who is linked and how things stand with them. */
const LOOK_MS = 60_000;
/** Home Assistant has just started, and everybody answers its birth message. */
const BIRTH_MS = 5_000;

/**
 * Passes readings on to an MQTT broker. Values stay there (retained), each on a topic of its own, together with what
 * Home Assistant needs to find them; fresh weigh-ins are announced and not kept. Connects in the background, for ever.
 */
export function createMqttPublisher(options: MqttOptions): Publisher {
  const { broker, prefix, discoveryPrefix, channel, people, troubles, clock, random, log } = options;
  const stop = new AbortController();
  const { signal } = stop;
  const topics = createTopics(prefix);
  const board = createBoard({ ...options, topics });
  const inTurn = createTurns();
  // At once, not when the broker is there: what comes meanwhile is to be seen. Where it fails, the greeting tells.
  void inTurn(() => board.open()).catch(() => undefined);
  /** What of the delivery in hand has been told, for where the rest of it is tried again. */
  const told = new Set<string>();
  let deliveries = 0;
  let deliveredMs = clock.elapsedMs();

  const greet = async (connection: Connection) => {
    await inTurn(async () => {
      await board.open();
      await board.fill(connection);
    });
    /** One at a time: what begins after a birth tells it everything, however many there were. */
    let isMeeting = false;
    const onBirth = (_topic: string, payload: string) => {
      if (payload !== ONLINE || isMeeting) return;
      isMeeting = true;
      void meetHomeAssistant(connection, () => {
        isMeeting = false;
      });
    };
    await connection
      .subscribe(birthTopics(discoveryPrefix), onBirth)
      .then(() => troubles.over(new Set([UNHEARD])), tellUnlessLost(connection));
    deliveredMs = clock.elapsedMs();
  };

  const meetHomeAssistant = async (connection: Connection, onBegin: () => void) => {
    await clock.sleep(BIRTH_MS * random(), signal);
    const work = async () => {
      onBegin();
      if (link.connection === connection) await board.introduce(connection);
    };
    await inTurn(work).catch(tellUnlessLost(connection));
  };

  /** A connection that has ended has told why. */
  const tellUnlessLost = (connection: Connection) => (error: unknown) => {
    const trouble = asTrouble(error);
    if (connection.isOpen || trouble.recovery === 'defect') troubles.report(trouble);
    else log.debug({ event: 'trouble', text: explain(trouble), code: trouble.code });
    return trouble.code;
  };

  const link = keepConnected({
    connect: (version, until) =>
      connectEither(
        { ...broker, clientId: clientIdOf(prefix), will: { topic: topics.status, payload: OFFLINE, retain: true } },
        version,
        until,
      ),
    greet,
    host: broker.url.host,
    clock,
    random,
    log,
    troubles,
    signal,
  });

  /** What no delivery tells of: people come and go, logins end, and history is fetched that nobody is given. */
  const watch = async () => {
    const met = new Set<string>();
    for (;;) {
      await clock.sleep(LOOK_MS, signal);
      if (signal.aborted) return;
      const { connection } = link;
      if (connection === undefined) continue;
      const isIdle = deliveries === 0 && clock.elapsedMs() - deliveredMs >= LOOK_MS;
      const work = async () => {
        await board.look(connection);
        if (isIdle) await board.follow(connection);
        troubles.over(met);
        met.clear();
      };
      await inTurn(work).catch((error) => met.add(tellUnlessLost(connection)(error)));
    }
  };
  const watched = watch();

  /** Values first, so that whoever hears of a weigh-in finds them. */
  const publish = async (connection: Connection, delivery: Delivery) => {
    const { reading } = delivery;
    const { userId } = reading;
    // What Withings takes back is seen when the board next follows the journal.
    if (!isAnnounced(reading)) return;
    if (!(await board.put(connection, reading)) || delivery.late) return;
    const messages = weighInMessages(delivery, { topics, channel, name: people.names.get(userId) });
    for (const message of messages) {
      if (told.has(message.topic)) continue;
      await board.say(connection, message);
      told.add(message.topic);
    }
  };

  return {
    name: 'mqtt',
    stopMs: STOP_MS,
    async deliver(delivery, until) {
      deliveries += 1;
      // What is on its way to a broker that has frozen comes back when the connection ends.
      const onCut = () => stop.abort();
      until.addEventListener('abort', onCut, { once: true });
      try {
        const connection = await link.connected(until);
        await inTurn(() => publish(connection, delivery));
        told.clear();
      } finally {
        until.removeEventListener('abort', onCut);
        deliveries -= 1;
        deliveredMs = clock.elapsedMs();
      }
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all([link.stopped, watched]);
    },
  };
}

/** At most 23 letters and digits, which every broker has to accept: MQTT 3.1.1, section 3.1.3.1. */
function clientIdOf(prefix: string): string {
  return `weighbridge${hashOf(prefix).slice(0, 12)}`;
}

/** One piece of work at a time, in the order they came. */
function createTurns(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = last.then(work, work);
    last = turn;
    return turn;
  };
}
