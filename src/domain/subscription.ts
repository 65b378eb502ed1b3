import type { Account } from './token.ts';

/** One category of one user, and where Withings says that there is news. */
export interface Subscription {
  readonly appli: number;
  /** Exactly as it was given to Withings. */
  readonly callbackUrl: string;
  readonly comment: string | undefined;
}

/** Withings' notify service. */
export interface SubscriptionService {
  list(account: Account): Promise<readonly Subscription[]>;
  /** Withings asks for the callback's head first and refuses what does not answer 200. */
  subscribe(account: Account, subscription: Subscription): Promise<void>;
  revoke(account: Account, subscription: Subscription): Promise<void>;
}

/** What marks a subscription as made by this program. */
export const OUR_COMMENT = 'weighbridge';

/** Whether a subscription leads to this very callback. Withings may keep the URL in another spelling of the same. */
export function leadsTo({ callbackUrl }: Subscription, ours: URL): boolean {
  return URL.canParse(callbackUrl) && new URL(callbackUrl).href === ours.href;
}

/** The route that the documentation names; what stands behind it is a secret. */
const ROUTE = /^(.*\/withingsWebhook)\/[^/]+\/?$/;

/**
 * Whether a subscription leads, or once led, to this callback: the same host and path. The secret may have been another
 * one, in the query or at the end of the path; there it takes our comment, or the documented route, to be sure.
 * Everything else belongs to another user of the same application, and is not touched.
 */
export function isOurs({ callbackUrl, comment }: Subscription, ours: URL): boolean {
  if (!URL.canParse(callbackUrl)) return false;
  const theirs = new URL(callbackUrl);
  if (theirs.host !== ours.host) return false;
  if (theirs.pathname === ours.pathname || withoutSecret(theirs) === withoutSecret(ours)) return true;
  return comment === OUR_COMMENT && parentOf(theirs) === parentOf(ours);
}

function withoutSecret({ pathname }: URL): string {
  return ROUTE.exec(pathname)?.[1] ?? pathname;
}

function parentOf({ pathname }: URL): string {
  return pathname.slice(0, pathname.lastIndexOf('/'));
}
