import { maskTokens } from '../domain/log.ts';
import { Trouble } from '../domain/trouble.ts';

/** What Withings wrote into the envelope of a failure. */
export interface Refusal {
  readonly status: number;
  readonly error: string;
  readonly waitSeconds: number | undefined;
}

export type Endpoint = '/v2/oauth2' | '/v2/signature' | '/measure' | '/notify';

/**
 * Withings publishes families of numbers, no more. Numbers of one family can mean different things on different
 * services, so `classify` looks at the endpoint and the text before it looks here.
 */
const AUTHENTICATION = numbers('100-102, 200, 401');
const INVALID_PARAMETERS = numbers(
  `201-213, 216-218, 220-221, 223, 225, 227-230, 234-236, 238, 240-252, 254, 260-267, 271-272, 275-276, 283-288,
   290, 293-295, 297, 300-304, 321, 323-353, 380-382, 400, 501-511, 523, 532, 2554, 3017-3019`,
);
const NOT_ALLOWED = numbers('214, 277, 2553, 2555');
const LOGIN_GONE = numbers('247, 250, 283, 328');
const THROTTLED = numbers('601');

/** Without `wait_seconds`, the pause after which calls have been seen to work again. */
const THROTTLE_MS = 60_000;
/** The same arguments are refused for 10 s; two more, because the count runs from the arrival. */
const SAME_ARGUMENTS_MS = 12_000;
const LONGEST_THROTTLE_MS = 3_600_000;

/** What a non-zero status means and what helps. Unknown numbers are taken for a passing fault. */
export function classify(endpoint: Endpoint, refusal: Refusal): Trouble {
  const { status, error } = refusal;
  // A careless server repeats what it was sent, and this text is shown and kept.
  const words = error === '' ? '' : ` "${maskTokens(error)}"`;
  const said = `Withings answers ${status}${words} on ${endpoint}`;
  if (THROTTLED.has(status)) return throttled(said, refusal);
  const known = classifyByEndpoint(endpoint, refusal, said);
  if (known !== undefined) return known;
  if (AUTHENTICATION.has(status) || (INVALID_PARAMETERS.has(status) && /invalid_token|invalid token/i.test(error))) {
    return new Trouble(said, { code: 'access_refused', recovery: 'access' });
  }
  if (NOT_ALLOWED.has(status)) {
    const hint =
      'link the account again and grant everything that is asked for; check the application in the partner dashboard';
    return new Trouble(said, { code: 'not_allowed', recovery: 'settings', hint });
  }
  if (INVALID_PARAMETERS.has(status)) {
    return new Trouble(said, { code: 'invalid_params', recovery: 'defect', hint: 'please report it' });
  }
  return new Trouble(said, { code: 'withings_error', recovery: 'retry', hint: 'trying again by itself' });
}

function classifyByEndpoint(endpoint: Endpoint, refusal: Refusal, said: string): Trouble | undefined {
  switch (endpoint) {
    case '/v2/oauth2':
      return classifyTokenRefusal(refusal, said);
    case '/v2/signature':
      return INVALID_PARAMETERS.has(refusal.status) || AUTHENTICATION.has(refusal.status)
        ? wrongClient(said)
        : undefined;
    case '/notify':
      return classifyNotifyRefusal(refusal, said);
    case '/measure':
      return undefined;
  }
}

/** Old documentation: 293 the callback URL is missing, invalid or not reachable, 343 it does not exist. */
const UNREACHABLE_CALLBACK = numbers('293, 343');
/** Old documentation: 286 no such subscription, 294 nothing to delete. */
const NO_SUBSCRIPTION = numbers('286, 294');

function classifyNotifyRefusal({ status }: Refusal, said: string): Trouble | undefined {
  if (UNREACHABLE_CALLBACK.has(status)) {
    const hint =
      'Withings asks the callback URL for its head before it subscribes, and got no 200 from outside; "weighbridge doctor" finds out why; trying again by itself';
    return new Trouble(said, { code: 'callback_unreachable', recovery: 'retry', hint });
  }
  if (NO_SUBSCRIPTION.has(status)) {
    return new Trouble(said, { code: 'no_subscription', recovery: 'defect', hint: 'there is nothing to remove' });
  }
  return undefined;
}

/** Here 503 is not "service unavailable" but bad input, and only the text says which. */
function classifyTokenRefusal({ status, error }: Refusal, said: string): Trouble | undefined {
  if (status === 342 || (INVALID_PARAMETERS.has(status) && /client|signature/i.test(error))) return wrongClient(said);
  if (INVALID_PARAMETERS.has(status) && /redirect/i.test(error)) {
    const hint = 'CALLBACK_URL must be the callback URL in the partner dashboard, letter by letter';
    return new Trouble(said, { code: 'redirect_mismatch', recovery: 'settings', hint });
  }
  if (/invalid code/i.test(error)) {
    const hint = 'a code is valid for 30 seconds and once; open the consent link again';
    return new Trouble(said, { code: 'code_refused', recovery: 'login', hint });
  }
  const isDeadGrant = INVALID_PARAMETERS.has(status) && /refresh_token/i.test(error);
  if (isDeadGrant || AUTHENTICATION.has(status) || LOGIN_GONE.has(status)) {
    const hint = 'needs login: link the account again; the token stays and is tried every hour';
    return new Trouble(`${said}: the refresh token is refused`, { code: 'token_refused', recovery: 'login', hint });
  }
  return undefined;
}

function wrongClient(said: string): Trouble {
  return new Trouble(`${said}: the client id or the client secret is wrong`, {
    code: 'wrong_client',
    recovery: 'settings',
    hint: 'compare WITHINGS_CLIENT_ID and WITHINGS_CLIENT_SECRET with the partner dashboard; the logins are not the cause',
  });
}

function throttled(said: string, { error, waitSeconds }: Refusal): Trouble {
  const usualMs = /^same arguments/i.test(error) ? SAME_ARGUMENTS_MS : THROTTLE_MS;
  const waitMs = Math.min(waitSeconds === undefined ? usualMs : waitSeconds * 1000, LONGEST_THROTTLE_MS);
  const hint = `waiting ${Math.ceil(waitMs / 1000)} s`;
  return new Trouble(said, { code: 'throttled', recovery: 'throttled', waitMs, hint });
}

/** The front end in place of the API: an HTTP error, HTML, half an answer. */
export function badAnswer(endpoint: Endpoint, what: string): Trouble {
  const hint = 'this passes by itself; trying again';
  return new Trouble(`Withings answers ${what} on ${endpoint}`, { code: 'bad_answer', recovery: 'retry', hint });
}

/** No answer at all. */
export function unreachable(host: string, code: string): Trouble {
  return new Trouble(`cannot reach ${host} (${code})`, { code: 'unreachable', recovery: 'retry', hint: hintFor(code) });
}

function hintFor(code: string): string {
  if (/CERT|SSL|TLS/.test(code)) return 'is the clock right? trying again';
  if (/ENOTFOUND|EAI_AGAIN/.test(code)) return 'is there a network, and does DNS work? trying again';
  return 'is there a network? trying again';
}

/** `1-3, 7` as a set of numbers. */
function numbers(list: string): ReadonlySet<number> {
  const all = list.split(',').flatMap((item) => {
    const [first = Number.NaN, last = first] = item.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
  return new Set(all);
}
