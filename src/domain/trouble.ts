/**
 * The possible reaction to a failure. All decisions on retrying use this, never a class or a text.
 *
 * - `retry`: it passes without help; retry with back-off.
 * - `throttled`: too many calls; wait for `waitMs`.
 * - `access`: the access token is refused; rotate once and replay once.
 * - `login`: the person must link again; hourly retries do no harm.
 * - `unlinked`: the person is no longer linked here; stop until they are.
 * - `settings`: the operator must change something; hourly retries do no harm.
 * - `defect`: we requested something that does not exist; waiting does not repair it.
 */
export type Recovery = 'retry' | 'throttled' | 'access' | 'login' | 'unlinked' | 'settings' | 'defect';

/** A failure with a reaction: what happened, and what comes next. It never contains a secret. */
export class Trouble extends Error {
  override readonly name = 'Trouble';
  /** Stable, for scripts: `token_refused`, `disk_full`… */
  readonly code: string;
  readonly recovery: Recovery;
  /** The next step of weighbridge or of the reader, in whole sentences. */
  readonly hint: string | undefined;
  readonly waitMs: number | undefined;

  constructor(
    message: string,
    facts: {
      readonly code: string;
      readonly recovery: Recovery;
      readonly hint?: string | undefined;
      readonly waitMs?: number | undefined;
    },
  ) {
    super(message);
    this.code = facts.code;
    this.recovery = facts.recovery;
    this.hint = facts.hint;
    this.waitMs = facts.waitMs;
  }
}

/** Whether the trouble passes without help. */
export function passes({ recovery }: Trouble): boolean {
  return recovery === 'retry' || recovery === 'throttled';
}

/** What happened, and the fix: `cannot reach … (ENOTFOUND). Check the network connection.` */
export function explain({ message, hint }: Pick<Trouble, 'message' | 'hint'>): string {
  if (hint === undefined) return message;
  return `${message}${/[.!?…]$/.test(message) ? '' : '.'} ${hint}`;
}

/** What happened, and the fix, for a command that ends: the hint omits what only a running weighbridge does. */
export function explainAtEnd({ message, hint }: Pick<Trouble, 'message' | 'hint'>): string {
  const left = hint?.replace(/(^| )weighbridge (polls [^.]* and )?retries[^.]*\./, '').trim();
  return explain({ message, hint: left || undefined });
}

const STOPPING = new Trouble('weighbridge is stopping', {
  code: 'stopping',
  recovery: 'retry',
  hint: 'weighbridge continues with this after the next start.',
});

/** The hint for a bug. */
export const REPORT = 'Please report it (see docs/troubleshooting.md).';

/** The thrown value as a trouble. Any other error is a programmer's mistake, and its text names the location. */
export function asTrouble(error: unknown): Trouble {
  if (error instanceof Trouble) return error;
  if (error instanceof Error && error.name === 'AbortError') return STOPPING;
  const hint = TOO_MANY_OPEN[errorCode(error) ?? ''];
  if (hint !== undefined) return new Trouble(String(error), { code: 'too_many_open', recovery: 'retry', hint });
  const where = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new Trouble(`bug in weighbridge: ${where}`, {
    code: 'defect',
    recovery: 'defect',
    hint: REPORT,
  });
}

/** The stable code of a system or library error, such as `ENOENT`; undefined without one. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

/** The fix if no more files or connections can be opened, by the code of the error. */
export const TOO_MANY_OPEN: Readonly<Record<string, string>> = {
  EMFILE:
    'weighbridge reached its limit of open files and connections. Raise the limit (LimitNOFILE=1024 in the unit, or "ulimit -n 1024"), and restart weighbridge.',
  ENFILE: 'This computer reached its limit of open files. Restart it, and look for the program that holds them.',
};
