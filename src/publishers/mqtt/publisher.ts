import type { BedDelivery } from '../../domain/bed.ts';
import type { Clock } from '../../domain/clock.ts';
import { createKeyedMutex } from '../../domain/keyed-mutex.ts';
import type { Log } from '../../domain/log.ts';
import type { Delivery, Publisher } from '../../domain/publisher.ts';
import { counts, type Reading } from '../../domain/reading.ts';
import type { UserId } from '../../domain/token.ts';
import { asTrouble, explain } from '../../domain/trouble.ts';
import { type BoardPorts, createBoard } from './board.ts';
import { type BrokerLogin, type BrokerOptions, type Connection, connectAsAllowed } from './connection.ts';
import { birthTopics } from './home-assistant.ts';
import { bedMessage, createTopics, hashOf, OFFLINE, ONLINE, weighInMessages } from './messages.ts';
import { createMissed } from './missed.ts';
import { keepConnected } from './reconnect.ts';
import { deaf, limitsOf, TOO_LONG, UNHEARD } from './trouble.ts';

/** Called before each connection, if the broker and the login may change while weighbridge runs. */
export type AskLogin = () => Promise<Partial<BrokerLogin>>;

export interface MqttOptions extends Omit<BoardPorts, 'topics'> {
  readonly broker: Omit<BrokerOptions, 'clientId' | 'will'>;
  readonly askLogin?: AskLogin | undefined;
  readonly prefix: string;
  /** The topic of the plain form. */
  readonly channel: string | undefined;
  /** How old a fresh reading of this person may be. */
  readonly maxAgeMs: (userId: UserId) => number;
  /** Home Assistant's time from a discovery message to its subscription, if not `SUBSCRIBE_MS`. */
  readonly subscribeMs?: number | undefined;
  readonly clock: Clock;
  /** Returns a number between 0 and 1, which spreads retries. */
  readonly random: () => number;
  readonly log: Log;
}

/** A broker acknowledges within milliseconds, or it has frozen. An event may have to wait for Home Assistant. */
const STOP_MS = 4_000;
/** Home Assistant 2025.1 missed an event after 0.3 s and received one after 1.2 s (November 2026). */
const SUBSCRIBE_MS = 2_000;
/** How often the board reads who is linked, and their status. */
const LOOK_MS = 60_000;
/** After an oversized message, weighbridge waits this long before it subscribes again. It may be retained. */
const DEAF_MS = 3_600_000;
/** The longest random wait after Home Assistant's birth message, because all its devices answer at once. */
const BIRTH_MS = 5_000;

/**
 * Publishes readings to an MQTT broker. Values are retained, each on its own topic, together with the discovery
 * messages for Home Assistant. Fresh weigh-ins are announced without retain. Connects in the background, and again
 * whenever the connection ends.
 */
