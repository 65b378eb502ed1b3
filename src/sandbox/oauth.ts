import type { ServerResponse } from 'node:http';
import { type Answer, done, invalidParams, NOT_IMPLEMENTED } from './answer.ts';
import type { Grants, TokenPair } from './grants.ts';

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

/** The consent page, with somebody in front of it who says yes at once. `as` says who; otherwise it is user 1234. */
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
