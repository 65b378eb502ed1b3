import { createCollector } from './app/collector.ts';
import { createIntake } from './app/intake.ts';
import { keepSubscribed } from './app/keep-subscribed.ts';
import { createLinkedUsers } from './app/linked-users.ts';
import { reconcileForever } from './app/reconcile.ts';
import { createTroubles } from './app/troubles.ts';
import { createCore, makeDirectories, sweepDirectories, type WithingsConfig } from './core.ts';
import type { Clock } from './domain/clock.ts';
import type { LinkFailed } from './domain/link.ts';
import type { Log } from './domain/log.ts';
import { listen } from './http/listen.ts';
import { createProof } from './http/proof.ts';
import { createPublicApp } from './http/public-app.ts';
import { preparePublishing } from './publishing.ts';
import { realClock } from './real-clock.ts';

export interface Daemon extends AsyncDisposable {
  /** Where the public port is bound. */
  readonly publicAddress: { readonly host: string; readonly port: number };
}

export interface DaemonPorts {
  /** Sends a signal to all processes of a group; one that is gone is fine. */
  readonly signalGroup: (pid: number, signal: 'SIGTERM' | 'SIGKILL') => void;
  readonly clock?: Clock;
  /** Between 0 and 1; spreads retries. */
  readonly random?: () => number;
}

/**
 * Puts everything together and starts it: files, the collector, the listener, publishers. Disposing undoes
 * it: no new request, no new delivery, the step in hand is finished, nothing is begun.
 *
 * @throws Trouble when it cannot start: a directory that cannot be written, a port that is taken
 */
export async function startDaemon(
  config: WithingsConfig,
  log: Log,
  { signalGroup, clock = realClock, random = Math.random }: DaemonPorts,
): Promise<Daemon> {
  const { people, reconcileIntervalMs: intervalMs } = config;
  const stop = new AbortController();
  const { signal } = stop;
  await makeDirectories(config.directories);
  await sweepDirectories(config.directories);
  const { tokens, accessTokens, records, callback, ...core } = createCore(config, log, { clock, signal });
  const journal = await core.openJournal();
  const startPublishing = await preparePublishing(config);
  const collect = core.createCollect(journal);
  const troubles = createTroubles({ clock, log, people, records });
  const collector = createCollector({ collect, troubles, clock, random, log });
  const linkedUsers = createLinkedUsers({ tokens, clock });
  const intake = createIntake({ linkedUsers, accessTokens, collector, clock, log });
  const linker = callback?.createLinker(journal, (userId) => collector.reconcile(userId, { urgent: true }));

  const app = createPublicApp({
    path: config.callback.path,
    query: config.callback.query,
    trustProxy: config.listen.trustProxy,
    onNotification: (notification) => void intake(notification),
    onRedirect: async (redirect, patience) => (await linker?.link(redirect, patience)) ?? NO_CALLBACK_URL,
    prove: createProof(config.withings.credentials.clientSecret),
    people,
    clock,
    log,
  });
  const listener = await listen(app, config.listen);
  const { host, port } = listener;
  // Before anything can be fetched: what is in the journal by then is old to a publisher that starts for the first time.
  const publishing = startPublishing({ journal, linkedUsers, records, clock, random, log, signalGroup });
  log.info({
    event: 'listening',
    text: `listening on ${host}:${port}`,
    public: { host, port },
  });
  const common = { linkedUsers, collector, intervalMs, clock, signal };
  const running = [reconcileForever({ ...common, accessTokens, log })];
  if (callback !== undefined) {
    const { subscriptions } = callback;
    running.push(
      keepSubscribed({ ...common, subscriptions, troubles: createTroubles({ clock, log, people }), random }),
    );
  }

  return {
    publicAddress: { host, port },
    async [Symbol.asyncDispose]() {
      const closed = listener[Symbol.asyncDispose]();
      stop.abort();
      // Together with the rest, because a hook may take all the time there is; what comes now waits for the next start.
      const published = publishing[Symbol.asyncDispose]();
      await linker?.[Symbol.asyncDispose]();
      await collector[Symbol.asyncDispose]();
      await Promise.all(running);
      await published;
      await closed;
    },
  };
}

const NO_CALLBACK_URL: LinkFailed = {
  kind: 'failed',
  code: 'no_callback_url',
  problem: 'weighbridge does not know the address under which it is reached from outside.',
  remedy: 'Set CALLBACK_URL to the callback URL in the Withings partner dashboard, and restart weighbridge.',
};
