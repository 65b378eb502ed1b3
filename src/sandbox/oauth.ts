import { createHmac, randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Grants, TokenPair } from './grants.ts';
import { type Answer, done, invalidParams, NOT_IMPLEMENTED } from './limits.ts';

/** The application that the sandbox knows. */
export interface Client {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** The token endpoint: trades codes and refresh tokens for pairs. */
export function requestToken(grants: Grants, client: Client, form: URLSearchParams): Answer {
  const { action, client_id, client_secret, grant_type, code, redirect_uri, refresh_token } = Object.fromEntries(form);
  if (action !== 'requesttoken') return NOT_IMPLEMENTED;
  if (client_id !== client.clientId || client_secret !== client.clientSecret) {
    return invalidParams('invalid client id/secret');
  }
  // The user id is a string on the code exchange and a number on a refresh: so it is at Withings.
  if (grant_type === 'authorization_code') {
    if (!redirect_uri) return invalidParams('invalid redirect_uri');
    const pair = grants.exchange(code ?? '');
    return pair === undefined ? invalidParams('invalid code') : answerPair(pair, pair.userId);
  }
  if (grant_type === 'refresh_token') {
    const pair = grants.refresh(refresh_token ?? '');
    return pair === undefined ? invalidParams('invalid refresh_token') : answerPair(pair, Number(pair.userId));
  }
  return invalidParams('invalid grant_type');
}

function answerPair({ accessToken, refreshToken }: TokenPair, userid: string | number): Answer {
  const scope = 'user.info,user.metrics';
  const tokens = { access_token: accessToken, refresh_token: refreshToken };
  return done({ userid, ...tokens, expires_in: 10_800, scope, token_type: 'Bearer' });
}

/** The signature endpoint: hands out a nonce for a call signed with the client secret. No user is involved. */
export function signature(client: Client, form: URLSearchParams): Answer {
  const { action, client_id, timestamp = '', signature: given = '' } = Object.fromEntries(form);
  if (action !== 'getnonce') return NOT_IMPLEMENTED;
  if (!/^[0-9]+$/.test(timestamp)) return invalidParams('invalid timestamp');
  // The values in the alphabetical order of their names.
  const text = `getnonce,${client.clientId},${timestamp}`;
  const expected = createHmac('sha256', client.clientSecret).update(text).digest('hex');
  if (client_id !== client.clientId || given !== expected) return invalidParams('invalid client id/secret');
  return done({ nonce: randomBytes(20).toString('hex') });
}

/** The consent page, with a person in front of it who agrees at once: the user of `as`, or else user 1234. */
export function consent(grants: Grants, client: Client, query: URLSearchParams, response: ServerResponse): void {
  const { response_type, client_id, state, scope, redirect_uri, as = '1234' } = Object.fromEntries(query);
  const isComplete = response_type === 'code' && client_id === client.clientId && state && redirect_uri;
  // Scopes are separated by commas; a list with spaces is rejected.
  if (!isComplete || !scope || scope.includes(' ')) {
    const errors = [{ message: 'invalid_params: see the developer guide' }];
    response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ errors }));
    return;
  }
  const target = new URL(redirect_uri);
  target.searchParams.set('code', grants.authorize(as));
  target.searchParams.set('state', state);
  response.writeHead(302, { location: target.href }).end();
}
