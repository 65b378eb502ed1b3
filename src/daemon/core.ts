import { setMaxListeners } from 'node:events';
import { createAnnouncer } from '../app/collect/announce.ts';
import { type BackfillPorts, backfill } from '../app/collect/backfill.ts';
import { createCollect } from '../app/collect/collect.ts';
import { createHeights } from '../app/collect/heights.ts';
import { createScales } from '../app/collect/scales.ts';
import { createSchedule } from '../app/collect/schedule.ts';
import { createLinker, type LinkerHost } from '../app/link/link.ts';
import { createPersonStates } from '../app/status/person-states.ts';
import { readStoredStatus } from '../app/status/stored-status.ts';
import { createSubscriptions } from '../app/subscribe/subscriptions.ts';
import { createAccessTokens, createWithAccess } from '../app/tokens/access-tokens.ts';
import { obtainLogin } from '../app/tokens/rotate-token.ts';
import type { Config } from '../config/config.ts';
import type { BackfillRange } from '../domain/backfill.ts';
import { BED_KINDS, type BedEvents } from '../domain/bed.ts';
import type { Clock } from '../domain/clock.ts';
import type { Log } from '../domain/log.ts';
import type { UnreadableStore } from '../domain/measure.ts';
import type { Journal } from '../domain/reading.ts';
import { createReview } from '../domain/review.ts';
import type { UserId } from '../domain/token.ts';
import { makeDirectory, sweepTemporaryFiles } from '../storage/files.ts';
import { openJournal } from '../storage/journal/journal.ts';
import { createLastingFiles } from '../storage/lasting-files.ts';
import { createLinkFiles } from '../storage/link-files.ts';
import { createPersonFiles } from '../storage/person-files.ts';
import { createBackfillFiles, createCursorFiles } from '../storage/progress-files.ts';
import { createAccessFiles, createTokenFiles, sweepTokenFiles } from '../storage/token-files.ts';
import { openUnreadableFile } from '../storage/unreadable-file.ts';
import { createConsent } from '../withings/authorize.ts';
import { createWithingsClient } from '../withings/client.ts';
import { createRateLimit } from '../withings/rate-limit.ts';
import {
  backfillIn,
  bedIn,
  cursorsIn,
  journalIn,
  linksIn,
  peopleIn,
  storedStatusPorts,
  unreadableIn,
} from './data-directory.ts';

/** Settings that suffice for calls to Withings. */
export type WithingsConfig = Config & {
  readonly withings: { readonly credentials: NonNullable<Config['withings']['credentials']> };
};

export type Core = ReturnType<typeof createCore>;
/** The parts that need a registered callback URL: for the browser after the consent, and for notifications. */
export type Callback = NonNullable<Core['callback']>;

const ignore = () => undefined;
const SILENT: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore };

/**
 * Makes missing directories.
 *
 * @throws Trouble when one cannot be written
 */
export async function makeDirectories({ tokens, data }: Config['directories']): Promise<void> {
  for (const directory of [tokens, data, cursorsIn(data), peopleIn(data)]) await makeDirectory(directory);
}

/** Removes half-written files of a killed process. Only the daemon may: a command may be writing. */
export async function sweepDirectories({ tokens, data }: Config['directories']): Promise<void> {
  await sweepTokenFiles(tokens);
  for (const directory of [cursorsIn(data), peopleIn(data)]) await sweepTemporaryFiles(directory);
}

/**
 * Assembles the parts of the daemon and the commands. Nothing runs yet, and nothing is written.
 *
 * @param options.signal ends everything that waits
 */
