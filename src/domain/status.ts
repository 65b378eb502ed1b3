import type { WeighIn } from './reading.ts';
import type { UserId } from './token.ts';

/** How things stand with the daemon and everybody who is linked, at one moment. */
export interface Status {
  readonly startedAt: Date;
  readonly uptimeMs: number;
  /** By user id. */
  readonly people: readonly PersonStatus[];
  /** Those that are configured. */
  readonly publishers: readonly PublisherStatus[];
  /** Those that are not over, the oldest first. */
  readonly troubles: readonly TroubleStatus[];
}

export interface PersonStatus {
  readonly userId: UserId;
  readonly name: string | undefined;
  readonly login: LoginState;
  /** When Withings has called about this person, as far as this process knows. */
  readonly lastNotification: Moment | undefined;
  /** When a fetch has worked. */
  readonly lastContact: Moment | undefined;
  readonly lastWeighIn: (WeighIn & { readonly agoMs: number }) | undefined;
  readonly subscription: SubscriptionStatus;
}

/** A time, and how long ago that was; not negative, whatever the wall clock did in between. */
export interface Moment {
  readonly at: Date;
  readonly agoMs: number;
}

/** Whether Withings takes a person's login. */
export type LoginState =
  | { readonly state: 'works' | 'not_tried' }
  | { readonly state: 'needs_login'; readonly since: Date | undefined; readonly reason: string }
  /** The token file cannot be reached, which says nothing about the login. */
  | { readonly state: 'unknown'; readonly reason: string };

/** Whether Withings calls about a person. */
export interface SubscriptionStatus {
  /** `off` without a callback URL and where somebody does not want one, `none` before the first look. */
  readonly state: 'works' | 'lost' | 'none' | 'off';
  /** The categories it calls about. */
  readonly applis: readonly number[];
  readonly since: Date | undefined;
  readonly reason: string | undefined;
}

/** One way on: whether readings get through to an MQTT broker, or to a hook. */
export interface PublisherStatus {
  /** `mqtt`, `hook` */
  readonly name: string;
  /** `not_tried` while nothing is known yet: before the first connection is there, before a hook has run. */
  readonly state: 'works' | 'trouble' | 'not_tried';
  /** Since when it works, or does not. */
  readonly since: Date | undefined;
  /** What is wrong and what to do about it. Stands among the troubles as well. */
  readonly problem: string | undefined;
  /** When the other side was last seen to be there: it took a connection, or a reading. */
  readonly lastContact: Moment | undefined;
  /** How much of the journal it still has before it; undefined until its place is known. */
  readonly behindBytes: number | undefined;
}

export interface TroubleStatus {
  /** Undefined where it is everybody's. */
  readonly userId: UserId | undefined;
  readonly code: string;
  /** What is wrong and what to do about it. */
  readonly text: string;
  readonly since: Date;
  /** It will not pass by itself, or has had its time to. */
  readonly isLasting: boolean;
}

/** Whether nobody has to do anything. That nobody is linked yet is no failure. */
export function isWell({ people, troubles }: Status): boolean {
  return people.every(isPersonWell) && !troubles.some(({ isLasting }) => isLasting);
}

/** Whether a person's login and subscription work, as far as anybody knows. */
export function isPersonWell({ login, subscription }: Pick<PersonStatus, 'login' | 'subscription'>): boolean {
  return login.state !== 'needs_login' && login.state !== 'unknown' && subscription.state !== 'lost';
}
