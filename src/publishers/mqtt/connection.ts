import { readFile } from 'node:fs/promises';
import type { IClientOptions, MqttClient } from 'mqtt';
import { errorCode, Trouble } from '../../domain/trouble.ts';
import { asBrokerTrouble, lost, refused, silent, unheard, WRONG_VERSION } from './trouble.ts';

export interface Message {
  readonly topic: string;
  /** Empty clears what is retained. */
  readonly payload: string;
  readonly retain: boolean;
}

export interface BrokerOptions {
  readonly url: URL;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** A file with the certificate of a certificate authority, PEM; read at every connection, for it may be renewed. */
  readonly caFile: string | undefined;
  /** The same in every life: a broker that still holds the connection of the one before ends it first. */
  readonly clientId: string;
  /** What the broker publishes when we are gone without a word, if anything. */
  readonly will: Message | undefined;
  /** For whoever cannot wait as long for the CONNACK. */
  readonly connectMs?: number;
}

/** MQTT 5 and MQTT 3.1.1, by their numbers on the wire. */
export type Version = 4 | 5;

/** One connection, until it ends; there is no way back into it. */
export interface Connection {
  readonly version: Version;
  /** Publishes with QoS 1. Resolves when the broker has acknowledged it. */
  publish(message: Message): Promise<void>;
  /** Resolves when the broker has acknowledged it. Messages that the broker has only kept are not handed over. */
  subscribe(topics: readonly string[], onMessage: (topic: string, payload: string) => void): Promise<void>;
  readonly isOpen: boolean;
  /** Resolves with the reason when it has ended; it never rejects. */
  readonly ended: Promise<Trouble>;
  /** Says what the will says, if there is one, and good-bye. Takes a second at most; then the broker carries out the will itself. */
  close(): Promise<void>;
}

/** How long a broker may take for its CONNACK; a Pi with an SD card behind it takes its time. */
const CONNECT_MS = 20_000;
/** A broker that holds back an acknowledgement for longer has lost it. */
const ACKNOWLEDGE_MS = 20_000;
/** After one and a half times this without a sign of life the broker carries out the will: MQTT 5, section 3.1.2.10. */
const KEEP_ALIVE_S = 30;
const CLOSE_MS = 1_000;

const PROTOCOLS: Readonly<
  Record<string, { readonly protocol: 'mqtt' | 'mqtts' | 'ws' | 'wss'; readonly port: number }>
> = {
  'mqtt:': { protocol: 'mqtt', port: 1883 },
  'mqtts:': { protocol: 'mqtts', port: 8883 },
  'ws:': { protocol: 'ws', port: 80 },
  'wss:': { protocol: 'wss', port: 443 },
};

/**
 * Connects with the version that is preferred, or with the other one: a broker that does not know a version says so, or
 * hangs up.
 */
export async function connectEither(
  options: BrokerOptions,
  preferred: Version,
  signal: AbortSignal,
): Promise<Connection> {
  try {
    return await connect(options, preferred, signal);
  } catch (error) {
    if (!(error instanceof Trouble && error.code === WRONG_VERSION)) throw error;
    return await connect(options, preferred === 5 ? 4 : 5, signal);
  }
}

/**
 * Connects once. The package is loaded here and nowhere else, so that whoever has no broker does not pay for it.
 *
 * @throws Trouble; with the code `mqtt_version` where another version may work
 */
export async function connect(options: BrokerOptions, version: Version, signal: AbortSignal): Promise<Connection> {
  const { url } = options;
  const ca = options.caFile === undefined ? undefined : await readCertificate(options.caFile);
  const { default: mqtt } = await import('mqtt');
  let client: MqttClient;
  let failure: unknown;
  let reason: number | undefined;
  try {
    client = mqtt.connect(describe(options, version, ca));
  } catch (error) {
    throw asBrokerTrouble(error, url);
  }
  client.on('error', (error) => {
    failure ??= error;
  });
  client.on('disconnect', ({ reasonCode }) => {
    reason = reasonCode;
  });
  const closed = new Promise<void>((resolve) => client.once('close', resolve));
  const isUp = await new Promise<boolean>((resolve) => {
    const settle = (up: boolean) => {
      signal.removeEventListener('abort', giveUp);
      resolve(up);
    };
    const giveUp = () => settle(false);
    signal.addEventListener('abort', giveUp);
    client
      .once('connect', () => settle(true))
      .once('error', giveUp)
      .once('close', giveUp);
    if (signal.aborted) giveUp();
  });
  if (!isUp) {
    // Whatever is under way must not come up any more.
    client.end(true);
    signal.throwIfAborted();
    if (isSilence(failure)) throw silent(url);
    throw failure === undefined ? hungUp(url) : asBrokerTrouble(failure, url);
  }
  return open(
    client,
    version,
    options,
    closed.then(() => ended()),
  );

  function ended(): Trouble {
    client.end(true);
    return reason === undefined && failure !== undefined ? asBrokerTrouble(failure, url) : lost(url, reason);
  }
}

