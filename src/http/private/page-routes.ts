import { pipeline } from 'node:stream/promises';
import { Router } from 'express';
import type { Clock } from '../../domain/clock.ts';
import type { People } from '../../domain/household.ts';
import type { LinkOutcome } from '../../domain/link.ts';
import { allowFrame, parametersOf, policyOf, refuse, refuseMethod } from '../answers.ts';
import { sendOutcome } from '../link-page.ts';
import { isByIngress } from './gate.ts';
import { createLive } from './live.ts';

/** The page, as this port serves it. */
export interface Page {
  /**
   * The whole document, for the parameters of the address.
   *
   * @param isFramed it is shown in Home Assistant
   */
  draw(parameters: URLSearchParams, isFramed: boolean): Promise<string>;
  /** Undefined where no file has this name. */
  asset(name: string): Promise<Asset | undefined>;
  /** Every weigh-in of a person as CSV, in pieces; undefined where there is no such person. */
  csv(userId: string): Promise<AsyncIterable<string> | undefined>;
  /** Calls back whenever the page may have changed. */
  watch(onChange: () => void): Disposable;
  /** Withings' consent page; undefined where the browser could not come back from it. Without this the page links no person. */
  readonly link: (() => URL | undefined) | undefined;
  /** Links by the address that the browser ended on, where it does not come back. Undefined where the page has no form for it. */
  readonly linkPasted: ((address: string, deadline: Promise<void>) => Promise<LinkOutcome | 'working'>) | undefined;
  /** Fetches past years of a person; false where there is no such person. Undefined where the page has no button for it. */
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
  /** Of its content, so that a browser may always keep it under an address that has it. */
  readonly hash: string;
}

/** What the page loads comes from here, and nothing in it runs that is not a file of ours. */
export const PAGE_POLICY = policyOf(
  ...["script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"],
).replace("form-action 'none'", "form-action 'self'");

const FRAMED_POLICY = allowFrame(PAGE_POLICY);
/** Well below what proxies and this port's own limits allow an answer. */
const DEADLINE_MS = 8_000;

const ALWAYS = 'public, max-age=31536000, immutable';

/** All but POST is read-only, so it is harmless when another site makes a browser ask. */
export function createPageRoutes({ page, clock, signal }: PageRoutesOptions): Router {
  const routes = Router({ caseSensitive: true, strict: true });
  routes.get('/', async (request, response) => {
    const isFramed = isByIngress(response);
    const document = await page.draw(parametersOf(request), isFramed);
    response
      .set('content-security-policy', isFramed ? FRAMED_POLICY : PAGE_POLICY)
      // Without a referrer to this port the browser would not say either that a form of this page was sent.
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
    // A reader who has gone away needs no answer. One who is there sees that the file is cut off.
    await pipeline(csv, response, { signal }).catch((error) => {
      if (!response.destroyed) response.destroy(error);
    });
  });
  routes.all(['/', '/changes', '/assets/:name', '/csv/:userid'], refuseMethod);
  return routes;
}
