import type { BedEvent } from './bed.ts';
import type { Derived, Height } from './derived.ts';
import { formatInterval } from './format.ts';
import type { GroupState, WeighIn } from './reading.ts';
import type { Scale } from './scale.ts';
import type { UserId } from './token.ts';

/** The status of the daemon, of its publishers and of each linked person, at one moment. */
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
  readonly derived: Derived;
  /** What `recentlyHeld` leaves of the readings that are held, the oldest first. */
  readonly held: readonly GroupState[];
  /** How many measure groups of this person Withings sent that cannot be read. */
  readonly unreadable: number;
  readonly subscription: SubscriptionStatus;
  readonly scales: readonly Scale[];
  /** The newest bed event since the person was linked; undefined before it, and where `APPLIS` asks for none. */
  readonly bed?: BedEvent | undefined;
}

/** What was held longer ago is not shown. */
const SHOW_HELD_MS = 30 * 24 * 3_600_000;

/** The held readings of the last 30 days and of the future, the oldest first. */
export function recentlyHeld(held: readonly GroupState[], now: Date): readonly GroupState[] {
  return held
    .filter(({ takenAt }) => takenAt.getTime() > now.getTime() - SHOW_HELD_MS)
    .sort((one, other) => one.takenAt.getTime() - other.takenAt.getTime());
}

/** A time, and how long ago that was; never negative, even where the wall clock was set in between. */
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

/** Whether Withings calls about a person, or weighbridge polls. */
export interface SubscriptionStatus {
  /**
   * `polling` where Withings cannot call: there is no callback URL, or Withings cannot reach it. `off` where the person
   * does not want a subscription, `none` before the first look.
   */
  readonly state: 'works' | 'lost' | 'none' | 'off' | 'polling';
  /** The categories it calls about. */
  readonly applis: readonly number[];
  readonly since: Date | undefined;
  readonly reason: string | undefined;
  /** How often weighbridge polls; undefined where it does not. */
  readonly pollMs?: number;
}

/** Whether readings get through to an MQTT broker, or to a hook. */
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
  /** How much of the journal it still has before it; undefined until its offset is known. */
  readonly behindBytes: number | undefined;
}

export interface TroubleStatus {
  /** Undefined where it concerns everyone. */
  readonly userId: UserId | undefined;
  readonly code: string;
  /** What is wrong and what to do about it. */
  readonly text: string;
  readonly since: Date;
  /** It will not pass by itself, or has had its time to. */
  readonly isLasting: boolean;
}

/** What of a person's status outlives a process. Written only when something of it changes. */
export interface PersonState {
  readonly linkedAt: Date | undefined;
  /** The consent link that led to the login: the process that printed it recognises it. */
  readonly linkedBy: string | undefined;
  /** Undefined while the login works, or has not been tried. */
  readonly needsLogin: Hitch | undefined;
  readonly subscription: SubscriptionState | undefined;
  /** `unsubscribe` was run, or a login without a subscription: Withings shall not call about this person. */
  readonly leaveUnsubscribed: boolean;
  /** When the last 90 days were compared with what Withings has. */
  readonly checkedAt: Date | undefined;
  /** The newest one that Withings has sent. */
  readonly height: Height | undefined;
  /** When Withings was last asked for it. */
  readonly heightAskedAt: Date | undefined;
  /** As Withings described them last. */
  readonly scales: readonly Scale[];
  /** When Withings was last asked for them. */
  readonly scalesAskedAt: Date | undefined;
  /** What the login may, as Withings listed it last. */
  readonly scope: string | undefined;
}

/** What is wrong, in words, and since when. */
export interface Hitch {
  readonly since: Date;
  readonly reason: string;
}

/** The categories that Withings calls about, or why it does not. */
export interface SubscriptionState {
  readonly applis: readonly number[];
  readonly hitch: (Hitch & { readonly code?: string }) | undefined;
}

/** Of the trouble that Withings cannot reach the callback URL. */
export const CALLBACK_UNREACHABLE = 'callback_unreachable';

/** Whether weighbridge polls for a person, because Withings cannot call. */
export function isPolled({ subscription }: Pick<PersonState, 'subscription'>, hasCallback: boolean): boolean {
  return !hasCallback || subscription?.hitch?.code === CALLBACK_UNREACHABLE;
}

/** `polling every 10 min` */
export function describePolling(pollMs: number): string {
  return `polling every ${formatInterval(pollMs)}`;
}

/** One small file per person. */
export interface PersonStore {
  /** `NOTHING_KNOWN` of a person whose file is missing or cannot be read. */
  load(userId: UserId): Promise<PersonState>;
  save(userId: UserId, state: PersonState): Promise<void>;
}

export const NOTHING_KNOWN: PersonState = {
  linkedAt: undefined,
  linkedBy: undefined,
  needsLogin: undefined,
  subscription: undefined,
  leaveUnsubscribed: false,
  checkedAt: undefined,
  height: undefined,
  heightAskedAt: undefined,
  scales: [],
  scalesAskedAt: undefined,
  scope: undefined,
};

/** Whether there is nothing that a person must do. A household without anyone linked yet is no failure. */
export function isWell({ people, troubles }: Status): boolean {
  return people.every(isPersonWell) && !troubles.some(({ isLasting }) => isLasting);
}

/** Whether a person's login and subscription work, as far as it is known. */
export function isPersonWell({ login, subscription }: Pick<PersonStatus, 'login' | 'subscription'>): boolean {
  return login.state !== 'needs_login' && login.state !== 'unknown' && subscription.state !== 'lost';
}