function open(client: MqttClient, version: Version, { url, will }: BrokerOptions, ended: Promise<Trouble>): Connection {
  /** Those who wait for an acknowledgement; one listener for all, because a connection lasts for months. */
  const waiting = new Set<(trouble: Trouble) => void>();
  void ended.then((trouble) => {
    for (const fail of waiting) fail(trouble);
  });
  /** `client.end` does nothing where the client is about to end in a friendly way already. */
  const hangUp = () => void client.stream.destroy();

  /** Does it, unless the connection ends first. */
  const answered = async (send: (done: (error?: Error | null) => void) => void): Promise<Error | undefined> => {
    // Another connection may do better; the error comes over `ended`.
    const timer = setTimeout(hangUp, ACKNOWLEDGE_MS);
    let fail: (trouble: Trouble) => void = () => undefined;
    try {
      const error = await new Promise<Error | undefined>((resolve, reject) => {
        fail = reject;
        waiting.add(fail);
        send((failure) => resolve(failure ?? undefined));
      });
      // A client that has ended gives every open call back with an error of its own.
      if (error !== undefined && (!client.connected || client.disconnecting)) throw await ended;
      return error;
    } finally {
      waiting.delete(fail);
      clearTimeout(timer);
    }
  };

  const publish = async ({ topic, payload, retain }: Message) => {
    if (!client.connected) throw await ended;
    const error = await answered((done) => client.publish(topic, payload, { qos: 1, retain }, done));
    if (error !== undefined) throw refused(topic, url, error);
  };

  const sayGoodBye = async () => {
    const timer = setTimeout(hangUp, CLOSE_MS);
    if (will !== undefined) await publish(will).catch(() => undefined);
    client.end(false);
    await ended;
    clearTimeout(timer);
  };
  let closing: Promise<void> | undefined;

  return {
    version,
    ended,
    get isOpen() {
      return client.connected;
    },
    publish,
    async subscribe(topics, onMessage) {
      if (!client.connected) throw await ended;
      client.on('message', (topic, payload, { retain }) => {
        if (!retain) onMessage(topic, payload.toString('utf8'));
      });
      const error = await answered((done) => client.subscribe([...topics], { qos: 1 }, done));
      if (error !== undefined) throw unheard(topics, url, error);
    },
    close() {
      closing ??= sayGoodBye();
      return closing;
    },
  };
}

function describe(options: BrokerOptions, version: Version, ca: Buffer | undefined): IClientOptions {
  const { url, username, password, clientId, will, connectMs = CONNECT_MS } = options;
  const { hostname, pathname } = url;
  const known = PROTOCOLS[url.protocol];
  return {
    ...known,
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    ...(url.port !== '' && { port: Number(url.port) }),
    ...(url.protocol.startsWith('ws') && { path: pathname === '' ? '/' : pathname }),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(ca !== undefined && { ca }),
    protocolVersion: version,
    clientId,
    clean: true,
    keepalive: KEEP_ALIVE_S,
    connectTimeout: connectMs,
    // One connection is one attempt; who connects again, and when, is decided in one place.
    reconnectPeriod: 0,
    resubscribe: false,
    ...(will !== undefined && {
      will: { topic: will.topic, payload: Buffer.from(will.payload), qos: 1, retain: will.retain },
    }),
  };
}

async function readCertificate(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const code = errorCode(error) ?? error;
    const hint = 'MQTT_CA_FILE is the certificate of a certificate authority, PEM, readable for this user';
    throw new Trouble(`cannot read ${path} (${code})`, { code: 'mqtt_ca_file', recovery: 'settings', hint });
  }
}

/** The package's own words for a CONNACK that has not come in time. */
function isSilence(failure: unknown): boolean {
  return failure instanceof Error && failure.message === 'connack timeout';
}

function hungUp(url: URL): Trouble {
  return new Trouble(`the MQTT broker ${url.host} hangs up before it has answered`, {
    code: WRONG_VERSION,
    recovery: 'retry',
    hint: 'is it an MQTT broker, and with or without TLS as MQTT_URL says? Its log should tell why',
  });
}
