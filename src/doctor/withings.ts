import { nameAppli } from '../app/subscribe/subscriptions.ts';
import { lackOf, missingScopes } from '../domain/scope.ts';
import { describePolling, type PersonState } from '../domain/status.ts';
import { isOurs, leadsTo, type Subscription } from '../domain/subscription.ts';
import type { UserId } from '../domain/token.ts';
import { asTrouble } from '../domain/trouble.ts';
import { broken, type Finding, findingOf, notChecked, ok, warning } from './finding.ts';

/**
 * Whether Withings accepts the client id and secret; no login is involved.
 *
 * @param check fails with a `Trouble`
 */
export async function checkClient(check: () => Promise<void>): Promise<Finding> {
  try {
    await check();
    return ok('client', 'Withings accepts the client id and the secret');
  } catch (error) {
    const trouble = asTrouble(error);
    if (trouble.code !== 'wrong_client') return findingOf('client', trouble);
    const remedy =
      'Compare WITHINGS_CLIENT_ID and WITHINGS_CLIENT_SECRET with https://developer.withings.com/dashboard. The logins are not the cause.';
    return broken('client', 'wrong client id or secret', remedy);
  }
}

/**
 * Whether a person's login works: the token file can be read, and Withings accepts the token.
 *
 * @param name the person's name, for the text
 * @param applis the categories of the wanted notifications
 * @param obtain an access token that is valid for a call; fails with a `Trouble`
 */
export async function checkLogin(
  name: string,
  obtain: () => Promise<{ readonly expiresInMs: number; readonly scope?: string | undefined }>,
  { needsLogin, scope: remembered }: Pick<PersonState, 'needsLogin'> & Partial<Pick<PersonState, 'scope'>>,
  applis: readonly number[] = [],
): Promise<Finding> {
  try {
    const { expiresInMs, scope = remembered } = await obtain();
    const missing = missingScopes(scope, applis);
    if (missing.length > 0) {
      const { message, hint } = lackOf(missing);
      return warning('login', `${name}: ${message}`, hint);
    }
    if (needsLogin === undefined) {
      const minutes = Math.floor(expiresInMs / 60_000);
      return ok('login', `${name}: OK, the access token is valid for ${minutes} min`);
    }
    const text = `${name}: OK, although Withings rejected the login on ${needsLogin.since.toISOString().slice(0, 10)}`;
    const remedy = 'A running weighbridge retries within the hour. If this stays, run "weighbridge login".';
    return warning('login', text, remedy);
  } catch (error) {
    const trouble = asTrouble(error);
    if (trouble.recovery !== 'login') return findingOf('login', trouble, `${name}: `);
    const rename = trouble.code === 'foreign_login' ? `${trouble.hint} Or run` : 'Run';
    return broken('login', `${name} must link again: ${trouble.message}`, `${rename} "weighbridge login".`);
  }
}

/**
 * Whether a token file can be read, if the login cannot be used.
 *
 * @param because the reason why the login is not used
 */
export async function checkTokenFile(name: string, load: () => Promise<unknown>, because: string): Promise<Finding> {
  try {
    await load();
    return notChecked('login', `${name}: ${because}`);
  } catch (error) {
    const { message, hint = '' } = asTrouble(error);
    return broken('login', `${name}: ${message}`, hint);
  }
}

/** Whether Withings sends this weighbridge the notifications that it should. */
export function judgeSubscriptions(
  subscriptions: readonly Subscription[],
  wanted: {
    readonly userId: UserId;
    /** The person's name, for the text. */
    readonly name: string;
    readonly callbackUrl: string;
    readonly applis: readonly number[];
    /** Why the daemon could not subscribe at its last try. */
    readonly hitch: string | undefined;
    /** `weighbridge unsubscribe` was run for this person. */
    readonly isLeft: boolean;
    /** How often the daemon polls for this person; undefined if it does not. */
    readonly pollMs: number | undefined;
  },
): Finding {
  const { userId, name, callbackUrl, applis, hitch, isLeft, pollMs } = wanted;
  const ours = new URL(callbackUrl);
  const isCurrent = (each: Subscription) => leadsTo(each, ours);
  const missing = applis.filter((appli) => !subscriptions.some((each) => isCurrent(each) && each.appli === appli));
  if (missing.length > 0 && isLeft) {
    const text = `${name}: notifications are off ("weighbridge unsubscribe" turned them off)`;
    return warning('subscription', text, `Run "weighbridge subscribe ${userId}" to turn them on again.`);
  }
  if (missing.length > 0) {
    const why = hitch === undefined ? '' : ` (${hitch})`;
    const text = `${name}: not subscribed to ${missing.map(nameAppli).join(', ')}${why}`;
    if (pollMs !== undefined) {
      const remedy = 'Make the callback URL work. A running weighbridge retries once an hour.';
      return warning('subscription', `${text}, now ${describePolling(pollMs)}`, remedy);
    }
    return broken(
      'subscription',
      text,
      `Run "weighbridge subscribe ${userId}". A running weighbridge retries every few hours.`,
    );
  }
  const outdated = subscriptions.filter((each) => !isCurrent(each) && isOurs(each, ours));
  if (outdated.length > 0) {
    const text = `${name}: also subscribed with an old URL of this weighbridge`;
    return warning('subscription', text, `Run "weighbridge subscribe ${userId}" to remove the old URL.`);
  }
  const others = [...new Set(subscriptions.filter((each) => !isCurrent(each)).map(hostOf))];
  const besides = others.length === 0 ? '' : ` (also to ${others.join(', ')})`;
  return ok('subscription', `${name}: subscribed to ${applis.map(nameAppli).join(', ')}${besides}`);
}

function hostOf({ callbackUrl }: Subscription): string {
  return URL.canParse(callbackUrl) ? new URL(callbackUrl).host : 'an unreadable address';
}
