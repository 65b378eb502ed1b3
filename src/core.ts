import { setMaxListeners } from 'node:events';
import { type AccessTokens, createAccessTokens } from './app/access-tokens.ts';
import { createAnnouncer } from './app/announce.ts';
import { type Collect, createCollect } from './app/collect.ts';
import { createLinker, type Linker } from './app/link.ts';
import { createPace } from './app/pace.ts';
import { createRecords, type Records } from './app/records.ts';
import { type Login, obtainLogin } from './app/rotate-token.ts';
import { createSubscriptions, type Subscriptions } from './app/subscriptions.ts';
import { createWithAccess, type WithAccess } from './app/with-access.ts';
import type { Config } from './config.ts';
import type { Clock } from './domain/clock.ts';
import type { Consent } from './domain/link.ts';
import type { Log } from './domain/log.ts';
import type { CursorStore, Journal } from './domain/reading.ts';
import type { TokenStore, UserId } from './domain/token.ts';
import { createAccessFiles } from './storage/access-files.ts';
import { createCursorFiles } from './storage/cursor-files.ts';
import { makeDirectory, sweepTemporaryFiles } from './storage/files.ts';
import { type OpenJournal, openJournal } from './storage/journal.ts';
import { createPersonFiles } from './storage/person-files.ts';
import { createTokenFiles, sweepTokenFiles } from './storage/token-files.ts';
import { createConsent } from './withings/authorize.ts';
import { createWithingsClient, type WithingsClient } from './withings/client.ts';

/** Settings with which Withings can be asked. */
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
  readonly records: Records;
  /** Opens the journal, which takes as long as reading it does. */
  openJournal(): Promise<OpenJournal>;
  createCollect(journal: Journal): Collect;
  /** Undefined without a callback URL. */
  readonly callback: Callback | undefined;
}

/** What needs an address under which Withings, or a browser, can come back. */
export interface Callback {
  readonly consent: Consent;
  readonly subscriptions: Subscriptions;
  createLinker(journal: Journal, fetch: (userId: UserId) => Promise<void>): Linker;
}

const cursorsIn = (data: string) => `${data}/cursors`;
const peopleIn = (data: string) => `${data}/people`;

/**
 * Makes the directories that are missing.
 *
 * @throws Trouble when one cannot be written
 */
export async function makeDirectories({ tokens, data }: Config['directories']): Promise<void> {
  for (const directory of [tokens, cursorsIn(data), peopleIn(data)]) await makeDirectory(directory);
}

/** Removes what a killed process left half-written. For the daemon alone: others may be writing. */
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
  // Every call that waits for its turn listens to it.
  setMaxListeners(0, signal);
  const pace = createPace({ clock, signal });
  const client = createWithingsClient({ apiUrl: withings.apiUrl, ...withings.credentials, pace, clock, signal });
  const tokens = createTokenFiles(directories.tokens);
  const accesses = createAccessFiles(directories.tokens);
  const tokenPorts = { tokens, accesses, issuer: client, clock };
  const accessTokens = createAccessTokens({ ...tokenPorts, log });
  const withAccess = createWithAccess(accessTokens);
  const cursors = createCursorFiles(cursorsIn(directories.data), log);
  const records = createRecords({ people: createPersonFiles(peopleIn(directories.data)), log });
  const announce = createAnnouncer({ log, clock, people, maxAgeMs: config.announceMaxAgeMs });

  const createCallback = (callbackUrl: string): Callback => {
    const { accountUrl, credentials, scopes, applis } = withings;
    const consent = createConsent({ accountUrl, ...credentials, scopes, redirectUri: callbackUrl, clock });
    const common = { withAccess, records, people, clock, log };
    const subscriptions = createSubscriptions({ ...common, service: client, callbackUrl, applis, signal });
    const ports = { ...common, consent, redirectUri: callbackUrl, issuer: client, measures: client };
    return {
      consent,
      subscriptions,
      createLinker: (journal, fetch) => createLinker({ ...ports, tokens, accessTokens, subscriptions, journal, fetch }),
    };
  };

  return {
    client,
    tokens,
    obtainLogin: (userId) => obtainLogin(tokenPorts, userId, { urgent: true }),
    accessTokens,
    withAccess,
    cursors,
    records,
    openJournal: () => openJournal(`${directories.data}/measures.jsonl`, log),
    createCollect: (journal) =>
      createCollect({ withAccess, accessTokens, measures: client, journal, cursors, clock, announce, log }),
    callback: config.callback.url === undefined ? undefined : createCallback(config.callback.url),
  };
}
