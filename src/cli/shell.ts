/** What a command sees of the process that runs it. */
export interface Shell {
  /** The settings: `.env` under the environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The names that `.env` sets. */
  readonly written: readonly string[];
  /** Aborts when the program is asked to stop. */
  readonly signal: AbortSignal;
  /** One line of data, on standard output. */
  readonly print: (line: string) => void;
  /** One line for the person, on standard error. */
  readonly say: (line: string) => void;
  /** Standard output, for more than a few lines: whoever writes there waits for the reader. */
  readonly output: NodeJS.WritableStream;
  /** Standard error, where it is a terminal that can draw a line over and over. */
  readonly terminal: NodeJS.WritableStream | undefined;
  /** Everything on standard input. */
  readonly readInput: () => Promise<string>;
  /** Standard input line by line, as it is typed. */
  readonly readLines: () => AsyncIterable<string>;
  /** Whether standard output understands colours and wants them. */
  readonly colour: boolean;
  /** Sends a signal to all processes of a group; one that is gone is fine. */
  readonly signalGroup: (pid: number, signal: 'SIGTERM' | 'SIGKILL') => void;
  /** Of Node, as `process.version` has it. */
  readonly nodeVersion: string;
}

export const ExitCode = {
  done: 0,
  failed: 1,
  usage: 2,
  /** EX_CONFIG of sysexits.h: systemd is told not to restart after it. */
  configuration: 78,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** A command: does its work and says how it went. What it throws is a `Trouble`, or a defect. */
export type Run = (shell: Shell) => Promise<ExitCode>;
