import { BED_KINDS } from '../../domain/bed.ts';
import type { Clock } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import { Appli, MEASURE_APPLIS, type Notification } from '../../domain/notification.ts';
import { createThrottle } from '../../domain/throttle.ts';
import type { AccessTokens } from '../tokens/access-tokens.ts';
import type { LinkedUsers } from '../tokens/linked-users.ts';
import type { BedIntake } from './bed-intake.ts';
import type { Collector } from './collector.ts';

const HOUR_MS = 3_600_000;
/** The most unlinked users, and the most unused categories, that are logged in an hour. */
const MOST_UNKNOWN = 50;
const MOST_UNUSED = 20;

/**
 * Decides what to do with a notification. Nothing here trusts it or its caller, whom only the log names.
 *
 * @returns true if weighbridge is done with it; false if Withings must send it again
 */
export type Intake = (notification: Notification, caller: string) => Promise<boolean>;

export function createIntake(ports: {
  readonly linkedUsers: LinkedUsers;
  readonly accessTokens: AccessTokens;
  readonly collector: Collector;
  /** Undefined if `APPLIS` has no bed category. */
  readonly bed?: BedIntake | undefined;
  readonly clock: Clock;
  readonly log: Log;
}): Intake {
  const { linkedUsers, accessTokens, collector, bed, clock, log } = ports;
  // A separate throttle, so that a stranger with made-up users cannot use up the others.
  const throttleUnknown = createThrottle(clock, HOUR_MS, MOST_UNKNOWN);
  const throttleUnused = createThrottle(clock, HOUR_MS, MOST_UNUSED);
  const throttleUnlinked = createThrottle(clock, HOUR_MS, Number.POSITIVE_INFINITY);

  const unlinked = ({ userId, action }: Notification, caller: string) => {
    if (action === 'update' || !throttleUnlinked(userId)) return;
    const text = `Withings reports "${action ?? 'nothing'}" for user ${userId} (from ${caller}). Checking the login.`;
    log.warn({ event: 'unlinked', text, userid: userId, caller });
    accessTokens.forget(userId);
    collector.notify(userId, undefined);
  };

  const unknown = ({ userId }: Notification, caller: string) => {
    if (!throttleUnknown(userId)) return;
    const text = `ignored a notification for unknown user ${userId} (from ${caller})`;
    log.warn({ event: 'unknown_user', text, userid: userId, caller });
  };

  return async (notification, caller) => {
    const { userId, appli, window } = notification;
    const heard = `notification for user ${userId}, category ${appli}, from ${caller}`;
    log.debug({ event: 'notification', text: heard, userid: userId, appli, caller });
    if (!linkedUsers.has(userId)) await linkedUsers.refresh().catch(() => undefined);
    if (!linkedUsers.has(userId)) unknown(notification, caller);
    else if (MEASURE_APPLIS.has(appli)) collector.notify(userId, window);
    else if (appli === Appli.profile) unlinked(notification, caller);
    else if (bed !== undefined && BED_KINDS.has(appli)) return await bed(notification, caller);
    else if (throttleUnused(`${userId} ${appli}`)) {
      const text = `ignored a notification of category ${appli} for user ${userId} (from ${caller}). You can remove this subscription.`;
      log.warn({ event: 'unknown_appli', text, userid: userId, appli, caller });
    }
    return true;
  };
}
