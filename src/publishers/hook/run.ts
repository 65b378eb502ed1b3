import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Clock } from '../../domain/clock.ts';
import { createOutput } from './output.ts';

/** From the signal that asks to the one that does not. With the time a stop gives (5 s) less than the 8 s of `main`. */
const KILL_AFTER_MS = 2_000;
/** What a program has left running may hold its output open; so long is listened for more after its end. */
const LISTEN_MS = 500;

/** Sends a signal to a process group; a group that is gone is fine. */
export type SignalGroup = (pid: number, signal: 'SIGTERM' | 'SIGKILL') => void;

export interface Run {
  readonly program: string;
  readonly args: readonly string[];
  /** All of its environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly input: string;
  readonly timeLimitMs: number;
  readonly onOutput: (line: string) => void;
  readonly onError: (line: string) => void;
}

/** How a program ended that was started. */
export interface End {
  /** Null where a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
  /** How many lines it printed that were too many. */
  readonly omittedLines: number;
}

/**
 * Runs a program to its end, without a shell, in a process group of its own: what it has started is ended with it when
 * its time is over, or `signal` aborts.
 *
 * @throws the system's error when it cannot be started
 */
export async function runProgram(
  run: Run,
  {
    clock,
    signalGroup,
    signal,
  }: { readonly clock: Clock; readonly signalGroup: SignalGroup; readonly signal: AbortSignal },
): Promise<End> {
  const child = spawn(run.program, run.args, { env: run.environment, detached: true, stdio: 'pipe' });
  const exited = once(child, 'exit');
  const { pid } = child;
  if (pid === undefined) throw await exited.catch((error: unknown) => error);
  // It may end, or close its input, without having read it.
  child.stdin.on('error', () => undefined);
  child.stdin.end(run.input);
  const output = createOutput();
  output.read(child.stdout, run.onOutput);
  output.read(child.stderr, run.onError);
  const closed = once(child, 'close');

  const over = new AbortController();
  let timedOut = false;
  const guard = async () => {
    await clock.sleep(run.timeLimitMs, AbortSignal.any([over.signal, signal]));
    if (over.signal.aborted) return;
    timedOut = !signal.aborted;
    signalGroup(pid, 'SIGTERM');
    await clock.sleep(KILL_AFTER_MS, over.signal);
    // Also when it has ended in time: what it has started may not have.
    signalGroup(pid, 'SIGKILL');
  };
  const guarded = guard();
  const [code, endedBy] = await exited;
  over.abort();
  await guarded;
  await hearOut(child, closed, clock);
  return { code, signal: endedBy, timedOut, omittedLines: output.omitted() };
}

async function hearOut(child: ChildProcess, closed: Promise<unknown>, clock: Clock): Promise<void> {
  const heard = new AbortController();
  await Promise.race([closed, clock.sleep(LISTEN_MS, heard.signal)]);
  heard.abort();
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
  await closed;
}
