import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import type { Status } from '../../src/domain/status.ts';
import { listen } from '../../src/http/listen.ts';
import { createPrivateApp, type PrivateAppOptions } from '../../src/http/private/app.ts';
import type { Page } from '../../src/http/private/page-routes.ts';
import { createFakeClock } from './fake-clock.ts';
import { ANNA } from './people.ts';
import { createRecordingLog } from './recording-log.ts';

export const NO_PEOPLE: Status = {
  startedAt: new Date('2026-11-20T06:00:00Z'),
  uptimeMs: 61_500,
  people: [],
  publishers: [],
  troubles: [],
};
export const WELL: Status = {
  ...NO_PEOPLE,
  people: [
    {
      userId: ANNA,
      name: 'Anna',
      login: { state: 'works' },
      lastNotification: { at: new Date('2026-11-20T06:00:30Z'), agoMs: 31_500 },
      lastContact: { at: new Date('2026-11-20T06:00:31Z'), agoMs: 30_999 },
      lastWeighIn: { kilograms: 81.25, takenAt: new Date('2026-11-20T05:58:00Z'), agoMs: 181_500 },
      derived: {
        takenAt: new Date('2026-11-20T05:58:00Z'),
        height: 1.8,
        bmi: 25.1,
        trend: 81.4,
        perWeek: -0.35,
        goal: 78,
        toGoal: -3.25,
      },
      held: [],
      unreadable: 0,
      subscription: { state: 'works', applis: [1, 4], since: undefined, reason: undefined },
      scales: [],
    },
  ],
  publishers: [
    {
      name: 'mqtt',
      state: 'trouble',
      since: new Date('2026-11-20T06:00:40Z'),
      problem: 'mqtt: the broker is away; it is called again',
      lastContact: { at: new Date('2026-11-20T06:00:20Z'), agoMs: 41_500 },
      behindBytes: 330,
    },
    {
      name: 'hook',
      state: 'not_tried',
      since: undefined,
      problem: undefined,
      lastContact: undefined,
      behindBytes: undefined,
    },
  ],
};
/** Creates an empty page with the given parts. */
export function page(parts: Partial<Page> = {}): Page {
  return {
    draw: () => Promise.resolve('<!doctype html>'),
    csv: () => Promise.resolve(undefined),
    asset: () => Promise.resolve(undefined),
    watch: () => ({ [Symbol.dispose]: () => undefined }),
    link: () => undefined,
    linkPasted: undefined,
    backfill: undefined,
    people: { names: new Map(), unit: 'kg' },
    ...parts,
  };
}

/**
 * Opens the status port as the daemon does.
 *
 * @param caller the address of all clients; `gone` for a connection without a peer
 */
export async function openPort(options: Partial<PrivateAppOptions> = {}, caller?: string) {
  const clock = createFakeClock();
  const log = createRecordingLog();
  let looks = 0;
  const look = () => {
    looks += 1;
    return Promise.resolve(WELL);
  };
  const { signal } = new AbortController();
  const given = {
    names: [],
    password: undefined,
    ingress: undefined,
    version: '1.2.3',
    look,
    stuck: () => undefined,
    page: page(),
    signal,
    clock,
    log,
  };
  const app = createPrivateApp({ ...given, ...options });
  const from = (request: IncomingMessage, response: ServerResponse) => {
    const value = caller === 'gone' ? undefined : caller;
    if (caller !== undefined) Object.defineProperty(request.socket, 'remoteAddress', { value });
    app(request, response);
  };
  const listener = await listen(from, { host: '127.0.0.1', port: 0 });
  return { ...listener, clock, log, looks: () => looks };
}

export interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Sends a request with any Host header, unlike fetch. */
export async function ask(
  port: number,
  headers: Readonly<Record<string, string>> = {},
  { method = 'GET', path = '/healthz' }: { readonly method?: string; readonly path?: string } = {},
): Promise<Answer> {
  const sent = request({ host: '127.0.0.1', port, method, path, headers, agent: false }).end();
  const [response] = await once(sent, 'response');
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}

export const basic = (password: string, user = '') => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});
