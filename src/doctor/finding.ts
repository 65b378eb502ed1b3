import { errorCode, type Trouble } from '../domain/trouble.ts';

/** The result of a check: `warning` works today, `broken` does not. */
export type Mark = 'ok' | 'warning' | 'broken';

/** The subject of a finding. Stable, for scripts. */
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

/** The result of a check, and the remedy unless it is fine. A check adds no secret to it. */
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
  return warning(check, `skipped: ${because}`, 'Fix the problem above first.');
}

/** The person's remedies. The hints of these troubles describe what the daemon does. */
const REMEDIES: Readonly<Record<string, string>> = {
  unreachable: 'Check the network connection and DNS: "curl -I https://wbsapi.withings.net" must print an answer.',
  bad_answer: 'Withings has a problem, or a proxy answered instead. Run doctor again later.',
  withings_error: 'Withings has a problem. Run doctor again later.',
};
const THROTTLED = 'Run doctor again in a minute. If this stays, another program uses the same application.';

/** The finding of a failure, for a person who looks for the cause. */
export function findingOf(
  check: Check,
  { code, message, hint, recovery }: Pick<Trouble, 'code' | 'message' | 'recovery' | 'hint'>,
  subject = '',
): Finding {
  const text = `${subject}${message}`;
  if (recovery === 'throttled') return warning(check, text, THROTTLED);
  return broken(check, text, REMEDIES[code] ?? hint ?? 'Run doctor again with LOG_LEVEL=debug, and report the output.');
}

/** How long a check waits for an answer from outside. */
export const TIMEOUT_MS = 10_000;

/** The code of the reason why there was no answer. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return `no answer in ${TIMEOUT_MS / 1000} s`;
  return errorCode(error) ?? error.message;
}
