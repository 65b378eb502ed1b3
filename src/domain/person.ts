import type { UserId } from './token.ts';

/** How things stand with one person, as far as it outlives a process. Written only when something of it changes. */
export interface PersonState {
  readonly linkedAt: Date | undefined;
  /** The consent link that led to the login: whoever printed it recognises it. */
  readonly linkedBy: string | undefined;
  /** Undefined while the login works, or has not been tried. */
  readonly needsLogin: Hitch | undefined;
  readonly subscription: SubscriptionState | undefined;
  /** Somebody has said that Withings shall not call about this person. */
  readonly leaveUnsubscribed: boolean;
}

/** What is wrong, in words, and since when. */
export interface Hitch {
  readonly since: Date;
  readonly reason: string;
}

/** The categories that Withings calls about, or why it does not. */
export interface SubscriptionState {
  readonly applis: readonly number[];
  readonly hitch: Hitch | undefined;
}

/** One small record per person. */
export interface PersonStore {
  /** Nothing is known of a person without a record, nor of one whose record cannot be read. */
  load(userId: UserId): Promise<PersonState>;
  save(userId: UserId, state: PersonState): Promise<void>;
}

export const NOTHING_KNOWN: PersonState = {
  linkedAt: undefined,
  linkedBy: undefined,
  needsLogin: undefined,
  subscription: undefined,
  leaveUnsubscribed: false,
};
