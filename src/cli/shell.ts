import type { HomeAssistant } from '../home-assistant/open.ts';
import type { OwnFiles } from '../runtime/version.ts';

/** What a command sees of the process that runs it. */
export interface Shell {
  /** The settings: `.env`, or the options of the app, under the environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The names that `.env` or the options set. */
  readonly written: readonly string[];
  /** The files that settings were read from. */
  readonly settingsFiles: readonly string[];
  /** The settings in a file like `.env`; none where it does not exist. */
  readonly readDotenv: (path: string) => Readonly<Record<string, string | undefined>>;
  /** Aborts when the program is asked to stop. */
  readonly signal: AbortSignal;
  /** One line of data, on standard output. */
  readonly print: (line: string) => void;
  /** One line for the person, on standard error. */
  readonly say: (line: string) => void;
  /** Standard output, for more than a few lines: a writer waits for the reader. */
  readonly output: NodeJS.WritableStream;
  /** Standard error, where it is a terminal that can draw a line over and over. */
  readonly terminal: (NodeJS.WritableStream & { readonly columns?: number }) | undefined;
  /** Standard input, where it is a terminal. */
  readonly keyboard: NodeJS.ReadableStream | undefined;
  /** Everything on standard input. */
  readonly readInput: () => Promise<string>;
  /** Standard input line by line, as it is typed, until the signal aborts. */
  readonly readLines: (signal: AbortSignal) => AsyncIterable<string>;
  /** Whether standard output understands colours and wants them. */
  readonly colour: boolean;
  /** Whether standard output goes to journald. */
  readonly isJournalled: boolean;
  /** What systemd has set for this process alone; undefined where systemd did not start it. */
  readonly notifyEnvironment: NotifyEnvironment | undefined;
  /** Home Assistant, where weighbridge is an app there. */
  readonly homeAssistant: HomeAssistant | undefined;
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
  /** EX_CONFIG of sysexits.h: the unit tells systemd not to restart after it. */
  configuration: 78,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** Ends a command that cannot go on. Without a message the command has said why. */
export class ExitError extends Error {
  override readonly name = 'ExitError';
  readonly code: ExitCode;

  constructor(code: ExitCode, message = '') {
    super(message);
    this.code = code;
  }
}

/** A command: does its work and says how it went. It throws an `ExitError` or a `Trouble`; anything else is a defect. */
export type Run = (shell: Shell) => Promise<ExitCode>;
