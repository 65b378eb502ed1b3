import type { Log } from '../../domain/log.ts';
import type { AccessToken, Account, RefreshToken, UserId } from '../../domain/token.ts';
import { Trouble } from '../../domain/trouble.ts';
import { type Login, MARGIN_MS, obtainLogin, storeLogin, type TokenPorts } from './rotate-token.ts';

/** Access tokens, from memory first, then from the file that processes share, then from Withings. */
export interface AccessTokens {
  /** A token that is valid for a call now. Rotates when there is none, and once for several simultaneous requests. */
  get(userId: UserId, options: { readonly urgent: boolean }): Promise<AccessToken>;
  /** Withings refuses this token, or may refuse the current one. */
  forget(userId: UserId, refused?: AccessToken): void;
  /** A call with this token succeeded. */
  accept(userId: UserId, token: AccessToken): void;
  /** Whether this token is fresh from a rotation and no call with it succeeded: another would not be better. */
  isFresh(userId: UserId, token: AccessToken): boolean;
  /** Withings refuses every token of the stored login. It is not rotated again within an hour. */
  refuse(userId: UserId): void;
  /** Whether the stored login differs from the one that Withings refused last: the person linked again. */
  hasOtherLogin(userId: UserId): Promise<boolean>;
  /** The scope of the current login, as Withings listed it. Undefined before the first call. */
  scopeOf(userId: UserId): string | undefined;
  /** Stores a login that the person has just consented to, instead of any before it. */
  adopt(login: Login): Promise<void>;
}

/** The collector's wait after a trouble that waiting does not repair. */
const REFUSED_MS = 3_600_000;

export function createAccessTokens(ports: TokenPorts & { readonly log: Log }): AccessTokens {
  const { tokens, clock, log } = ports;
  const held = new Map<UserId, { readonly token: AccessToken; readonly goodUntilMs: number }>();
  const obtaining = new Map<UserId, Promise<AccessToken>>();
  const refusedLogins = new Map<UserId, Promise<RefreshToken | undefined>>();
  const refusedAccesses = new Map<UserId, AccessToken>();
  const fresh = new Map<UserId, AccessToken>();
  const scopes = new Map<UserId, string>();
  /** When each login was refused although its access token was fresh. */
  const uselessSinceMs = new Map<UserId, number>();

  const hold = (userId: UserId, { accessToken, expiresInMs, scope }: Login, startedMs: number) => {
    if (scope !== undefined) scopes.set(userId, scope);
    held.set(userId, { token: accessToken, goodUntilMs: startedMs + expiresInMs - MARGIN_MS });
    refusedLogins.delete(userId);
    refusedAccesses.delete(userId);
    uselessSinceMs.delete(userId);
  };

  /** Prevents a rotation that would be in vain. The hourly attempt and another login are worth one. */
  const checkUse = async (userId: UserId) => {
    const sinceMs = uselessSinceMs.get(userId) ?? Number.NEGATIVE_INFINITY;
    const isTooSoon = clock.elapsedMs() - sinceMs < REFUSED_MS;
    if (isTooSoon && !(await hasOtherLogin(userId))) throw accessRefused(userId);
  };

  const obtain = async (userId: UserId, urgent: boolean) => {
    await checkUse(userId);
    const startedMs = clock.elapsedMs();
    try {
      const login = await obtainLogin(ports, userId, { urgent, refused: refusedAccesses.get(userId) });
      hold(userId, login, startedMs);
      if (login.rotated) fresh.set(userId, login.accessToken);
      const how = login.rotated ? 'rotated' : 'shared';
      log.debug({ event: 'refresh', text: `${how} the login of user ${userId}`, userid: userId });
      return login.accessToken;
    } catch (error) {
      if (error instanceof Trouble && error.recovery === 'login') refuseLogin(userId);
      throw error;
    }
  };

  const refuseLogin = (userId: UserId) => void refusedLogins.set(userId, readable(userId));
  const readable = (userId: UserId) => tokens.load(userId).catch(() => undefined);
  const hasOtherLogin = async (userId: UserId) => {
    const stored = await readable(userId);
    return stored !== undefined && stored !== (await refusedLogins.get(userId));
  };

  return {
    async get(userId, { urgent }) {
      const current = held.get(userId);
      if (current !== undefined && clock.elapsedMs() < current.goodUntilMs) return current.token;
      const running = obtaining.get(userId) ?? obtain(userId, urgent).finally(() => obtaining.delete(userId));
      obtaining.set(userId, running);
      return await running;
    },
    forget(userId, token) {
      const current = held.get(userId)?.token;
      const refused = token ?? current;
      if (refused === undefined) return;
      refusedAccesses.set(userId, refused);
      if (refused === current) held.delete(userId);
    },
    accept(userId, token) {
      if (fresh.get(userId) === token) fresh.delete(userId);
    },
    isFresh: (userId, token) => fresh.get(userId) === token,
    refuse(userId) {
      uselessSinceMs.set(userId, clock.elapsedMs());
      refuseLogin(userId);
    },
    hasOtherLogin,
    scopeOf: (userId) => scopes.get(userId),
    async adopt(login) {
      const startedMs = clock.elapsedMs();
      await storeLogin(ports, login);
      hold(login.userId, login, startedMs);
    },
  };
}

/** Makes a call on a user's behalf. */
export type WithAccess = <T>(
  userId: UserId,
  options: { readonly urgent: boolean },
  call: (account: Account) => Promise<T>,
) => Promise<T>;

/**
 * Refreshes once and replays once: Withings may refuse an access token that should be valid. If it refuses a freshly
 * rotated token, the login is the problem, and another rotation does not help.
 */
export function createWithAccess(accessTokens: AccessTokens): WithAccess {
  return async (userId, { urgent }, call) => {
    for (let isReplay = false; ; isReplay = true) {
      const accessToken = await accessTokens.get(userId, { urgent });
      try {
        const answer = await call({ userId, accessToken, urgent });
        accessTokens.accept(userId, accessToken);
        return answer;
      } catch (error) {
        if (!(error instanceof Trouble && error.recovery === 'access')) throw error;
        accessTokens.forget(userId, accessToken);
      }
      if (!isReplay && !accessTokens.isFresh(userId, accessToken)) continue;
      accessTokens.refuse(userId);
      throw accessRefused(userId);
    }
  };
}

function accessRefused(userId: UserId): Trouble {
  return new Trouble(`Withings rejects the new access token of user ${userId}`, {
    code: 'access_refused',
    recovery: 'login',
    hint: 'Run "weighbridge login". If that does not help, compare WITHINGS_CLIENT_SECRET and SCOPES with the Withings dashboard.',
  });
}
