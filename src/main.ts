import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { ExitCode, ExitError, type Run, type Shell } from './cli/shell.ts';
import { errorCode, explainAtEnd, REPORT, Trouble } from './domain/trouble.ts';
import type { OwnFiles } from './runtime/version.ts';
import { fileWatch } from './storage/file-watch.ts';
import { goesToJournald, withPriority } from './systemd/journald.ts';

/** The process edge: arguments, `.env`, signals and the exit code. Nothing else touches `process`. */

/** A stop takes 10 s at most. Stuck work is then safe to abandon (a login by the token rule). */
const STOP_DEADLINE_MS = 8_000;

/** At its end, the process does not wait for a file operation that has taken longer than this. */
const HANGS_MS = 10_000;

const files: OwnFiles = {
  manifest: new URL('../../package.json', import.meta.url),
  page: new URL('./page/static/', import.meta.url),
  hooks: new URL('../../deploy/hooks/', import.meta.url),
};

let codeWhenStuck: ExitCode = ExitCode.failed;
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) end(ExitCode.failed);
    stop.abort();
    setTimeout(giveUp, STOP_DEADLINE_MS).unref();
  });
}
// Without a listener Node opens its inspector at this signal. Every user of the computer could then read its memory.
process.on('SIGUSR1', () => undefined);
// A reader that has left (`| head`) must not cost a weigh-in.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

function giveUp(): void {
  if (codeWhenStuck !== ExitCode.done) say('error: stopped before the command was done');
  end(codeWhenStuck);
}

/** Ends at once, even during work. */
function end(code: ExitCode): void {
  // exit() waits for Node's threads, and a hanging file operation or name server occupies one.
  if (process.getActiveResourcesInfo().some((name) => /^(FSReq|CloseReq|GetAddrInfo)/.test(name))) {
    const wait = fileWatch.longest();
    if (wait !== undefined) say(`error: stopped while the file system did not answer (${wait.doing})`);
    process.removeAllListeners('SIGTERM');
    process.kill(process.pid, 'SIGTERM');
  }
  process.exit(code);
}

const isErrorJournalled = goesToJournald(process.env, process.stderr.fd);

function say(line: string): void {
  process.stderr.write(`${isErrorJournalled ? withPriority(line) : line}\n`);
}

/** The process as commands see it. It loads what only they need, so that `--help` need not wait. */
async function openShell(): Promise<Shell> {
  const notifyEnvironment = takeNotifyEnvironment();
  const { mergeSources, readCredentials, readDotenv } = await import('./config/sources.ts');
  const credentials = readCredentials(process.env['CREDENTIALS_DIRECTORY'], say);
  const homeAssistant = await findHomeAssistant();
  const written = [...credentials, homeAssistant?.options ?? readDotenv('.env', say)];
  return {
    env: mergeSources({ ...process.env, PATH: searchPath() }, ...written, homeAssistant?.broker ?? {}),
    written: written.flatMap((source) => Object.keys(source)),
    settingsFiles: settingsFiles(credentials.length > 0),
    readDotenv: (path) => readDotenv(path, say),
    signal: stop.signal,
    print: (line) => void process.stdout.write(`${line}\n`),
    say,
    output: process.stdout,
    terminal: process.stderr.isTTY && process.env['TERM'] !== 'dumb' ? process.stderr : undefined,
    keyboard: process.stdin.isTTY ? process.stdin : undefined,
    readInput,
    readLines,
    colour: process.stdout.isTTY && process.stdout.hasColors() && !process.env['NO_COLOR'],
    isJournalled: goesToJournald(process.env, process.stdout.fd),
    notifyEnvironment,
    homeAssistant,
    isRoot: process.geteuid?.() === 0,
    service: undefined,
    signalGroup,
    nodeVersion: process.version,
    files,
    program: { node: process.execPath, script: process.argv[1] ?? '' },
  };
}

