import { readFile } from 'node:fs/promises';
import type { IClientOptions, MqttClient } from 'mqtt';
import { errorCode, Trouble } from '../../domain/trouble.ts';
import { asBrokerTrouble, closedEarly, lost, refused, silent, unheard, WRONG_VERSION } from './trouble.ts';

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
  /** The same after a restart: a broker that still holds the connection from before ends it first. */
  readonly clientId: string;
  /** What the broker publishes when the connection is lost, if anything. */
  readonly will: Message | undefined;
  /** How long to wait for the CONNACK, if not for `CONNECT_MS`. */
  readonly connectMs?: number;
}

/** MQTT 5 and MQTT 3.1.1, by their numbers on the wire. */
export type Version = 4 | 5;

/** One connection, until it ends; there is no way back into it. */
export interface Connection {
  readonly version: Version;
  /** Publishes with QoS 1. Resolves when the broker has acknowledged it. */
  publish(message: Message): Promise<void>;
  /** Resolves when the broker has acknowledged it. Retained messages are not handed over. */
  subscribe(topics: readonly string[], onMessage: (topic: string, payload: string) => void): Promise<void>;
  readonly isOpen: boolean;
  /** Resolves with the reason when it has ended; it never rejects. */
  readonly ended: Promise<Trouble>;
  /** Publishes the will, if there is one, and disconnects. After a second the connection is cut, and the broker publishes the will. */
  close(): Promise<void>;
}

/** How long a broker may take for its CONNACK: one on a Pi with an SD card is slow. */
const CONNECT_MS = 20_000;
/** After so long without an acknowledgement the broker has lost it, and another connection may do better. */
const ACKNOWLEDGE_MS = 20_000;
/** After one and a half times this without a packet the broker publishes the will: MQTT 5, section 3.1.2.10. */
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
 * Connects with the preferred version, or with the other one: a broker that does not know a version reports that, or
 * closes the connection.
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
 * Connects once. The package is loaded here and nowhere else, so that a household without a broker does not pay for it.
 *
 * @throws Trouble; with the code `mqtt_version` if another version may work
 */
export async function connect(options: BrokerOptions, version: Version, signal: AbortSignal): Promise<Connection> {
  const { url, caFile, connectMs = CONNECT_MS } = options;
  const ca = caFile === undefined ? undefined : await readCertificate(caFile);
  const { default: mqtt } = await import('mqtt');
  let client: MqttClient;
  try {
    client = mqtt.connect(describe(options, version, ca));
  } catch (error) {
    throw asBrokerTrouble(error, url);
  }
  let failure: unknown;
  let reason: number | undefined;
  client.on('error', (error) => {
    failure ??= error;
  });
  client.on('disconnect', ({ reasonCode }) => {
    reason = reasonCode;
  });
  const ended = new Promise<void>((resolve) => client.once('close', resolve)).then(() => {
    client.end(true);
    return reason === undefined && failure !== undefined ? asBrokerTrouble(failure, url) : lost(url, reason);
  });
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => {
      failure ??= silent(url);
      settle();
    }, connectMs);
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', settle);
      resolve();
    };
    signal.addEventListener('abort', settle);
    client.once('connect', settle).once('error', settle).once('close', settle);
    if (signal.aborted) settle();
  });
  if (client.connected && !signal.aborted) return open(client, version, options, ended);
  // What is under way must not come up any more.
  client.end(true);
  signal.throwIfAborted();
  throw failure === undefined ? closedEarly(url) : asBrokerTrouble(failure, url);
}

function open(client: MqttClient, version: Version, { url, will }: BrokerOptions, ended: Promise<Trouble>): Connection {
  /** `client.end` does nothing while the client is closing the connection already. */
  const cut = () => void client.stream.destroy();

  /**
   * Resolves with the broker's answer. The listener is removed afterwards, because a connection lasts for months.
   *
   * @throws Trouble if the connection ends before
   */
  const acknowledged = async (send: (done: (error?: Error | null) => void) => void): Promise<Error | undefined> => {
    if (!client.connected) throw await ended;
    const timer = setTimeout(cut, ACKNOWLEDGE_MS);
    let onClose: () => void = () => undefined;
    try {
      const error = await new Promise<Error | undefined>((resolve) => {
        onClose = () => resolve(new Error('closed'));
        client.once('close', onClose);
        send((refusal) => resolve(refusal ?? undefined));
      });
      // A client that has ended calls back with an error of its own.
      if (error !== undefined && (!client.connected || client.disconnecting)) throw await ended;
      return error;
    } finally {
      client.off('close', onClose);
      clearTimeout(timer);
    }
  };

  const publish = async ({ topic, payload, retain }: Message) => {
    const error = await acknowledged((done) => client.publish(topic, payload, { qos: 1, retain }, done));
    if (error !== undefined) throw refused(topic, url, error);
  };

  const sayGoodBye = async () => {
    const timer = setTimeout(cut, CLOSE_MS);
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
      client.on('message', (topic, payload, { retain }) => {
        if (!retain) onMessage(topic, payload.toString('utf8'));
      });
      const error = await acknowledged((done) => client.subscribe([...topics], { qos: 1 }, done));
      if (error !== undefined) throw unheard(topics, url, error);
    },
    close() {
      closing ??= sayGoodBye();
      return closing;
    },
  };
}

function describe(options: BrokerOptions, version: Version, ca: Buffer | undefined): IClientOptions {
  const { url, username, password, clientId, will } = options;
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
    // Longer than `CONNECT_MS`, which decides.
    connectTimeout: 2 * CONNECT_MS,
    // One connection is one attempt; `reconnect.ts` decides about the next.
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
