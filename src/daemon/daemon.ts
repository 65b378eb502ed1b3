import { resolve } from 'node:path';
import { createBackfills } from '../app/collect/backfills.ts';
import { createBedIntake } from '../app/collect/bed-intake.ts';
import { createCollector } from '../app/collect/collector.ts';
import { createIntake } from '../app/collect/intake.ts';
import { reconcileForever } from '../app/collect/reconcile.ts';
import { createLiveStatus } from '../app/status/live-status.ts';
import { createTroubles } from '../app/status/troubles.ts';
import { createLiveness, reportHangs } from '../app/status/watchdog.ts';
import { createKeeper } from '../app/subscribe/keep-subscribed.ts';
import { createLinkedUsers } from '../app/tokens/linked-users.ts';
import { hasSecret } from '../config/checks.ts';
import type { Clock } from '../domain/clock.ts';
import { createDerive } from '../domain/derived.ts';
import type { LinkFailed, Redirect } from '../domain/link.ts';
import type { Log } from '../domain/log.ts';
import { type Address, type Listener, listen } from '../http/listen.ts';
import { createProof, reachable } from '../http/probe.ts';
import { createPublicApp } from '../http/public/app.ts';
import type { Concern } from '../page/view.ts';
import type { SignalGroup } from '../publishers/hook/run.ts';
import type { AskLogin } from '../publishers/mqtt/publisher.ts';
import { realClock } from '../runtime/real-clock.ts';
import { type OwnFiles, readManifest } from '../runtime/version.ts';
import { fileWatch } from '../storage/file-watch.ts';
import { loadAxios } from '../withings/transport.ts';
import { createCore, makeDirectories, sweepDirectories, type WithingsConfig } from './core.ts';
import { preparePublishing } from './publishers.ts';
import { openStatusPort, pageUrlOf } from './status-port.ts';

export type Daemon = Awaited<ReturnType<typeof startDaemon>>;

export interface DaemonPorts {
  readonly signalGroup: SignalGroup;
  readonly files: OwnFiles;
  /** The current MQTT broker, unless the settings name it. */
  readonly askLogin?: AskLogin | undefined;
  /** The problems of the set-up that show without the network, for the page. */
  readonly examine?: () => Promise<readonly Concern[]>;
  readonly clock?: Clock;
  /** Returns a number between 0 and 1, which spreads retries. */
  readonly random?: () => number;
}

/**
 * Assembles and starts everything: files, the collector, the listener, publishers. Disposing stops it: the current step
 * finishes, and no new request or delivery begins.
 *
 * @throws Trouble when it cannot start: a directory that cannot be written, a port that is taken
 */
