import express, { type ErrorRequestHandler, type Express } from 'express';
import type { Clock } from '../../domain/clock.ts';
import { isWell, type Status } from '../../domain/status.ts';
import { reportDefect } from '../answers.ts';
import { refuseMethod } from '../refuse-method.ts';
import { createPrivateGate, type PrivateGateOptions } from './gate.ts';
import { encodeHealthz } from './healthz.ts';
import { createPageRoutes, type PageRoutesOptions } from './page-routes.ts';

export interface PrivateAppOptions extends PrivateGateOptions, PageRoutesOptions {
  readonly clock: Pick<Clock, 'elapsedMs' | 'sleep'>;
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

/** The port for the household itself: how things stand. It is read-only. */
export function createPrivateApp(options: PrivateAppOptions): Express {
  const { version, look, log } = options;
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('case sensitive routing');
  app.enable('strict routing');
  app.set('query parser', false);

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

  app.use((_request, response) => void response.status(404).set('connection', 'close').end());
  const answerError: ErrorRequestHandler = (error: unknown, _request, response, _next) => {
    const status = error instanceof Error && 'status' in error ? Number(error.status) : 500;
    if (status >= 500) reportDefect(log, error);
    if (response.headersSent) response.destroy();
    else response.status(status).set('connection', 'close').end();
  };
  app.use(answerError);
  return app;
}
