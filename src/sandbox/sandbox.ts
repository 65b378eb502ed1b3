import { once, setMaxListeners } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Clock } from '../domain/clock.ts';
import { type Call, type Fault, misbehave, readCall } from './calls.ts';
import { CONSENT_PATH, createConsent } from './consent.ts';
import { CONTROL_PATH, createControl } from './control.ts';
import { createDevices } from './devices.ts';
import { createGrants } from './grants.ts';
import {
  type Answer,
  createLimiter,
  invalidParams,
  type Limits,
  NOT_IMPLEMENTED,
  refused,
  WITHINGS_LIMITS,
} from './limits.ts';
import { createMeasures, type RawGroup } from './measures.ts';
import { createOAuth } from './oauth.ts';
import { isForeign, type Person, sendJson } from './pages.ts';
import { type WeighIn, weighInGroups } from './scale.ts';
import { type Client, createSignatures } from './signatures.ts';
import { createSubscriptions } from './subscriptions.ts';
import { type Left, type TakenBack, takenBack } from './take-back.ts';

/** Page size is undocumented; small pages expose a client that reads only the first. */
const PAGE_SIZE = 250;

type Service = (userId: string, form: URLSearchParams) => Answer | Promise<Answer>;

const INVALID_TOKEN = refused(401, 'XRequestID: Not provided invalid_token: The access token provided is invalid');

export interface SandboxOptions {
  readonly clock: Clock;
  readonly client: Client;
  readonly port?: number;
  readonly limits?: Limits;
  readonly pageSize?: number;
  /** Stricter than Withings: bounds of windows are exclusive, and the same call to /notify is refused as well. */
  readonly strict?: boolean;
  /** The people on the consent page. With people there is a control page; without them everyone agrees at once. */
  readonly people?: readonly Person[];
  /**
   * Runs for every call, first without an answer and afterwards with it. The fault that it returns replaces the answer.
   */
  readonly fault?: (call: Call, answer: Answer | undefined) => Fault | undefined;
  /** Runs for every answered call. */
  readonly onCall?: (call: Call, answer: Answer) => void;
}

export type Sandbox = Awaited<ReturnType<typeof startSandbox>>;

/** A Withings on loopback: the calls that clients of scales use, with Withings' rules. */
export async function startSandbox(options: SandboxOptions) {
  const { clock, client, limits = WITHINGS_LIMITS, pageSize = PAGE_SIZE, strict = false, people } = options;
  const stop = new AbortController();
  // Each notification that waits for its next try has a listener on the signal.
  setMaxListeners(0, stop.signal);
  const now = () => clock.now().getTime();
  const grants = createGrants(now);
  const limit = createLimiter(limits, now);
  const measures = createMeasures({ now, pageSize, exclusive: strict });
  const subscriptions = createSubscriptions({ clock, signal: stop.signal });
  const devices = createDevices(measures.of);
  const signatures = createSignatures(client, now);
  /** The user withdraws the consent. */
  const unlink = (userId: string) => {
    grants.unlink(userId);
    subscriptions.drop((each) => each.userId === userId);
  };
  const oauth = createOAuth({ grants, client, signatures, unlink });
  const consent = createConsent(grants, client, people);
  let nextGroup = 7_811_000_101;

  const services = new Map<string, Service>([
    ['/measure', measures.call],
    ['/notify', subscriptions.call],
    ['/v2/user', devices.call],
  ]);

  const answer = async (call: Call): Promise<Answer> => {
    const { path, form } = call;
    if (path === '/v2/oauth2') return limit('', `${path} ${sorted(form)}`) ?? oauth(form);
    // Two commands that check the same client within a second sign the same, and Withings has not refused that.
    if (path === '/v2/signature') return limit('') ?? signatures.call(form);
    const service = services.get(path);
    return service === undefined ? NOT_IMPLEMENTED : await answerUser(call, service);
  };

  const answerUser = async ({ path, form, accessToken }: Call, service: Service): Promise<Answer> => {
    const userId = grants.use(accessToken);
    if (userId === undefined) return INVALID_TOKEN;
    if (form.has('signature') && !signatures.accepts(form)) return invalidParams('invalid signature');
    const isGuarded = strict || path !== '/notify';
    return limit(userId, isGuarded ? `${path} ${sorted(form)}` : undefined) ?? (await service(userId, form));
  };

  /**
   * Stores groups without a notification, as if it were lost.
   *
   * @param stored when the data reached Withings, in seconds since 1970: now, unless it is history
   */
  const store = (userId: string, weighIn: WeighIn, stored = Math.floor(now() / 1000)): readonly RawGroup[] => {
    const groups = weighInGroups(nextGroup, stored, weighIn);
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

  const { send } = subscriptions;
  const control =
    people &&
    createControl(people, {
      ...{ clock, signal: stop.signal, store, takeBack, notify, send, unlink },
      groupsOf: measures.of,
      subscriptionsOf: subscriptions.of,
      setBattery: devices.setBattery,
      expireAccess: grants.expireAccess,
    });

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    if (people !== undefined && isForeign(request)) return sendJson(response, 403, { error: 'not from other sites' });
    const url = new URL(request.url ?? '/', 'http://sandbox');
    if (url.pathname === CONSENT_PATH) return await consent(request, url, response);
    const isControl = `${url.pathname}/`.startsWith(`${CONTROL_PATH}/`);
    if (isControl && control !== undefined) return await control.serve(request, url.pathname, response);
    const call = await readCall(request, url, now());
    if (misbehave(response, options.fault?.(call, undefined) ?? control?.fault(false))) return;
    await control?.beLate();
    const result = await answer(call);
    options.onCall?.(call, result);
    if (misbehave(response, options.fault?.(call, result) ?? control?.fault(true))) return;
    sendJson(response, 200, result);
  };

  const server = createServer((request, response) => void handle(request, response).catch(() => response.destroy()));
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;

  return {
    url: new URL(`http://127.0.0.1:${port}`),
    grants,
    devices,
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
    /** Ends all connections, including those that wait for an answer. */
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

function sorted(form: URLSearchParams): string {
  const copy = new URLSearchParams(form);
  copy.sort();
  return copy.toString();
}
