import { parseUserId, type UserId } from '../domain/token.ts';
import type { HomeAssistant } from '../home-assistant/open.ts';
import type { OwnFiles } from '../runtime/version.ts';

/** The process, as a command sees it. */
export interface Shell {
  /** The settings: the environment, over `.env` or the options of the app. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The names that `.env` or the options set. */
  readonly written: readonly string[];
  /** The files of the settings. */
  readonly settingsFiles: readonly string[];
  /** The settings in a file like `.env`; none if it does not exist. */
  readonly readDotenv: (path: string) => Readonly<Record<string, string | undefined>>;
  /** Aborts when the program must stop. */
  readonly signal: AbortSignal;
  /** One line of data, on standard output. */
  readonly print: (line: string) => void;
  /** One line for the person, on standard error. */
  readonly say: (line: string) => void;
  /** Standard output, for many lines: a writer waits for the reader. */
  readonly output: NodeJS.WritableStream;
  /** Standard error, if it is a terminal that can redraw a line. */
  readonly terminal: (NodeJS.WritableStream & { readonly columns?: number }) | undefined;
  /** Standard input, if it is a terminal. */
  readonly keyboard: NodeJS.ReadableStream | undefined;
  /** Everything on standard input. */
  readonly readInput: () => Promise<string>;
  /** Standard input line by line, until the signal aborts. */
  readonly readLines: (signal: AbortSignal) => AsyncIterable<string>;
  /** Whether to use colours on standard output. */
  readonly colour: boolean;
  /** Whether standard output goes to journald. */
  readonly isJournalled: boolean;
  /** The variables that systemd sets only for this process. Undefined if systemd did not start it. */
  readonly notifyEnvironment: NotifyEnvironment | undefined;
  /** Home Assistant, if weighbridge is an app there. */
  readonly homeAssistant: HomeAssistant | undefined;
  readonly isRoot: boolean;
  /** `inside` if the command works on the service's set-up. `outside` if there is one that this user may not use. */
  readonly service: 'inside' | 'outside' | undefined;
  /** Sends a signal to all processes of a group. A missing group is fine. */
  readonly signalGroup: (pid: number, signal: 'SIGTERM' | 'SIGKILL') => void;
  /** The version of Node, as in `process.version`. */
  readonly nodeVersion: string;
  readonly files: OwnFiles;
  /** The command of this program: Node, and the script as it was called, maybe by a link that outlives an update. */
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

/** Ends a command that cannot continue. Without a message, the command has printed the reason. */
export class ExitError extends Error {
  override readonly name = 'ExitError';
  readonly code: ExitCode;

  constructor(code: ExitCode, message = '') {
    super(message);
    this.code = code;
  }
}

/** @throws ExitError if the word is not a user id */
export function readUserId(word: string): UserId {
  const userId = parseUserId(word);
  if (userId !== undefined) return userId;
  const message = `"${word}" is not a user id. Expected a user id, e.g. 1234. Run "weighbridge users".`;
  throw new ExitError(ExitCode.usage, message);
}

/** A command: works and returns its exit code. It throws an `ExitError` or a `Trouble`; anything else is a defect. */
export type Run = (shell: Shell) => Promise<ExitCode>;
