import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import type { Clock } from '../../domain/clock.ts';

/** The time from SIGTERM to SIGKILL. Together with a stop's 5 s it is less than the 8 s of `main`. */
const KILL_AFTER_MS = 2_000;
/** A child process may hold the program's output open. So long is it read after the program's end. */
const LISTEN_MS = 500;
/** A hook prints for a person who reads the log. So many lines are kept per run. */
const MOST_LINES = 100;
const LONGEST_LINE = 500;

/** Sends a signal to a process group; a missing group is fine. */
export type SignalGroup = (pid: number, signal: 'SIGTERM' | 'SIGKILL') => void;

export interface Run {
  readonly program: string;
  readonly args: readonly string[];
  /** The program's whole environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly input: string;
  readonly timeLimitMs: number;
  readonly onOutput: (line: string) => void;
  readonly onError: (line: string) => void;
}

/** How a started program ended. */
export interface End {
  /** Null if a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
  /** The number of its lines beyond the limit. */
  readonly omittedLines: number;
}

/**
 * Runs a program to its end, without a shell, in its own process group. At the time limit, or when `signal` aborts, the
 * whole group is ended.
 *
 * @throws the system's error if it cannot be started
 */
export async function runProgram(
  { program, args, environment, input, timeLimitMs, onOutput, onError }: Run,
  ports: { readonly clock: Clock; readonly signalGroup: SignalGroup; readonly signal: AbortSignal },
): Promise<End> {
  const { clock, signalGroup, signal } = ports;
  const child = spawn(program, args, { env: environment, detached: true, stdio: 'pipe' });
  const exited = once(child, 'exit');
  const { pid } = child;
  if (pid === undefined) throw await exited.catch((error: unknown) => error);
  // The program may end, or close its input, without reading it.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  let lines = 0;
  const keep = (print: (line: string) => void) => (line: string) => {
    lines += 1;
    if (lines <= MOST_LINES) print(line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE)}…` : line);
  };
  readLines(child.stdout, keep(onOutput));
  readLines(child.stderr, keep(onError));
  const closed = once(child, 'close');

  const over = new AbortController();
  let timedOut = false;
  const enforceLimit = async () => {
    await clock.sleep(timeLimitMs, AbortSignal.any([over.signal, signal]));
    if (over.signal.aborted) return;
    timedOut = !signal.aborted;
    signalGroup(pid, 'SIGTERM');
    await clock.sleep(KILL_AFTER_MS, over.signal);
    // This happens even after a program that ended in time: its child processes may not have ended.
    signalGroup(pid, 'SIGKILL');
  };
  const enforced = enforceLimit();
  const [code, endedBy] = await exited;
  over.abort();
  await enforced;
  await hearOut(child, closed, clock);
  return { code, signal: endedBy, timedOut, omittedLines: Math.max(0, lines - MOST_LINES) };
}

/** Reads a stream to its end: a hook must never wait for its reader. Omits empty lines. */
function readLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = '';
  const take = (line: string) => {
    const text = line.trimEnd();
    if (text !== '') onLine(text);
  };
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    // One letter beyond the limit shows that there was more.
    rest = (lines.pop() ?? '').slice(0, LONGEST_LINE + 1);
    for (const line of lines) take(line);
  });
  stream.once('close', () => take(rest));
  stream.on('error', () => undefined);
}

async function hearOut(child: ChildProcess, closed: Promise<unknown>, clock: Clock): Promise<void> {
  const heard = new AbortController();
  await Promise.race([closed, clock.sleep(LISTEN_MS, heard.signal)]);
  heard.abort();
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
  await closed;
}
