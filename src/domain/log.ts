/** One line of the log. `event` and the fields are for machines, `text` is for people. */
export interface LogEntry {
  readonly event: string;
  readonly text: string;
  readonly [field: string]: unknown;
}

/** Where everything that happens is told, one line each. Implementations never throw and never print a secret. */
export interface Log {
  debug(entry: LogEntry): void;
  info(entry: LogEntry): void;
  warn(entry: LogEntry): void;
  error(entry: LogEntry): void;
}
