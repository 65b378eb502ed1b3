import { setMaxListeners } from 'node:events';
import { createAccessTokens } from './app/access-tokens.ts';
import { createAnnouncer } from './app/announce.ts';
import { createCollect } from './app/collect.ts';
import { createCollector } from './app/collector.ts';
import { createIntake } from './app/intake.ts';
import { createLinkedUsers } from './app/linked-users.ts';
import { createPace } from './app/pace.ts';
import { reconcileForever } from './app/reconcile.ts';
import { createTroubles } from './app/troubles.ts';
import type { Config } from './config.ts';
import type { Clock } from './domain/clock.ts';
import type { Log } from './domain/log.ts';
import { listen } from './http/listen.ts';
import { createPublicApp } from './http/public-app.ts';
import { realClock } from './real-clock.ts';
import { createCursorFiles, sweepCursorFiles } from './storage/cursor-files.ts';
import { makeDirectory } from './storage/files.ts';
import { openJournal } from './storage/journal.ts';
import { createTokenFiles, sweepTokenFiles } from './storage/token-files.ts';
import { createWithingsClient } from './withings/client.ts';

export interface Daemon extends AsyncDisposable {
  /** Where the public port is bound. */
  readonly publicAddress: { readonly host: string; readonly port: number };
}

export interface DaemonOverrides {
  readonly clock?: Clock;
  /** Between 0 and 1; spreads retries. */
  readonly random?: () => number;
}

/**
 * Puts everything together and starts it: files, then the collector, the listener last. Disposing undoes it in
 * reverse: no new request, the step in hand is finished, nothing is begun.
 *
 * @throws Trouble when it cannot start: a directory that cannot be written, a port that is taken
 */
export async function startDaemon(
  config: Config & { readonly withings: { readonly credentials: NonNullable<Config['withings']['credentials']> } },
  log: Log,
  { clock = realClock, random = Math.random }: DaemonOverrides = {},
): Promise<Daemon> {
  const { directories, withings, callback } = config;
  const cursorDirectory = `${directories.data}/cursors`;
  await makeDirectory(directories.tokens);
  await makeDirectory(cursorDirectory);
  await sweepTokenFiles(directories.tokens);
  await sweepCursorFiles(cursorDirectory);
  const tokens = createTokenFiles(directories.tokens);
  const journal = await openJournal(`${directories.data}/measures.jsonl`, log);
  const cursors = createCursorFiles(cursorDirectory, log);

  const stop = new AbortController();
  const { signal } = stop;
  // Every call that waits for its turn listens to it.
  setMaxListeners(0, signal);
  const pace = createPace({ clock, signal });
  const client = createWithingsClient({ apiUrl: withings.apiUrl, ...withings.credentials, pace, clock, signal });
  const accessTokens = createAccessTokens({ tokens, issuer: client, clock, log });
  const announce = createAnnouncer({ log, clock, people: config.people, maxAgeMs: config.announceMaxAgeMs });
  const collect = createCollect({ accessTokens, measures: client, journal, cursors, clock, announce, log });
  const troubles = createTroubles({ clock, log, people: config.people });
  const collector = createCollector({ collect, troubles, clock, random, log });
  const linkedUsers = createLinkedUsers({ tokens, clock });
  const intake = createIntake({ linkedUsers, accessTokens, collector, clock, log });

  const app = createPublicApp({
    path: callback.path,
    query: callback.query,
    trustProxy: config.listen.trustProxy,
    onNotification: (notification) => void intake(notification),
    log,
  });
  const listener = await listen(app, config.listen);
  const { host, port } = listener;
  log.info({
    event: 'listening',
    text: `listening on ${host}:${port}`,
    public: { host, port },
  });
  const { reconcileIntervalMs: intervalMs } = config;
  const reconciling = reconcileForever({ linkedUsers, accessTokens, collector, intervalMs, clock, log, signal });

  return {
    publicAddress: { host, port },
    async [Symbol.asyncDispose]() {
      const closed = listener[Symbol.asyncDispose]();
      stop.abort();
      await collector[Symbol.asyncDispose]();
      await reconciling;
      await closed;
    },
  };
}
