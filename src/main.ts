#!/usr/bin/env node
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, fstatSync, readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { addAbortSignal, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { parse } from 'dotenv';
import { DATE_EXAMPLE, DATE_HELP, parseSince, parseUntil } from './cli/dates.ts';
import { type Owner, ownerBeside } from './cli/owner.ts';
import { ExitCode, type Run, type Shell } from './cli/shell.ts';
import { parseUserId } from './domain/token.ts';
import { explain, Trouble } from './domain/trouble.ts';
import { mergeSources, type Source, secretCredentials } from './sources.ts';
import { ENV_CREDENTIAL, ENVIRONMENT_IN_STATE, SERVICE } from './systemd/place.ts';
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

const isRoot = process.geteuid?.() === 0;
const supervision = takeSupervision();
const isJournalled = goesToJournal(process.stdout.fd);
const isErrorJournalled = goesToJournal(process.stderr.fd);

const shell: Shell = {
  ...readSources([process.env, ...readCredentials(process.env['CREDENTIALS_DIRECTORY']), readDotenv('.env')]),
  readDotenv,
  signal: stop.signal,
  print: (line) => void process.stdout.write(`${line}\n`),
  say: (line) => void process.stderr.write(`${isErrorJournalled ? withPriority(line) : line}\n`),
  output: process.stdout,
  terminal: process.stderr.isTTY && process.env['TERM'] !== 'dumb' ? process.stderr : undefined,
  readInput: () => text(addAbortSignal(stop.signal, process.stdin)),
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
  const sources = [process.env, ENVIRONMENT_IN_STATE, ...readCredentials(SERVICE.settings)];
  return { ...shell, ...readSources(sources), service: 'inside' };
}

/** From the strongest to the weakest: only the first is not written for weighbridge alone. */
function readSources([environment = {}, ...others]: readonly Source[]): Pick<Shell, 'env' | 'written'> {
  return { env: mergeSources(environment, ...others), written: others.flatMap((source) => Object.keys(source)) };
}

/** What stands in a directory of credentials: secrets, each in a file of its own, and a whole `.env`. */
function readCredentials(directory: string | undefined): readonly Source[] {
  if (directory === undefined || !existsSync(directory)) return [];
  return [secretCredentials(directory, readdirSync(directory)), readDotenv(`${directory}/${ENV_CREDENTIAL}`)];
}

/** Takes what systemd has told this process out of the environment: no program that is started here is supervised. */
function takeSupervision(): Shell['supervision'] {
  const names = ['NOTIFY_SOCKET', 'WATCHDOG_PID', 'WATCHDOG_USEC', 'LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'];
  const variables = Object.fromEntries(names.map((name) => [name, process.env[name]]));
  for (const name of names) delete process.env[name];
  return variables['NOTIFY_SOCKET'] ? { variables, pid: process.pid } : undefined;
}

/** systemd names the device and the inode of the journal, because the variable outlives a redirection. */
function goesToJournal(descriptor: number): boolean {
  const { JOURNAL_STREAM: journal } = process.env;
  if (!journal) return false;
  const { dev, ino } = fstatSync(descriptor);
  return journal === `${dev}:${ino}`;
}

function withPriority(text: string): string {
  return text.replace(/^(error:|warning:)?/gm, (word) => `<${word === '' ? 6 : word === 'error:' ? 3 : 4}>${word}`);
}

function signalGroup(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended by itself.
  }
}

async function* readLines(): AsyncGenerator<string> {
  try {
    yield* createInterface({ input: addAbortSignal(stop.signal, process.stdin) });
  } finally {
    // Somebody may go on typing, and nobody listens any more.
    process.stdin.destroy();
  }
}

