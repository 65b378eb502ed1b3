import { setMaxListeners } from 'node:events';
import { createAnnouncer } from '../app/collect/announce.ts';
import { type Collect, createCollect } from '../app/collect/collect.ts';
import { createLinker, type Linker, type LinkerHost } from '../app/link/link.ts';
import { createPersonStates, type PersonStates } from '../app/status/person-states.ts';
import { readStoredStatus, type StoredStatus } from '../app/status/stored-status.ts';
import { createSubscriptions, type Subscriptions } from '../app/subscribe/subscriptions.ts';
import {
  type AccessTokens,
  createAccessTokens,
  createWithAccess,
  type WithAccess,
} from '../app/tokens/access-tokens.ts';
import { type Login, obtainLogin } from '../app/tokens/rotate-token.ts';
import type { Config } from '../config/config.ts';
import type { Clock } from '../domain/clock.ts';
import type { Consent } from '../domain/link.ts';
import type { Log } from '../domain/log.ts';
import type { CursorStore, Journal } from '../domain/reading.ts';
import type { TokenStore, UserId } from '../domain/token.ts';
import { makeDirectory, sweepTemporaryFiles } from '../storage/files.ts';
import { type OpenJournal, openJournal } from '../storage/journal/journal.ts';
import { createPersonFiles } from '../storage/person-files.ts';
import { createCursorFiles } from '../storage/progress-files.ts';
import { createAccessFiles, createTokenFiles, sweepTokenFiles } from '../storage/token-files.ts';
import { createConsent } from '../withings/authorize.ts';
import { createWithingsClient, type WithingsClient } from '../withings/client.ts';
import { createRateLimit } from '../withings/rate-limit.ts';
import { cursorsIn, journalIn, peopleIn, storedStatusPorts } from './data-directory.ts';

/** Settings that suffice for calls to Withings. */
export type WithingsConfig = Config & {
  readonly withings: { readonly credentials: NonNullable<Config['withings']['credentials']> };
};

/** What the daemon and the commands are made of. */
export interface Core {
  readonly client: WithingsClient;
  readonly tokens: TokenStore;
  /** The login with an access token that is good for a call now. */
  obtainLogin(userId: UserId): Promise<Login>;
  readonly accessTokens: AccessTokens;
  readonly withAccess: WithAccess;
  readonly cursors: CursorStore;
  readonly personStates: PersonStates;
  /** A person's status as the files hold it. */
  readStoredStatus(userId: UserId): Promise<StoredStatus>;
  /** Opens the journal, which takes as long as reading it does. */
  openJournal(): Promise<OpenJournal>;
  createCollect(journal: Journal): Collect;
  /** Undefined without a callback URL. */
  readonly callback: Callback | undefined;
}

/** What needs a callback URL, for Withings' notifications and for the browser after the consent. */
export interface Callback {
  readonly consent: Consent;
  readonly subscriptions: Subscriptions;
  createLinker(journal: Journal, host: LinkerHost): Linker;
}

const ignore = () => undefined;
const SILENT: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore };

/**
 * Makes the directories that are missing.
 *
 * @throws Trouble when one cannot be written
 */
export async function makeDirectories({ tokens, data }: Config['directories']): Promise<void> {
  for (const directory of [tokens, cursorsIn(data), peopleIn(data)]) await makeDirectory(directory);
}

/** Removes what a killed process left half-written. For the daemon alone: a command may be writing. */
export async function sweepDirectories({ tokens, data }: Config['directories']): Promise<void> {
  await sweepTokenFiles(tokens);
  for (const directory of [cursorsIn(data), peopleIn(data)]) await sweepTemporaryFiles(directory);
}

/**
 * Puts together what needs nothing else. Nothing is running yet, and nothing is written.
 *
 * @param options.signal ends everything that waits
 */
export function createCore(
  config: WithingsConfig,
  log: Log,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Core {
  const { directories, withings, people } = config;
  // Every call that waits for its turn has a listener on it.
  setMaxListeners(0, signal);
  const rateLimit = createRateLimit({ clock, signal });
  const client = createWithingsClient({ apiUrl: withings.apiUrl, ...withings.credentials, rateLimit, clock, signal });
  const tokens = createTokenFiles(directories.tokens);
  const accesses = createAccessFiles(directories.tokens);
  const tokenPorts = { tokens, accesses, issuer: client, clock };
  const accessTokens = createAccessTokens({ ...tokenPorts, log });
  const withAccess = createWithAccess(accessTokens);
  const cursors = createCursorFiles(cursorsIn(directories.data), log);
  const personStates = createPersonStates({ people: createPersonFiles(peopleIn(directories.data)), log });
  // What is wrong with a file is reported where it is used.
  const storedStatus = { ...storedStatusPorts(directories, SILENT), people: { load: personStates.of } };
  const announce = createAnnouncer({ log, clock, people, maxAgeMs: config.announceMaxAgeMs });

  const createCallback = (callbackUrl: string): Callback => {
    const { accountUrl, credentials, scopes, applis } = withings;
    const consent = createConsent({ accountUrl, ...credentials, scopes, redirectUri: callbackUrl, clock });
    const common = { withAccess, personStates, people, clock, log, signal };
    const subscriptions = createSubscriptions({ ...common, service: client, callbackUrl, applis });
    const link = { consent, redirectUri: callbackUrl, issuer: client, measures: client, tokens, accessTokens };
    return {
      consent,
      subscriptions,
      createLinker: (journal, host) => createLinker({ ...common, ...link, subscriptions, journal, ...host }),
    };
  };

  return {
    client,
    tokens,
    obtainLogin: (userId) => obtainLogin(tokenPorts, userId, { urgent: true }),
    accessTokens,
    withAccess,
    cursors,
    personStates,
    readStoredStatus: (userId) => readStoredStatus(storedStatus, userId),
    openJournal: () => openJournal(journalIn(directories.data), log),
    createCollect: (journal) =>
      createCollect({ withAccess, accessTokens, measures: client, journal, cursors, clock, announce, log }),
    callback: config.callback.url === undefined ? undefined : createCallback(config.callback.url),
  };
}
