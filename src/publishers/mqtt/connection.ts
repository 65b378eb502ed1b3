import type { IClientOptions, MqttClient } from 'mqtt';
import { Trouble } from '../../domain/trouble.ts';
import { type CertificateFiles, type Certificates, readCertificates } from './certificates.ts';
import { createPacketWatch, LONGEST_INCOMING, type Message, publishBytes, type Terms, type Version } from './packet.ts';
import {
  asBrokerTrouble,
  closedEarly,
  lost,
  NO_QOS,
  NO_RETAIN,
  refused,
  silent,
  tooLarge,
  tooLongFromBroker,
  unanswered,
  unheard,
  WRONG_VERSION,
} from './trouble.ts';

/** Where a broker is, and with what weighbridge logs in there. */
export interface BrokerLogin {
  readonly url: URL;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

export interface BrokerOptions extends BrokerLogin, CertificateFiles {
  /** The same after a restart: a broker that still holds the connection from before ends it first. */
  readonly clientId: string;
  /** What the broker publishes when the connection is lost, if anything. */
  readonly will: Message | undefined;
  /** How long to wait for the CONNACK, if not for `CONNECT_MS`. */
  readonly connectMs?: number;
}

/** One connection, until it ends; there is no way back into it. */
export interface Connection {
  /** Where the broker is, for its troubles. */
  readonly url: URL;
  readonly terms: Terms;
  /** Publishes within the terms, one message after the other. Resolves when the broker has acknowledged it. */
  publish(message: Message): Promise<void>;
  /** Resolves when the broker has acknowledged it. Retained messages are not asked for, and not handed over. */
  subscribe(topics: readonly string[], onMessage: (topic: string, payload: string) => void): Promise<void>;
  readonly isOpen: boolean;
  /** Resolves with the reason when it has ended; it never rejects. */
  readonly ended: Promise<Trouble>;
  /** Whether the broker has ended it without a reason while nothing was on its way. */
  readonly endedIdle: boolean;
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
 * Connects with the preferred version, or as the broker allows it: with the other version, where it does not know the
 * first or closes the connection; with a will that is not retained, or has QoS 0, where it refuses the will.
 */
export async function connectAsAllowed(
  options: BrokerOptions,
  preferred: Version,
  signal: AbortSignal,
): Promise<Connection> {
  let terms: Terms = { ...UNLIMITED, version: preferred };
  const met = new Set<string>();
  for (;;) {
    try {
      return await connect(options, terms, signal);
    } catch (error) {
      const less = error instanceof Trouble && !met.has(error.code) ? LESS[error.code]?.(terms) : undefined;
      if (less === undefined || !(error instanceof Trouble)) throw error;
      met.add(error.code);
      terms = less;
    }
  }
}

const UNLIMITED = { retains: true, qos: 1, longest: Number.POSITIVE_INFINITY } as const;

/** By the code of the trouble: what may work in its place. */
const LESS: Readonly<Record<string, (terms: Terms) => Terms>> = {
  [WRONG_VERSION]: (terms) => ({ ...terms, version: terms.version === 5 ? 4 : 5 }),
  [NO_RETAIN]: (terms) => ({ ...terms, retains: false }),
  [NO_QOS]: (terms) => ({ ...terms, qos: 0 }),
};

/** Loads the package, here and nowhere else: a household without a broker does not pay for it. */
export async function loadMqtt() {
  const { default: mqtt } = await import('mqtt');
  return mqtt;
}

/**
 * Connects once.
 *
 * @throws Trouble; `connectAsAllowed` knows the codes with which something else may work
 */
async function connect(options: BrokerOptions, terms: Terms, signal: AbortSignal): Promise<Connection> {
  const { url, connectMs = CONNECT_MS } = options;
  const certificates = await readCertificates(options);
  const mqtt = await loadMqtt();
  let client: MqttClient;
  try {
    client = mqtt.connect(describe(options, terms, certificates));
  } catch (error) {
    throw asBrokerTrouble(error, url);
  }
  const line: Line = { client, url, pending: 0, reason: undefined, failure: undefined, endedIdle: false };
  const longestOf = createPacketWatch(LONGEST_INCOMING);
  client.stream.prependListener('data', (bytes: Buffer) => {
    const length = longestOf(bytes);
    if (length === undefined) return;
    line.failure ??= tooLongFromBroker(url, length);
    client.stream.destroy();
  });
  let allowed = terms;
  client.on('connect', ({ properties }) => {
    const { retainAvailable = true, maximumQoS = 1, maximumPacketSize = terms.longest } = properties ?? {};
    const qos = maximumQoS === 0 ? 0 : terms.qos;
    allowed = { ...terms, retains: terms.retains && retainAvailable, qos, longest: maximumPacketSize };
  });
  client.on('error', (error) => {
    line.failure ??= error;
    // The package reports an answer that it cannot read, and keeps the connection.
    client.stream.destroy();
  });
  client.on('disconnect', ({ reasonCode }) => {
    line.reason = reasonCode;
  });
  const ended = new Promise<void>((resolve) => client.once('close', resolve)).then(() => {
    client.end(true);
    const why = line.reason ?? line.failure;
    line.endedIdle = why === undefined && line.pending === 0;
    return lost(url, why);
  });
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => {
      line.failure ??= silent(url);
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
  if (client.connected && !signal.aborted) return open(line, allowed, options.will, ended);
  // What is under way must not come up any more.
  client.end(true);
  signal.throwIfAborted();
  throw line.failure === undefined ? closedEarly(url) : asBrokerTrouble(line.failure, url);
}

/** A connection as far as its parts share it. */
interface Line {
  readonly client: MqttClient;
  readonly url: URL;
  /** How many packets wait for an acknowledgement. */
  pending: number;
  /** Of the broker's DISCONNECT. */
  reason: number | undefined;
  /** What has ended it, if that is known here. */
  failure: unknown;
  endedIdle: boolean;
}

function open(line: Line, terms: Terms, will: Message | undefined, ended: Promise<Trouble>): Connection {
  const { client, url } = line;
  /** `client.end` does nothing while the client is closing the connection already. */
  const cut = () => void client.stream.destroy();

  /**
   * Resolves with the broker's answer. The listener is removed afterwards, because a connection lasts for months.
   *
   * @throws Trouble if the connection ends before
   */
  const acknowledged = async (send: (done: (error?: Error | null) => void) => void): Promise<Error | undefined> => {
    if (!client.connected) throw await ended;
    const timer = setTimeout(() => {
      line.failure ??= unanswered(url);
      cut();
    }, ACKNOWLEDGE_MS);
    let onClose: () => void = () => undefined;
    line.pending += 1;
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
      line.pending -= 1;
      client.off('close', onClose);
      clearTimeout(timer);
    }
  };

  const { qos, retains } = terms;
  const send = async (message: Message) => {
    const { topic, payload, retain } = message;
    const bytes = publishBytes(message, terms);
    if (bytes > terms.longest) throw tooLarge(message, url, bytes, terms.longest);
    const options = { qos, retain: retain && retains };
    const error = await acknowledged((done) => client.publish(topic, payload, options, done));
    if (error !== undefined) throw refused(message, url, error);
  };
  let before: Promise<unknown> = Promise.resolve();
  const publish = (message: Message) => {
    const sent = before.then(() => send(message));
    // A broker may take no more than one at a time.
    before = sent.catch(() => undefined);
    return sent;
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
    url,
    terms,
    ended,
    get endedIdle() {
      return line.endedIdle;
    },
    get isOpen() {
      return client.connected;
    },
    publish,
    async subscribe(topics, onMessage) {
      client.on('message', (topic, payload, { retain }) => {
        if (!retain) onMessage(topic, payload.toString('utf8'));
      });
      const error = await acknowledged((done) => client.subscribe([...topics], { qos, rh: 2 }, done));
      if (error !== undefined) throw unheard(topics, url, error);
    },
    close() {
      closing ??= sayGoodBye();
      return closing;
    },
  };
}

function describe(options: BrokerOptions, terms: Terms, { ca, cert, key }: Certificates): IClientOptions {
  const { url, username, password, clientId, will } = options;
  const { version, retains, qos } = terms;
  const { hostname, pathname } = url;
  const known = PROTOCOLS[url.protocol];
  return {
    ...known,
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    ...(url.port !== '' && { port: Number(url.port) }),
    ...(url.protocol.startsWith('ws') && {
      path: pathname === '' ? '/' : pathname,
      // A message of web sockets is collected as a whole, before `createPacketWatch` sees it.
      wsOptions: { maxPayload: LONGEST_INCOMING },
    }),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    protocolVersion: version,
    ...(version === 5 && { properties: { maximumPacketSize: LONGEST_INCOMING } }),
    clientId,
    clean: true,
    keepalive: KEEP_ALIVE_S,
    // Longer than `CONNECT_MS`, which decides.
    connectTimeout: 2 * CONNECT_MS,
    // One connection is one attempt; `reconnect.ts` decides about the next.
    reconnectPeriod: 0,
    resubscribe: false,
    // It would hold 65,536 numbers as bytes: 10 MB.
    writeCache: false,
    ...(will !== undefined && {
      will: { topic: will.topic, payload: Buffer.from(will.payload), qos, retain: will.retain && retains },
    }),
  };
}
