import { pipeline } from 'node:stream/promises';
import { Router } from 'express';
import type { Clock } from '../../domain/clock.ts';
import type { People } from '../../domain/household.ts';
import type { LinkOutcome } from '../../domain/link.ts';
import { allowFrame, parametersOf, policyOf, refuse, refuseMethod } from '../answers.ts';
import { sendOutcome } from '../link-page.ts';
import { isByIngress } from './gate.ts';
import { createLive } from './live.ts';

/** The page that this port serves. */
export interface Page {
  /**
   * The whole document, for the parameters of the address.
   *
   * @param isFramed Home Assistant shows the page
   */
  draw(parameters: URLSearchParams, isFramed: boolean): Promise<string>;
  /** Undefined if no file has this name. */
  asset(name: string): Promise<Asset | undefined>;
  /** Every weigh-in of a person as CSV, in pieces; undefined if the person does not exist. */
  csv(userId: string): Promise<AsyncIterable<string> | undefined>;
  /** Calls `onChange` whenever the page may have changed. */
  watch(onChange: () => void): Disposable;
  /** Withings' consent page. Undefined if the browser could not come back: then the page links no person. */
  readonly link: (() => URL | undefined) | undefined;
  /** Links by the final address of a browser that does not come back. Undefined if the page has no form for it. */
  readonly linkPasted: ((address: string, deadline: Promise<void>) => Promise<LinkOutcome | 'working'>) | undefined;
  /** Fetches past years of a person. False if the person does not exist. Undefined if the page has no button for it. */
  readonly backfill: ((userId: string) => Promise<boolean>) | undefined;
  readonly people: People;
}

export interface PageRoutesOptions {
  readonly page: Page;
  readonly clock: Clock;
  /** Aborts when the daemon stops. */
  readonly signal: AbortSignal;
}

/** A file that the page loads. */
export interface Asset {
  readonly content: string;
  /** The hash of the content. A browser may always keep a file whose address contains it. */
  readonly hash: string;
}

/** The page loads only from this port, and runs only our files. */
export const PAGE_POLICY = policyOf(
  ...["script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"],
).replace("form-action 'none'", "form-action 'self'");

const FRAMED_POLICY = allowFrame(PAGE_POLICY);
/** Well below the time limits of proxies and of this port. */
const DEADLINE_MS = 8_000;

const ALWAYS = 'public, max-age=31536000, immutable';

/** All methods but POST only read, so a request that another site causes is harmless. */
export function createPageRoutes({ page, clock, signal }: PageRoutesOptions): Router {
  const routes = Router({ caseSensitive: true, strict: true });
  routes.get('/', async (request, response) => {
    const isFramed = isByIngress(response);
    const document = await page.draw(parametersOf(request), isFramed);
    response
      .set('content-security-policy', isFramed ? FRAMED_POLICY : PAGE_POLICY)
      // Without a referrer to this port, the browser would not identify a form of this page either.
      .set('referrer-policy', 'same-origin')
      .type('html')
      .send(document);
  });
  const { link, linkPasted, backfill, people } = page;
  routes.get('/pasted', async (request, response, next) => {
    if (linkPasted === undefined || !isByIngress(response)) return next('router');
    const answered = new AbortController();
    const deadline = clock.sleep(DEADLINE_MS, answered.signal);
    const outcome = await linkPasted(parametersOf(request).get('address') ?? '', deadline);
    answered.abort();
    sendOutcome(response, outcome, people, true);
  });
  if (link !== undefined) {
    routes.get('/link', (_request, response) => response.redirect(303, link()?.href ?? './'));
    routes.all('/link', refuseMethod);
  }
  if (backfill !== undefined) {
    routes.post('/backfill/:userid', async (request, response, next) => {
      if (await backfill(request.params.userid)) response.redirect(303, `../#u${request.params.userid}`);
      else next('router');
    });
    routes.all('/backfill/:userid', (_request, response) => refuse(response.set('allow', 'POST'), 405));
  }
  routes.get('/changes', createLive({ watch: page.watch, clock, signal }));
  routes.get('/assets/:name', async (request, response, next) => {
    const { name } = request.params;
    const asset = await page.asset(name);
    if (asset === undefined) return next('router');
    const isThisOne = parametersOf(request).get('v') === asset.hash;
    response
      .set('cache-control', isThisOne ? ALWAYS : 'no-cache')
      .type(name)
      .send(asset.content);
  });
  routes.get('/csv/:userid', async (request, response, next) => {
    const { userid } = request.params;
    const csv = await page.csv(userid);
    if (csv === undefined) return next('router');
    response.type('csv').attachment(`weighbridge-${userid}.csv`);
    if (request.method === 'HEAD') return void response.end();
    // A reader who has left needs no answer. Another reader sees that the file is cut off.
    await pipeline(csv, response, { signal }).catch((error) => {
      if (!response.destroyed) response.destroy(error);
    });
  });
  routes.all(['/', '/changes', '/assets/:name', '/csv/:userid'], refuseMethod);
  return routes;
}
