import type { Clock } from '../domain/clock.ts';
import type { Log } from '../domain/log.ts';
import type { AccessToken, RefreshToken, TokenIssuer, TokenStore, UserId } from '../domain/token.ts';
import { Trouble } from '../domain/trouble.ts';
import { rotateToken } from './rotate-token.ts';

/** A token that ends this soon is not worth a call that may take as long. */
const MARGIN_MS = 120_000;

/** Access tokens, in memory only: a restart costs one rotation per user, when first needed. */
export interface AccessTokens {
  /** A token that is good for a call now; rotates when there is none. Asked twice at once, it rotates once. */
  get(userId: UserId, options: { readonly urgent: boolean }): Promise<AccessToken>;
  /** Withings refuses this one, or may refuse whichever there is. */
  forget(userId: UserId, refused?: AccessToken): void;
  /** Withings refuses whatever comes of the stored login. */
  refuse(userId: UserId): Promise<void>;
  /** Whether the stored login is another one than Withings refused last: somebody has linked again. */
  hasOtherLogin(userId: UserId): Promise<boolean>;
}

export function createAccessTokens(ports: {
  readonly tokens: TokenStore;
  readonly issuer: TokenIssuer;
  readonly clock: Clock;
  readonly log: Log;
}): AccessTokens {
  const { tokens, clock, log } = ports;
  const held = new Map<UserId, { readonly token: AccessToken; readonly goodUntilMs: number }>();
  const rotating = new Map<UserId, Promise<AccessToken>>();
  const refused = new Map<UserId, RefreshToken | undefined>();

  const rotate = async (userId: UserId, urgent: boolean) => {
    const startedMs = clock.elapsedMs();
    try {
      const next = await rotateToken(ports, userId, { urgent });
      held.set(userId, { token: next.accessToken, goodUntilMs: startedMs + next.expiresInMs - MARGIN_MS });
      refused.delete(userId);
      log.debug({ event: 'refresh', text: `rotated the login of user ${userId}`, userid: userId });
      return next.accessToken;
    } catch (error) {
      if (error instanceof Trouble && error.recovery === 'login') await refuse(userId);
      throw error;
    }
  };

  const refuse = async (userId: UserId) => void refused.set(userId, await readable(userId));
  const readable = (userId: UserId) => tokens.load(userId).catch(() => undefined);

  return {
    async get(userId, { urgent }) {
      const current = held.get(userId);
      if (current !== undefined && clock.elapsedMs() < current.goodUntilMs) return current.token;
      const running = rotating.get(userId) ?? rotate(userId, urgent).finally(() => rotating.delete(userId));
      rotating.set(userId, running);
      return await running;
    },
    forget(userId, token) {
      if (token === undefined || held.get(userId)?.token === token) held.delete(userId);
    },
    refuse,
    async hasOtherLogin(userId) {
      const stored = await readable(userId);
      return stored !== undefined && stored !== refused.get(userId);
    },
  };
}
