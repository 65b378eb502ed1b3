import { connect } from 'node:net';

/** The answers by status. */
export type Statuses = Map<number, number>;

function requestOf(url: string, body: string) {
  const { hostname, port, pathname, search } = new URL(url);
  const head = [
    `POST ${pathname}${search} HTTP/1.1`,
    `Host: ${hostname}`,
    'Content-Type: application/x-www-form-urlencoded',
  ];
  const request = `${head.join('\r\n')}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  return { hostname, port, request };
}

/** Sends the same POST over a few connections until the server closes them, and returns the answers of each. */
export async function floodToTheEnd(url: string, body: string, connections = 20): Promise<readonly string[]> {
  const { hostname, port, request } = requestOf(url, body);
  const send = () =>
    new Promise<string>((resolve) => {
      const socket = connect(Number(port), hostname);
      let text = '';
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(text));
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
        if (text.endsWith('\r\n\r\nok')) socket.write(request);
      });
      socket.write(request);
    });
  return await Promise.all(Array.from({ length: connections }, send));
}

/**
 * Sends the same POST many times over a few connections, as fast as the answers come, and counts the answers.
 * Much cheaper for the sender than an HTTP client.
 */
export async function flood(
  url: string,
  body: string,
  { count, connections = 20 }: { readonly count: number; readonly connections?: number },
): Promise<Statuses> {
  const { hostname, port, request } = requestOf(url, body);
  const statuses: Statuses = new Map();
  const send = (times: number) =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(Number(port), hostname);
      let answers = 0;
      socket.on('error', reject);
      socket.on('data', (chunk) => {
        for (const [, status] of chunk.toString('latin1').matchAll(/HTTP\/1\.1 (\d+)/g)) {
          statuses.set(Number(status), (statuses.get(Number(status)) ?? 0) + 1);
          answers += 1;
          if (answers < times) socket.write(request);
        }
        if (answers >= times) socket.end(resolve);
      });
      socket.write(request);
    });
  await Promise.all(Array.from({ length: connections }, () => send(count / connections)));
  return statuses;
}