/** The image of the app names the file of its options. */
async function findHomeAssistant(): Promise<Shell['homeAssistant']> {
  if (!process.env['SUPERVISOR_OPTIONS']) return undefined;
  const { openHomeAssistant } = await import('./home-assistant/open.ts');
  const { realClock } = await import('./runtime/real-clock.ts');
  return await openHomeAssistant(process.env, { say, clock: realClock, signal: stop.signal });
}

/** Finds our hooks by name, wherever weighbridge is installed. */
function searchPath(): string {
  return [process.env['PATH'], fileURLToPath(files.hooks)].filter(Boolean).join(':');
}

/** The files with the settings, for a person who looks for a mistake in them. */
function settingsFiles(hasCredentials: boolean): readonly string[] {
  return [...(hasCredentials ? ['credentials of systemd'] : []), ...(existsSync('.env') ? [resolve('.env')] : [])];
}

/** Takes systemd's variables out of the environment: they are for this process, not for the programs that it starts. */
function takeNotifyEnvironment(): Shell['notifyEnvironment'] {
  const names = ['NOTIFY_SOCKET', 'WATCHDOG_PID', 'WATCHDOG_USEC', 'LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'];
  const variables = Object.fromEntries(names.map((name) => [name, process.env[name]]));
  for (const name of names) delete process.env[name];
  return variables['NOTIFY_SOCKET'] ? { variables, pid: process.pid } : undefined;
}

function signalGroup(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // The process has already ended.
  }
}

async function readInput(): Promise<string> {
  const { text } = await import('node:stream/consumers');
  return await text(addAbortSignal(stop.signal, process.stdin));
}

async function* readLines(signal: AbortSignal): AsyncGenerator<string> {
  const { createInterface } = await import('node:readline');
  const lines = createInterface({ input: process.stdin });
  const close = () => lines.close();
  signal.addEventListener('abort', close);
  try {
    if (!signal.aborted) yield* lines;
  } finally {
    signal.removeEventListener('abort', close);
    close();
    // Later piped input is not read. A terminal can be read a second time.
    if (!process.stdin.isTTY) process.stdin.destroy();
  }
}

/** For commands that work on a daemon's files while it runs. */
async function runBeside(command: Run): Promise<void> {
  await run(async (shell) => {
    const { runAsDaemonUser } = await import('./cli/as-daemon-user.ts');
    return await runAsDaemonUser(shell, command, {
      environment: process.env,
      nodeArguments: [...process.execArgv, ...process.argv.slice(1)],
      chdir: (path) => process.chdir(path),
      onTerminate: (listener) => void process.on('SIGTERM', listener),
    });
  });
}

/** @param whenStuck the exit code if a stop is stuck in the current step */
async function run(command: Run, whenStuck: ExitCode = ExitCode.failed): Promise<void> {
  codeWhenStuck = whenStuck;
  try {
    process.exitCode = await command(await openShell());
  } catch (error) {
    process.exitCode = error instanceof ExitError ? error.code : ExitCode.failed;
    if (!(error instanceof ExitError && error.message === '')) say(describe(error));
  }
  // Otherwise the program waits for the operation.
  if ((fileWatch.longest()?.ms ?? 0) > HANGS_MS)
    end(process.exitCode === ExitCode.done ? ExitCode.done : ExitCode.failed);
}

function describe(error: unknown): string {
  if (error instanceof Trouble) return `error: ${explainAtEnd(error)}`;
  if (error instanceof Error && errorCode(error) !== undefined) return `error: ${error.message}`;
  return `bug in weighbridge: ${error instanceof Error ? error.stack : error}\n${REPORT}`;
}

// The daemon runs for months with its loaded code, and has no arguments to parse: this saves 8 ms and 2 MB.
const words = process.argv.slice(2);
if (words.length === 0 || words.join(' ') === 'serve') {
  await run(async (at) => (await import('./cli/serve.ts')).serve(at), ExitCode.done);
} else {
  const { runCommand } = await import('./cli/commands.ts');
  const code = await runCommand(words, { run, runBeside, files });
  if (code !== undefined) process.exitCode = code;
}
