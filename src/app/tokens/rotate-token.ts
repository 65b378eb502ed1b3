import { type Clock, isPlausible } from '../../domain/clock.ts';
import { retry, SAME_CALL_MS } from '../../domain/retry.ts';
import type {
  AccessStore,
  AccessToken,
  RefreshToken,
  TokenIssuer,
  TokenLock,
  TokenReservation,
  TokenSet,
  TokenStore,
  UserId,
} from '../../domain/token.ts';
import { Trouble } from '../../domain/trouble.ts';

/** A token that expires this soon may expire during a call. */
export const MARGIN_MS = 120_000;
/** A token issued further in the future was stored while the clock was wrong, so its expiry is wrong too. */
const CLOCK_SLACK_MS = 60_000;
/**
 * A rotation by another process takes as long as Withings does: minutes were observed. A person cannot repeat a consent
 * at once, so waiting for the lock is better than giving up. The lock itself waits a minute.
 */
const LOCK_RETRIES = { most: 3, backoff: { firstMs: 0, longestMs: 0 } };

export interface TokenPorts {
  readonly tokens: TokenStore;
  readonly accesses: AccessStore;
  readonly issuer: TokenIssuer;
  readonly clock: Clock;
}

/** A stored login, and an access token that came with it. */
export type Login = TokenSet & { readonly userId: UserId };

/** A login to use now, and whether it was rotated for that. */
export type Obtained = Login & { readonly rotated: boolean };

/**
 * A login whose access token is valid for a call now. It shares the token of another process on this machine. Otherwise
 * it rotates, and only once, however many processes need a token.
 *
 * @param options.refused an access token that Withings refused
 * @throws Trouble `not_linked`, `foreign_login`, and those of the store and of Withings
 */
export async function obtainLogin(
  ports: TokenPorts,
  userId: UserId,
  options: { readonly urgent: boolean; readonly refused?: AccessToken | undefined },
): Promise<Obtained> {
  const { tokens } = ports;
  const stored = await tokens.load(userId);
  if (stored === undefined) throw notLinked(userId);
  const shared = await findShared(ports, userId, stored, options.refused);
  if (shared !== undefined) return { ...shared, rotated: false };
  await using lock = await tokens.lock(userId);
  const current = await tokens.load(userId);
  if (current === undefined) throw notLinked(userId);
  const meanwhile = await findShared(ports, userId, current, options.refused);
  if (meanwhile !== undefined) return { ...meanwhile, rotated: false };
  return { ...(await rotate(ports, { userId, current, lock }, options)), rotated: true };
}

/**
 * The token rule. Withings accepts the previous refresh token for 8 hours, or until the new access token is first used.
 * So: reserve space → refresh → save durably → and only then use the new access token. Killed between any two of these
 * steps, the file holds a token that Withings accepts.
 */
async function rotate(
  { tokens, accesses, issuer, clock }: TokenPorts,
  { userId, current, lock }: { readonly userId: UserId; readonly current: RefreshToken; readonly lock: TokenLock },
  { urgent }: { readonly urgent: boolean },
): Promise<Login> {
  await using slot = await lock.reserve(current);
  if (slot.triedMsAgo !== undefined) await clock.sleep(SAME_CALL_MS - slot.triedMsAgo);
  // No abort beyond this point: Withings' answer is now the login.
  const next = await issuer.refresh(current, { urgent, sending: () => slot.sending() }).catch(async (error) => {
    const stored = await tokens.load(userId).catch(() => undefined);
    if (isRefused(error) && stored !== undefined && stored !== current) throw loginChanged(userId);
    return await refreshSpare(issuer, slot, urgent, error);
  });
  await slot.save(next.refreshToken);
  if (next.userId !== undefined && next.userId !== userId) throw foreignLogin(userId, next.userId);
  const login = { ...next, userId };
  await share({ accesses, clock }, login);
  return login;
}

/** A token that came too late for the token file may be the one that Withings still accepts. */
async function refreshSpare(
  issuer: TokenIssuer,
  { spare, dropSpare }: TokenReservation,
  urgent: boolean,
  refusal: unknown,
): Promise<TokenSet> {
  if (spare === undefined || !isRefused(refusal)) throw refusal;
  try {
    return await issuer.refresh(spare, { urgent });
  } catch (error) {
    if (!isRefused(error)) throw error;
    await dropSpare();
    throw refusal;
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof Trouble && error.recovery === 'login';
}

/** Stores a login that the person has just consented to, instead of any before it. */
export async function storeLogin(ports: Omit<TokenPorts, 'issuer'>, login: Login): Promise<void> {
  const { tokens, clock } = ports;
  await using lock = await retry(() => tokens.lock(login.userId), { clock, ...LOCK_RETRIES });
  await using slot = await lock.reserve(undefined);
  await slot.save(login.refreshToken);
  await share(ports, login);
}

/** If this fails, the other processes rotate for themselves. */
async function share({ accesses, clock }: Pick<TokenPorts, 'accesses' | 'clock'>, login: Login): Promise<void> {
  const { userId, refreshToken, accessToken, expiresInMs, scope } = login;
  const now = clock.now();
  if (!isPlausible(now)) return;
  const shared = { accessToken, issuedAt: now, expiresAt: new Date(now.getTime() + expiresInMs), scope };
  await accesses.save(userId, refreshToken, shared).catch(() => undefined);
}

async function findShared(
  { accesses, clock }: Pick<TokenPorts, 'accesses' | 'clock'>,
  userId: UserId,
  refreshToken: RefreshToken,
  refused: AccessToken | undefined,
): Promise<Login | undefined> {
  const shared = await accesses.load(userId, refreshToken);
  if (shared === undefined || shared.accessToken === refused) return undefined;
  const { accessToken, issuedAt, expiresAt, scope } = shared;
  const nowMs = clock.now().getTime();
  const expiresInMs = expiresAt.getTime() - nowMs;
  if (issuedAt.getTime() > nowMs + CLOCK_SLACK_MS || !(expiresInMs > MARGIN_MS)) return undefined;
  return { userId, refreshToken, accessToken, expiresInMs, scope };
}

function notLinked(userId: UserId): Trouble {
  return new Trouble(`user ${userId} is not linked`, {
    code: 'not_linked',
    recovery: 'unlinked',
    hint: 'Run "weighbridge login".',
  });
}

/** The refusal is not about the token that is now in the file. */
function loginChanged(userId: UserId): Trouble {
  return new Trouble(`the login of user ${userId} changed during a rotation`, {
    code: 'login_changed',
    recovery: 'retry',
    hint: 'weighbridge uses the new login.',
    waitMs: 0,
  });
}

function foreignLogin(userId: UserId, owner: UserId): Trouble {
  return new Trouble(`the login in the token file ${userId} belongs to user ${owner}`, {
    code: 'foreign_login',
    recovery: 'login',
    hint: `Rename the file to ${owner}.`,
  });
}
