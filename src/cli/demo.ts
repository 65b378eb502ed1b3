import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { hostname, networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig } from '../config/config.ts';
import { isLoopback } from '../config/readers.ts';
import type { WithingsConfig } from '../daemon/core.ts';
import { startDaemon } from '../daemon/daemon.ts';
import { journalIn, peopleIn } from '../daemon/data-directory.ts';
import type { Log, LogEntry } from '../domain/log.ts';
import { NOTHING_KNOWN } from '../domain/status.ts';
import { parseUserId } from '../domain/token.ts';
import { explain, Trouble } from '../domain/trouble.ts';
import { listen } from '../http/listen.ts';
import { reachable } from '../http/probe.ts';
import { realClock } from '../runtime/real-clock.ts';
import type { Call } from '../sandbox/calls.ts';
import { imagine } from '../sandbox/demo/history.ts';
import { PEOPLE, TURNS, weighInOf } from '../sandbox/demo/people.ts';
import { type Sandbox, startSandbox } from '../sandbox/sandbox.ts';
import { makeDirectory } from '../storage/files.ts';
import { openJournal } from '../storage/journal/journal.ts';
import { createPersonFiles } from '../storage/person-files.ts';
import { openLog } from './open-command.ts';
import { ExitCode, ExitError, type Shell } from './shell.ts';

const CLIENT = { clientId: 'demo-client', clientSecret: 'demo-client-secret' };
const CALLBACK_PATH = '/withingsWebhook/demo';
const STEP_EVERY_MS = 30_000;
/** How long `--once` waits for its weight before it fails. */
const PATIENCE_MS = 90_000;
/** Withings waits 2 s for an answer, and the first one takes longer on a slow or busy machine. */
const MOST_TRIES = 10;

/** The demo's explanation of each call. */
const STATIONS: Readonly<Record<string, string>> = {
  requesttoken: 'weighbridge renews the login, and stores the new login before using it',
  getmeas: 'weighbridge fetches the measurements from Withings',
};

/** The demo's remedies, which do not name settings. */
const REMEDIES: Readonly<Record<string, string>> = {
  port_taken: 'Choose another port with --port.',
  cannot_listen: 'Choose an address of this computer with --host, and a port above 1023 with --port.',
};

interface DemoOptions {
  readonly once?: boolean;
  readonly json?: boolean;
  /** The host of the page. */
  readonly host: string;
  readonly port?: number;
}

