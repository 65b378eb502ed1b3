import type { Clock } from '../domain/clock.ts';
import { type Answer, done, invalidParams, NOT_IMPLEMENTED, refused } from './answer.ts';
import type { RawGroup } from './measures.ts';

/** Withings' developer guide, notifications: two tries each at once, then after 10 s, 1 min, 1 h and 4 h. */
const RETRIES_MS = [0, 10_000, 60_000, 3_600_000, 4 * 3_600_000];
const TRIES_EACH = 2;
/** How long it waits for an answer. */
const DEADLINE_MS = 2_000;
const LONGEST_URL = 255;
/** What a live list says of every subscription: never. */
const NEVER = 2_147_483_647;
/** Which measure types a category is told of. */
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

/** Who is told of what, and the telling. */
export interface Subscriptions {
  call(userId: string, form: URLSearchParams): Promise<Answer>;
  /** Tells every subscriber whose category the group belongs to. Resolves when each was told, or given up. */
  tell(userId: string, group: RawGroup): Promise<void>;
  of(userId: string): readonly Subscription[];
  /** Puts one there, or takes it away, without asking or telling anybody. */
  put(subscription: Subscription): void;
  drop(isIt: (subscription: Subscription) => boolean): void;
}

export function createSubscriptions({
  clock,
  signal,
}: {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Subscriptions {
  let all: readonly Subscription[] = [];

  const subscribe = async (userId: string, form: URLSearchParams) => {
    const callbackurl = form.get('callbackurl') ?? '';
    const appli = Number(form.get('appli'));
    if (!Number.isInteger(appli) || appli < 1) return invalidParams('invalid appli');
    if (callbackurl.length > LONGEST_URL || !(await answersHead(callbackurl)))
      return refused(293, 'callback url not reachable');
    all = [...all, { userId, appli, callbackurl, comment: form.get('comment') }];
    return done({});
  };

  const list = (userId: string, form: URLSearchParams) => {
    const profiles = all
      .filter((each) => each.userId === userId && (form.get('appli') ?? String(each.appli)) === String(each.appli))
      .map(({ appli, callbackurl, comment }) => ({ appli, callbackurl, comment, expires: NEVER }));
    return done({ profiles });
  };

  const revoke = (userId: string, form: URLSearchParams) => {
    const isMeant = (each: Subscription) =>
      each.userId === userId &&
      each.callbackurl === form.get('callbackurl') &&
      (form.get('appli') ?? String(each.appli)) === String(each.appli);
    if (!all.some(isMeant)) return refused(294, 'No such subscription could be deleted');
    all = all.filter((each) => !isMeant(each));
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

  return {
    of: (userId) => all.filter((each) => each.userId === userId),
    put(subscription) {
      all = [...all, subscription];
    },
    drop(isIt) {
      all = all.filter((each) => !isIt(each));
    },
    async call(userId, form) {
      const action = form.get('action');
      if (action === 'subscribe') return await subscribe(userId, form);
      if (action === 'list') return list(userId, form);
      if (action === 'revoke') return revoke(userId, form);
      return NOT_IMPLEMENTED;
    },
    async tell(userId, group) {
      const told = all.filter(
        ({ userId: subscriber, appli }) =>
          subscriber === userId && group.measures.some(({ type }) => CATEGORIES[appli]?.includes(type)),
      );
      const notify = ({ appli, callbackurl }: Subscription) => {
        const { date } = group;
        const form = new URLSearchParams({
          userid: userId,
          appli: `${appli}`,
          startdate: `${date}`,
          enddate: `${date + 1}`,
        });
        return deliver(callbackurl, form);
      };
      await Promise.all(told.map(notify));
    },
  };
}

/** Before it stores a subscription, Withings asks for the callback's head. 200 it must be: 204 was refused. */
async function answersHead(url: string): Promise<boolean> {
  const answer = await request(url, { method: 'HEAD' });
  return answer === 200;
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
