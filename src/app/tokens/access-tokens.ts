import type { Log } from '../../domain/log.ts';
import type { AccessToken, Account, RefreshToken, UserId } from '../../domain/token.ts';
import { Trouble } from '../../domain/trouble.ts';
import { type Login, MARGIN_MS, obtainLogin, storeLogin, type TokenPorts } from './rotate-token.ts';

/** Access tokens: asked of the memory first, then of what the processes share, then of Withings. */
export interface AccessTokens {
  /** A token that is good for a call now; rotates when there is none, and once where several ask at the same time. */
  get(userId: UserId, options: { readonly urgent: boolean }): Promise<AccessToken>;
  /** Withings refuses this token, or may refuse the one that is held. */
  forget(userId: UserId, refused?: AccessToken): void;
  /** Withings refuses every token that comes of the stored login. */
  refuse(userId: UserId): Promise<void>;
  /** Whether the stored login is another one than Withings refused last: the person has linked again. */
  hasOtherLogin(userId: UserId): Promise<boolean>;
  /** Stores a login that the person has just consented to, instead of any before it. */
  adopt(login: Login): Promise<void>;
}

export function createAccessTokens(ports: TokenPorts & { readonly log: Log }): AccessTokens {
  const { tokens, clock, log } = ports;
  const held = new Map<UserId, { readonly token: AccessToken; readonly goodUntilMs: number }>();
  const obtaining = new Map<UserId, Promise<AccessToken>>();
  const refusedLogins = new Map<UserId, RefreshToken | undefined>();
  const refusedAccesses = new Map<UserId, AccessToken>();

  const hold = (userId: UserId, { accessToken, expiresInMs }: Login, startedMs: number) => {
    held.set(userId, { token: accessToken, goodUntilMs: startedMs + expiresInMs - MARGIN_MS });
    refusedLogins.delete(userId);
    refusedAccesses.delete(userId);
  };

  const obtain = async (userId: UserId, urgent: boolean) => {
    const startedMs = clock.elapsedMs();
    try {
      const login = await obtainLogin(ports, userId, { urgent, refused: refusedAccesses.get(userId) });
      hold(userId, login, startedMs);
      const how = login.rotated ? 'rotated' : 'shared';
      log.debug({ event: 'refresh', text: `${how} the login of user ${userId}`, userid: userId });
      return login.accessToken;
    } catch (error) {
      if (error instanceof Trouble && error.recovery === 'login') await refuse(userId);
      throw error;
    }
  };

  const refuse = async (userId: UserId) => void refusedLogins.set(userId, await readable(userId));
  const readable = (userId: UserId) => tokens.load(userId).catch(() => undefined);

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
    refuse,
    async hasOtherLogin(userId) {
      const stored = await readable(userId);
      return stored !== undefined && stored !== refusedLogins.get(userId);
    },
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
 * One refresh, one replay: the access token may be refused although it should be good. A second refusal is about
 * the login, not about the token.
 */
export function createWithAccess(accessTokens: AccessTokens): WithAccess {
  return async (userId, { urgent }, call) => {
    for (let isReplay = false; ; isReplay = true) {
      const accessToken = await accessTokens.get(userId, { urgent });
      try {
        return await call({ userId, accessToken, urgent });
      } catch (error) {
        if (!(error instanceof Trouble && error.recovery === 'access')) throw error;
        accessTokens.forget(userId, accessToken);
      }
      if (!isReplay) continue;
      await accessTokens.refuse(userId);
      throw accessRefused(userId);
    }
  };
}

function accessRefused(userId: UserId): Trouble {
  return new Trouble(`Withings refuses the fresh access token of user ${userId}`, {
    code: 'access_refused',
    recovery: 'login',
    hint: 'link the account again',
  });
}
