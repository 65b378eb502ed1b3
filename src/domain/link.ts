import type { WeighIn } from './reading.ts';
import type { UserId } from './token.ts';

/** What came of a person's consent. */
export type LinkOutcome = Linked | AlreadyLinked | LinkFailed;

/** The link has linked a person before. Nothing has changed. */
export interface AlreadyLinked {
  readonly kind: 'already';
  readonly userId: UserId;
}

export interface Linked {
  readonly kind: 'linked';
  readonly userId: UserId;
  /** There was a login before, which this one replaces. */
  readonly again: boolean;
  /** The way to link another person, where the person was already linked and did not need to link again. */
  readonly switchLink: URL | undefined;
  readonly lastWeighIn: WeighIn | undefined;
  /**
   * Whether Withings calls when there is a new weight; `later` where the person did not want that now, `polling` where
   * Withings cannot call.
   */
  readonly subscribed: 'yes' | 'no' | 'later' | 'polling';
  /** What did not work besides, in words. */
  readonly hitches: readonly string[];
  /** A daemon is running, which tries again by itself and answers Withings' calls. */
  readonly isDaemon: boolean;
}

export interface LinkFailed {
  readonly kind: 'failed';
  /** `state_forged`, `code_refused`… */
  readonly code: string;
  /** The cause in a few words: `Link expired`. */
  readonly title: string;
  readonly problem: string;
  readonly remedy: string;
}

/** What the browser brings back from the consent page. */
export interface Redirect {
  readonly code: string | undefined;
  readonly state: string | undefined;
  /** Withings' word for a consent that was not given. */
  readonly error: string | undefined;
}

/** What a state says that is signed with the client secret. */
export interface ConsentRequest {
  /** Of this one link. */
  readonly id: string;
  readonly expiresAt: Date;
  readonly subscribe: boolean;
}

/** Makes consent links, and recognises the state of one. Two processes with the same settings recognise each other's. */
export interface Consent {
  /** @param options.demo Withings' own demo user instead of an account */
  request(options: { readonly demo: boolean; readonly subscribe: boolean }): ConsentRequest & { readonly link: URL };
  /** A link that logs the browser out at Withings, and then leads to a new consent link: for another account. */
  switchAccount(options: { readonly subscribe: boolean }): URL;
  read(state: string): ConsentRequest | 'forged' | 'expired';
}

/** Which links have linked a person, beyond the life of this process. */
export interface UsedLinks {
  /** The person that this link has linked. */
  userOf(id: string): Promise<UserId | undefined>;
  /** Notes whom the link links. Of two processes one wins; the other gets the person of the first. */
  claim(id: string, userId: UserId): Promise<'claimed' | UserId>;
  /** The person could not be linked after all. */
  release(id: string): Promise<void>;
}
