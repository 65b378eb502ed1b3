import { once, setMaxListeners } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../domain/clock.ts';
import { createGrants } from './grants.ts';
import { type Answer, createLimiter, type Limits, refused, WITHINGS_LIMITS } from './limits.ts';
import { createMeasures, type RawGroup } from './measures.ts';
import { type Client, consent, requestToken, signature } from './oauth.ts';
import { type WeighIn, weighInGroups } from './scale.ts';
import { createSubscriptions } from './subscriptions.ts';
import { type Left, type TakenBack, takenBack } from './take-back.ts';

/** Page size is undocumented; small pages catch a client that does not turn them. */
const PAGE_SIZE = 250;
const DRIP_MS = 20;

export interface SandboxOptions {
  readonly clock: Clock;
  readonly client: Client;
  readonly port?: number;
  readonly limits?: Limits;
  readonly pageSize?: number;
  /**
   * Called for every call before it is carried out, without an answer, and afterwards, with the answer. The fault that
   * it returns is sent in place of the answer: `hang` sends nothing, `drip` sends a letter at a time.
   */
  readonly fault?: (call: Call, answer: Answer | undefined) => Fault | undefined;
  /** Called for every call when it is answered. */
  readonly onCall?: (call: Call, answer: Answer | undefined) => void;
}

export type Fault = 'hang' | 'cut' | { readonly httpStatus?: number; readonly text: string; readonly drip?: boolean };

export interface Call {
  readonly path: string;
  readonly form: URLSearchParams;
  readonly accessToken: string;
  /** Milliseconds since 1970, by the sandbox's clock. */
  readonly at: number;
}

export type Sandbox = Awaited<ReturnType<typeof startSandbox>>;

/** A Withings on loopback: the calls that weighbridge makes, with the rules they are subject to. */
export async function startSandbox(options: SandboxOptions) {
  const { clock, client, limits = WITHINGS_LIMITS, pageSize = PAGE_SIZE } = options;
  const stop = new AbortController();
  // Each notification that waits for its next try has a listener on it.
  setMaxListeners(0, stop.signal);
  const now = () => clock.now().getTime();
  const grants = createGrants(now);
  const limit = createLimiter(limits, now);
  const measures = createMeasures({ now, pageSize });
  const subscriptions = createSubscriptions({ clock, signal: stop.signal });
  let nextGroup = 7_811_000_101;

  const answer = async ({ path, form, accessToken }: Call): Promise<Answer | undefined> => {
    const call = `${path} ${sorted(form)}`;
    if (path === '/v2/oauth2') return limit('', call) ?? requestToken(grants, client, form);
    // Two commands that check the same client within a second sign the same, and Withings has not refused that.
    if (path === '/v2/signature') return limit('') ?? signature(client, form);
    if (path !== '/measure' && path !== '/notify') return undefined;
    const userId = grants.use(accessToken);
    if (userId === undefined) {
      return refused(401, 'XRequestID: Not provided invalid_token: The access token provided is invalid');
    }
    const service = path === '/notify' ? subscriptions : measures;
    return limit(userId, call) ?? (await service.call(userId, form));
  };

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '/', 'http://sandbox');
    if (request.method === 'GET' && url.pathname === '/oauth2_user/authorize2') {
      consent(grants, client, url.searchParams, response);
      return;
    }
    const call = await readCall(request, url.pathname, now());
    if (misbehave(response, options.fault?.(call, undefined))) return;
    const result = await answer(call);
    options.onCall?.(call, result);
    if (misbehave(response, result && options.fault?.(call, result))) return;
    response.writeHead(result === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(result && JSON.stringify(result));
  };

  const server = createServer((request, response) => void handle(request, response).catch(() => response.destroy()));
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;

  /** Stores groups without a notification, as if it had been lost. */
  const store = (userId: string, weighIn: WeighIn): readonly RawGroup[] => {
    const groups = weighInGroups(nextGroup, Math.floor(now() / 1000), weighIn);
    nextGroup += groups.length;
    for (const group of groups) measures.put(userId, group);
    return groups;
  };
  /** Takes a group back without a notification. To notify its window, notify the group as it was. */
  const takeBack = (userId: string, group: RawGroup, how: TakenBack): Left | undefined => {
    const left = takenBack(userId, group, how, Math.floor(now() / 1000));
    measures.remove(userId, group.grpid);
    if (left !== undefined) measures.put(left.userId, left.group);
    return left;
  };
  const notify = async (userId: string, groups: readonly RawGroup[]) => {
    await Promise.all(groups.map((group) => subscriptions.notify(userId, group)));
  };

  return {
    url: new URL(`http://127.0.0.1:${port}`),
    grants,
    measures,
    subscriptions,
    /** Subscribes a callback as the notify service does; returns whether the callback was reachable. */
    async subscribe(userId: string, callbackurl: string, appli: number): Promise<boolean> {
      const form = new URLSearchParams({ action: 'subscribe', callbackurl, appli: String(appli) });
      return (await subscriptions.call(userId, form)).status === 0;
    },
    /** A person steps on the scale: stores the groups, and notifies the subscribers. */
    async weigh(userId: string, weighIn: WeighIn): Promise<readonly RawGroup[]> {
      const groups = store(userId, weighIn);
      await notify(userId, groups);
      return groups;
    },
    store,
    takeBack,
    notify,
    /** Ends all connections, those that wait for an answer included. */
    hangUp: (): void => server.closeAllConnections(),
    async [Symbol.asyncDispose](): Promise<void> {
      stop.abort();
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Only a POST with a form has parameters. */
async function readCall(request: IncomingMessage, path: string, at: number): Promise<Call> {
  const { method, headers } = request;
  const isForm = /^application\/x-www-form-urlencoded\b/.test(headers['content-type'] ?? '');
  const sent = await text(request);
  const form = new URLSearchParams(method === 'POST' && isForm ? sent : '');
  const accessToken = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? '';
  return { path, form, accessToken, at };
}

function sorted(form: URLSearchParams): string {
  const copy = new URLSearchParams(form);
  copy.sort();
  return copy.toString();
}

function misbehave(response: ServerResponse, fault: Fault | undefined): boolean {
  if (fault === undefined) return false;
  if (fault === 'cut') response.destroy();
  else if (fault !== 'hang') {
    response.writeHead(fault.httpStatus ?? 200);
    if (fault.drip) void drip(response, fault.text);
    else response.end(fault.text);
  }
  return true;
}

/** A letter every so often, for as long as the caller listens. */
async function drip(response: ServerResponse, text: string): Promise<void> {
  for (const letter of text) {
    await delay(DRIP_MS);
    if (response.destroyed) return;
    response.write(letter);
  }
  response.end();
}
