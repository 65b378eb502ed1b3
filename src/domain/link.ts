import type { WeighIn } from './reading.ts';
import type { UserId } from './token.ts';

/** The outcome of a person's consent. */
export type LinkOutcome = Linked | AlreadyLinked | LinkFailed;

/** The link linked a person before. Nothing changed. */
export interface AlreadyLinked {
  readonly kind: 'already';
  readonly userId: UserId;
}

export interface Linked {
  readonly kind: 'linked';
  readonly userId: UserId;
  /** Whether this login replaces an earlier one. */
  readonly again: boolean;
  /** The link for another person, if this person was already linked and did not need to link again. */
  readonly switchLink: URL | undefined;
  readonly lastWeighIn: WeighIn | undefined;
  /**
   * Whether Withings sends notifications of new weights; `later` if the person did not want that now, `polling` if
   * Withings cannot send them.
   */
  readonly subscribed: 'yes' | 'no' | 'later' | 'polling';
  /** The further problems, in words. */
  readonly hitches: readonly string[];
  /** A daemon is running, which retries automatically and answers notifications. */
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

/** The browser's redirect from the consent page. */
export interface Redirect {
  readonly code: string | undefined;
  readonly state: string | undefined;
  /** Withings' word for a missing consent. */
  readonly error: string | undefined;
}

/** The content of a state, which is signed with the client secret. */
export interface ConsentRequest {
  /** The id of this link. */
  readonly id: string;
  readonly expiresAt: Date;
  readonly subscribe: boolean;
}

/** Makes consent links, and recognises their states, also those of a process with the same settings. */
export interface Consent {
  /** @param options.demo true for Withings' own demo user instead of an account */
  request(options: { readonly demo: boolean; readonly subscribe: boolean }): ConsentRequest & { readonly link: URL };
  /** A link for another account: it logs the browser out at Withings, and then leads to a new consent link. */
  switchAccount(options: { readonly subscribe: boolean }): URL;
  read(state: string): ConsentRequest | 'forged' | 'expired';
}

/** The links that linked a person. It outlives this process. */
export interface UsedLinks {
  /** The person that this link linked. */
  userOf(id: string): Promise<UserId | undefined>;
  /** Notes the person of a link. Of two processes one wins; the other gets the first one's person. */
  claim(id: string, userId: UserId): Promise<'claimed' | UserId>;
  /** The person could not be linked after all. */
  release(id: string): Promise<void>;
}
