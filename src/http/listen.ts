import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Trouble } from '../domain/trouble.ts';

/** Withings sends a hundred bytes at once. A client that takes longer than this is not Withings. */
const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 15_000;
const KEEP_ALIVE_MS = 5_000;
const MOST_HEADER_BYTES = 8 * 1024;
/** An answer takes milliseconds. At a stop, a connection that is still open after this is closed. */
const STOP_GRACE_MS = 1_000;
/** Withings needs a handful. More would cost memory, and file descriptors that the logins need. */
const MOST_CONNECTIONS = 256;
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
 * Binds, with limits that a slow or silent client cannot hold the port beyond. Disposing stops accepting and
 * lets the requests that are being answered end.
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
  closeTheOldest(server);
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
 * Lets through what an HTTP client sends: a path, and the next request after the answer to the one before. Many
 * requests in one packet would all be answered before another client is even accepted.
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

/** A client that opens connections and sends nothing must not keep Withings out: the newest is always accepted. */
function closeTheOldest(server: Server): void {
  const open = new Set<Socket>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    const [oldest] = open;
    if (open.size > MOST_CONNECTIONS) oldest?.destroy();
  });
}

async function bind(server: Server, address: Address, settings: AddressSettings): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    // Stays: an error while accepting later on (no file descriptors) passes by itself.
    server.on('error', (error: NodeJS.ErrnoException) => reject(listenTrouble(address, settings, error.code)));
    server.listen({ ...address }, resolve);
  });
}

function listenTrouble({ host, port }: Address, settings: AddressSettings, code = 'unknown'): Trouble {
  const [name, hint] =
    code === 'EADDRINUSE'
      ? ['port_taken', `something else uses this port (another weighbridge?); stop it or set ${settings.port}`]
      : [
          'cannot_listen',
          `set ${settings.host} to an address of this machine and ${settings.port} to a free port above 1023`,
        ];
  return new Trouble(`cannot listen on ${host}:${port} (${code})`, { code: name, recovery: 'settings', hint });
}

function isAddress(value: AddressInfo | string | null): value is AddressInfo {
  return typeof value === 'object' && value !== null;
}
