import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { SettingError, userNames } from '../config/readers.ts';
import { type OwnFiles, readManifest } from '../runtime/version.ts';
import { DATE_EXAMPLE, DATE_HELP, parseSince, parseUntil } from './dates.ts';
import { ExitCode, type Run, readUserId } from './shell.ts';

/** How commands run. */
export interface Runners {
  /** @param whenStuck the exit code if a stop is stuck in the current step */
  readonly run: (command: Run, whenStuck?: ExitCode) => Promise<void>;
  /** For commands that work on a daemon's files while it runs. */
  readonly runBeside: (command: Run) => Promise<void>;
  readonly files: Pick<OwnFiles, 'manifest'>;
}

const serve: Run = async (at) => (await import('./serve.ts')).serve(at);

/**
 * Reads the words of the command line, and runs the command that they name.
 *
 * @returns an exit code if no command ran
 */
export async function runCommand(words: readonly string[], runners: Runners): Promise<ExitCode | undefined> {
  try {
    await describeProgram(runners).parseAsync(words, { from: 'user' });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? ExitCode.done : ExitCode.usage;
  }
}

/** An unreadable value is wrong usage. */
function argument<T>(read: (text: string) => T | undefined, what: string, example: string): (text: string) => T {
  return (text) => {
    const value = read(text);
    if (value === undefined) throw new InvalidArgumentError(`Expected ${what}, e.g. ${example}.`);
    return value;
  };
}

const groupId = argument((text) => (/^[0-9]{1,15}$/.test(text) ? Number(text) : undefined), 'a group id', '6123456789');
const port = argument(
  (text) => (/^[0-9]{1,5}$/.test(text) && Number(text) < 65_536 ? Number(text) : undefined),
  'a port',
  '8080',
);
const people = argument(parsePeople, 'user ids and names', '1234:Anna,5678:Bo');
const since = (what: string) =>
  new Option('--since <date>', what).argParser(argument(parseSince, 'a date', DATE_EXAMPLE));
const until = (what: string) =>
  new Option('--until <date>', what).argParser(argument(parseUntil, 'a date', DATE_EXAMPLE));

function parsePeople(text: string) {
  try {
    return text.trim() === '' ? undefined : userNames(text);
  } catch (error) {
    if (error instanceof SettingError) return undefined;
    throw error;
  }
}

