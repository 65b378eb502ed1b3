/**
 * What can be done about a failure. Everything that decides on retrying decides by this, never by a class or a text.
 *
 * - `retry`: it passes by itself; try again with back-off.
 * - `throttled`: asked too often; wait for `waitMs`.
 * - `access`: the access token is refused; rotate once and replay once.
 * - `login`: the person must link again; trying hourly does no harm.
 * - `unlinked`: the person is not linked here any more; stop until they are.
 * - `settings`: the operator must change something; trying hourly does no harm.
 * - `defect`: we asked for something that does not exist; waiting does not repair it.
 */
export type Recovery = 'retry' | 'throttled' | 'access' | 'login' | 'unlinked' | 'settings' | 'defect';

/** A failure that something can be done about: what happened, and what comes next. Never carries a secret. */
export class Trouble extends Error {
  override readonly name = 'Trouble';
  /** Stable, for scripts: `token_refused`, `disk_full`… */
  readonly code: string;
  readonly recovery: Recovery;
  /** What comes next, or what the reader should do, in whole sentences. */
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

/** Whether it passes without anyone doing something. */
export function passes({ recovery }: Trouble): boolean {
  return recovery === 'retry' || recovery === 'throttled';
}

/** What happened, and what to do about it: `cannot reach … (ENOTFOUND). Check the network connection.` */
export function explain({ message, hint }: Pick<Trouble, 'message' | 'hint'>): string {
  if (hint === undefined) return message;
  return `${message}${/[.!?…]$/.test(message) ? '' : '.'} ${hint}`;
}

const STOPPING = new Trouble('weighbridge is stopping', {
  code: 'stopping',
  recovery: 'retry',
  hint: 'weighbridge continues with this after the next start.',
});

/** What to do about a bug. */
export const REPORT = 'Please report it (see docs/troubleshooting.md).';

/** What was thrown, as a trouble. Anything else than one is a programmer's mistake; it says where to look. */
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

/** The stable code of a system or library error, such as `ENOENT`; undefined where there is none. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

/** What helps where nothing more can be opened, neither a file nor a connection, by the code of the error. */
export const TOO_MANY_OPEN: Readonly<Record<string, string>> = {
  EMFILE:
    'weighbridge reached its limit of open files and connections. Raise the limit (LimitNOFILE=1024 in the unit, or "ulimit -n 1024"), and restart weighbridge.',
  ENFILE: 'This computer reached its limit of open files. Restart it, and look for the program that holds them.',
};
