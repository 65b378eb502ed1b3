import { connect } from 'node:net';

/** The answers by status. */
export type Answers = Map<number, number>;

/** The person whom strangers post about. */
export const FLOODED = '1234';
const CONNECTIONS = 20;

const now = () => Math.floor(Date.now() / 1000);
const any = (below: number) => Math.floor(Math.random() * below);
export const notification = (userId: string, date: number, appli = 1) =>
  `userid=${userId}&appli=${appli}&startdate=${date}&enddate=${date + 1}`;

/** The requests of strangers. The dangerous strangers have the URL. */
export const STRANGERS = {
  'the same window of a linked person': () => notification(FLOODED, 1_795_154_462),
  'changing windows of a linked person': () => notification(FLOODED, now() - any(80_000)),
  'changing categories of a linked person': () => notification(FLOODED, now(), any(1e6)),
  'profiles that were unlinked': () => `userid=${FLOODED}&appli=46&action=unlink`,
  'unknown users': () => notification(String(1e9 + any(1e9)), now()),
  'without the secret': () => notification(FLOODED, now()),
} as const;
export type Stranger = keyof typeof STRANGERS;

export interface Flood {
  readonly url: string;
  readonly strangers: readonly Stranger[];
  readonly seconds: number;
  /** The number of requests in flight on a connection. */
  readonly pipelined: number;
}

/** Sends requests of all strangers at once, each over a few connections, and counts the answers. */
export async function postForAWhile({ url, strangers, seconds, pipelined }: Flood): Promise<Answers> {
  const answers: Answers = new Map();
  const endsAtMs = performance.now() + seconds * 1000;
  const post = async (name: Stranger) => {
    const target = new URL(name === 'without the secret' ? `${url}-not` : url);
    while (performance.now() < endsAtMs)
      await onOneConnection(target, STRANGERS[name], { endsAtMs, pipelined, answers });
  };
  await Promise.all(strangers.flatMap((name) => Array.from({ length: CONNECTIONS }, () => post(name))));
  return answers;
}

/** Ends after the given time, or when the server closes the connection, as it does without the secret. */
async function onOneConnection(
  { hostname, port, pathname }: URL,
  nextBody: () => string,
  {
    endsAtMs,
    pipelined,
    answers,
  }: { readonly endsAtMs: number; readonly pipelined: number; readonly answers: Answers },
): Promise<void> {
  const head = `POST ${pathname} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n`;
  const request = () => {
    const body = nextBody();
    return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
  };
  const requests = () => Array.from({ length: pipelined }, request).join('');
  const socket = connect(Number(port), hostname);
  let rest = '';
  let outstanding = pipelined;
  socket.setTimeout(5_000, () => socket.destroy());
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => {
    rest += chunk.toString('latin1');
    for (const [, status] of rest.matchAll(/HTTP\/1\.1 (\d{3}) /g)) {
      answers.set(Number(status), (answers.get(Number(status)) ?? 0) + 1);
      outstanding -= 1;
    }
    rest = rest.slice(rest.lastIndexOf('HTTP/1.1 ') + 1).slice(-500);
    if (performance.now() >= endsAtMs) socket.destroy();
    else if (outstanding <= 0) {
      outstanding += pipelined;
      socket.write(requests());
    }
  });
  socket.write(requests());
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
}