function readDotenv(path: string): Source {
  try {
    return parse(readFileSync(path));
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (!isMissing) process.stderr.write(`warning: cannot read ${path}: ${error}\n`);
    return {};
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

/** What cannot be read is wrong usage. */
function argument<T>(read: (text: string) => T | undefined, example: string): (text: string) => T {
  return (text) => {
    const value = read(text);
    if (value === undefined) throw new InvalidArgumentError(`It is something like ${example}.`);
    return value;
  };
}

const userId = argument(parseUserId, '1234');
const since = (what: string) => new Option('--since <date>', what).argParser(argument(parseSince, DATE_EXAMPLE));
const until = (what: string) => new Option('--until <date>', what).argParser(argument(parseUntil, DATE_EXAMPLE));

/** Commands are loaded when they run, so that `--help` does not wait for a web server. */
function describeProgram(): Command {
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
      return run(async (at) => (await import('./cli/serve.ts')).serve(at), ExitCode.done);
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
    .action((options) => runBeside(async (at) => (await import('./cli/login.ts')).login(at, options)));
  program
    .command('token')
    .argument('<userid>')
    .description('print an access token that is good for a call now, for curl and scripts')
    .option('--json', "the answer of OAuth's token endpoint, refresh token included")
    .action((userId, options) =>
      runBeside(async (at) => (await import('./cli/token.ts')).printToken(at, userId, options)),
    );
  program
    .command('users')
    .description('list who is linked, and how things stand with each')
    .option('--json', 'one JSON object a line')
    .action((options) => runBeside(async (at) => (await import('./cli/users.ts')).listUsers(at, options)));
  program
    .command('subscribe')
    .argument('[userid]')
    .description('ask Withings to call when there is something new (everybody without USERID)')
    .action((userId) => runBeside(async (at) => (await import('./cli/subscriptions.ts')).subscribe(at, userId)));
  program
    .command('unsubscribe')
    .argument('[userid]')
    .description('ask Withings not to call any more')
    .action((userId) => runBeside(async (at) => (await import('./cli/subscriptions.ts')).unsubscribe(at, userId)));
  program
    .command('subscriptions')
    .argument('[userid]')
    .description('list whom Withings calls about what')
    .option('--json', 'one JSON object a line')
    .action((userId, options) =>
      runBeside(async (at) => (await import('./cli/subscriptions.ts')).listSubscriptions(at, userId, options)),
    );
  program
    .command('doctor')
    .description('check everything that a set-up can get wrong, and say what to do about it')
    .option('--json', 'one JSON object a line')
    .action((options) => runBeside(async (at) => (await import('./cli/doctor.ts')).doctor(at, options)));
  program
    .command('import')
    .argument('[file]', 'the JSON that the token call answered (standard input without it)', (file) => resolve(file))
    .description('store the login that a token call by hand has answered')
    .action((file) => runBeside(async (at) => (await import('./cli/import.ts')).importLogin(at, file)));
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
    .action((options) => runBeside(async (at) => (await import('./cli/export.ts')).exportJournal(at, options)));
  program
    .command('backfill')
    .argument('<userid>', 'whose', userId)
    .description("fetch somebody's history from Withings into the journal, without announcing it")
    .addOption(since('from this day or time on (default: 2009, when the first scale was sold)'))
    .addOption(until('up to the end of this day, or up to this time (default: a day ago)'))
    .addHelpText('after', DATE_HELP)
    .addHelpText('after', '\nWhat is younger than 24 hours is left to weighbridge serve, which announces it.')
    .addHelpText('after', 'When it was stopped or killed, the same command goes on from there.')
    .action((user, options) =>
      runBeside(async (at) => (await import('./cli/backfill.ts')).backfillUser(at, user, options)),
    );
  describeService(program.command('service').description('run at boot, as a service of systemd'));
  return program;
}

function describeService(service: Command): void {
  service
    .command('install')
    .description('write the unit with the paths of this machine, move the set-up of this folder there, and start it')
    .option('--dry-run', 'only say what would be done, and print the unit')
    .action((options) => run(async (at) => (await import('./cli/service-install.ts')).installService(at, options)));
  service
    .command('uninstall')
    .description('stop it and remove the unit; logins, measurements and settings stay')
    .option('--dry-run', 'only say what would be done')
    .action((options) => run(async (at) => (await import('./cli/service.ts')).uninstallService(at, options)));
  service
    .command('status')
    .description('whether it is installed and runs, since when, and what it said last')
    .action(() => run(async (at) => (await import('./cli/service.ts')).showService(at)));
}

try {
  await describeProgram().parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? ExitCode.done : ExitCode.usage;
}
