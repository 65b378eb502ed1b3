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

/** The address of a broker, and weighbridge's login there. */
export interface BrokerLogin {
  readonly url: URL;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

export interface BrokerOptions extends BrokerLogin, CertificateFiles {
  /** The id is the same after a restart, so that a broker ends an old connection first. */
  readonly clientId: string;
  /** The message that the broker publishes when the connection is lost, if any. */
  readonly will: Message | undefined;
  /** How long to wait for the CONNACK, if not for `CONNECT_MS`. */
  readonly connectMs?: number;
}

/** One connection, until it ends. It cannot be opened a second time. */
export interface Connection {
  /** The address of the broker, for its troubles. */
  readonly url: URL;
  readonly terms: Terms;
  /** Publishes within the terms, one message after the other. Resolves when the broker acknowledges the message. */
  publish(message: Message): Promise<void>;
  /** Resolves when the broker acknowledges the subscription. It neither requests nor delivers retained messages. */
  subscribe(topics: readonly string[], onMessage: (topic: string, payload: string) => void): Promise<void>;
  readonly isOpen: boolean;
  /** Resolves with the reason when the connection ends; it never rejects. */
  readonly ended: Promise<Trouble>;
  /** Whether the broker ended it without a reason while no message was on its way. */
  readonly endedIdle: boolean;
  /**
   * Publishes the will, if any, and disconnects. After a second it ends by force, and the broker publishes the will.
   */
  close(): Promise<void>;
}

/** How long a broker may take for its CONNACK: one on a Pi with an SD card is slow. */
const CONNECT_MS = 20_000;
/** After so long without an acknowledgement the broker has lost the message, and a new connection may work. */
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
 * Connects with the preferred version, or as the broker allows: with the other version if the broker rejects the first
 * or closes the connection; with a will without retain or with QoS 0 if it refuses the will.
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

/** The terms that may work instead, by the code of the trouble. */
const LESS: Readonly<Record<string, (terms: Terms) => Terms>> = {
  [WRONG_VERSION]: (terms) => ({ ...terms, version: terms.version === 5 ? 4 : 5 }),
  [NO_RETAIN]: (terms) => ({ ...terms, retains: false }),
  [NO_QOS]: (terms) => ({ ...terms, qos: 0 }),
};

/** Loads the package only here, so that a household without a broker does not pay for it. */
export async function loadMqtt() {
  const { default: mqtt } = await import('mqtt');
  return mqtt;
}

/**
 * Connects once.
 *
 * @throws Trouble; `connectAsAllowed` has the codes for which other terms may work
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
    // The package reports an unreadable answer, but keeps the connection.
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
  // A connection in progress must not open any more.
  client.end(true);
  signal.throwIfAborted();
  throw line.failure === undefined ? closedEarly(url) : asBrokerTrouble(line.failure, url);
}

/** The state that the parts of a connection share. */
interface Line {
  readonly client: MqttClient;
  readonly url: URL;
  /** The number of packets that wait for an acknowledgement. */
  pending: number;
  /** The reason code of the broker's DISCONNECT. */
  reason: number | undefined;
  /** The error that ended the connection, if known. */
  failure: unknown;
  endedIdle: boolean;
}

function open(line: Line, terms: Terms, will: Message | undefined, ended: Promise<Trouble>): Connection {
  const { client, url } = line;
  /** `client.end` does nothing while the client is already closing the connection. */
  const cut = () => void client.stream.destroy();

  /**
   * Resolves with the broker's answer. It removes the listener afterwards, because a connection lasts for months.
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
      // A client that has ended reports its own error.
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
    // A broker may accept only one at a time.
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
      // A web socket message is collected whole, before `createPacketWatch` sees it.
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
    // The cache would hold 65,536 numbers as bytes: 10 MB.
    writeCache: false,
    ...(will !== undefined && {
      will: { topic: will.topic, payload: Buffer.from(will.payload), qos, retain: will.retain && retains },
    }),
  };
}
