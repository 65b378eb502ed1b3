#!/usr/bin/env node
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { addAbortSignal, Writable } from 'node:stream';
import { type Owner, ownerBeside } from './cli/owner.ts';
import { ExitCode, type Run, type Shell } from './cli/shell.ts';
import { explain, Trouble } from './domain/trouble.ts';
import { mergeSources, type Source } from './sources.ts';
import { goesToJournal, readCredentials, readDotenv, withPriority } from './surroundings.ts';
import { ENVIRONMENT_IN_STATE, SERVICE } from './systemd/place.ts';

/** The process edge: arguments, `.env`, signals and the exit code. Nothing else touches `process`. */

/** A stop takes 10 s at most; whatever is stuck then is safe to leave (a login by the token rule). */
const STOP_DEADLINE_MS = 8_000;

let codeWhenStuck: ExitCode = ExitCode.failed;
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(ExitCode.failed);
    stop.abort();
    setTimeout(giveUp, STOP_DEADLINE_MS).unref();
  });
}
// A reader that has gone away (`| head`) is no reason to lose a weigh-in.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

function giveUp(): void {
  if (codeWhenStuck !== ExitCode.done) shell.say('error: stopped before it was done');
  process.exit(codeWhenStuck);
}

const isRoot = process.geteuid?.() === 0;
const supervision = takeSupervision();
const isJournalled = goesToJournal(process.env, process.stdout.fd);
const isErrorJournalled = goesToJournal(process.env, process.stderr.fd);
const say = (line: string) => void process.stderr.write(`${isErrorJournalled ? withPriority(line) : line}\n`);

const shell: Shell = {
  ...readSources([process.env, ...readCredentials(process.env['CREDENTIALS_DIRECTORY'], say), readDotenv('.env', say)]),
  readDotenv: (path) => readDotenv(path, say),
  signal: stop.signal,
  print: (line) => void process.stdout.write(`${line}\n`),
  say,
  output: process.stdout,
  terminal: process.stderr.isTTY && process.env['TERM'] !== 'dumb' ? process.stderr : undefined,
  readInput,
  readLines,
  colour: process.stdout.isTTY && process.stdout.hasColors() && !process.env['NO_COLOR'],
  isJournalled,
  supervision,
  isRoot,
  service: undefined,
  signalGroup,
  nodeVersion: process.version,
  program: { node: process.execPath, script: process.argv[1] ?? '' },
};

/** What a command works on beside a daemon: the folder it is called in, or for root what the service works on. */
function beside(): Shell {
  if (!existsSync(SERVICE.unit) || existsSync('.env')) return shell;
  if (!isRoot) return existsSync('tokens') ? shell : { ...shell, service: 'outside' };
  process.chdir(SERVICE.state);
  const sources = [process.env, ENVIRONMENT_IN_STATE, ...readCredentials(SERVICE.settings, say)];
  return { ...shell, ...readSources(sources), service: 'inside' };
}

/** From the strongest to the weakest: only the first is not written for weighbridge alone. */
function readSources([environment = {}, ...others]: readonly Source[]): Pick<Shell, 'env' | 'written'> {
  return { env: mergeSources(environment, ...others), written: others.flatMap((source) => Object.keys(source)) };
}

/** Takes what systemd has told this process out of the environment: no program that is started here is supervised. */
function takeSupervision(): Shell['supervision'] {
  const names = ['NOTIFY_SOCKET', 'WATCHDOG_PID', 'WATCHDOG_USEC', 'LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'];
  const variables = Object.fromEntries(names.map((name) => [name, process.env[name]]));
  for (const name of names) delete process.env[name];
  return variables['NOTIFY_SOCKET'] ? { variables, pid: process.pid } : undefined;
}

function signalGroup(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended by itself.
  }
}

async function readInput(): Promise<string> {
  const { text } = await import('node:stream/consumers');
  return await text(addAbortSignal(stop.signal, process.stdin));
}

async function* readLines(): AsyncGenerator<string> {
  const { createInterface } = await import('node:readline');
  try {
    yield* createInterface({ input: addAbortSignal(stop.signal, process.stdin) });
  } finally {
    // Somebody may go on typing, and nobody listens any more.
    process.stdin.destroy();
  }
}

/** Runs what works on the files of a daemon, beside it; for root, as whoever they belong to. */
async function runBeside(command: Run): Promise<void> {
  await run(async () => {
    const at = handedOver() ?? beside();
    const owner = ownerBeside(at);
    return owner === undefined ? await command(at) : await handOver(at, owner);
  });
}

/** Which descriptor root hands the settings over on, because whoever works for it may not read them. */
const HANDED_OVER = 'WEIGHBRIDGE_HANDED_OVER';

/** Runs this command once more, as somebody else. */
async function handOver({ env, written, service }: Shell, { uid, gid }: Owner): Promise<ExitCode> {
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    uid,
    gid,
    env: { ...process.env, [HANDED_OVER]: '3' },
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
  });
  // Ctrl-C reaches both, and twice would be at once.
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  const [, , , pipe] = child.stdio;
  if (pipe instanceof Writable) pipe.on('error', () => undefined).end(JSON.stringify({ env, written, service }));
  const [code] = await once(child, 'close');
  return Object.values(ExitCode).find((each) => each === code) ?? ExitCode.failed;
}

function handedOver(): Shell | undefined {
  const { [HANDED_OVER]: descriptor } = process.env;
  delete process.env[HANDED_OVER];
  if (descriptor === undefined || isRoot) return undefined;
  const settings: Pick<Shell, 'env' | 'written' | 'service'> = JSON.parse(readFileSync(Number(descriptor), 'utf8'));
  return { ...shell, ...settings };
}

/** @param whenStuck the exit code where a stop is stuck in the step in hand */
async function run(command: Run, whenStuck: ExitCode = ExitCode.failed): Promise<void> {
  codeWhenStuck = whenStuck;
  try {
    process.exitCode = await command(shell);
  } catch (error) {
    process.exitCode = ExitCode.failed;
    if (error instanceof Trouble) shell.say(`error: ${explain(error)}`);
    else if (error instanceof Error && 'code' in error) shell.say(`error: ${error.message}`);
    else
      shell.say(`this is a defect of weighbridge, please report it: ${error instanceof Error ? error.stack : error}`);
  }
}

// The daemon runs for months with what it has loaded, and has no words to read: 8 ms and 2 MB less.
const words = process.argv.slice(2);
if (words.length === 0 || words.join(' ') === 'serve') {
  await run(async (at) => (await import('./cli/serve.ts')).serve(at), ExitCode.done);
} else {
  const { runCommand } = await import('./commands.ts');
  const code = await runCommand(words, { run, runBeside });
  if (code !== undefined) process.exitCode = code;
}
