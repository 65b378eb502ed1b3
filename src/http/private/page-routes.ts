import { type RequestHandler, Router } from 'express';
import type { Clock } from '../../domain/clock.ts';
import { refuseMethod } from '../refuse-method.ts';
import type { Asset } from './assets.ts';
import { createLive } from './live.ts';

/** The page, as this port serves it. */
export interface Page {
  /** The whole document, for the parameters of the address. */
  draw(parameters: URLSearchParams): Promise<string>;
  /** Undefined where there is none of this name. */
  asset(name: string): Promise<Asset | undefined>;
  /** Calls back whenever the page may be another one. */
  watch(onChange: () => void): Disposable;
  /** Withings' consent page; undefined where nobody could come back from it. */
  link(): URL | undefined;
}

export interface PageRoutesOptions {
  readonly page: Page;
  readonly clock: Pick<Clock, 'sleep'>;
  /** Aborts when the daemon stops. */
  readonly signal: AbortSignal;
}

/** What the page loads comes from here, and nothing in it runs that is not a file of ours. */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const FOR_EVER = 'public, max-age=31536000, immutable';

/** All of it is read-only, so that it does not matter who makes a browser ask. */
export function createPageRoutes({ page, clock, signal }: PageRoutesOptions): Router {
  const routes = Router({ caseSensitive: true, strict: true });

  const answerPage: RequestHandler = async (request, response) => {
    const document = await page.draw(parametersOf(request.url));
    response.set('content-security-policy', PAGE_POLICY).type('html').send(document);
  };

  const answerAsset: RequestHandler = async (request, response, next) => {
    const asset = await page.asset(String(request.params['name']));
    if (asset === undefined) return next('router');
    const isThisOne = parametersOf(request.url).get('v') === asset.hash;
    response.set('cache-control', isThisOne ? FOR_EVER : 'no-cache');
    response.type(asset.type).send(asset.content);
  };

  const sendToWithings: RequestHandler = (_request, response) => response.redirect(303, page.link()?.href ?? '/');

  routes.get('/', answerPage);
  routes.get('/link', sendToWithings);
  routes.get('/changes', createLive({ watch: page.watch, clock, signal }));
  routes.get('/assets/:name', answerAsset);
  routes.all(['/', '/link', '/changes', '/assets/:name'], refuseMethod);
  return routes;
}

function parametersOf(url: string): URLSearchParams {
  return new URL(url, 'http://localhost').searchParams;
}
