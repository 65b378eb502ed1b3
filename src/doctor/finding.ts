import { errorCode, type Trouble } from '../domain/trouble.ts';

/** What a check has found: `warning` works today, `broken` does not. */
export type Mark = 'ok' | 'warning' | 'broken';

/** What a finding is about. Stable, for scripts. */
export type Check =
  | 'settings'
  | 'node'
  | 'flock'
  | 'service'
  | 'clock'
  | 'client'
  | 'tokens'
  | 'data'
  | 'hook'
  | 'mqtt'
  | 'daemon'
  | 'callback'
  | 'dns'
  | 'certificate'
  | 'login'
  | 'subscription';

/** What a check has found, and what to do unless it is fine. Carries no secret of its own making. */
export interface Finding {
  readonly check: Check;
  readonly mark: Mark;
  readonly text: string;
  readonly remedy?: string;
}

export function ok(check: Check, text: string): Finding {
  return { check, mark: 'ok', text };
}

export function warning(check: Check, text: string, remedy: string): Finding {
  return { check, mark: 'warning', text, remedy };
}

export function broken(check: Check, text: string, remedy: string): Finding {
  return { check, mark: 'broken', text, remedy };
}

export function notChecked(check: Check, because: string): Finding {
  return warning(check, `not checked: ${because}`, 'mend that first');
}

/** What a person can do now. The hints of these troubles say what the daemon does. */
const REMEDIES: Readonly<Record<string, string>> = {
  unreachable: 'is there a network, and does DNS work? "curl -I https://wbsapi.withings.net" must answer something',
  bad_answer: 'Withings has a problem, or something on the way answers in its place; run this again later',
  withings_error: 'Withings has a problem; run this again later',
};
const THROTTLED = 'run this again in a minute; if it stays, something else uses the same application';

/** What a failure means for a person who is looking for one. */
export function findingOf(
  check: Check,
  { code, message, hint, recovery }: Pick<Trouble, 'code' | 'message' | 'recovery' | 'hint'>,
  subject = '',
): Finding {
  const text = `${subject}${message}`;
  if (recovery === 'throttled') return warning(check, text, THROTTLED);
  return broken(check, text, REMEDIES[code] ?? hint ?? 'run this again with LOG_LEVEL=debug, and report it');
}

/** How long a check waits for an answer from outside. */
export const TIMEOUT_MS = 10_000;

/** Why there was no answer. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return `no answer in ${TIMEOUT_MS / 1000} s`;
  return errorCode(error) ?? error.message;
}
