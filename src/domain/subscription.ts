import type { Account } from './token.ts';

/** One category of one user, and the URL for its notifications. */
export interface Subscription {
  readonly appli: number;
  /** The URL exactly as sent to Withings. */
  readonly callbackUrl: string;
  readonly comment: string | undefined;
}

/** Withings' notify service. */
export interface SubscriptionService {
  list(account: Account): Promise<readonly Subscription[]>;
  /** Withings first sends a HEAD request to the callback, and refuses any answer but 200. */
  subscribe(account: Account, subscription: Subscription): Promise<void>;
  revoke(account: Account, subscription: Subscription): Promise<void>;
}

/** The mark of a subscription made by this program. */
export const OUR_COMMENT = 'weighbridge';

/** Whether a subscription leads to this very callback. Withings may store the URL in another spelling. */
export function leadsTo({ callbackUrl }: Subscription, ours: URL): boolean {
  return URL.canParse(callbackUrl) && new URL(callbackUrl).href === ours.href;
}

/** The documented route. The part after it is a secret. */
const ROUTE = /^(.*\/withingsWebhook)\/[^/]+\/?$/;

/**
 * Whether a subscription leads, or once led, to this callback: the same host and path. The secret may differ, in the
 * query or at the end of the path. In the path, our comment or the documented route must confirm it. All other
 * subscriptions belong to another user of the same application, and are not touched.
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
