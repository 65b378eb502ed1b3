import type { Grants, TokenPair } from './grants.ts';
import { type Answer, done, invalidParams, NOT_IMPLEMENTED } from './limits.ts';
import type { Client, Signatures } from './signatures.ts';

/** The token service: exchanges codes and refresh tokens for pairs, and ends a login. */
export function createOAuth(options: {
  readonly grants: Grants;
  readonly client: Client;
  readonly signatures: Signatures;
  /** Ends the user's consent. */
  readonly unlink: (userId: string) => void;
}) {
  const { grants, client, signatures, unlink } = options;

  const requestToken = (form: URLSearchParams): Answer => {
    const { grant_type, code = '', redirect_uri = '', refresh_token = '' } = Object.fromEntries(form);
    // The user id is a string on the code exchange and a number on a refresh: as at Withings.
    if (grant_type === 'authorization_code') {
      const pair = grants.exchange(code, redirect_uri);
      if (pair === 'other redirect_uri') return invalidParams('invalid redirect_uri');
      return pair === undefined ? invalidParams('invalid code') : answerPair(pair, pair.userId);
    }
    if (grant_type === 'refresh_token') {
      const pair = grants.refresh(refresh_token);
      return pair === undefined ? invalidParams('invalid refresh_token') : answerPair(pair, Number(pair.userId));
    }
    return invalidParams('invalid grant_type');
  };

  /** The fault of the secret or the signature. Token calls need only the secret; the other calls must be signed. */
  const findFault = (form: URLSearchParams): string | undefined => {
    const { action, client_id, client_secret } = Object.fromEntries(form);
    const isSigned = form.has('signature');
    const isKnown = client_secret === client.clientSecret || (isSigned && client_secret === undefined);
    if (client_id !== client.clientId || !isKnown) return 'invalid client id/secret';
    if (isSigned ? signatures.accepts(form) : action === 'requesttoken') return undefined;
    return 'invalid signature';
  };

  return (form: URLSearchParams): Answer => {
    const { action, userid } = Object.fromEntries(form);
    if (action !== 'requesttoken' && action !== 'revoke') return NOT_IMPLEMENTED;
    const fault = findFault(form);
    if (fault !== undefined) return invalidParams(fault);
    if (action === 'requesttoken') return requestToken(form);
    if (userid === undefined) return invalidParams('invalid userid');
    unlink(userid);
    return done({});
  };
}

function answerPair({ accessToken, refreshToken, scope }: TokenPair, userid: string | number): Answer {
  const tokens = { access_token: accessToken, refresh_token: refreshToken };
  return done({ userid, ...tokens, expires_in: 10_800, scope, token_type: 'Bearer' });
}
