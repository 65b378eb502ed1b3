import { hostname } from 'node:os';
import type { LiveStatus } from '../app/status/live-status.ts';
import { createChanges } from '../app/status/status-changes.ts';
import type { Config } from '../config/config.ts';
import { isLoopback } from '../config/readers.ts';
import type { Clock } from '../domain/clock.ts';
import { lazily } from '../domain/lazily.ts';
import type { Consent } from '../domain/link.ts';
import type { Log } from '../domain/log.ts';
import { type Listener, listen } from '../http/listen.ts';
import { createPrivateApp } from '../http/private/app.ts';
import { type Asset, readAssets } from '../http/private/assets.ts';
import type { Page } from '../http/private/page-routes.ts';
import { ASSETS, type Concern, PATHS, readRange } from '../page/view.ts';
import type { OpenJournal } from '../storage/journal/journal.ts';

const PATIENCE_MS = 500;

export interface StatusPorts {
  readonly liveStatus: LiveStatus;
  readonly journal: OpenJournal;
  /** What can be told to be wrong with the set-up without asking anybody. */
  readonly examine: () => Promise<readonly Concern[]>;
  readonly version: string;
  /** The folder of the page's own files. */
  readonly pageFiles: URL;
  readonly consent: Consent | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * Opens the port for the household: `/healthz` and the page. What draws the page is loaded when somebody looks.
 *
 * @returns undefined where it is turned off
 * @throws Trouble when the address cannot be had
 */
export async function openStatusPort(config: Config, ports: StatusPorts): Promise<Listener | undefined> {
  const { host, port, password } = config.status;
  if (port === undefined) return undefined;
  const { liveStatus, journal, examine, version, clock, log, signal } = ports;
  const changes = createChanges({ liveStatus, lookForMore: journal.look, examine, feed: journal.feed, clock, signal });
  const names = isLoopback(host) ? [] : [host, hostname(), `${hostname()}.local`];
  const page = createPage(config, ports, changes.watch);
  const app = createPrivateApp({
    names,
    password,
    look: liveStatus.look,
    version,
    page,
    clock,
    log,
    signal,
  });
  return await listen(app, { host, port }, { host: 'STATUS_HOST', port: 'STATUS_PORT' });
}

function createPage({ callback, people }: Config, ports: StatusPorts, watch: Page['watch']): Page {
  const { liveStatus, journal, examine, version, consent, clock } = ports;
  const load = lazily(() => loadPage(ports.pageFiles));

  return {
    watch,
    async asset(name) {
      return (await load()).assets.get(name);
    },
    async draw(parameters) {
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
      };
      return renderPage(view, (name) => `${PATHS.assets}${name}?v=${assets.get(name)?.hash}`);
    },
    link: () => consent?.request({ demo: false, subscribe: true }).link,
  };
}

/** What other processes have appended waits for a lock, and the page for no more than a moment: the rest comes live. */
async function lookBriefly({ look }: Pick<OpenJournal, 'look'>, { sleep }: Pick<Clock, 'sleep'>): Promise<void> {
  const done = new AbortController();
  // What is wrong with the journal is told by whoever writes to it.
  const looked = look().catch(() => undefined);
  await Promise.race([looked.finally(() => done.abort()), sleep(PATIENCE_MS, done.signal)]);
}

interface Loaded {
  readonly renderPage: typeof import('../page/status-page.ts').renderPage;
  readonly assets: ReadonlyMap<string, Asset>;
}

async function loadPage(files: URL): Promise<Loaded> {
  const assets = await readAssets(files, ASSETS);
  const { renderPage } = await import('../page/status-page.ts');
  return { renderPage, assets };
}
