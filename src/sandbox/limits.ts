/** The envelope of every answer; HTTP is always 200. */
export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly error?: string;
}

export function done(body: Readonly<Record<string, unknown>>): Answer {
  return { status: 0, body };
}

export function refused(status: number, error: string): Answer {
  return { status, body: {}, error };
}

export const NOT_IMPLEMENTED = refused(2554, 'Not implemented');

/** Bad input, for which a retry is useless: HTTP's 503 means something else. */
export function invalidParams(what: string): Answer {
  return refused(503, `Invalid Params: ${what}`);
}

/** Withings' limits for an application. */
export interface Limits {
  /** The limit for all users together. */
  readonly callsPerMinute: number;
  /** The least time between two equal calls for the same account. */
  readonly sameArgumentsMs: number;
}

export const WITHINGS_LIMITS: Limits = { callsPerMinute: 120, sameArgumentsMs: 10_000 };

const MINUTE_MS = 60_000;

/** Answers 601 to a call that Withings would refuse. Without a `call`, the same arguments may be repeated. */
export function createLimiter(
  limits: Limits,
  now: () => number,
): (account: string, call?: string) => Answer | undefined {
  const calls: { readonly at: number; readonly key: string }[] = [];
  return (account, call) => {
    while (calls[0] !== undefined && calls[0].at <= now() - MINUTE_MS) calls.shift();
    const key = `${account} ${call}`;
    const same = calls.findLast((each) => each.key === key);
    const first = calls.at(-limits.callsPerMinute);
    if (first !== undefined) {
      const waitSeconds = Math.ceil((first.at + MINUTE_MS - now()) / 1000);
      return { ...refused(601, 'Too Many Requests'), body: { wait_seconds: waitSeconds } };
    }
    calls.push({ at: now(), key });
    if (call !== undefined && same !== undefined && now() - same.at < limits.sameArgumentsMs) {
      return refused(601, 'Same arguments in less than 10 seconds');
    }
    return undefined;
  };
}
