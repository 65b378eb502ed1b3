import type { Express } from 'express';
import { isWell, type Status } from '../../domain/status.ts';
import { answerErrors, createApp, refuse, refuseMethod } from '../answers.ts';
import { createPrivateGate, type PrivateGateOptions } from './gate.ts';
import { encodeHealthz } from './healthz.ts';
import { createPageRoutes, type PageRoutesOptions } from './page-routes.ts';

export interface PrivateAppOptions extends PrivateGateOptions, PageRoutesOptions {
  readonly version: string;
  readonly look: () => Promise<Status>;
}

/** Health data of a household: not for a cache, a frame, another site's page, or a guess at what it might be. */
const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** The port for the household itself: the status, as JSON and as a page. It is read-only. */
export function createPrivateApp(options: PrivateAppOptions): Express {
  const { version, look, log } = options;
  const app = createApp();
  app.use((_request, response, next) => {
    response.set(HEADERS);
    next();
  });
  app.use(createPrivateGate(options));
  app.get('/healthz', async (_request, response) => {
    const status = await look();
    response.status(isWell(status) ? 200 : 503).json(encodeHealthz(status, version));
  });
  app.all('/healthz', refuseMethod);
  app.use(createPageRoutes(options));
  app.use((_request, response) => refuse(response, 404));
  app.use(answerErrors(log, refuse));
  return app;
}
