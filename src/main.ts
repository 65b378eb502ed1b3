#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { addAbortSignal } from 'node:stream';
import type { Command } from 'commander';
import { parse } from 'dotenv';
import { DATE_EXAMPLE, DATE_HELP, parseSince, parseUntil } from './cli/dates.ts';
import { ExitCode, type Run, type Shell } from './cli/shell.ts';
import { parseUserId } from './domain/token.ts';
import { explain, Trouble } from './domain/trouble.ts';
import { readVersion } from './version.ts';

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

const dotenv = readDotenv();
const shell: Shell = {
  env: { ...dotenv, ...process.env },
  written: Object.keys(dotenv),
  signal: stop.signal,
  print: (line) => void process.stdout.write(`${line}\n`),
  say: (line) => void process.stderr.write(`${line}\n`),
  output: process.stdout,
  terminal: process.stderr.isTTY && process.env['TERM'] !== 'dumb' ? process.stderr : undefined,
  readInput,
  readLines,
  colour: process.stdout.isTTY && process.stdout.hasColors() && !process.env['NO_COLOR'],
  signalGroup,
  nodeVersion: process.version,
};

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

function readDotenv(): Record<string, string> {
  try {
    return parse(readFileSync('.env'));
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (!isMissing) process.stderr.write(`warning: cannot read .env: ${error}\n`);
    return {};
  }
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

const serve: Run = async (at) => (await import('./cli/serve.ts')).serve(at);

/** Commands are loaded when they run, so that `--help` does not wait for a web server. */
function describeProgram({ Command, InvalidArgumentError, Option }: typeof import('commander')): Command {
  /** What cannot be read is wrong usage. */
  const argument =
    <T>(read: (text: string) => T | undefined, example: string) =>
    (text: string): T => {
      const value = read(text);
      if (value === undefined) throw new InvalidArgumentError(`It is something like ${example}.`);
      return value;
    };
  const userId = argument(parseUserId, '1234');
  const since = (what: string) => new Option('--since <date>', what).argParser(argument(parseSince, DATE_EXAMPLE));
  const until = (what: string) => new Option('--until <date>', what).argParser(argument(parseUntil, DATE_EXAMPLE));

  const program = new Command('weighbridge')
    .description('Withings calls when somebody has stepped on the scale; this logs the weight and passes it on.')
    .version(readVersion())
    .showSuggestionAfterError()
    .exitOverride();
  program
    .command('serve', { isDefault: true })
    .description('run the daemon (also with no command)')
    .allowExcessArguments()
    .action((_options, command: Command) => {
      const [unknown] = command.args;
      if (unknown !== undefined) command.error(`error: unknown command '${unknown}'`);
      return run(serve, ExitCode.done);
    });
  program
    .command('demo')
    .description('watch the whole way of a weigh-in, with no account and no scale')
    .option('--once', 'one weigh-in, then end')
    .option('--json', 'the log as JSON, one object a line, and nothing else')
    .action((options) => run(async (at) => (await import('./cli/demo.ts')).demo(at, options), ExitCode.done));
  program
    .command('login')
    .description('link a person: prints the link to open, and does the rest')
    .option('--demo-user', "Withings' own demo account in place of yours")
    .option('--paste', 'take the address that the browser ends on by hand, where it cannot reach this computer')
    .option('--no-subscribe', 'do not ask Withings to call')
    .action((options) => run(async (at) => (await import('./cli/login.ts')).login(at, options)));
  program
    .command('token')
    .argument('<userid>')
    .description('print an access token that is good for a call now, for curl and scripts')
    .option('--json', "the answer of OAuth's token endpoint, refresh token included")
    .action((userId, options) => run(async (at) => (await import('./cli/token.ts')).printToken(at, userId, options)));
  program
    .command('users')
    .description('list who is linked, and how things stand with each')
    .option('--json', 'one JSON object a line')
    .action((options) => run(async (at) => (await import('./cli/users.ts')).listUsers(at, options)));
  program
    .command('subscribe')
    .argument('[userid]')
    .description('ask Withings to call when there is something new (everybody without USERID)')
    .action((userId) => run(async (at) => (await import('./cli/subscriptions.ts')).subscribe(at, userId)));
  program
    .command('unsubscribe')
    .argument('[userid]')
    .description('ask Withings not to call any more')
    .action((userId) => run(async (at) => (await import('./cli/subscriptions.ts')).unsubscribe(at, userId)));
  program
    .command('subscriptions')
    .argument('[userid]')
    .description('list whom Withings calls about what')
    .option('--json', 'one JSON object a line')
    .action((userId, options) =>
      run(async (at) => (await import('./cli/subscriptions.ts')).listSubscriptions(at, userId, options)),
    );
  program
    .command('doctor')
    .description('check everything that a set-up can get wrong, and say what to do about it')
    .option('--json', 'one JSON object a line')
    .action((options) => run(async (at) => (await import('./cli/doctor.ts')).doctor(at, options)));
  program
    .command('import')
    .argument('[file]', 'the JSON that the token call answered (standard input without it)')
    .description('store the login that a token call by hand has answered')
    .action((file) => run(async (at) => (await import('./cli/import.ts')).importLogin(at, file)));
  program
    .command('export')
    .description('print the journal as CSV or as JSON lines: each group once, by time')
    .option('--user <userid>', 'of one person only', userId)
    .addOption(since('from this day or time on'))
    .addOption(until('up to the end of this day, or up to this time'))
    .addOption(
      new Option('--format <format>', 'CSV, or the lines of the journal as they are')
        .choices(['csv', 'json'])
        .default('csv'),
    )
    .addHelpText('after', DATE_HELP)
    .action((options) => run(async (at) => (await import('./cli/export.ts')).exportJournal(at, options)));
  program
    .command('backfill')
    .argument('<userid>', 'whose', userId)
    .description("fetch somebody's history from Withings into the journal, without announcing it")
    .addOption(since('from this day or time on (default: 2009, when the first scale was sold)'))
    .addOption(until('up to the end of this day, or up to this time (default: a day ago)'))
    .addHelpText('after', DATE_HELP)
    .addHelpText('after', '\nWhat is younger than 24 hours is left to weighbridge serve, which announces it.')
    .addHelpText('after', 'When it was stopped or killed, the same command goes on from there.')
    .action((user, options) => run(async (at) => (await import('./cli/backfill.ts')).backfillUser(at, user, options)));
  return program;
}

async function runWords(): Promise<void> {
  const commander = await import('commander');
  try {
    await describeProgram(commander).parseAsync();
  } catch (error) {
    if (!(error instanceof commander.CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? ExitCode.done : ExitCode.usage;
  }
}

// The daemon runs for months with what it has loaded, and has no words to read: 8 ms and 2 MB less.
const words = process.argv.slice(2).join(' ');
if (words === '' || words === 'serve') await run(serve, ExitCode.done);
else await runWords();
