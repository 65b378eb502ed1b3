import { type BedEvents, currentBed } from '../../domain/bed.ts';
import type { Clock } from '../../domain/clock.ts';
import { isDerived } from '../../domain/derived.ts';
import type { People } from '../../domain/household.ts';
import type { LatestValues, RetainedStore, Value } from '../../domain/publisher.ts';
import type { Reading } from '../../domain/reading.ts';
import { scalesOfHousehold } from '../../domain/scale.ts';
import { NOTHING_KNOWN, type PersonState } from '../../domain/status.ts';
import type { UserId } from '../../domain/token.ts';
import { Trouble } from '../../domain/trouble.ts';
import type { Connection } from './connection.ts';
import {
  type DeviceOptions,
  devicePayload,
  deviceTopic,
  type Program,
  scaleDevicePayload,
  scaleDeviceTopic,
} from './home-assistant.ts';
import { bedPayload, isQuantity, ONLINE, problemPayload, scalePayload, type Topics, valuePayload } from './messages.ts';
import type { LinkTroubles } from './reconnect.ts';
import { createSpeaker } from './speaker.ts';

export interface BoardPorts {
  readonly topics: Topics;
  readonly discoveryPrefix: string;
  readonly people: People;
  readonly program: Program;
  readonly linkedUsers: () => Promise<readonly UserId[]>;
  readonly stateOf: (userId: UserId) => Promise<PersonState>;
  /** How often weighbridge polls without notifications, and whether there is a callback URL. */
  readonly pollMs: number;
  readonly hasCallback: boolean;
  readonly latest: LatestValues;
  /** The values derived from the journal's: `domain/derived.ts`. */
  readonly derived: (userId: UserId) => Promise<ReadonlyMap<string, Value>>;
  /** Undefined if `APPLIS` has no bed category. */
  readonly beds?: Pick<BedEvents, 'newest' | 'load'> | undefined;
  readonly store: RetainedStore;
  readonly troubles: LinkTroubles;
  readonly clock: Pick<Clock, 'elapsedMs'>;
}