export function createCore(
  config: WithingsConfig,
  log: Log,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
) {
  const { directories, withings, people } = config;
  const { url: callbackUrl, redirectUrl } = config.callback;
  // Every call that waits for its turn has a listener on the signal.
  setMaxListeners(0, signal);
  const rateLimit = createRateLimit({ clock, signal });
  const client = createWithingsClient({ apiUrl: withings.apiUrl, ...withings.credentials, rateLimit, clock, signal });
  const tokens = createTokenFiles(directories.tokens);
  const accesses = createAccessFiles(directories.tokens);
  const tokenPorts = { tokens, accesses, issuer: client, clock };
  const accessTokens = createAccessTokens({ ...tokenPorts, log });
  const withAccess = createWithAccess(accessTokens);
  /** Makes calls whose refusal does not count against the login or the measures. */
  const withSideAccess = createWithAccess({ ...accessTokens, refuse: () => undefined });
  const files = createLastingFiles(log);
  const cursors = createCursorFiles(cursorsIn(directories.data), log, files);
  const personStates = createPersonStates({ people: createPersonFiles(peopleIn(directories.data), files), log });
  // The user of a file reports its troubles.
  const storedStatus = { ...storedStatusPorts(directories, SILENT), people: { load: personStates.of } };
  const schedule = createSchedule({
    hasCallback: config.callback.url !== undefined,
    pollMs: config.pollIntervalMs,
    reconcileMs: config.reconcileIntervalMs,
    maxAgeMs: config.announceMaxAgeMs,
    remembered: personStates.remembered,
  });
  const heights = createHeights({ withAccess: withSideAccess, source: client, personStates, clock, log });
  const scales = createScales({
    accessTokens,
    source: client,
    personStates,
    household: tokens.list,
    people,
    clock,
    log,
  });
  const announce = createAnnouncer({ log, clock, people, maxAgeMs: schedule.maxAgeMs });

  const createCallback = (redirectUri: string) => {
    const { accountUrl, credentials, scopes, applis } = withings;
    const consent = createConsent({ accountUrl, ...credentials, scopes, redirectUri, clock });
    const common = { withAccess, personStates, people, clock, log, signal };
    const notifyPorts = { ...common, withAccess: withSideAccess, scopeOf: accessTokens.scopeOf, service: client };
    const subscriptions =
      callbackUrl === undefined ? undefined : createSubscriptions({ ...notifyPorts, callbackUrl, applis });
    const usedLinks = createLinkFiles(linksIn(directories.data));
    const login = { redirectUri, issuer: client, measures: client, tokens, accessTokens };
    const link = { ...login, consent, usedLinks };
    return {
      consent,
      /** Undefined if Withings cannot send notifications. */
      subscriptions,
      createLinker: (journal: Journal, host: LinkerHost) =>
        createLinker({ ...common, ...link, applis, subscriptions, journal, ...host }),
    };
  };

  return {
    client,
    tokens,
    /** The login with an access token that is valid for a call now. */
    obtainLogin: (userId: UserId) => obtainLogin(tokenPorts, userId, { urgent: true }),
    accessTokens,
    withAccess,
    cursors,
    personStates,
    scales,
    schedule,
    /** A person's status from the files. */
    readStoredStatus: (userId: UserId) => readStoredStatus(storedStatus, userId),
    /** Takes as long as reading the journal. */
    openJournal: () =>
      openJournal(journalIn(directories.data), log, { files, review: createReview(config.hold), clock }),
    /** Undefined if `APPLIS` has no bed category. */
    async openBeds(): Promise<BedEvents | undefined> {
      if (!withings.applis.some((appli) => BED_KINDS.has(appli))) return undefined;
      const { openBedFile } = await import('../storage/bed-file.ts');
      return await openBedFile(bedIn(directories.data), log, files);
    },
    openUnreadable: () => openUnreadableFile(unreadableIn(directories.data), log, files),
    createCollect: (journal: Journal, unreadable: UnreadableStore) =>
      createCollect({
        withAccess,
        accessTokens,
        measures: client,
        journal,
        cursors,
        unreadable,
        heights,
        personStates,
        people,
        clock,
        announce,
        log,
      }),
    /** Fetches a person's history into the journal. */
    async backfill(
      opened: Pick<BackfillPorts, 'journal' | 'unreadable' | 'random' | 'watch'>,
      userId: UserId,
      range: BackfillRange,
    ) {
      const directory = backfillIn(directories.data);
      await makeDirectory(directory);
      const store = createBackfillFiles(directory);
      return await backfill({ ...opened, withAccess, measures: client, store, clock, signal }, userId, range);
    },
    callback: redirectUrl === undefined ? undefined : createCallback(redirectUrl),
  };
}
