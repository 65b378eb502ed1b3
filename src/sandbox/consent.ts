import type { IncomingMessage, ServerResponse } from 'node:http';
import { html } from '../html/html.ts';
import { readForm } from './calls.ts';
import type { Grants } from './grants.ts';
import { type Person, sendJson, sendPage } from './pages.ts';
import type { Client } from './signatures.ts';

export const CONSENT_PATH = '/oauth2_user/authorize2';
const ANSWER = 'answer';
const DENY = 'deny';

/**
 * The consent page. It asks which person agrees. If the link has `as=USERID`, that person agrees at once. Without
 * people to ask, user 1234 does.
 */
export function createConsent(grants: Grants, client: Client, people: readonly Person[] | undefined) {
  /** The reason why the browser is not sent back. */
  const findFault = (query: URLSearchParams): string | undefined => {
    const { response_type, client_id, state, scope, redirect_uri = '' } = Object.fromEntries(query);
    const isComplete = response_type === 'code' && client_id === client.clientId && state && scope;
    // Scopes are separated by commas; a list with spaces is rejected.
    if (!isComplete || scope.includes(' ')) return 'invalid_params: see the developer guide';
    return URL.canParse(redirect_uri) ? undefined : 'redirect_uri_mismatch: the redirect URI is missing or not a URL';
  };

  return async (request: IncomingMessage, url: URL, response: ServerResponse): Promise<void> => {
    const query = url.searchParams;
    const refuse = (message: string) => sendJson(response, 400, { errors: [{ message }] });
    const fault = findFault(query);
    if (fault !== undefined) return refuse(fault);
    const { state = '', scope = '', redirect_uri: redirectUri = '', as } = Object.fromEntries(query);
    const comeBack = (name: string, value: string) => {
      const target = new URL(redirectUri);
      target.searchParams.set(name, value);
      target.searchParams.set('state', state);
      response.writeHead(302, { location: target.href }).end();
    };
    const agree = (userId: string) => comeBack('code', grants.authorize({ userId, redirectUri, scope }));
    if (people === undefined) return agree(as ?? '1234');
    // Otherwise a link on any site could consent for a person without the page's question.
    const isCrossSite = request.headers['sec-fetch-site'] === 'cross-site';
    if (as !== undefined && isCrossSite) return sendJson(response, 403, { error: 'not from other sites' });

    const answer = as ?? (await readForm(request)).get(ANSWER) ?? undefined;
    if (answer === undefined) return ask(response, people, scope, redirectUri);
    if (answer === DENY) return comeBack('error', 'access_denied');
    if (people.some(({ userId }) => userId === answer)) return agree(answer);
    return refuse(`invalid_params: there is no user ${answer}`);
  };
}

function ask(response: ServerResponse, people: readonly Person[], scope: string, redirectUri: string): void {
  const buttons = people.map(
    ({ userId, name }) => html`<p><button name="${ANSWER}" value="${userId}">Agree as ${name} (${userId})</button></p>`,
  );
  const deny = html`<p><button name="${ANSWER}" value="${DENY}">Deny</button></p>`;
  const what = html`<p>An application asks for <b>${scope}</b>. Afterwards the browser goes to ${redirectUri}.</p>`;
  sendPage(response, 'Whose measurements?', html`${what}<form method="post">${buttons}${deny}</form>`);
}
