import type { Account, UserId } from '../../domain/token.ts';
import { Trouble } from '../../domain/trouble.ts';
import type { AccessTokens } from './access-tokens.ts';

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
    const attempt = async () => {
      const accessToken = await accessTokens.get(userId, { urgent });
      try {
        return await call({ userId, accessToken, urgent });
      } catch (error) {
        if (isRefusal(error)) accessTokens.forget(userId, accessToken);
        throw error;
      }
    };
    try {
      return await attempt();
    } catch (error) {
      if (!isRefusal(error)) throw error;
    }
    try {
      return await attempt();
    } catch (error) {
      if (!isRefusal(error)) throw error;
      await accessTokens.refuse(userId);
      throw accessRefused(userId);
    }
  };
}

function isRefusal(error: unknown): boolean {
  return error instanceof Trouble && error.recovery === 'access';
}

function accessRefused(userId: UserId): Trouble {
  return new Trouble(`Withings refuses the fresh access token of user ${userId}`, {
    code: 'access_refused',
    recovery: 'login',
    hint: 'link the account again',
  });
}
