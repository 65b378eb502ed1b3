import type { Clock } from '../domain/clock.ts';
import type { TokenIssuer, TokenSet, TokenStore, UserId } from '../domain/token.ts';
import { Trouble } from '../domain/trouble.ts';
import { SAME_CALL_MS } from './pace.ts';

/**
 * The token rule. Withings keeps the previous refresh token alive for 8 hours, or until the new access token is
 * first used. So: make room → refresh → save durably → and only then let anybody use the new access token.
 * Killed between any two of these steps, the file holds a token that Withings accepts.
 *
 * @throws Trouble `not_linked`, `foreign_login`, and whatever the store or Withings has to say
 */
export async function rotateToken(
  ports: { readonly tokens: TokenStore; readonly issuer: TokenIssuer; readonly clock: Clock },
  userId: UserId,
  options: { readonly urgent: boolean },
): Promise<TokenSet> {
  const { tokens, issuer, clock } = ports;
  await using _lock = await tokens.lock(userId);
  const current = await tokens.load(userId);
  if (current === undefined) throw notLinked(userId);
  await using slot = await tokens.reserve(userId, current);
  if (slot.triedMsAgo !== undefined) await clock.sleep(SAME_CALL_MS - slot.triedMsAgo);
  // No abort beyond this point: what Withings answers now is the login.
  const next = await issuer.refresh(current, { ...options, sending: () => slot.sending() });
  await slot.save(next.refreshToken);
  if (next.userId !== undefined && next.userId !== userId) throw foreignLogin(userId, next.userId);
  return next;
}

function notLinked(userId: UserId): Trouble {
  return new Trouble(`user ${userId} has no refresh token`, {
    code: 'not_linked',
    recovery: 'unlinked',
    hint: `put a refresh token into the file ${userId} of the tokens directory`,
  });
}

function foreignLogin(userId: UserId, owner: UserId): Trouble {
  return new Trouble(`the login in the token file ${userId} belongs to user ${owner}`, {
    code: 'foreign_login',
    recovery: 'login',
    hint: `rename the file to ${owner}`,
  });
}
