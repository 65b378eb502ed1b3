import { nameAppli } from '../app/subscribe/subscriptions.ts';
import { isOurs, leadsTo, type Subscription } from '../domain/subscription.ts';
import type { UserId } from '../domain/token.ts';
import { broken, type Finding, ok, warning } from './finding.ts';

/** Whether Withings calls this weighbridge about what it should. */
export function judgeSubscriptions(
  subscriptions: readonly Subscription[],
  wanted: {
    readonly userId: UserId;
    /** Whose they are, for people. */
    readonly name: string;
    readonly callbackUrl: string;
    readonly applis: readonly number[];
    /** Why the daemon could not subscribe the last time it tried. */
    readonly hitch: string | undefined;
    /** Somebody has said that Withings shall not call. */
    readonly isLeft: boolean;
  },
): Finding {
  const { userId, name, callbackUrl, applis, hitch, isLeft } = wanted;
  const ours = new URL(callbackUrl);
  const isCurrent = (each: Subscription) => leadsTo(each, ours);
  const missing = applis.filter((appli) => !subscriptions.some((each) => isCurrent(each) && each.appli === appli));
  if (missing.length > 0 && isLeft) {
    const text = `${name}: Withings does not call, because somebody has unsubscribed`;
    return warning('subscription', text, `"weighbridge subscribe ${userId}", if that shall change`);
  }
  if (missing.length > 0) {
    const why = hitch === undefined ? '' : ` (${hitch})`;
    const text = `${name}: Withings does not call about ${missing.map(nameAppli).join(', ')}${why}`;
    return broken('subscription', text, `"weighbridge subscribe ${userId}"; a running one tries it every few hours`);
  }
  const outdated = subscriptions.filter((each) => !isCurrent(each) && isOurs(each, ours));
  if (outdated.length > 0) {
    const text = `${name}: Withings calls an old URL of this weighbridge as well`;
    return warning('subscription', text, `"weighbridge subscribe ${userId}" removes it`);
  }
  const others = [...new Set(subscriptions.filter((each) => !isCurrent(each)).map(hostOf))];
  const besides = others.length === 0 ? '' : `; and somebody else at ${others.join(', ')}`;
  return ok('subscription', `${name}: Withings calls about ${applis.map(nameAppli).join(', ')}${besides}`);
}

function hostOf({ callbackUrl }: Subscription): string {
  return URL.canParse(callbackUrl) ? new URL(callbackUrl).host : 'an unreadable address';
}
