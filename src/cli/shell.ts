import type { OwnFiles } from '../runtime/version.ts';

/** What a command sees of the process that runs it. */
export interface Shell {
  /** The settings: `.env` under the environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The names that `.env` sets. */
  readonly written: readonly string[];
  /** The settings in a file like `.env`; none where it does not exist. */
  readonly readDotenv: (path: string) => Readonly<Record<string, string | undefined>>;
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
  /** Whether standard output goes to the journal of systemd. */
  readonly isJournalled: boolean;
  /** What systemd has set for the process that it supervises, and for nobody else; undefined where it does not. */
  readonly notifyEnvironment: NotifyEnvironment | undefined;
  readonly isRoot: boolean;
  /** The set-up that a service works on is worked on: `inside`; it is there, and this user may not: `outside`. */
  readonly service: 'inside' | 'outside' | undefined;
  /** Sends a signal to all processes of a group; one that is gone is fine. */
  readonly signalGroup: (pid: number, signal: 'SIGTERM' | 'SIGKILL') => void;
  /** Of Node, as `process.version` has it. */
  readonly nodeVersion: string;
  readonly files: OwnFiles;
  /** What is run to run this program: Node, and the script as it was called, maybe a link that outlives an update. */
  readonly program: { readonly node: string; readonly script: string };
}

export interface NotifyEnvironment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
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