/** Commands are loaded when they run, so that `--help` does not wait for a web server. */
function describeProgram({ run, runBeside, files }: Runners): Command {
  const program = new Command('weighbridge')
    .description('Log weigh-ins from Withings scales, and forward them to MQTT, Home Assistant or a program.')
    .version(readManifest(files).version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print the help of a command')
    .helpCommand(false)
    .showSuggestionAfterError()
    .showHelpAfterError('Run "weighbridge --help" for all commands.')
    .addHelpText('after', helpOn(files))
    .exitOverride();

  program.commandsGroup('Run:');
  program
    .command('serve')
    .description('run the daemon (also without a command)')
    .addHelpText('after', SETTINGS_HELP)
    .action(() => run(serve, ExitCode.done));
  describeService(run, program.command('service').description('run at boot, as a systemd service'));
  program
    .command('setup')
    .description('set up everything: ask, check, write .env, link a person')
    .addOption(
      new Option('--way <way>', 'how Withings reaches this computer').choices([
        'ngrok',
        'cloudflare',
        'tailscale',
        'proxy',
        'none',
      ]),
    )
    .option('--host-name <name>', 'host name of this computer on that way')
    .option('--redirect-url <url>', 'final page after linking, for the way "none"')
    .option('--client-id <id>', 'client id from the Withings dashboard')
    .option('--client-secret <secret>', 'client secret (or set WITHINGS_CLIENT_SECRET)')
    .option('--no-try', 'do not test the callback URL')
    .option('--link', 'link another person, even if one is linked')
    .option('--no-link', 'link no person')
    .option('--paste', 'paste the final browser address here')
    .option('--name <name>', 'name of the linked person')
    .option('--mqtt <url>', 'MQTT broker, such as mqtt://192.168.1.2')
    .option('--no-mqtt', 'no MQTT broker')
    .option('--mqtt-username <name>', 'user name at the broker')
    .option('--mqtt-password <password>', 'password at the broker')
    .option('--history', 'fetch the weigh-ins of all past years')
    .option('--no-history', 'do not fetch past years')
    .option('--service', 'install the service (needs root and a folder of root)')
    .option('--no-service', 'install no service')
    .addHelpText('after', '\nOn a terminal, setup asks for everything that no option gives.')
    .addHelpText('after', 'Press Ctrl-C to stop. The next "weighbridge setup" continues there.')
    .action((options) => runBeside(async (at) => (await import('./setup/setup.ts')).setUp(at, options)));
  program
    .command('demo')
    .description('simulate two people on a scale, with the status page')
    .option('--once', 'stop after one weigh-in')
    .option('--json', 'print only the log, as JSON lines')
    .option('--port <port>', 'port of the status page (default: any free one)', port)
    .option('--host <address>', 'address of the page; 0.0.0.0 opens it to your network', '127.0.0.1')
    .action((options) => run(async (at) => (await import('./demo.ts')).demo(at, options), ExitCode.done));
  program
    .command('sandbox')
    .description('simulate the Withings API, to develop a client')
    .option('--port <port>', 'port (default: any free one)', port)
    .option('--people <people>', 'people to choose from (default: 1234:Anna,5678:Bo)', people)
    .action((options) => run(async (at) => (await import('./sandbox.ts')).playSandbox(at, options), ExitCode.done));

  program.commandsGroup('People:');
  program
    .command('login')
    .description('link a person: print a link, store the login, subscribe')
    .option('--demo-user', "link Withings' demo account")
    .option('--paste', 'paste the final browser address here')
    .option('--no-subscribe', 'do not subscribe to notifications')
    .addHelpText('after', '\nUse --paste if the browser cannot reach this computer.')
    .action((options) => runBeside(async (at) => (await import('./login/login.ts')).login(at, options)));
  program
    .command('users')
    .description('list linked people and their status')
    .option('--json', 'print JSON, one object per line')
    .action((options) => runBeside(async (at) => (await import('./users.ts')).listUsers(at, options)));
  program
    .command('subscribe')
    .argument('[userid]', ONE_OR_ALL)
    .description('subscribe to Withings notifications')
    .action((userId) => runBeside(async (at) => (await import('./subscriptions.ts')).subscribe(at, userId)));
  program
    .command('unsubscribe')
    .argument('[userid]', USER_ID)
    .description('stop Withings notifications')
    .option('--all', 'for everyone')
    .action((userId, options) =>
      runBeside(async (at) => (await import('./subscriptions.ts')).unsubscribe(at, userId, options)),
    );
  program
    .command('subscriptions')
    .argument('[userid]', ONE_OR_ALL)
    .description('list Withings notification subscriptions')
    .option('--json', 'print JSON, one object per line')
    .action((userId, options) =>
      runBeside(async (at) => (await import('./subscriptions.ts')).listSubscriptions(at, userId, options)),
    );
  program
    .command('token')
    .argument('<userid>', USER_ID)
    .description('print a valid access token, for curl and scripts')
    .option('--json', 'print the whole login (contains the refresh token!)')
    .action((userId, options) => runBeside(async (at) => (await import('./token.ts')).printToken(at, userId, options)));
  program
    .command('import')
    .argument('[file]', 'saved token response (standard input if omitted)', (file) => resolve(file))
    .description('store a login from a saved token response')
    .action((file) => runBeside(async (at) => (await import('./import.ts')).importLogin(at, file)));

  program.commandsGroup('Data:');
  program
    .command('export')
    .description('print all measurements, oldest first')
    .option('--user <userid>', 'only this person')
    .addOption(since('from this day or time on'))
    .addOption(until('up to this day or time'))
    .addOption(
      new Option('--format <format>', 'CSV, journal lines, or InfluxDB lines')
        .choices(['csv', 'json', 'influx'])
        .default('csv'),
    )
    .addHelpText('after', DATE_HELP)
    .addHelpText('after', '\nExample: weighbridge export --since 2026-01-01 > weights.csv')
    .action(({ user: word, ...options }) =>
      runBeside(async (at) => {
        const user = word === undefined ? undefined : readUserId(word);
        return await (await import('./export.ts')).exportJournal(at, { ...options, user });
      }),
    );
  program
    .command('backfill')
    .argument('<userid>', USER_ID)
    .description("fetch a person's past weigh-ins from Withings")
    .addOption(since('from this day or time on (default: 2009)'))
    .addOption(until('up to this day or time (default: a day ago)'))
    .addHelpText('after', DATE_HELP)
    .addHelpText('after', '\nbackfill stores the weigh-ins without publishing them.')
    .addHelpText('after', '"weighbridge serve" fetches and publishes the last 24 hours.')
    .addHelpText('after', 'After a stop, the same command continues where it stopped.')
    .action((user, options) =>
      runBeside(async (at) => (await import('./backfill.ts')).backfillUser(at, readUserId(user), options)),
    );
  program
    .command('forget')
    .usage('[options] <userid> <grpid>')
    .argument('<userid>', USER_ID)
    .argument('[grpid]', 'measure group; 0 lists the newest five', groupId)
    .description('withdraw a weigh-in permanently')
    .addHelpText('after', '\nThe journal keeps the measure group, marked as withdrawn.')
    .addHelpText('after', 'A running weighbridge updates the page and MQTT within a minute,')
    .addHelpText('after', 'and runs the hook with the kind "withdrawn".')
    .addHelpText('after', '\nExample: weighbridge forget 1234 6123456789')
    .action((user, group) =>
      runBeside(async (at) => (await import('./forget.ts')).forget(at, readUserId(user), group)),
    );

  program.commandsGroup('Diagnose:');
  program
    .command('doctor')
    .description('check the whole set-up, and show how to fix it')
    .option('--json', 'print JSON, one object per line')
    .addHelpText('after', '\nExit code 1 means that doctor found a problem. Warnings do not count.')
    .action((options) => runBeside(async (at) => (await import('./doctor.ts')).doctor(at, options)));
  program
    .command('healthz')
    .description('print /healthz of the running weighbridge; exit 1 on trouble')
    .action(() => runBeside(async (at) => (await import('./healthz.ts')).printHealthz(at)));
  program
    .command('help')
    .argument('[command...]', 'the command')
    .description('print the help of a command')
    .action((names: readonly string[]) => helpOf(program, names).outputHelp());
  return program;
}

/** The command of these names; an unknown name is wrong usage. */
function helpOf(program: Command, names: readonly string[]): Command {
  return names.reduce((at, name) => {
    const found = at.commands.find((each) => each.name() === name);
    return found ?? at.error(`error: unknown command '${name}'`, { code: 'commander.unknownCommand' });
  }, program);
}

const USER_ID = 'user id (see "weighbridge users")';
const ONE_OR_ALL = 'for one person, or for everyone if omitted';

const SETTINGS_HELP = `
serve reads its settings from the environment and from .env in this folder.
The service reads /etc/weighbridge/env. Exit code 78 means wrong settings.`;

/** First steps, and the address of the documentation. */
function helpOn({ manifest }: Runners['files']): string {
  return `
First steps:
  weighbridge demo     try it with sample data, without an account
  weighbridge setup    set up everything, step by step
  weighbridge doctor   find what is wrong, and how to fix it

Settings come from the environment and from .env in this folder.
All settings:  ${fileURLToPath(new URL('.env.example', manifest))}
Documentation: ${fileURLToPath(new URL('README.md', manifest))}
Exit codes: 0 done, 1 failed, 2 wrong usage, 78 wrong settings`;
}

function describeService(run: Runners['run'], service: Command): void {
  service
    .command('install')
    .description('install the service: move the set-up of this folder, start it')
    .option('--dry-run', 'print the steps and the unit, and change nothing')
    .option('--force', 'replace a newer version')
    .action((options) => run(async (at) => (await import('./service/install.ts')).installService(at, options)));
  service
    .command('uninstall')
    .description('remove the service; keep logins, measurements, settings')
    .option('--dry-run', 'print the steps, and change nothing')
    .action((options) => run(async (at) => (await import('./service/status.ts')).uninstallService(at, options)));
  service
    .command('status')
    .description('print whether the service is running, and its last log lines')
    .action(() => run(async (at) => (await import('./service/status.ts')).showService(at)));
}
