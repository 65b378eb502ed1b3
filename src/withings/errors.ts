import { SAME_CALL_MS } from '../domain/retry.ts';
import { REPORT, type Recovery, TOO_MANY_OPEN, Trouble } from '../domain/trouble.ts';

/** The envelope of Withings' failure. */
export interface Refusal {
  readonly status: number;
  /** The text without secrets, because it is shown and stored. */
  readonly error: string;
  readonly waitSeconds: number | undefined;
  /** The grant of a call to the token endpoint. */
  readonly grant?: string | undefined;
}

/** The OAuth grant that exchanges a code for a login, and the one that renews a login. */
export const CODE_GRANT = 'authorization_code';
export const REFRESH_GRANT = 'refresh_token';

export type Endpoint = '/v2/oauth2' | '/v2/signature' | '/v2/user' | '/measure' | '/notify';

interface Meaning {
  readonly code: string;
  readonly recovery: Recovery;
  /** The meaning in words, unless Withings' own suffice. */
  readonly means?: string;
  readonly hint?: string;
  readonly waitMs?: number;
}

interface Row extends Meaning {
  /** A missing field matches any endpoint, grant, status or text. */
  readonly on?: Endpoint;
  readonly grant?: string;
  readonly status?: ReadonlySet<number>;
  readonly text?: RegExp;
}

/** The families of numbers that Withings publishes. */
const AUTHENTICATION = numbers('100-102, 200, 401');
const INVALID_PARAMETERS = numbers(
  `201-213, 216-218, 220-221, 223, 225, 227-230, 234-236, 238, 240-252, 254, 260-267, 271-272, 275-276, 283-288,
   290, 293-295, 297, 300-304, 321, 323-353, 380-382, 400, 501-511, 523, 532, 2554, 3017-3019`,
);
/** On the token endpoint: Withings does not accept the code or token. */
const LOGIN_REFUSED = new Set([...AUTHENTICATION, ...INVALID_PARAMETERS]);
const THROTTLED = numbers('601');

/** The pause without `wait_seconds`, after which calls were seen to work again. */
const THROTTLE_MS = 60_000;
/** The limits of Withings' pause: Withings would refuse an immediate retry, and an hour is enough. */
const SHORTEST_THROTTLE_MS = SAME_CALL_MS;
const LONGEST_THROTTLE_MS = 3_600_000;

const WRONG_CLIENT: Meaning = {
  code: 'wrong_client',
  recovery: 'settings',
  means: 'the client id or the client secret is wrong',
  hint: 'Compare WITHINGS_CLIENT_ID and WITHINGS_CLIENT_SECRET with the Withings dashboard. The logins are not the cause.',
};
const TOKEN_REFUSED: Meaning = {
  code: 'token_refused',
  recovery: 'login',
  means: 'Withings rejected the login',
  hint: 'The person must link again, on the status page or with "weighbridge login". weighbridge retries every hour.',
};
const CODE_REFUSED: Meaning = {
  code: 'code_refused',
  recovery: 'login',
  hint: 'A code works once, within 30 seconds. Open the consent link again.',
};
const ACCESS_REFUSED: Meaning = { code: 'access_refused', recovery: 'access' };

/**
 * The first matching row counts. Numbers of one family can mean different things on different services: on the token
 * endpoint 503 is not "service unavailable" but bad input. Withings' text shows whether the client is refused. Any
 * other text there means that the grant's code or token is refused.
 */
