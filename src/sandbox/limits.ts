import type { Answer } from './answer.ts';
import { refused } from './answer.ts';

/** What Withings lets an application do. */
export interface Limits {
  /** All users together. */
  readonly callsPerMinute: number;
  /** The same call with the same arguments for the same account. */
  readonly sameArgumentsMs: number;
}

export const WITHINGS_LIMITS: Limits = { callsPerMinute: 120, sameArgumentsMs: 10_000 };

const MINUTE_MS = 60_000;

/** Says 601 where Withings would. */
export function createGuard(limits: Limits, now: () => number): (account: string, call: string) => Answer | undefined {
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
    if (same !== undefined && now() - same.at < limits.sameArgumentsMs) {
      return refused(601, 'Same arguments in less than 10 seconds');
    }
    return undefined;
  };
}
