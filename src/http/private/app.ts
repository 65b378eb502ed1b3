import type { Express } from 'express';
import { isWell, type Status } from '../../domain/status.ts';
import { answerErrors, createApp, parametersOf, refuse, refuseMethod } from '../answers.ts';
import { createPrivateGate, type PrivateGateOptions } from './gate.ts';
import { encodeHealthz } from './healthz.ts';
import { createPageRoutes, type PageRoutesOptions } from './page-routes.ts';

export interface PrivateAppOptions extends PrivateGateOptions, PageRoutesOptions {
  readonly version: string;
  readonly look: () => Promise<Status>;
  /** What has come to a standstill, so that only a restart helps; undefined while nothing has. */
  readonly stuck: () => string | undefined;
}

/** Health data of a household: not for a cache, a frame, another site's page, or a guess at what it might be. */
const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** The port for the household itself: the status, as JSON and as a page. */
export function createPrivateApp(options: PrivateAppOptions): Express {
  const { version, look, stuck, log } = options;
  const app = createApp();
  app.use((_request, response, next) => {
    response.set(HEADERS);
    next();
  });
  app.use(createPrivateGate(options));
  app.get('/healthz', async (request, response) => {
    // For what restarts weighbridge when the answer is not 200: a restart links no person, and repairs no broker.
    if (parametersOf(request).has('live')) {
      const standstill = stuck();
      response.status(standstill === undefined ? 200 : 503).type('text/plain');
      return void response.send(`${standstill ?? 'alive'}\n`);
    }
    const status = await look();
    response.status(isWell(status) ? 200 : 503).json(encodeHealthz(status, version));
  });
  app.all('/healthz', refuseMethod);
  app.use(createPageRoutes(options));
  app.use((_request, response) => refuse(response, 404));
  app.use(answerErrors(log, refuse));
  return app;
}
