import type { Clock } from '../domain/clock.ts';
import { type Answer, done, invalidParams, NOT_IMPLEMENTED, refused } from './limits.ts';
import type { RawGroup } from './measures.ts';

/** Withings' developer guide, notifications: two tries each at once, then after 10 s, 1 min, 1 h and 4 h. */
const RETRIES_MS = [0, 10_000, 60_000, 3_600_000, 4 * 3_600_000];
const TRIES_EACH = 2;
/** How long Withings waits for an answer. */
const DEADLINE_MS = 2_000;
const LONGEST_URL = 255;
/** The `expires` of every subscription in a live list. */
const NEVER = 2_147_483_647;
const UNREACHABLE = refused(293, 'callback url not reachable');
/** The measure types of each category. */
const CATEGORIES: Readonly<Record<number, readonly number[]>> = {
  1: [1, 5, 6, 8, 71, 73, 76, 77, 88, 91],
  2: [12, 71, 73],
  4: [9, 10, 11, 54],
};

export interface Subscription {
  readonly userId: string;
  readonly appli: number;
  readonly callbackurl: string;
  readonly comment: string | null;
}

/** The subscriptions and the notifications. */
export function createSubscriptions(ports: { readonly clock: Clock; readonly signal: AbortSignal }) {
  const { clock, signal } = ports;
  let all: readonly Subscription[] = [];

  const subscribe = async (userId: string, form: URLSearchParams) => {
    const callbackurl = form.get('callbackurl') ?? '';
    const appli = Number(form.get('appli'));
    if (!isCategory(appli)) return invalidParams('invalid appli');
    if (!(await isReachable(callbackurl))) return UNREACHABLE;
    all = [...all, { userId, appli, callbackurl, comment: form.get('comment') }];
    return done({});
  };

  /** The user's subscriptions, of one category if the form names it. */
  const find = (userId: string, form: URLSearchParams) =>
    all.filter((each) => each.userId === userId && (form.get('appli') ?? `${each.appli}`) === `${each.appli}`);

  const list = (userId: string, form: URLSearchParams) => {
    const profiles = find(userId, form).map(({ appli, callbackurl, comment }) => {
      return { appli, callbackurl, comment, expires: NEVER };
    });
    return done({ profiles });
  };

  const revoke = (userId: string, form: URLSearchParams) => {
    const found = find(userId, form).filter(({ callbackurl }) => callbackurl === form.get('callbackurl'));
    if (found.length === 0) return refused(294, 'No such subscription could be deleted');
    all = all.filter((each) => !found.includes(each));
    return done({});
  };

  /** The last of equal subscriptions. */
  const findLast = (userId: string, form: URLSearchParams) =>
    all.findLast(
      (each) =>
        each.userId === userId &&
        each.callbackurl === form.get('callbackurl') &&
        `${each.appli}` === (form.get('appli') ?? '1'),
    );

  const get = (userId: string, form: URLSearchParams) => {
    const found = findLast(userId, form);
    if (found === undefined) return refused(286, 'No such subscription was found');
    const { appli, callbackurl, comment } = found;
    return done({ appli, callbackurl, comment });
  };

  /** Changes exactly one field. */
  const update = async (userId: string, form: URLSearchParams) => {
    const found = findLast(userId, form);
    if (found === undefined) return refused(286, 'No such subscription was found');
    const { new_callbackurl: callbackurl, new_appli, comment } = Object.fromEntries(form);
    const changes = {
      ...(callbackurl === undefined ? {} : { callbackurl }),
      ...(new_appli === undefined ? {} : { appli: Number(new_appli) }),
      ...(comment === undefined ? {} : { comment }),
    };
    const changed = { ...found, ...changes };
    if (Object.keys(changes).length !== 1 || !isCategory(changed.appli)) {
      return invalidParams('one of new_callbackurl, new_appli and comment');
    }
    if (callbackurl !== undefined && !(await isReachable(callbackurl))) return UNREACHABLE;
    all = all.map((each) => (each === found ? changed : each));
    return done({});
  };

  const deliver = async (url: string, form: URLSearchParams) => {
    for (const delayMs of RETRIES_MS) {
      await clock.sleep(delayMs, signal);
      for (let attempt = 0; attempt < TRIES_EACH; attempt += 1) {
        if (signal.aborted || (await post(url, form))) return;
      }
    }
  };

  /** Notifies every subscriber to a category. */
  const send = async (userId: string, appli: string, fields: Readonly<Record<string, string>>): Promise<void> => {
    const form = new URLSearchParams({ userid: userId, appli, ...fields });
    const concerned = all.filter((each) => each.userId === userId && `${each.appli}` === appli);
    await Promise.all(concerned.map(({ callbackurl }) => deliver(callbackurl, form)));
  };

  return {
    of: (userId: string): readonly Subscription[] => all.filter((each) => each.userId === userId),
    /** Adds a subscription without a HEAD request to the callback. */
    put(subscription: Subscription): void {
      all = [...all, subscription];
    },
    drop(isIt: (subscription: Subscription) => boolean): void {
      all = all.filter((each) => !isIt(each));
    },
    /** The notify service. */
    async call(userId: string, form: URLSearchParams): Promise<Answer> {
      const action = form.get('action');
      if (action === 'subscribe') return await subscribe(userId, form);
      if (action === 'list') return list(userId, form);
      if (action === 'get') return get(userId, form);
      if (action === 'update') return await update(userId, form);
      if (action === 'revoke') return revoke(userId, form);
      return NOT_IMPLEMENTED;
    },
    /** Notifies every subscriber to the group's category. Resolves when each notification is delivered, or given up. */
    async notify(userId: string, { date, measures }: RawGroup): Promise<void> {
      const concerned = Object.entries(CATEGORIES).filter(([, types]) =>
        measures.some(({ type }) => types.includes(type)),
      );
      const fields = { startdate: `${date}`, enddate: `${date + 1}` };
      await Promise.all(concerned.map(([appli]) => send(userId, appli, fields)));
    },
    send,
  };
}

function isCategory(appli: number): boolean {
  return Number.isInteger(appli) && appli > 0;
}

/** Before Withings stores a callback URL, it sends a HEAD there. The answer must be 200: 204 was refused. */
async function isReachable(url: string): Promise<boolean> {
  return url.length <= LONGEST_URL && (await request(url, { method: 'HEAD' })) === 200;
}

async function post(url: string, form: URLSearchParams): Promise<boolean> {
  const status = await request(url, { method: 'POST', body: form });
  return status !== undefined && status < 400;
}

async function request(url: string, init: RequestInit): Promise<number | undefined> {
  try {
    const answer = await fetch(url, { ...init, redirect: 'manual', signal: AbortSignal.timeout(DEADLINE_MS) });
    await answer.arrayBuffer();
    return answer.status;
  } catch {
    return undefined;
  }
}
