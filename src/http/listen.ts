import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { TOO_MANY_OPEN, Trouble } from '../domain/trouble.ts';

/** Withings sends its hundred bytes at once. A slower client is not Withings. */
const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 15_000;
const KEEP_ALIVE_MS = 5_000;
const MOST_HEADER_BYTES = 8 * 1024;
/** An answer takes milliseconds. At a stop, a connection that is still open after this is closed. */
const STOP_GRACE_MS = 1_000;
/** Withings needs only a few. More would cost memory. */
const MOST_CONNECTIONS = 256;
/** Both ports together leave so many open files to the rest. It needs 21, or 33 with a weigh-in and its hook. */
const RESERVED_FILES = 48;
const LEAST_CONNECTIONS = 4;
/** How often Node looks for requests that take too long; its own default of 30 s would triple the limits above. */
const CHECK_MS = 1_000;

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Listener extends Address, AsyncDisposable {}

/** The names of the settings that an address comes from. */
export interface AddressSettings {
  readonly host: string;
  readonly port: string;
}

/**
 * Binds the port, with limits against slow or silent clients. Disposing stops accepting and lets current requests end.
 *
 * @param address a port of 0 is any free one
 * @throws Trouble `port_taken`, `cannot_listen`
 */
export async function listen(
  app: RequestListener,
  address: Address,
  settings: AddressSettings = { host: 'HOST', port: 'PORT' },
): Promise<Listener> {
  const server = createServer(
    {
      connectionsCheckingInterval: CHECK_MS,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: MOST_HEADER_BYTES,
    },
    onlyOneByOne(app),
  );
  server.setTimeout(IDLE_TIMEOUT_MS);
  closeTheOldest(server, mostConnections(await readLimits()));
  await bind(server, address, settings);
  const bound = server.address();
  const { address: host, port } = isAddress(bound) ? bound : { address: address.host, port: address.port };
  return {
    host,
    port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      const grace = setTimeout(() => server.closeAllConnections(), STOP_GRACE_MS);
      await closed;
      clearTimeout(grace);
    },
  };
}

/**
 * Accepts only what an HTTP client sends: a path, and the next request after the previous answer. Many requests in one
 * packet would all be answered before another client is even accepted.
 */
function onlyOneByOne(app: RequestListener): RequestListener {
  const busy = new WeakSet<Socket>();
  return (request, response) => {
    const { socket, url } = request;
    if (busy.has(socket)) {
      socket.destroy();
    } else if (url?.startsWith('/') !== true) {
      response.writeHead(404, { connection: 'close' }).end();
    } else {
      busy.add(socket);
      response.once('close', () => busy.delete(socket));
      app(request, response);
    }
  };
}

/** The limits of this process, as Linux lists them; empty on other systems. */
async function readLimits(): Promise<string> {
  return await readFile('/proc/self/limits', 'utf8').catch(() => '');
}

/** How many connections one of two ports may have open. Without a system limit it is our own. */
export function mostConnections(limits: string): number {
  const [, files = MOST_CONNECTIONS * 4] = /^Max open files +([0-9]+)/m.exec(limits) ?? [];
  const share = Math.floor((Number(files) - RESERVED_FILES) / 2);
  return Math.min(MOST_CONNECTIONS, Math.max(LEAST_CONNECTIONS, share));
}

/** A client with silent connections must not keep Withings out, so the newest is always accepted. */
function closeTheOldest(server: Server, most: number): void {
  const open = new Set<Socket>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    const [oldest] = open;
    if (open.size > most) oldest?.destroy();
  });
}

async function bind(server: Server, address: Address, settings: AddressSettings): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    // This listener stays: a later accept error (no file descriptors) passes without help.
    server.on('error', (error: NodeJS.ErrnoException) => reject(listenTrouble(address, settings, error.code)));
    server.listen({ ...address }, resolve);
  });
}

function listenTrouble({ host, port }: Address, settings: AddressSettings, code = 'unknown'): Trouble {
  const [name, hint] =
    code === 'EADDRINUSE'
      ? [
          'port_taken',
          `Another program uses this port, maybe another weighbridge. Stop that program, or set ${settings.port}.`,
        ]
      : [
          'cannot_listen',
          TOO_MANY_OPEN[code] ??
            `Set ${settings.host} to an address of this machine and ${settings.port} to a free port above 1023.`,
        ];
  return new Trouble(`cannot listen on ${host}:${port} (${code})`, { code: name, recovery: 'settings', hint });
}

function isAddress(value: AddressInfo | string | null): value is AddressInfo {
  return typeof value === 'object' && value !== null;
}
