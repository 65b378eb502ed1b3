/** How one thing stands. `warning` works today; `broken` does not. */
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

/** What a check has found, and what to do where it is not fine. Carries no secret of its own making. */
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
