import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer } from 'node:tls';
import { Aedes, type AedesOptions } from 'aedes';
import mqtt, { type MqttClient } from 'mqtt';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { fixture } from './fixture.ts';
import { freePort } from './free-port.ts';
import { temporaryDirectory } from './temporary.ts';

/** A message as a listener receives it. */
export interface Heard {
  readonly topic: string;
  readonly payload: string;
  /** The broker retained the message before the listener connected. */
  readonly retain: boolean;
  readonly qos: number;
}

/** A subscriber to every topic. */
export interface Listener extends AsyncDisposable {
  readonly heard: readonly Heard[];
  /** The payloads on a topic, in order. */
  on(topic: string): string[];
  /** Resolves with the first matching message, past or future. Fails after the limit with the name of the message. */
  hears(isIt: (message: Heard) => boolean, what?: string): Promise<Heard>;
  /** Waits until everything that was sent before has been heard. */
  caughtUp(): Promise<void>;
  publish(topic: string, payload: string, retain?: boolean): Promise<void>;
}

export interface Login {
  readonly username?: string;
  readonly password?: string;
}

/** @param login.limitMs how long `hears` waits: generous, for a slow machine */
export async function listenTo(
  url: string,
  { limitMs = 120_000, ...login }: Login & { readonly limitMs?: number } = {},
): Promise<Listener> {
  const client: MqttClient = await mqtt.connectAsync(url, { ...login, reconnectPeriod: 50, protocolVersion: 4 });
  const heard: Heard[] = [];
  const watchers = new Set<() => void>();
  client.on('error', () => undefined);
  client.on('message', (topic, payload, { retain, qos }) => {
    heard.push({ topic, payload: payload.toString(), retain, qos });
    for (const watch of watchers) watch();
  });
  await client.subscribeAsync('#', { qos: 1 });
  const hears = (isIt: (message: Heard) => boolean, what = `${isIt}`) =>
    new Promise<Heard>((resolve, reject) => {
      const giveUp = () => {
        watchers.delete(watch);
        const topics = [...new Set(heard.map(({ topic }) => topic))].join(', ');
        reject(new Error(`in vain for ${limitMs} ms: ${what}; heard on: ${topics || 'nothing'}`));
      };
      const limit = setTimeout(giveUp, limitMs);
      const watch = () => {
        const found = heard.find(isIt);
        if (found === undefined) return;
        clearTimeout(limit);
        watchers.delete(watch);
        resolve(found);
      };
      watchers.add(watch);
      watch();
    });
  let marks = 0;
  return {
    heard,
    on: (topic) => heard.filter((each) => each.topic === topic).map(({ payload }) => payload),
    hears,
    async caughtUp() {
      marks += 1;
      const mark = `${marks}`;
      await client.publishAsync('test/mark', mark, { qos: 1 });
      await hears(({ topic, payload }) => topic === 'test/mark' && payload === mark, `mark ${mark}`);
    },
    async publish(topic, payload, retain = false) {
      await client.publishAsync(topic, payload, { qos: 1, retain });
    },
    [Symbol.asyncDispose]: () => client.endAsync(true),
  };
}

let sentinels = 0;

/** Returns the retained messages that a new subscriber gets. */
export async function retainedOn(url: string, login?: Login): Promise<ReadonlyMap<string, string>> {
  await using first = await listenTo(url, login);
  // An additional retained message marks the end, because a broker delivers retained messages in their order.
  sentinels += 1;
  const sentinel = `test/kept/${sentinels}`;
  await first.publish(sentinel, 'last', true);
  await using listener = await listenTo(url, login);
  await listener.hears(({ topic, retain }) => topic === sentinel && retain, sentinel);
  await listener.caughtUp();
  await first.publish(sentinel, '', true);
  const kept = listener.heard.filter(({ topic, retain }) => retain && topic !== sentinel);
  return new Map(kept.map(({ topic, payload }) => [topic, payload]));
}

export interface Broker extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** Ends every connection and stays down until its restart on the same port with its retained messages. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export interface AedesBroker extends Broker {
  readonly aedes: Aedes;
}

/** Starts a broker in this process. It supports only MQTT 3.1.1, and web sockets if a path is given. */
export async function startAedes({
  tls = false,
  path,
  ...options
}: AedesOptions & { readonly tls?: boolean; readonly path?: string } = {}): Promise<AedesBroker> {
  const aedes = await Aedes.createBroker(options);
  const port = await freePort();
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
  };
  const take = (socket: Socket) => {
    keep(socket);
    aedes.handle(readWhole(socket));
  };
  const certificate = () => ({ cert: fixture('tls/localhost.pem'), key: fixture('tls/localhost-key.pem') });
  const createWebServer = () => {
    const web = tls ? createHttpsServer(certificate()) : createHttpServer();
    new WebSocketServer({ server: web, ...(path !== undefined && { path }) }).on('connection', (socket) =>
      aedes.handle(readWhole(createWebSocketStream(socket).on('error', () => undefined))),
    );
    return web.on('connection', keep);
  };
  let server: Server | undefined;
  const start = async () => {
    if (path !== undefined) server = createWebServer();
    else server = tls ? createTlsServer(certificate(), take) : createServer(take);
    server.on('tlsClientError', () => undefined);
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  const stop = async () => {
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
    server = undefined;
  };
  await start();
  return {
    aedes,
    port,
    url: `${path === undefined ? 'mqtt' : 'ws'}${tls ? 's' : ''}://127.0.0.1:${port}${path ?? ''}`,
    start,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      await new Promise<void>((resolve) => aedes.close(() => resolve()));
    },
  };
}

