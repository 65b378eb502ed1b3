import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { Backfills } from '../app/collect/backfills.ts';
import { cleanPasted, readPasted } from '../app/link/pasted.ts';
import type { LiveStatus } from '../app/status/live-status.ts';
import { createStatusChanges } from '../app/status/status-changes.ts';
import { EVERY_ADDRESS } from '../config/checks.ts';
import type { Config } from '../config/config.ts';
import { isLoopback } from '../config/readers.ts';
import { type Clock, within } from '../domain/clock.ts';
import { lazily } from '../domain/lazily.ts';
import type { Consent, LinkOutcome, Redirect } from '../domain/link.ts';
import type { Log } from '../domain/log.ts';
import { parseUserId } from '../domain/token.ts';
import { LOOK } from '../html/look.ts';
import { type Listener, listen } from '../http/listen.ts';
import { createPrivateApp } from '../http/private/app.ts';
import type { Asset, Page } from '../http/private/page-routes.ts';
import { reachable } from '../http/probe.ts';
import { ASSETS, type Concern, PATHS, readRange, relative } from '../page/view.ts';
import type { OpenJournal } from '../storage/journal/journal.ts';

/** The redirect in an invalid or incomplete address. */
const NOTHING: Redirect = { code: undefined, state: undefined, error: undefined };

/** How long the page waits for the journal. */
const JOURNAL_WAIT_MS = 500;

export interface StatusPorts {
  readonly liveStatus: LiveStatus;
  readonly backfills: Pick<Backfills, 'begin' | 'newest'>;
  readonly journal: OpenJournal;
  /** The problems of the set-up that show without any connection. */
  readonly examine: () => Promise<readonly Concern[]>;
  readonly version: string;
  /** The folder of the page's own files. */
  readonly pageFiles: URL;
  readonly consent: Consent | undefined;
  readonly stuck: () => string | undefined;
  /** Gets the redirect of a browser from the consent page. */
  readonly onRedirect: (redirect: Redirect, deadline: Promise<void>) => Promise<LinkOutcome | 'working'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** The port for the household. */
export interface StatusPort extends Listener {
  /** Loads the code and the files of the page, which the start does not wait for. */
  readonly load: () => Promise<void>;
}

/** The address of the page for other computers at home. Undefined if it is only for this one, or off. */
export function pageUrlOf(
  { host, port }: Pick<Config['status'], 'host' | 'port'>,
  name = hostname(),
): string | undefined {
  if (port === undefined || isLoopback(host)) return undefined;
  const own = name.includes('.') ? name : `${name}.local`;
  const reached = EVERY_ADDRESS.includes(host) ? own : reachable(host);
  return `http://${reached}:${port}${PATHS.page}`;
}

/**
 * Opens the port for the household: `/healthz` and the page.
 *
 * @returns undefined if it is turned off
 * @throws Trouble if the address cannot be bound
 */
export async function openStatusPort(config: Config, ports: StatusPorts): Promise<StatusPort | undefined> {
  const { host, port, ingress, password } = config.status;
  if (port === undefined) return undefined;
  const { liveStatus, backfills, journal, examine, clock, signal } = ports;
  const changes = createStatusChanges({
    liveStatus,
    lookForMore: journal.look,
    examine: async () => [backfills.newest(), await examine()],
    feed: journal.feed,
    clock,
    signal,
  });
  const names = isLoopback(host) ? [] : [host, hostname(), `${hostname()}.local`];
  const { load, ...page } = createPage(config, ports, changes.watch);
  const app = createPrivateApp({ ...ports, names, password, ingress, look: liveStatus.look, page });
  const listener = await listen(app, { host, port }, { host: 'STATUS_HOST', port: 'STATUS_PORT' });
  return { ...listener, load };
}

function createPage(
  { callback, people, pollIntervalMs, reconcileIntervalMs, status: { offersLink } }: Config,
  ports: StatusPorts,
  watch: Page['watch'],
): Page & Pick<StatusPort, 'load'> {
  const { liveStatus, backfills, journal, examine, version, pageFiles, clock } = ports;
  const request = () => ports.consent?.request({ demo: false, subscribe: true }).link;
  const pastes = !callback.answersRedirect && offersLink && ports.consent !== undefined;
  const backfill = async (text: string) => {
    const person = (await liveStatus.look()).people.find(({ userId }) => userId === text);
    if (person !== undefined) backfills.begin(person.userId);
    return person !== undefined;
  };
  const load = lazily(async () => {
    const { renderPage } = await import('../page/status-page.ts');
    return { renderPage, assets: await readAssets(pageFiles) };
  });

  return {
    load: async () => void (await load()),
    watch,
    async csv(text) {
      const userId = parseUserId(text);
      const isKnown = userId !== undefined && journal.histories.quantitiesOf(userId).length > 0;
      if (!isKnown) return undefined;
      const { inChunks, toCsv } = await import('../storage/journal/csv.ts');
      return inChunks(toCsv(journal.linesOf(userId), people.names));
    },
    asset: async (name) => (await load()).assets.get(name),
    async draw(parameters, isFramed) {
      const { renderPage, assets } = await load();
      await lookBriefly(journal, clock);
      const view = {
        now: clock.now(),
        version,
        range: readRange(parameters.get('range')),
        unit: people.unit,
        status: await liveStatus.look(),
        histories: journal.histories,
        concerns: await examine(),
        callbackUrl: callback.url,
        pollMs: pollIntervalMs,
        reconcileMs: reconcileIntervalMs,
        answersRedirect: callback.answersRedirect,
        offersLink,
        // Home Assistant's app opens the link in another browser, which is not logged in there.
        linkUrl: (isFramed && offersLink && request()?.href) || relative(PATHS.link),
        pastes: isFramed && pastes,
        backfill: backfills.newest(),
      };
      return renderPage(view, (name) => `${relative(PATHS.assets)}${name}?v=${assets.get(name)?.hash}`);
    },
    link: offersLink ? () => (callback.answersRedirect ? request() : undefined) : undefined,
    backfill: offersLink ? backfill : undefined,
    people,
    linkPasted: pastes
      ? (address, deadline) => ports.onRedirect(readPasted(cleanPasted(address)) ?? NOTHING, deadline)
      : undefined,
  };
}

/** Reading other processes' entries waits for a lock. The page waits only for a moment, and the rest comes live. */
async function lookBriefly({ look }: Pick<OpenJournal, 'look'>, clock: Pick<Clock, 'sleep'>): Promise<void> {
  // The writer of the journal reports its troubles.
  const looked = look().catch(() => undefined);
  await within(looked, JOURNAL_WAIT_MS, clock);
}

/** The assets by name. A request never names a file. */
async function readAssets(directory: URL): Promise<ReadonlyMap<string, Asset>> {
  const assets = ASSETS.map(async (name): Promise<[string, Asset]> => {
    const content = (name === 'page.css' ? LOOK : '') + (await readFile(new URL(name, directory), 'utf8'));
    const hash = createHash('sha256').update(content).digest('base64url').slice(0, 12);
    return [name, { content, hash }];
  });
  return new Map(await Promise.all(assets));
}