/** The topics that the broker retains for later subscribers, and the values on them. */
export function createBoard(ports: BoardPorts) {
  const { topics, discoveryPrefix, people, program, linkedUsers, stateOf, latest, beds, store } = ports;
  const { troubles, clock } = ports;
  /** The people on the board, with the last status published on this connection. */
  const shown = new Map<UserId, string>();
  const values = new Map<UserId, Map<string, Value>>();
  /** The last read states of linked people. */
  const states = new Map<UserId, PersonState>();
  /** The last messages about scales on this connection, by topic. */
  const shownOfScales = new Map<string, string>();
  /** Every topic that may be retained. A message on its way counts, because it may have arrived. */
  let retained: ReadonlySet<string> = new Set();
  let isOpen = false;
  let saved = '';
  /** The linked people at the last successful read. */
  let linked: readonly UserId[] | undefined;
  /** The topics of the values that the journal lacked at the last `follow`. */
  let missing: ReadonlySet<string> = new Set();
  /** Until the bed events are read, the broker keeps its old ones. */
  let areBedsRead = beds === undefined;
  /** When each person's discovery message was last published, on this connection. */
  const introducedMs = new Map<UserId, number>();
  const speaker = createSpeaker(ports);

  const valuesOf = (userId: UserId) => {
    const known = values.get(userId) ?? new Map<string, Value>();
    values.set(userId, known);
    return known;
  };
  const newestBedOf = (userId: UserId) => currentBed(beds?.newest(userId), states.get(userId)?.linkedAt);
  const topicsOf = (userId: UserId) => [
    deviceTopic(discoveryPrefix, userId, topics),
    topics.health(userId),
    ...(bedOf(userId) === 'known' ? [topics.inBed(userId)] : []),
    ...[...valuesOf(userId).keys()].map((key) => topics.value(userId, key)),
  ];

  /**
   * Does independent work. A failure is only reported.
   *
   * @param code of the trouble, which is over when the work succeeds
   */
  const attempt = async (code: string, work: () => Promise<void>) => {
    try {
      await work();
      troubles.over(new Set([code]));
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      const { message, recovery, hint } = error;
      troubles.report(new Trouble(message, { code, recovery, hint }));
    }
  };

  /** Saves changed topics and values before the broker gets them. */
  const remember = async (...added: readonly string[]) => {
    retained = new Set([...retained, ...added]);
    const text = JSON.stringify([...retained, ...[...values].map(([id, each]) => [id, ...each])]);
    if (text === saved) return;
    await attempt('mqtt_note', async () => {
      await store.save({ topics: retained, values });
      saved = text;
    });
  };

  /** The linked people. If the list cannot be read, the last one that could, even from before a restart. */
  const whoIsLinked = async () => {
    await attempt('mqtt_people', async () => {
      linked = await linkedUsers();
    });
    return linked ?? [...values.keys()];
  };

  const post = (connection: Connection, topic: string, payload: string) =>
    speaker.say(connection, { topic, payload, retain: true });

  /** The quantities that were taken back but may still be retained. */
  const goneOf = (userId: UserId) => {
    const known = valuesOf(userId);
    const above = topics.value(userId, '');
    const below = [...retained].filter((topic) => topic.startsWith(above)).map((topic) => topic.slice(above.length));
    return below.filter((key) => isQuantity(key) && !known.has(key)).sort();
  };
  const bedOf = (userId: UserId): DeviceOptions['bed'] => {
    if (newestBedOf(userId) !== undefined) return 'known';
    if (!retained.has(topics.inBed(userId))) return undefined;
    return areBedsRead ? 'gone' : 'known';
  };
  /** The person linked again, and the broker still has the old bed. */
  const hasOldBed = (userId: UserId) => bedOf(userId) === 'gone' && !speaker.isRefused(topics.inBed(userId));
  const postDevice = async (connection: Connection, userId: UserId) => {
    const quantities = [...valuesOf(userId).keys()].sort();
    const gone = goneOf(userId);
    const bed = bedOf(userId);
    const facts = { userId, name: people.names.get(userId), unit: people.unit, quantities, gone, bed, topics, program };
    await post(connection, deviceTopic(discoveryPrefix, userId, topics), devicePayload(facts));
    introducedMs.set(userId, clock.elapsedMs());
  };
  const postValue = async (connection: Connection, userId: UserId, key: string) => {
    const value = values.get(userId)?.get(key);
    if (value !== undefined) await post(connection, topics.value(userId, key), valuePayload(value));
  };
  /** The messages for Home Assistant about each scale and its values, by topic; the device first. */
  const messagesOfScales = (): ReadonlyMap<string, string> => {
    const scales = scalesOfHousehold([...states].map(([userId, { scales }]) => ({ userId, scales })));
    // A device needs at least one value.
    const shownScales = scales.filter(({ battery, lastContact }) => (battery ?? lastContact) !== undefined);
    const messages = shownScales.flatMap((scale) => [
      [scaleDeviceTopic(discoveryPrefix, scale.id, topics), scaleDevicePayload(scale, { topics, program })] as const,
      [topics.scale(scale.id), scalePayload(scale)] as const,
    ]);
    return new Map(messages);
  };
  const postScales = async (connection: Connection) => {
    const changed = [...messagesOfScales()].filter(([topic, payload]) => shownOfScales.get(topic) !== payload);
    await remember(...changed.map(([topic]) => topic));
    for (const [topic, payload] of changed) {
      await post(connection, topic, payload);
      shownOfScales.set(topic, payload);
    }
  };
  const readBeds = () =>
    attempt('mqtt_beds', async () => {
      await beds?.load();
      areBedsRead = true;
    });
  const readStates = async (users: readonly UserId[]) => {
    for (const userId of users) states.set(userId, await stateOf(userId));
  };
  const postProblem = async (connection: Connection, userId: UserId) => {
    const health = problemPayload(states.get(userId) ?? NOTHING_KNOWN, ports);
    if (shown.get(userId) === health) return;
    await post(connection, topics.health(userId), health);
    shown.set(userId, health);
  };

  const postBed = async (connection: Connection, userId: UserId) => {
    const event = newestBedOf(userId);
    if (event !== undefined) await post(connection, topics.inBed(userId), bedPayload(event));
  };

  const postPerson = async (connection: Connection, userId: UserId) => {
    await remember(...topicsOf(userId));
    await postDevice(connection, userId);
    for (const key of valuesOf(userId).keys()) await postValue(connection, userId, key);
    await postProblem(connection, userId);
    await postBed(connection, userId);
  };

  /**
   * Clears everything that the people in `staying` do not need: the device or the sensor first, so that no sensor sees
   * an empty message.
   */
  const clear = async (connection: Connection, staying: readonly UserId[]) => {
    for (const known of [shown, values, introducedMs, states]) keepOnly(known, (userId) => staying.includes(userId));
    const wanted = new Set([topics.status, ...staying.flatMap(topicsOf), ...messagesOfScales().keys()]);
    keepOnly(shownOfScales, (topic) => wanted.has(topic));
    const gone = [...retained].filter((topic) => !wanted.has(topic));
    const changed = staying.filter((userId) => goneOf(userId).length > 0 || bedOf(userId) === 'gone');
    for (const userId of changed) await postDevice(connection, userId);
    for (const topic of [...gone.filter(isDevice), ...gone.filter((each) => !isDevice(each))])
      await post(connection, topic, '');
    // A topic that the broker does not let us clear is still retained. The next connection retries.
    retained = new Set([...retained].filter((topic) => wanted.has(topic) || speaker.isRefused(topic)));
    await remember();
    for (const userId of changed) await postDevice(connection, userId);
  };

  /** Sets values and publishes them; the device first if there is a new quantity. */
  const set = async (connection: Connection, userId: UserId, changes: ReadonlyMap<string, Value>) => {
    const known = valuesOf(userId);
    const isNew = [...changes.keys()].some((key) => !known.has(key));
    for (const [key, value] of changes) known.set(key, value);
    if (isNew) {
      await remember(...topicsOf(userId));
      await postDevice(connection, userId);
    }
    for (const key of changes.keys()) await postValue(connection, userId, key);
    await remember();
  };

  /** Adds a linked person to the board. False for a person who is not linked. */
  const join = async (connection: Connection, userId: UserId): Promise<boolean> => {
    if (shown.has(userId)) return true;
    if (!(await whoIsLinked()).includes(userId)) return false;
    await readStates([userId]);
    await postPerson(connection, userId);
    return true;
  };

  /** Publishes the values of the journal that differ. Returns the quantities that the journal lacks. */
  const align = async (connection: Connection, userId: UserId): Promise<readonly string[]> => {
    const known = valuesOf(userId);
    const newest = await newestOf(userId);
    const changes = differing(newest, known);
    if (changes.length > 0) await set(connection, userId, new Map(changes));
    return [...known.keys()].filter((key) => !newest.has(key));
  };

  const newestOf = async (userId: UserId) =>
    new Map([...[...latest.of(userId)].filter(([key]) => isQuantity(key)), ...(await ports.derived(userId))]);

  /** Forgets values, and clears them. */
  const drop = async (connection: Connection, userId: UserId, keys: readonly string[]) => {
    for (const key of keys) valuesOf(userId).delete(key);
    if (keys.length > 0) await clear(connection, [...values.keys()]);
  };

  return {
    say: speaker.say,
    /**
     * Reads the previous process's file, once. A person who is not in it starts with the journal's current values.
     * Later ones are published at their delivery, so that subscribers see them in order.
     */
    async open(): Promise<void> {
      if (isOpen) return;
      const before = await store.load();
      retained = before.topics;
      for (const [userId, each] of before.values) values.set(userId, new Map(each));
      for (const userId of await whoIsLinked()) {
        if (!values.has(userId)) values.set(userId, await newestOf(userId));
      }
      isOpen = true;
      await remember();
    },
    /** When the person's discovery message was last published on this connection; undefined for a person who is not on the board. */
    introducedMs: (userId: UserId): number | undefined => introducedMs.get(userId),
    /** Publishes everything again, for a broker that has nothing, and clears topics that are no longer needed. */
    async fill(connection: Connection): Promise<void> {
      shown.clear();
      introducedMs.clear();
      shownOfScales.clear();
      await remember(topics.status);
      await post(connection, topics.status, ONLINE);
      const staying = await whoIsLinked();
      await readStates(staying);
      await readBeds();
      await clear(connection, staying);
      for (const userId of staying) await postPerson(connection, userId);
      await postScales(connection);
    },
    /** Publishes the devices for Home Assistant again. */
    async introduce(connection: Connection): Promise<void> {
      for (const userId of shown.keys()) await postDevice(connection, userId);
      keepOnly(shownOfScales, (topic) => !isDevice(topic));
      await postScales(connection);
    },
    /**
     * Publishes a reading's values unless the board has newer ones, and the derived ones. False for an unlinked person.
     */
    async put(connection: Connection, { userId, takenAt, measures }: Reading): Promise<boolean> {
      if (!(await join(connection, userId))) return false;
      const known = valuesOf(userId);
      const isNews = ([key, value]: readonly [string, number]) => {
        const before = known.get(key);
        if (before === undefined || before.takenAt < takenAt) return isQuantity(key);
        // A repeated message would be another weigh-in to Home Assistant.
        return before.takenAt.getTime() === takenAt.getTime() && before.value !== value;
      };
      const changes = Object.entries(measures)
        .filter(isNews)
        .map(([key, value]) => [key, { value, takenAt }] as const);
      const derived = await ports.derived(userId);
      await set(connection, userId, new Map([...changes, ...differing(derived, known)]));
      const isOver = (key: string) => isDerived(key) && !derived.has(key);
      await drop(connection, userId, [...known.keys()].filter(isOver));
      return true;
    },
    /** Publishes whether the person is in bed; the device first if the bed is new. False for an unlinked person. */
    async putBed(connection: Connection, userId: UserId): Promise<boolean> {
      if (!shown.has(userId)) return await join(connection, userId);
      if (!retained.has(topics.inBed(userId))) {
        await remember(...topicsOf(userId));
        await postDevice(connection, userId);
      }
      await postBed(connection, userId);
      return true;
    },
    /**
     * Sets a person's values to exactly the newest ones of the journal: after a change or a withdrawal. False for a
     * person who is not linked.
     */
    async match(connection: Connection, userId: UserId): Promise<boolean> {
      if (!(await join(connection, userId))) return false;
      await drop(connection, userId, await align(connection, userId));
      return true;
    },
    /** Publishes the journal's newest values, and clears those that the journal has lacked for two calls. */
    async follow(connection: Connection): Promise<void> {
      const absent = new Set<string>();
      let hasLess = false;
      for (const userId of shown.keys()) {
        for (const key of await align(connection, userId)) {
          const topic = topics.value(userId, key);
          // While the journal is read anew, it lacks everything for a moment.
          if (missing.has(topic)) hasLess = valuesOf(userId).delete(key);
          else absent.add(topic);
        }
      }
      missing = absent;
      if (hasLess) await clear(connection, [...values.keys()]);
    },
    /** Publishes new people, each person's status and the scales, and clears people and scales that are gone. */
    async look(connection: Connection): Promise<void> {
      await speaker.retry(connection);
      const staying = await whoIsLinked();
      await readStates(staying);
      await readBeds();
      const scales = messagesOfScales();
      const isLess =
        [...shown.keys()].some((userId) => !staying.includes(userId) || hasOldBed(userId)) ||
        [...shownOfScales.keys()].some((topic) => !scales.has(topic));
      if (isLess) await clear(connection, staying);
      for (const userId of staying) {
        if (shown.has(userId)) await postProblem(connection, userId);
        else await postPerson(connection, userId);
      }
      await postScales(connection);
    },
  };
}

function keepOnly<Key>(known: Map<Key, unknown>, isKept: (key: Key) => boolean): void {
  for (const key of known.keys()) if (!isKept(key)) known.delete(key);
}

/** The values that differ from the board. */
function differing(values: ReadonlyMap<string, Value>, known: ReadonlyMap<string, Value>) {
  return [...values].filter(([key, { value, takenAt }]) => {
    const before = known.get(key);
    return before?.value !== value || before.takenAt.getTime() !== takenAt.getTime();
  });
}

function isDevice(topic: string): boolean {
  return topic.endsWith('/config');
}