const MEANINGS: readonly Row[] = [
  { status: THROTTLED, text: /^same arguments/i, code: 'same_arguments', recovery: 'throttled', waitMs: SAME_CALL_MS },
  { status: THROTTLED, code: 'throttled', recovery: 'throttled', waitMs: THROTTLE_MS },
  { on: '/v2/oauth2', status: numbers('342'), ...WRONG_CLIENT },
  { on: '/v2/oauth2', status: INVALID_PARAMETERS, text: /client|signature/i, ...WRONG_CLIENT },
  { on: '/v2/oauth2', status: numbers('2554'), code: 'invalid_params', recovery: 'defect', hint: REPORT },
  { on: '/v2/oauth2', grant: REFRESH_GRANT, status: LOGIN_REFUSED, ...TOKEN_REFUSED },
  {
    on: '/v2/oauth2',
    status: INVALID_PARAMETERS,
    text: /redirect/i,
    code: 'redirect_mismatch',
    recovery: 'settings',
    hint: 'Set CALLBACK_URL (or REDIRECT_URL) to exactly a callback URL of the Withings dashboard.',
  },
  { on: '/v2/oauth2', grant: CODE_GRANT, status: LOGIN_REFUSED, ...CODE_REFUSED },
  { on: '/v2/oauth2', text: /invalid code/i, ...CODE_REFUSED },
  { on: '/v2/oauth2', status: INVALID_PARAMETERS, text: /refresh_token/i, ...TOKEN_REFUSED },
  { on: '/v2/oauth2', status: AUTHENTICATION, ...TOKEN_REFUSED },
  { on: '/v2/oauth2', status: numbers('247, 250, 283, 328'), ...TOKEN_REFUSED },
  { on: '/v2/signature', status: AUTHENTICATION, ...WRONG_CLIENT },
  { on: '/v2/signature', status: INVALID_PARAMETERS, ...WRONG_CLIENT },
  {
    // Old documentation: the callback URL is missing, invalid or not reachable (293), or does not exist (343).
    on: '/notify',
    status: numbers('293, 343'),
    code: 'callback_unreachable',
    recovery: 'retry',
    hint: 'Withings could not reach CALLBACK_URL: a HEAD request must return 200. Run "weighbridge doctor". weighbridge polls until it works, and retries automatically.',
  },
  {
    // Old documentation: there is no such subscription (286), or nothing to delete (294).
    on: '/notify',
    status: numbers('286, 294'),
    code: 'no_subscription',
    recovery: 'defect',
    hint: 'No subscription to remove.',
  },
  { status: AUTHENTICATION, ...ACCESS_REFUSED },
  { status: INVALID_PARAMETERS, text: /invalid_token|invalid token/i, ...ACCESS_REFUSED },
  {
    status: numbers('214, 277, 2553, 2555'),
    code: 'not_allowed',
    recovery: 'settings',
    hint: 'Link again, and allow everything. Check the application in the Withings dashboard.',
  },
  { status: INVALID_PARAMETERS, code: 'invalid_params', recovery: 'defect', hint: REPORT },
];

const PASSING_FAULT: Meaning = {
  code: 'withings_error',
  recovery: 'retry',
  hint: 'weighbridge retries automatically.',
};

/** The meaning of a non-zero status, and the fix. Unknown numbers count as a passing fault. */
export function classify(endpoint: Endpoint, { status, error, waitSeconds, grant }: Refusal): Trouble {
  const fits = ({ on = endpoint, grant: of = grant, status: statuses, text }: Row) =>
    on === endpoint && of === grant && statuses?.has(status) !== false && text?.test(error) !== false;
  const { code, recovery, means, hint, waitMs } = MEANINGS.find(fits) ?? PASSING_FAULT;
  const words = error === '' ? '' : ` "${error}"`;
  const answer = `${status}${words} on ${endpoint}`;
  const said = means === undefined ? `Withings answered ${answer}` : `${means} (${answer})`;
  if (waitMs === undefined) return new Trouble(said, { code, recovery, hint });
  const saidMs = waitSeconds === undefined ? waitMs : waitSeconds * 1000;
  const askedMs = Math.min(Math.max(saidMs, SHORTEST_THROTTLE_MS), LONGEST_THROTTLE_MS);
  return new Trouble(said, { code, recovery, waitMs: askedMs, hint: `Waiting ${Math.ceil(askedMs / 1000)} s.` });
}

/** The front end answered instead of the API: an HTTP error, HTML, half an answer. */
export function badAnswer(endpoint: Endpoint, what: string): Trouble {
  const hint = 'weighbridge retries automatically.';
  return new Trouble(`Withings answered ${what} on ${endpoint}`, { code: 'bad_answer', recovery: 'retry', hint });
}

/** Withings did not answer at all. */
export function unreachable(host: string, code: string): Trouble {
  return new Trouble(`cannot reach ${host} (${code})`, { code: 'unreachable', recovery: 'retry', hint: hintFor(code) });
}

function hintFor(code: string): string {
  const limit = TOO_MANY_OPEN[code];
  if (limit !== undefined) return limit;
  if (/CERT|SSL|TLS/.test(code)) return 'Check the clock of this computer.';
  if (/ENOTFOUND|EAI_AGAIN/.test(code))
    return 'Check the network connection and DNS. weighbridge retries automatically.';
  return 'Check the network connection. weighbridge retries automatically.';
}

/** `1-3, 7` as a set of numbers. */
function numbers(list: string): ReadonlySet<number> {
  const all = list.split(',').flatMap((item) => {
    const [first = Number.NaN, last = first] = item.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
  return new Set(all);
}