export function createMqttPublisher(options: MqttOptions): Publisher {
  const { broker, askLogin, prefix, discoveryPrefix, channel, people, troubles, clock, random, log } = options;
  const { maxAgeMs, subscribeMs = SUBSCRIBE_MS } = options;
  const stop = new AbortController();
  const { signal } = stop;
  const topics = createTopics(prefix);
  const board = createBoard({ ...options, topics });
  const mutex = createKeyedMutex();
  /** Runs one piece of work at a time, in order of arrival. */
  const inTurn = (work: () => Promise<void>) => mutex(prefix, work);
  // The board opens at once, not when the broker is there: later readings must not count as old. If it fails, `greet`
  // reports it.
  void inTurn(() => board.open()).catch(() => undefined);
  /** The topics of the current delivery that the broker accepted, in case the rest is retried. */
  const told = new Set<string>();
  const missed = createMissed();
  /** The codes of the broker's limits that were logged. */
  const limits = new Set<string>();
  /** The connection that subscribed to Home Assistant's status, and the one on which a birth waits for its answer. */
  let heard: Connection | undefined;
  let answering: Connection | undefined;
  let deafUntilMs = 0;
  let deliveries = 0;
  let deliveredMs = clock.elapsedMs();

  const greet = async (connection: Connection) => {
    for (const { message, code, hint } of limitsOf(connection.url, connection.terms)) {
      if (!limits.has(code)) log.warn({ event: 'mqtt_limit', text: `mqtt: ${message}; ${hint}`, code });
      limits.add(code);
    }
    await inTurn(async () => {
      await board.open();
      await board.fill(connection);
    });
    await listen(connection);
    // The previous connection ended in between.
    if (missed.isWaiting) answerBirth(connection);
    deliveredMs = clock.elapsedMs();
  };

  /** Subscribes once on each connection, or later after an oversized message. */
  const listen = async (connection: Connection) => {
    if (heard === connection) return;
    const homes = birthTopics(discoveryPrefix);
    if (clock.elapsedMs() < deafUntilMs) return troubles.report(deaf(homes, connection.url));
    heard = connection;
    void connection.ended.then(({ code }) => {
      if (code === TOO_LONG) deafUntilMs = clock.elapsedMs() + DEAF_MS;
    });
    const onStatus = (payload: string) => {
      if (payload === OFFLINE) missed.left();
      if (payload !== ONLINE) return;
      missed.born();
      answerBirth(connection);
    };
    await connection
      .subscribe(homes, (_topic, payload) => onStatus(payload))
      .then(() => troubles.over(new Set([UNHEARD])), tellUnlessLost(connection));
  };
  /** One introduction answers every birth message that arrived before it begins. */
  const answerBirth = (connection: Connection) => {
    if (answering === connection) return;
    answering = connection;
    void introduce(connection).catch(tellUnlessLost(connection));
  };
  const introduce = async (connection: Connection) => {
    await clock.sleep(BIRTH_MS * random(), signal);
    await inTurn(async () => {
      if (answering === connection) answering = undefined;
      if (link.connection !== connection) return;
      await board.introduce(connection);
      missed.introduced();
    });
    await tellMissed(connection);
  };
  /** Waits until Home Assistant has had the time to subscribe to a person's events. It ends early at a stop. */
  const untilHeard = async (userId: UserId, until: AbortSignal) => {
    for (;;) {
      const introducedMs = board.introducedMs(userId) ?? Number.NEGATIVE_INFINITY;
      const leftMs = introducedMs + subscribeMs - clock.elapsedMs();
      if (!(leftMs > 0)) return;
      await clock.sleep(leftMs, until);
      until.throwIfAborted();
    }
  };

  /** Sends the events again that Home Assistant missed. */
  const tellMissed = async (connection: Connection) => {
    for (const { reading } of missed.list()) await untilHeard(reading.userId, signal);
    await inTurn(async () => {
      for (const delivery of missed.list()) {
        if (!missed.isHearing || link.connection !== connection) return;
        const { reading } = delivery;
        const [event] = weighInMessages(delivery, {
          topics,
          channel: undefined,
          name: people.names.get(reading.userId),
        });
        const isWanted = isFresh(reading) && board.introducedMs(reading.userId) !== undefined;
        if (event !== undefined && isWanted) await board.say(connection, event);
        missed.over(delivery);
      }
    });
  };

  const isFresh = ({ userId, takenAt }: Reading) => clock.now().getTime() - takenAt.getTime() <= maxAgeMs(userId);

  /** Reports a failure. If the connection ended, that is reported instead. */
  const tellUnlessLost = (connection: Connection) => (error: unknown) => {
    const trouble = asTrouble(error);
    if (connection.isOpen || trouble.recovery === 'defect') troubles.report(trouble);
    else log.debug({ event: 'trouble', text: explain(trouble), code: trouble.code });
    return trouble.code;
  };

  const link = keepConnected({
    async connect(version, until) {
      const will = { topic: topics.status, payload: OFFLINE, retain: true };
      const login = await askLogin?.();
      return await connectAsAllowed({ ...broker, ...login, clientId: clientIdOf(prefix), will }, version, until);
    },
    greet,
    clock,
    random,
    log,
    troubles,
    signal,
  });

  /** Publishes changes without a delivery: new and removed people, ended logins, fetched history. */
  const watch = async () => {
    const met = new Set<string>();
    for (;;) {
      await clock.sleep(LOOK_MS, signal);
      if (signal.aborted) return;
      const { connection } = link;
      if (connection === undefined) continue;
      const isIdle = deliveries === 0 && clock.elapsedMs() - deliveredMs >= LOOK_MS;
      const work = async () => {
        await listen(connection);
        await board.look(connection);
        if (isIdle) await board.follow(connection);
        troubles.over(met);
        met.clear();
      };
      await inTurn(work).catch((error) => met.add(tellUnlessLost(connection)(error)));
    }
  };
  const watched = watch();

  /** Returns whether the person is linked. */
  const show = async (connection: Connection, { reading, correction }: Delivery): Promise<boolean> => {
    // The board may have an earlier version.
    if (correction) return board.match(connection, reading.userId);
    return counts(reading) && board.put(connection, reading);
  };

  const announce = async (connection: Connection, delivery: Delivery) => {
    const messages = weighInMessages(delivery, { topics, channel, name: people.names.get(delivery.reading.userId) });
    for (const message of messages) {
      const key = `${delivery.reading.userId} ${delivery.reading.groupId} ${message.topic}`;
      if (told.has(key)) continue;
      await board.say(connection, message);
      told.add(key);
    }
    missed.keep(delivery);
  };

  /** Publishes values first, so that they are there before the weigh-in is announced. */
  const publish = async (connection: Connection, delivery: Delivery, until: AbortSignal) => {
    let isLinked = false;
    await inTurn(async () => {
      missed.change(delivery);
      isLinked = await show(connection, delivery);
    });
    if (!isLinked || delivery.kind !== 'weigh_in' || delivery.late) return;
    await untilHeard(delivery.reading.userId, AbortSignal.any([signal, until]));
    await inTurn(() => announce(connection, delivery));
  };

  /** Publishes the state first, as with values. */
  const publishBed = async (connection: Connection, { event, late }: BedDelivery, until: AbortSignal) => {
    const { userId } = event;
    let isLinked = false;
    await inTurn(async () => {
      isLinked = await board.putBed(connection, userId);
    });
    if (!isLinked || late) return;
    await untilHeard(userId, AbortSignal.any([signal, until]));
    await inTurn(() => board.say(connection, bedMessage(event, { topics, name: people.names.get(userId) })));
  };

  const deliver = async (until: AbortSignal, work: (connection: Connection) => Promise<void>) => {
    deliveries += 1;
    // A message to a frozen broker fails when the connection ends.
    const onCut = () => stop.abort();
    until.addEventListener('abort', onCut, { once: true });
    try {
      await work(await link.connected(until));
    } finally {
      until.removeEventListener('abort', onCut);
      deliveries -= 1;
      deliveredMs = clock.elapsedMs();
    }
  };

  return {
    name: 'mqtt',
    stopMs: STOP_MS,
    deliver: (delivery, until) =>
      deliver(until, async (connection) => {
        await publish(connection, delivery, until);
        told.clear();
      }),
    deliverBed: (delivery, until) => deliver(until, (connection) => publishBed(connection, delivery, until)),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all([link.stopped, watched]);
    },
  };
}

/** At most 23 letters and digits, which every broker must accept: MQTT 3.1.1, section 3.1.3.1. */
function clientIdOf(prefix: string): string {
  return `weighbridge${hashOf(prefix).slice(0, 12)}`;
}
