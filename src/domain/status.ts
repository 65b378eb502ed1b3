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
  /** The people, sorted by user id. */
  readonly people: readonly PersonStatus[];
  /** The configured publishers. */
  readonly publishers: readonly PublisherStatus[];
  /** The current troubles, the oldest first. */
  readonly troubles: readonly TroubleStatus[];
}

export interface PersonStatus {
  readonly userId: UserId;
  readonly name: string | undefined;
  readonly login: LoginState;
  /** The last notification about this person that this process received. */
  readonly lastNotification: Moment | undefined;
  /** The last successful fetch. */
  readonly lastContact: Moment | undefined;
  readonly lastWeighIn: (WeighIn & { readonly agoMs: number }) | undefined;
  readonly derived: Derived;
  /** The held readings that `recentlyHeld` selects, the oldest first. */
  readonly held: readonly GroupState[];
  /** The number of unreadable measure groups of this person. */
  readonly unreadable: number;
  readonly subscription: SubscriptionStatus;
  readonly scales: readonly Scale[];
  /** The newest bed event since the person was linked; undefined before it, and if `APPLIS` has no bed category. */
  readonly bed?: BedEvent | undefined;
}

/** Readings held longer ago are not shown. */
const SHOW_HELD_MS = 30 * 24 * 3_600_000;

/** The held readings of the last 30 days and of the future, the oldest first. */
export function recentlyHeld(held: readonly GroupState[], now: Date): readonly GroupState[] {
  return held
    .filter(({ takenAt }) => takenAt.getTime() > now.getTime() - SHOW_HELD_MS)
    .sort((one, other) => one.takenAt.getTime() - other.takenAt.getTime());
}

/** A time, and how long ago it was. The age is never negative, even if the wall clock was set in between. */
export interface Moment {
  readonly at: Date;
  readonly agoMs: number;
}

/** Whether Withings accepts a person's login. */
export type LoginState =
  | { readonly state: 'works' | 'not_tried' }
  | { readonly state: 'needs_login'; readonly since: Date | undefined; readonly reason: string }
  /** The token file cannot be reached, so the login is unknown. */
  | { readonly state: 'unknown'; readonly reason: string };

/** Whether Withings sends notifications about a person, or weighbridge polls. */
export interface SubscriptionStatus {
  /**
   * `polling` if Withings cannot send notifications: there is no callback URL, or Withings cannot reach it. `off` if
   * the person does not want a subscription, `none` before the first check.
   */
  readonly state: 'works' | 'lost' | 'none' | 'off' | 'polling';
  /** The categories of the notifications. */
  readonly applis: readonly number[];
  readonly since: Date | undefined;
  readonly reason: string | undefined;
  /** How often weighbridge polls. Undefined if it does not. */
  readonly pollMs?: number;
}

/** Whether readings reach an MQTT broker, or a hook. */
export interface PublisherStatus {
  /** `mqtt`, `hook` */
  readonly name: string;
  /** `not_tried` before the first connection, or before the first run of a hook. */
  readonly state: 'works' | 'trouble' | 'not_tried';
  /** The time since which it works, or does not. */
  readonly since: Date | undefined;
  /** The problem and the fix. It is among the troubles as well. */
  readonly problem: string | undefined;
  /** When the other side last accepted a connection or a reading. */
  readonly lastContact: Moment | undefined;
  /** The undelivered part of the journal. Undefined until its offset is known. */
  readonly behindBytes: number | undefined;
}

export interface TroubleStatus {
  /** Undefined if it concerns everyone. */
  readonly userId: UserId | undefined;
  readonly code: string;
  /** The problem and the fix. */
  readonly text: string;
  readonly since: Date;
  /** The trouble will not pass without help, or has lasted too long. */
  readonly isLasting: boolean;
}

/** The part of a person's status that outlives a process. It is written only when it changes. */
export interface PersonState {
  readonly linkedAt: Date | undefined;
  /** The consent link of the login, by which the process that printed the link recognises it. */
  readonly linkedBy: string | undefined;
  /** Undefined while the login works, or is untried. */
  readonly needsLogin: Hitch | undefined;
  readonly subscription: SubscriptionState | undefined;
  /** `unsubscribe` was run, or a login without a subscription: Withings must not notify about this person. */
  readonly leaveUnsubscribed: boolean;
  /** When the last 90 days were compared with Withings' groups. */
  readonly checkedAt: Date | undefined;
  /** The newest height from Withings. */
  readonly height: Height | undefined;
  /** When the height was last fetched. */
  readonly heightAskedAt: Date | undefined;
  /** The scales in Withings' last answer. */
  readonly scales: readonly Scale[];
  /** When the scales were last fetched. */
  readonly scalesAskedAt: Date | undefined;
  /** The scope of the login, as Withings last listed it. */
  readonly scope: string | undefined;
}

/** A problem in words, and its start. */
export interface Hitch {
  readonly since: Date;
  readonly reason: string;
}

/** The categories of Withings' notifications, or the reason why there are none. */
export interface SubscriptionState {
  readonly applis: readonly number[];
  readonly hitch: (Hitch & { readonly code?: string }) | undefined;
}

/** The code of the trouble that Withings cannot reach the callback URL. */
export const CALLBACK_UNREACHABLE = 'callback_unreachable';

/** Whether weighbridge polls for a person, because Withings cannot send notifications. */
export function isPolled({ subscription }: Pick<PersonState, 'subscription'>, hasCallback: boolean): boolean {
  return !hasCallback || subscription?.hitch?.code === CALLBACK_UNREACHABLE;
}

/** `polling every 10 min` */
export function describePolling(pollMs: number): string {
  return `polling every ${formatInterval(pollMs)}`;
}

/** One small file per person. */
export interface PersonStore {
  /** `NOTHING_KNOWN` if the person's file is missing or unreadable. */
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

/** Whether no person must do anything. A household without a linked person is not a failure. */
export function isWell({ people, troubles }: Status): boolean {
  return people.every(isPersonWell) && !troubles.some(({ isLasting }) => isLasting);
}

/** Whether a person's login and subscription work, as far as known. */
export function isPersonWell({ login, subscription }: Pick<PersonStatus, 'login' | 'subscription'>): boolean {
  return login.state !== 'needs_login' && login.state !== 'unknown' && subscription.state !== 'lost';
}
