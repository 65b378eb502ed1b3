import type { CursorStore } from '../../domain/reading.ts';
import {
  isPolled,
  type LoginState,
  type PersonState,
  type PersonStore,
  type SubscriptionStatus,
} from '../../domain/status.ts';
import type { AccessStore, TokenStore, UserId } from '../../domain/token.ts';
import { asTrouble } from '../../domain/trouble.ts';

/** One person's status from the files, with or without a running daemon. */
export interface StoredStatus {
  readonly person: PersonState;
  readonly login: LoginState;
  /** When everything was last fetched, by the cursor. */
  readonly lastContact: Date | undefined;
}

export interface StoredStatusPorts {
  readonly tokens: Pick<TokenStore, 'load'>;
  readonly accesses: Pick<AccessStore, 'load'>;
  readonly cursors: Pick<CursorStore, 'load'>;
  readonly people: Pick<PersonStore, 'load'>;
  /** When the stored login was written, by any process. */
  readonly loginWritten: (userId: UserId) => Promise<Date | undefined>;
}

/** Reads, but never writes. An unreadable file counts as unknown. */
export async function readStoredStatus(ports: StoredStatusPorts, userId: UserId): Promise<StoredStatus> {
  const person = await ports.people.load(userId);
  const lastContact = await ports.cursors.load(userId).catch(() => undefined);
  return { person, lastContact, login: await readLogin(ports, userId, person) };
}

/**
 * A stored login with an access token came from Withings. Any other was put there by a person and is untried, even if
 * the one before it was refused.
 */
async function readLogin(ports: StoredStatusPorts, userId: UserId, { needsLogin }: PersonState): Promise<LoginState> {
  try {
    const token = await ports.tokens.load(userId);
    const isHandedOut = token !== undefined && (await ports.accesses.load(userId, token)) !== undefined;
    if (needsLogin === undefined) return { state: isHandedOut ? 'works' : 'not_tried' };
    const written = await ports.loginWritten(userId);
    const isReplaced = !isHandedOut && written !== undefined && written > needsLogin.since;
    return isReplaced ? { state: 'not_tried' } : { state: 'needs_login', ...needsLogin };
  } catch (error) {
    const { recovery, message } = asTrouble(error);
    if (recovery !== 'login') return { state: 'unknown', reason: message };
    return { state: 'needs_login', since: needsLogin?.since, reason: message };
  }
}

/** @param options.hasCallback Withings can send notifications at all */
export function describeSubscription(
  person: PersonState,
  { hasCallback, pollMs }: { readonly hasCallback: boolean; readonly pollMs: number },
): SubscriptionStatus {
  const { subscription, leaveUnsubscribed } = person;
  const { applis = [], hitch } = subscription ?? {};
  const nothing = { applis: [], since: undefined, reason: undefined };
  if (!hasCallback) return { ...nothing, state: 'polling', reason: 'no CALLBACK_URL', pollMs };
  if (leaveUnsubscribed) return { ...nothing, state: 'off', reason: 'unsubscribed' };
  if (hitch === undefined) return { ...nothing, state: subscription === undefined ? 'none' : 'works', applis };
  const { since, reason } = hitch;
  if (isPolled(person, hasCallback)) return { state: 'polling', applis, since, reason, pollMs };
  return { state: 'lost', applis, since, reason };
}