export async function startDaemon(
  config: WithingsConfig,
  log: Log,
  { signalGroup, files, askLogin, examine = async () => [], clock = realClock, random = Math.random }: DaemonPorts,
) {
  const { people } = config;
  const stop = new AbortController();
  const { signal } = stop;
  await makeDirectories(config.directories);
  await sweepDirectories(config.directories);
  const { tokens, accessTokens, personStates, schedule, callback, ...core } = createCore(config, log, {
    clock,
    signal,
  });
  const { version, repository } = readManifest(files);
  const program = { version, repository, pageUrl: pageUrlOf(config.status) };
  const [journal, publishers, unreadable, beds] = await Promise.all([
    core.openJournal(),
    preparePublishing(config, { program, askLogin, clock, log }),
    core.openUnreadable(),
    core.openBeds(),
  ]);
  const collect = core.createCollect(journal, unreadable);
  const troubles = createTroubles({ clock, log, people, personStates });
  const subscriptionTroubles = createTroubles({ clock, log, people });
  const derive = createDerive({ histories: journal.histories, people, goals: config.goals, clock });
  const linkedUsers = createLinkedUsers({ tokens, clock });
  const liveStatus = createLiveStatus({
    linkedUsers,
    readStoredStatus: core.readStoredStatus,
    remembered: personStates.remembered,
    troubles: [troubles, subscriptionTroubles],
    publishers: publishers.sources,
    journal,
    unreadable,
    derive,
    beds,
    people,
    schedule,
    clock,
  });
  const fetching = { collect, scales: core.scales, troubles, onContact: liveStatus.contacted };
  const collector = createCollector({ ...fetching, clock, random, log });
  const liveness = createLiveness(clock, () => collector.oldestAttemptMs(), fileWatch.silent);
  const bedPorts = { hasSecret: hasSecret(config.callback), people, clock, random, log, signal };
  const bed = beds && createBedIntake({ ...bedPorts, beds });
  const intake = createIntake({ linkedUsers, accessTokens, collector, bed, clock, log });
  const common = { linkedUsers, collector, clock, signal };
  const { subscriptions } = callback ?? {};
  const keeper =
    subscriptions &&
    createKeeper({
      ...common,
      subscriptions,
      troubles: subscriptionTroubles,
      intervalMs: config.reconcileIntervalMs,
      random,
    });
  const linker = callback?.createLinker(journal, {
    fetch: (userId) => collector.reconcile(userId, { urgent: true }),
    onHitch: (userId) => keeper?.soon(userId),
    isDaemon: true,
  });

  const onRedirect = async (redirect: Redirect, patience: Promise<void>) =>
    (await linker?.link(redirect, patience)) ?? NO_REDIRECT_URL;
  const app = createPublicApp({
    path: config.callback.path,
    query: config.callback.query,
    trustProxy: config.listen.trustProxy,
    onNotification(notification, caller) {
      liveStatus.notified(notification.userId);
      return intake(notification, caller);
    },
    onRedirect,
    prove: createProof(config.withings.credentials.clientSecret),
    directory: resolve(config.directories.tokens),
    people,
    clock,
    log,
  });
  const backfills = createBackfills({
    backfill: (watch, ...whose) => core.backfill({ journal, unreadable, random, watch }, ...whose),
    people,
    clock,
    log,
    signal,
  });
  const page = {
    liveStatus,
    backfills,
    journal,
    examine,
    version,
    pageFiles: files.page,
    consent: callback?.consent,
    stuck: liveness.stuck,
    onRedirect,
  };
  const statusPort = await openStatusPort(config, { ...page, clock, log, signal });
  const listener = await listen(app, config.listen).catch(async (error) => {
    await statusPort?.[Symbol.asyncDispose]();
    throw error;
  });
  const publicAddress = addressOf(listener);
  const privateAddress = statusPort && addressOf(statusPort);
  const where =
    privateAddress === undefined
      ? ''
      : `, status page http://${reachable(privateAddress.host)}:${privateAddress.port}/`;
  // This comes before any fetch: a publisher that starts for the first time skips what the journal already has.
  const ports = { journal, beds, linkedUsers, personStates, schedule, derive, random, signalGroup };
  const publishing = publishers.start(ports);
  log.info({
    event: 'listening',
    text: `listening on http://${formatAddress(publicAddress)} (notifications)${where}`,
    public: publicAddress,
    private: privateAddress,
  });
  const hangs = reportHangs({ longest: fileWatch.longest, clock, log, signal });
  const reconciling = reconcileForever({ ...common, accessTokens, onRound: liveness.beat, schedule, people, log });
  const running = [reconciling, keeper?.run(), hangs];

  return {
    publicAddress,
    /** Undefined if the status port is off. */
    privateAddress,
    /** Loads the rest after the start: an update replaces the files of a running program. */
    async load(): Promise<void> {
      await Promise.all([loadAxios(), publishers.load(), statusPort?.load()]);
      log.debug({ event: 'loaded', text: 'all modules are loaded' });
    },
    look: liveStatus.look,
    liveness,
    async [Symbol.asyncDispose](): Promise<void> {
      const closed = Promise.all([listener, statusPort].map((each) => each?.[Symbol.asyncDispose]()));
      // The collector stops first: then an aborted call does not count as trouble.
      const collected = collector[Symbol.asyncDispose]();
      stop.abort();
      // The publishers stop with the rest, because a hook may take all the time. Later readings wait for the next
      // start.
      const published = publishing[Symbol.asyncDispose]();
      await linker?.[Symbol.asyncDispose]();
      await collected;
      await backfills[Symbol.asyncDispose]();
      await Promise.all(running);
      await published;
      await closed;
    },
  };
}

function addressOf({ host, port }: Listener): Address {
  return { host, port };
}

function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

const NO_REDIRECT_URL: LinkFailed = {
  kind: 'failed',
  code: 'no_callback_url',
  title: 'No callback URL is set',
  problem: 'weighbridge does not know the address that Withings sent you to.',
  remedy:
    'Set CALLBACK_URL or REDIRECT_URL to the callback URL in the Withings partner dashboard, and restart weighbridge.',
};
