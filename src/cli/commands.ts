import { resolve } from 'node:path';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { SettingError, userNames } from '../config/readers.ts';
import { parseUserId } from '../domain/token.ts';
import { type OwnFiles, readManifest } from '../runtime/version.ts';
import { DATE_EXAMPLE, DATE_HELP, parseSince, parseUntil } from './dates.ts';
import { ExitCode, type Run } from './shell.ts';

/** How commands are carried out. */
export interface Runners {
  /** @param whenStuck the exit code where a stop is stuck in the step in hand */
  readonly run: (command: Run, whenStuck?: ExitCode) => Promise<void>;
  /** For what works on the files of a daemon, beside it. */
  readonly runBeside: (command: Run) => Promise<void>;
  readonly files: Pick<OwnFiles, 'manifest'>;
}

const serve: Run = async (at) => (await import('./serve.ts')).serve(at);

/**
 * Reads the words of the command line, and runs the command that they name.
 *
 * @returns an exit code where no command has run
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

/** What cannot be read is wrong usage. */
function argument<T>(read: (text: string) => T | undefined, example: string): (text: string) => T {
  return (text) => {
    const value = read(text);
    if (value === undefined) throw new InvalidArgumentError(`It is something like ${example}.`);
    return value;
  };
}

const userId = argument(parseUserId, '1234');
const groupId = argument((text) => (/^[0-9]{1,15}$/.test(text) ? Number(text) : undefined), '6123456789');
const port = argument(
  (text) => (/^[0-9]{1,5}$/.test(text) && Number(text) < 65_536 ? Number(text) : undefined),
  '8080',
);
const people = argument(parsePeople, '1234:Anna,5678:Bo');
const since = (what: string) => new Option('--since <date>', what).argParser(argument(parseSince, DATE_EXAMPLE));
const until = (what: string) => new Option('--until <date>', what).argParser(argument(parseUntil, DATE_EXAMPLE));

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
    .description('Withings calls when somebody has stepped on the scale; this logs the weight and passes it on.')
    .version(readManifest(files).version)
    .showSuggestionAfterError()
    .exitOverride();
  program
    .command('serve')
    .description('run the daemon (also with no command)')
    .action(() => run(serve, ExitCode.done));
  program
    .command('demo')
    .description('watch the whole way of a weigh-in, with no account and no scale')
    .option('--once', 'one weigh-in, then end')
    .option('--json', 'the log as JSON, one object a line, and nothing else')
    .option('--port <port>', 'the port of the page (default: any free one)', port)
    .option('--host <address>', 'the address of the page; 0.0.0.0 shows it to your whole network', '127.0.0.1')
    .action((options) => run(async (at) => (await import('./demo.ts')).demo(at, options), ExitCode.done));
  program
    .command('sandbox')
    .description('run a Withings on this machine, for the development of clients')
    .option('--port <port>', 'the port (default: any free one)', port)
    .option('--people <people>', 'who is on the consent page (default: 1234:Anna,5678:Bo)', people)
    .action((options) => run(async (at) => (await import('./sandbox.ts')).playSandbox(at, options), ExitCode.done));
  program
    .command('setup')
    .description('set up everything: asks, checks each answer, writes .env, and links a person')
    .addOption(
      new Option('--way <way>', 'how Withings reaches this computer').choices([
        'ngrok',
        'cloudflare',
        'tailscale',
        'proxy',
        'none',
      ]),
    )
    .option('--host-name <name>', 'the host name of this computer on that way')
    .option('--redirect-url <url>', 'where the browser ends after linking, for the way "none"')
    .option('--client-id <id>', 'the client id from the Withings dashboard')
    .option('--client-secret <secret>', 'the client secret; WITHINGS_CLIENT_SECRET works as well')
    .option('--no-try', 'do not try the callback URL')
    .option('--link', 'link another person, even if one is linked')
    .option('--no-link', 'link no person')
    .option('--paste', 'take the address that the browser ends on by hand')
    .option('--name <name>', 'the name of the person who is linked')
    .option('--mqtt <url>', 'the MQTT broker')
    .option('--no-mqtt', 'no MQTT broker')
    .option('--mqtt-username <name>', 'the user name at the broker')
    .option('--mqtt-password <password>', 'the password at the broker')
    .option('--history', 'fetch the weigh-ins of all past years')
    .option('--no-history', 'leave the past years alone')
    .option('--service', 'install the service (as root, in a folder of root)')
    .option('--no-service', 'install no service')
    .addHelpText('after', '\nOn a terminal setup asks for what no option gives. Ctrl-C stops; the next setup goes on.')
    .action((options) => runBeside(async (at) => (await import('./setup/setup.ts')).setUp(at, options)));
  program
    .command('login')
    .description('link a person: prints the link to open, and does the rest')
    .option('--demo-user', "Withings' own demo account in place of yours")
    .option('--paste', 'take the address that the browser ends on by hand, where it cannot reach this computer')
    .option('--no-subscribe', 'do not ask Withings to call')
    .action((options) => runBeside(async (at) => (await import('./login/login.ts')).login(at, options)));
  program
    .command('token')
    .argument('<userid>')
    .description('print an access token that is good for a call now, for curl and scripts')
    .option('--json', "the answer of OAuth's token endpoint, refresh token included")
    .action((userId, options) => runBeside(async (at) => (await import('./token.ts')).printToken(at, userId, options)));
  program
    .command('users')
    .description('list who is linked, and how things stand with each')
    .option('--json', 'one JSON object a line')
    .action((options) => runBeside(async (at) => (await import('./users.ts')).listUsers(at, options)));
  program
    .command('subscribe')
    .argument('[userid]')
    .description('ask Withings to call when there is something new (everybody without USERID)')
    .action((userId) => runBeside(async (at) => (await import('./subscriptions.ts')).subscribe(at, userId)));
  program
    .command('unsubscribe')
    .argument('[userid]')
    .description('ask Withings not to call any more')
    .action((userId) => runBeside(async (at) => (await import('./subscriptions.ts')).unsubscribe(at, userId)));
  program
    .command('subscriptions')
    .argument('[userid]')
    .description('list whom Withings calls about what')
    .option('--json', 'one JSON object a line')
    .action((userId, options) =>
      runBeside(async (at) => (await import('./subscriptions.ts')).listSubscriptions(at, userId, options)),
    );
  program
    .command('doctor')
    .description('check everything that a set-up can get wrong, and say what to do about it')
    .option('--json', 'one JSON object a line')
    .action((options) => runBeside(async (at) => (await import('./doctor.ts')).doctor(at, options)));
  program
    .command('healthz')
    .description('print /healthz of the running weighbridge; fail on trouble')
    .action(() => runBeside(async (at) => (await import('./healthz.ts')).printHealthz(at)));
  program
    .command('import')
    .argument('[file]', 'the JSON that the token call answered (standard input without it)', (file) => resolve(file))
    .description('store the login that a token call by hand has answered')
    .action((file) => runBeside(async (at) => (await import('./import.ts')).importLogin(at, file)));
  program
    .command('export')
    .description('print the journal: each group once, by time')
    .option('--user <userid>', 'of one person only', userId)
    .addOption(since('from this day or time on'))
    .addOption(until('up to the end of this day, or up to this time'))
    .addOption(
      new Option('--format <format>', 'CSV, the lines of the journal as they are, or line protocol for InfluxDB')
        .choices(['csv', 'json', 'influx'])
        .default('csv'),
    )
    .addHelpText('after', DATE_HELP)
    .action((options) => runBeside(async (at) => (await import('./export.ts')).exportJournal(at, options)));
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
      runBeside(async (at) => (await import('./backfill.ts')).backfillUser(at, user, options)),
    );
  program
    .command('forget')
    .argument('<userid>', 'the person', userId)
    .argument('<grpid>', 'the measure group; 0 lists the newest five', groupId)
    .description('take a measure group back by hand, for good')
    .addHelpText('after', '\nThe journal keeps the group, marked as withdrawn. A running weighbridge updates the page')
    .addHelpText('after', 'and MQTT, and runs the hook (`withdrawn`), within a minute.')
    .action((user, group) => runBeside(async (at) => (await import('./forget.ts')).forget(at, user, group)));
  describeService(run, program.command('service').description('run at boot, as a service of systemd'));
  return program;
}

function describeService(run: Runners['run'], service: Command): void {
  service
    .command('install')
    .description('write the unit with the paths of this machine, move the set-up of this folder there, and start it')
    .option('--dry-run', 'only say what would be done, and print the unit')
    .option('--force', 'also where a newer version set the service up')
    .action((options) => run(async (at) => (await import('./service/install.ts')).installService(at, options)));
  service
    .command('uninstall')
    .description('stop it and remove the unit; logins, measurements and settings stay')
    .option('--dry-run', 'only say what would be done')
    .action((options) => run(async (at) => (await import('./service/status.ts')).uninstallService(at, options)));
  service
    .command('status')
    .description('whether it is installed and runs, since when, and what it said last')
    .action(() => run(async (at) => (await import('./service/status.ts')).showService(at)));
}
