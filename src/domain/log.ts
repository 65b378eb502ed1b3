export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export const LOG_FORMATS = ['text', 'json'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** One line of the log. `event` and the fields are for machines, `text` is for people. */
export interface LogEntry {
  readonly event: string;
  readonly text: string;
  readonly [field: string]: unknown;
}

/** The log, with one line for each event. Implementations never throw and never print a secret. */
export type Log = Readonly<Record<LogLevel, (entry: LogEntry) => void>>;