/** The whole chain on loopback: a Withings sandbox, the daemon, a person, a scale. Leaves nothing behind. */
export async function demo(shell: Shell, options: DemoOptions): Promise<ExitCode> {
  const directory = await mkdtemp(join(tmpdir(), 'weighbridge-demo-'));
  try {
    return await play(shell, directory, options);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function play(shell: Shell, directory: string, options: DemoOptions): Promise<ExitCode> {
  const tell = (line: string) => {
    if (!options.json) shell.say(`  ${line}`);
  };
  const onCall = ({ form }: Call) => {
    const station = STATIONS[form.get('action') ?? ''];
    if (station !== undefined) tell(station);
  };

  await using sandbox = await startSandbox({ clock: realClock, client: CLIENT, onCall });
  tell(`a simulated Withings listens on ${sandbox.url.host}`);
  await makeDirectory(`${directory}/tokens`);
  const people = options.once ? [PEOPLE[0]] : PEOPLE;
  for (const { userId, name } of people) {
    await writeFile(`${directory}/tokens/${userId}`, `${sandbox.grants.link(userId)}\n`, { mode: 0o600 });
    tell(`${name} is linked; the refresh token is in tokens/${userId}`);
  }
  const config = await configure(directory, sandbox.url, options);
  if (!options.once) await writeHistory(config);

  const weights = createWeightLog(openLog(shell, config));
  await using daemon = await startDaemon(config, weights.log, shell).catch((error) => {
    const remedy = error instanceof Trouble ? REMEDIES[error.code] : undefined;
    if (remedy === undefined) throw error;
    throw new ExitError(ExitCode.failed, explain({ message: error.message, hint: remedy }));
  });
  const callbackUrl = config.callback.url ?? '';
  for (const { userId } of people) await subscribe(sandbox, userId, callbackUrl);
  tell('Withings checked the callback URL (HEAD → 200), and will send notifications to it');
  const { privateAddress } = daemon;
  for (let turn = 0; !shell.signal.aborted; turn += 1) {
    const person = TURNS[turn % TURNS.length] ?? PEOPLE[0];
    const { userId, name, kilograms: usual } = person;
    const kilograms = turn === 0 ? usual : Math.round((usual + (Math.random() - 0.5) * 0.8) * 100) / 100;
    const arrived = weights.next();
    tell(`${name} steps on the scale; Withings stores ${kilograms.toFixed(2)} kg, and notifies weighbridge`);
    const date = Math.floor(Date.now() / 1000) - 2;
    void sandbox.weigh(userId, weighInOf(person, { kilograms, date }));
    if (options.once) return await inTime(arrived);
    void arrived.then(() => {
      tell(`next weigh-in in ${STEP_EVERY_MS / 1000} s; press Ctrl-C to stop the demo`);
      if (privateAddress === undefined || options.json) return;
      // The link is the last line, between empty lines.
      shell.say('');
      shell.say(`Status page of ${people.map(({ name }) => name).join(' and ')}, with two years of sample data:`);
      shell.say(`http://${visibleAddress(options.host)}:${privateAddress.port}/`);
      shell.say('');
    });
    await realClock.sleep(STEP_EVERY_MS, shell.signal);
  }
  return ExitCode.done;
}

async function subscribe(sandbox: Sandbox, userId: string, callbackUrl: string): Promise<void> {
  for (let tries = 0; tries < MOST_TRIES; tries += 1) if (await sandbox.subscribe(userId, callbackUrl, 1)) return;
  throw new Error(`no answer from ${callbackUrl}`);
}

/** The settings of a correct set-up, with free ports. */
async function configure(directory: string, withings: URL, options: DemoOptions): Promise<WithingsConfig> {
  const port = await freePort();
  const { config } = parseConfig({
    HOST: '127.0.0.1',
    PORT: `${port}`,
    STATUS_PORT: '0',
    WITHINGS_CLIENT_ID: CLIENT.clientId,
    WITHINGS_CLIENT_SECRET: CLIENT.clientSecret,
    WITHINGS_API_URL: withings.href,
    WITHINGS_ACCOUNT_URL: withings.href,
    CALLBACK_URL: `http://127.0.0.1:${port}${CALLBACK_PATH}`,
    TOKENS_DIR: `${directory}/tokens`,
    DATA_DIR: `${directory}/data`,
    USER_NAMES: PEOPLE.map(({ userId, name }) => `${userId}:${name}`).join(','),
    GOALS: PEOPLE.map(({ userId, goal }) => `${userId}:${goal}`).join(','),
    LOG_FORMAT: options.json ? 'json' : 'text',
  });
  if (config?.withings.credentials === undefined) throw new Error('the demo is misconfigured');
  const { credentials } = config.withings;
  const { host, port: statusPort = 0 } = options;
  // The consent page of the sandbox is for this machine alone.
  const page = { ...config.status, host, port: statusPort, offersLink: isLoopback(host) };
  const status = options.once ? config.status : page;
  return { ...config, status, withings: { ...config.withings, credentials } };
}

/** The address for another computer in the network. */
function visibleAddress(host: string): string {
  if (host !== '0.0.0.0') return reachable(host);
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? hostname();
}

async function freePort(): Promise<number> {
  await using listener = await listen(() => undefined, { host: '127.0.0.1', port: 0 });
  return listener.port;
}

/** Writes what a backfill would fetch. */
async function writeHistory({ directories }: WithingsConfig): Promise<void> {
  await makeDirectory(directories.data);
  await makeDirectory(peopleIn(directories.data));
  const people = createPersonFiles(peopleIn(directories.data));
  const silent = { debug: ignore, info: ignore, warn: ignore, error: ignore };
  const journal = await openJournal(journalIn(directories.data), silent);
  for (const life of PEOPLE) {
    const userId = parseUserId(life.userId);
    if (userId === undefined) continue;
    await journal.append(imagine({ ...life, userId }, new Date()), { history: true });
    const now = new Date();
    const height = { metres: life.metres, takenAt: now };
    // The sandbox does not have this history, so a check would take it for deleted.
    await people.save(userId, { ...NOTHING_KNOWN, checkedAt: now, height, heightAskedAt: now });
  }
}

function ignore(): void {}

async function inTime(arrived: Promise<void>): Promise<ExitCode> {
  const late = once(AbortSignal.timeout(PATIENCE_MS), 'abort');
  const isLate = await Promise.race([arrived.then(() => false), late.then(() => true)]);
  if (isLate) throw new ExitError(ExitCode.failed, `no weight arrived within ${PATIENCE_MS / 1000} s`);
  return ExitCode.done;
}

/** Forwards each entry, and notices a logged weight. */
function createWeightLog(log: Log): { readonly log: Log; readonly next: () => Promise<void> } {
  const waiting: (() => void)[] = [];
  const info = (entry: LogEntry) => {
    log.info(entry);
    if (entry.event === 'reading' && entry['weight'] !== undefined) for (const resolve of waiting.splice(0)) resolve();
  };
  return {
    log: { ...log, info },
    next: () => new Promise<void>((resolve) => waiting.push(resolve)),
  };
}
