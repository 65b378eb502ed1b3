import { once } from 'node:events';
import { createAccessTokens } from '../../src/app/tokens/access-tokens.ts';
import { parseConfig } from '../../src/config/config.ts';
import { startDaemon } from '../../src/daemon/daemon.ts';
import type { Log, LogEntry } from '../../src/domain/log.ts';
import { parseUserId } from '../../src/domain/token.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { createAccessFiles, createTokenFiles } from '../../src/storage/token-files.ts';
import { createWithingsClient } from '../../src/withings/client.ts';
import { createRateLimit } from '../../src/withings/rate-limit.ts';
import { createFastClock, createWrongClock, type FastTime, type WrongClock } from './fast-clock.ts';
import { signalGroup } from './hook-bench.ts';
import { OWN_FILES } from './own-files.ts';

/**
 * Runs the daemon in a process of its own with fast time and a possibly wrong wall clock; see `torture.ts`. With
 * `rotate USERID` it rotates one login instead, as a command next to the daemon does. After the line `started` it
 * handles signals: SIGUSR2 makes its wall clock jump.
 */
const time: FastTime & WrongClock = JSON.parse(process.env['TEST_CLOCK'] ?? '{}');
const fast = createFastClock(time);
const clock = createWrongClock(fast, time);

const { config } = parseConfig(process.env);
if (config?.withings.credentials === undefined) throw new Error('misconfigured');
const { credentials } = config.withings;
const settings = { ...config, withings: { ...config.withings, credentials } };
const masked = createLogger({
  ...config.log,
  clock,
  write: (line) => void process.stdout.write(`${line}\n`),
  secrets: [credentials.clientSecret],
  colour: false,
  isJournalled: false,
  timeZone: 'UTC',
});
/** The output includes the text before masking, because secrets must not even reach the logger. */
const bare =
  (level: keyof Log) =>
  (entry: LogEntry): void => {
    process.stderr.write(`${JSON.stringify(entry)}\n`);
    masked[level](entry);
  };
const log: Log = { debug: bare('debug'), info: bare('info'), warn: bare('warn'), error: bare('error') };
const stop = new AbortController();
process.once('SIGTERM', () => {
  stop.abort();
  setTimeout(() => process.exit(0), 8_000).unref();
});
process.on('SIGUSR2', () => clock.jump());
log.debug({ event: 'started', text: 'started' });

async function serve(): Promise<void> {
  await using _daemon = await startDaemon(settings, log, {
    clock,
    signalGroup,
    files: OWN_FILES,
  });
  if (!stop.signal.aborted) await once(stop.signal, 'abort');
}

async function rotate(person: string): Promise<void> {
  const userId = parseUserId(person);
  if (userId === undefined) throw new Error('no user');
  const { signal } = stop;
  const { apiUrl } = settings.withings;
  const client = createWithingsClient({
    apiUrl,
    ...credentials,
    rateLimit: createRateLimit({ clock, signal }),
    clock,
    signal,
  });
  const tokens = createTokenFiles(settings.directories.tokens);
  const accesses = createAccessFiles(settings.directories.tokens);
  const accessTokens = createAccessTokens({ tokens, accesses, issuer: client, clock, log });
  accessTokens.forget(userId, await accessTokens.get(userId, { urgent: true }));
  const accessToken = await accessTokens.get(userId, { urgent: true });
  // Several of these processes share an access token, and must not send equal requests.
  const window = { start: new Date(time.startMs - process.pid * 1000), end: fast.now() };
  await client.getMeas({ userId, accessToken, query: { window }, urgent: true });
}

try {
  await (process.argv[2] === 'rotate' ? rotate(process.argv[3] ?? '') : serve());
} catch (error) {
  log.error({ event: 'ended', text: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
}
