import type { Clock } from '../../domain/clock.ts';
import { nameOf, type People } from '../../domain/household.ts';
import { createKeyedMutex } from '../../domain/keyed-mutex.ts';
import type { Log } from '../../domain/log.ts';
import { APPLI_NAMES } from '../../domain/notification.ts';
import { lackOf, missingScopes } from '../../domain/scope.ts';
import {
  isOurs,
  leadsTo,
  OUR_COMMENT,
  type Subscription,
  type SubscriptionService,
} from '../../domain/subscription.ts';
import type { UserId } from '../../domain/token.ts';
import { asTrouble, Trouble } from '../../domain/trouble.ts';
import type { PersonStates } from '../status/person-states.ts';
import type { WithAccess } from '../tokens/access-tokens.ts';

/** Withings sends a HEAD request on each subscribe, and rapid ones fail more often: other clients wait 5 s. */
const BETWEEN_SUBSCRIBES_MS = 5_000;
const BETWEEN_REVOKES_MS = 1_000;
/** The code of the trouble that the person did not grant the scope of a category. */
export const SCOPE_MISSING = 'scope_missing';
/** The most removals in one round; the next round continues. All categories under several old URLs are fewer. */
const MOST_REVOKES = 50;

type Urgency = { readonly urgent: boolean };

/** This daemon's subscriptions at Withings. Every call here may fail with a `Trouble`. */
export interface Subscriptions {
  list(userId: UserId, options: Urgency): Promise<readonly Subscription[]>;
  /**
   * Adds missing subscriptions, and then removes those with an old URL of ours. It does not touch subscriptions that
   * are not ours.
   */
  repair(userId: UserId, options: Urgency): Promise<void>;
  /** The same in the background, unless the person's subscriptions were removed or never wanted. */
  keep(userId: UserId): Promise<void>;
  /** Removes only ours, until `repair`; of very many only the first. Resolves with how many are removed and left. */
  remove(userId: UserId, options: Urgency): Promise<{ readonly removed: number; readonly left: number }>;
  /** Leaves everything as it is, until `repair`. */
  leave(userId: UserId): Promise<void>;
}

export function createSubscriptions(ports: {
  readonly service: SubscriptionService;
  readonly withAccess: WithAccess;
  /** The scope of the current login, if this process has it. */
  readonly scopeOf: (userId: UserId) => string | undefined;
  readonly personStates: PersonStates;
  /** The callback URL, exactly as sent to Withings. */
  readonly callbackUrl: string;
  readonly applis: readonly number[];
  readonly people: People;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Subscriptions {
  const { service, withAccess, scopeOf, personStates, callbackUrl, applis, people, clock, log, signal } = ports;
  const ours = new URL(callbackUrl);
  const inTurn = createKeyedMutex();
  const isWanted = (each: Subscription) => leadsTo(each, ours) && applis.includes(each.appli);

  const list = (userId: UserId, options: Urgency) => withAccess(userId, options, service.list);

  const pause = async (ms: number) => {
    await clock.sleep(ms, signal);
    signal.throwIfAborted();
  };

  /** Adds each one, even if another is refused. Returns the active ones and the first failure. */
  const add = async (userId: UserId, options: Urgency, missing: readonly number[]) => {
    const added: number[] = [];
    let failure: Trouble | undefined;
    for (const [index, appli] of missing.entries()) {
      if (index > 0) await pause(BETWEEN_SUBSCRIBES_MS);
      const subscription = { appli, callbackUrl, comment: OUR_COMMENT };
      try {
        await withAccess(userId, options, (account) => service.subscribe(account, subscription));
        added.push(appli);
      } catch (error) {
        failure ??= asTrouble(error);
      }
    }
    const lacking = missingScopes(
      scopeOf(userId) ?? (await personStates.of(userId)).scope,
      missing.filter((appli) => !added.includes(appli)),
    );
    if (failure !== undefined && lacking.length > 0) failure = scopeMissing(lacking);
    if (added.length > 0) {
      const text = `${nameOf(userId, people)}: subscribed to notifications about ${added.map(nameAppli).join(', ')}`;
      log.info({ event: 'subscribed', text, userid: userId, applis: added });
    }
    return { added, failure };
  };

  /** Removes the first of these, each once, even if Withings lists it twice. */
  const revoke = async (userId: UserId, options: Urgency, unwanted: readonly Subscription[]) => {
    const each = [...new Map(unwanted.map((one) => [`${one.appli} ${one.callbackUrl}`, one])).values()];
    const first = each.slice(0, MOST_REVOKES);
    for (const subscription of first) {
      await pause(BETWEEN_REVOKES_MS);
      await withAccess(userId, options, (account) => service.revoke(account, subscription)).catch(ignoreIfGone);
      const text = `${nameOf(userId, people)}: unsubscribed from notifications about ${nameAppli(subscription.appli)}`;
      log.info({ event: 'unsubscribed', text, userid: userId, appli: subscription.appli });
    }
    return { removed: first.length, left: each.length - first.length };
  };

  const note = (userId: UserId, active: readonly number[], failure: Trouble | undefined) =>
    personStates.change(userId, (before) => {
      const since = before.subscription?.hitch?.since ?? clock.now();
      const hitch = failure && { since, reason: failure.message, code: failure.code };
      const scope = scopeOf(userId) ?? before.scope;
      return { ...before, subscription: { applis: active, hitch }, leaveUnsubscribed: false, scope };
    });

  const repair = async (userId: UserId, options: Urgency) => {
    const present = await list(userId, options);
    const wanted = new Set(present.filter(isWanted));
    const working = new Set([...wanted].map(({ appli }) => appli));
    const missing = applis.filter((appli) => !working.has(appli));
    const { added, failure } = await add(userId, options, missing);
    const active = applis.filter((appli) => working.has(appli) || added.includes(appli));
    await note(userId, active, failure);
    // A subscription with an old URL is removed when its category has a new one, or is no longer wanted.
    const isReplaced = ({ appli }: Subscription) => active.includes(appli) || !applis.includes(appli);
    const outdated = present.filter((each) => !wanted.has(each) && isReplaced(each) && isOurs(each, ours));
    await revoke(userId, options, outdated);
    if (failure !== undefined) throw failure;
  };

  const setLeave = (userId: UserId) =>
    personStates.change(userId, (before) => ({ ...before, subscription: undefined, leaveUnsubscribed: true }));

  const remove = async (userId: UserId, options: Urgency) => {
    const present = await list(userId, options);
    const unwanted = present.filter((each) => isOurs(each, ours));
    const result = await revoke(userId, options, unwanted);
    await setLeave(userId);
    return result;
  };

  return {
    list,
    repair: (userId, options) => inTurn(userId, () => repair(userId, options)),
    async keep(userId) {
      const { leaveUnsubscribed } = await personStates.of(userId);
      if (!leaveUnsubscribed) await inTurn(userId, () => repair(userId, { urgent: false }));
    },
    remove: (userId, options) => inTurn(userId, () => remove(userId, options)),
    leave: setLeave,
  };
}

/** `weight (1)` */
export function nameAppli(appli: number): string {
  const name = APPLI_NAMES[appli];
  return name === undefined ? `category ${appli}` : `${name} (${appli})`;
}

/** Withings' refusal does not name the reason. */
function scopeMissing(lacking: readonly string[]): Trouble {
  const { message, hint } = lackOf(lacking);
  return new Trouble(message, { code: SCOPE_MISSING, recovery: 'login', hint });
}

function ignoreIfGone(error: unknown): void {
  if (!(error instanceof Trouble && error.code === 'no_subscription')) throw error;
}
