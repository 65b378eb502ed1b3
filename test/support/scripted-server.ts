import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** A received request. */
export interface Received {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly form: Readonly<Record<string, string>>;
}

export type Step = (response: ServerResponse, received: Received) => void;

/** A server that sends scripted answers and records its requests. */
export interface ScriptedServer extends AsyncDisposable {
  readonly url: URL;
  readonly received: readonly Received[];
  /** Resolves after so many requests. */
  receivedAtLeast(count: number): Promise<void>;
}

/** Each request gets the next step, and the last step repeats. */
export async function startScriptedServer(...steps: readonly Step[]): Promise<ScriptedServer> {
  const received: Received[] = [];
  const watchers = new Set<() => void>();
  const server = createServer(async (request, response) => {
    const body = await text(request);
    const { method, url, headers } = request;
    const one = { method, url, headers, body, form: Object.fromEntries(new URLSearchParams(body)) };
    received.push(one);
    for (const watch of watchers) watch();
    steps[Math.min(received.length, steps.length) - 1]?.(response, one);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  return {
    url: new URL(`http://127.0.0.1:${port}`),
    received,
    receivedAtLeast: (count) =>
      new Promise((resolve) => {
        const watch = () => {
          if (received.length < count) return;
          watchers.delete(watch);
          resolve();
        };
        watchers.add(watch);
        watch();
      }),
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Answers as the API does: HTTP 200 with any content. */
export function says(answer: object | string): Step {
  const body = typeof answer === 'string' ? answer : JSON.stringify(answer);
  return (response) => void response.writeHead(200, { 'content-type': 'application/json' }).end(body);
}

/** The answer comes from the front end. */
export function http(status: number, headers: Readonly<Record<string, string>> = {}, body = ''): Step {
  return (response) => void response.writeHead(status, headers).end(body);
}

/** The connection ends without an answer. */
export const cut: Step = (response) => void response.destroy();

/** The connection ends in the middle of one. */
export const half: Step = (response) => {
  response.writeHead(200, { 'content-length': '1000' });
  response.write('{"status":0,', () => response.destroy());
};

/** Sends no answer. */
export const hang: Step = () => undefined;