/**
 * aedes reads once for each `readable` event. Since Node 26 one read returns one chunk, and the rest would wait for the
 * next event.
 */
function readWhole<Stream extends Duplex>(stream: Stream): Stream {
  const read = stream.read.bind(stream);
  stream.read = () => {
    const chunks: Buffer[] = [];
    for (let chunk = read(); chunk !== null; chunk = read()) chunks.push(chunk);
    return chunks.length === 0 ? null : Buffer.concat(chunks);
  };
  return stream;
}

/**
 * Starts a relay between a client and a broker. A frozen relay forwards nothing and closes no connection, like a machine
 * with a hanging disk.
 *
 * @param options.hangsUp false to keep the connection open after the broker closes it, frozen or not
 */
export async function startFreezer(
  broker: Pick<Broker, 'port' | 'url'>,
  { hangsUp = true }: { readonly hangsUp?: boolean } = {},
): Promise<AsyncDisposable & { readonly url: string; freeze(): void }> {
  let isFrozen = false;
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ port: broker.port, host: '127.0.0.1', allowHalfOpen: true });
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => undefined);
      from.on('data', (chunk) => void (isFrozen || to.write(chunk)));
      from.on('end', () => void (isFrozen || (from === upstream && !hangsUp) || to.end()));
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    url: broker.url.replace(`:${broker.port}`, `:${port}`),
    freeze() {
      isFrozen = true;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Debian's path for brokers is not in every user's PATH. */
const PATH = `${process.env['PATH']}:/usr/sbin:/usr/local/sbin`;
export const MOSQUITTO_IS_MISSING =
  spawnSync('mosquitto', ['-h'], { env: { PATH } }).error === undefined ? false : 'mosquitto is not installed';

/** Starts the real Mosquitto in a process of its own, which stores only retained messages on the disk. */
export async function startMosquitto({
  users = {},
  rights,
  settings = [],
  port: wanted,
}: {
  /** The port; any free one if omitted. */
  readonly port?: number;
  readonly users?: Readonly<Record<string, string>>;
  /** Additional lines of its configuration. */
  readonly settings?: readonly string[];
  /** The allowed topics; every topic if omitted. */
  readonly rights?: readonly string[];
} = {}): Promise<Broker> {
  const directory = await temporaryDirectory();
  const port = wanted ?? (await freePort());
  const names = Object.keys(users);
  const lines = [
    `listener ${port} 127.0.0.1`,
    `allow_anonymous ${names.length === 0}`,
    ...settings,
    'persistence true',
    `persistence_location ${directory.path}/`,
    // Mosquitto drops root, and then could not write to the directory.
    'user root',
    ...(names.length === 0 ? [] : [`password_file ${directory.path}/passwords`]),
    ...(rights === undefined ? [] : [`acl_file ${directory.path}/rights`]),
  ];
  if (rights !== undefined) {
    await writeFile(`${directory.path}/rights`, rights.map((topic) => `topic readwrite ${topic}\n`).join(''), {
      mode: 0o600,
    });
  }
  await writeFile(`${directory.path}/mosquitto.conf`, `${lines.join('\n')}\n`);
  for (const name of names) {
    const first = name === names[0] ? ['-c'] : [];
    spawnSync('mosquitto_passwd', ['-b', ...first, `${directory.path}/passwords`, name, users[name] ?? ''], {
      env: { PATH },
    });
  }
  let end = async () => undefined as unknown;
  const start = async () => {
    const child = spawn('mosquitto', ['-c', `${directory.path}/mosquitto.conf`], {
      env: { PATH },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const exited = once(child, 'exit');
    let said = '';
    const ready = new Promise<void>((resolve) => {
      child.stderr.on('data', (chunk) => {
        said += chunk;
        if (/mosquitto version \S+ running/.test(said)) resolve();
      });
    });
    const failed = exited.then(() => {
      throw new Error(`mosquitto ended:\n${said}`);
    });
    failed.catch(() => undefined);
    await Promise.race([ready, failed]);
    end = async () => {
      child.kill('SIGTERM');
      await exited;
    };
  };
  await start();
  return {
    port,
    url: `mqtt${settings.some((line) => line.startsWith('certfile')) ? 's' : ''}://127.0.0.1:${port}`,
    start,
    stop: async () => void (await end()),
    async [Symbol.asyncDispose]() {
      await end();
      await directory[Symbol.asyncDispose]();
    },
  };
}
