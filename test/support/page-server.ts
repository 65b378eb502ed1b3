import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { LOOK } from '../../src/html/look.ts';
import { PAGE_POLICY } from '../../src/http/private/page-routes.ts';
import { renderPage } from '../../src/page/status-page.ts';
import { PATHS, type PageView, RANGES, relative } from '../../src/page/view.ts';

const ASSETS = new URL('../../src/page/static/', import.meta.url);
const TYPES: Readonly<Record<string, string>> = {
  css: 'text/css',
  js: 'text/javascript',
  svg: 'image/svg+xml',
};

export interface PageServer extends AsyncDisposable {
  readonly url: string;
  /** Sets the page, and notifies every follower. */
  show(view: PageView): void;
  /** The number of following browsers. */
  readonly followers: number;
  /** Interrupts or restores the page and the stream of changes. */
  interrupt(isDown: boolean): void;
  /** Sends a heartbeat, as the daemon does now and then. */
  beat(): void;
  /** Accepts requests without answering, as a hanging program does. */
  freeze(isFrozen: boolean): void;
  /** The number of requests without an answer. */
  readonly waiting: number;
}

/** Serves a page with the policy of the status port, without a daemon. */
export async function servePage(first: PageView): Promise<PageServer> {
  let view = first;
  let isDown = false;
  let isFrozen = false;
  let waiting = 0;
  const followers = new Set<ServerResponse>();
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    response.setHeader('content-security-policy', PAGE_POLICY);
    if (isFrozen) {
      waiting += 1;
      return;
    }
    if (isDown) return void response.writeHead(503).end();
    if (pathname === PATHS.page) {
      const range = RANGES.find((each) => each === searchParams.get('range')) ?? view.range;
      response.setHeader('content-type', 'text/html; charset=utf-8');
      return void response.end(
        renderPage({ ...view, range }, (name) => `${relative(PATHS.assets)}${name}?v=${view.version}`),
      );
    }
    if (pathname === PATHS.changes) {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      response.write('retry: 100\n\n');
      followers.add(response);
      return void response.on('close', () => followers.delete(response));
    }
    if (pathname.startsWith(PATHS.assets)) {
      const name = pathname.slice(PATHS.assets.length);
      response.setHeader('content-type', TYPES[name.split('.').at(-1) ?? ''] ?? 'text/plain');
      if (name === 'page.css') response.write(LOOK);
      return void response.end(await readFile(fileURLToPath(new URL(name, ASSETS))));
    }
    if (pathname === '/favicon.ico') return void response.writeHead(204).end();
    response.setHeader('content-type', 'text/plain');
    response.writeHead(pathname === PATHS.link ? 200 : 404).end(pathname);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    show(next) {
      view = next;
      for (const follower of followers) follower.write('event: change\ndata: \n\n');
    },
    get followers() {
      return followers.size;
    },
    interrupt(down) {
      isDown = down;
      if (down) for (const follower of followers) follower.end();
    },
    beat() {
      for (const follower of followers) follower.write('event: beat\ndata: alive\n\n');
    },
    freeze(frozen) {
      isFrozen = frozen;
    },
    get waiting() {
      return waiting;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
