import type { Express } from 'express';
import { isWell, type Status } from '../../domain/status.ts';
import { html } from '../../html/html.ts';
import { answerErrors, createApp, parametersOf, refuse, refuseMethod } from '../answers.ts';
import { createPrivateGate, type PrivateGateOptions } from './gate.ts';
import { encodeHealthz } from './healthz.ts';
import { createPageRoutes, type PageRoutesOptions } from './page-routes.ts';

export interface PrivateAppOptions extends PrivateGateOptions, PageRoutesOptions {
  readonly version: string;
  readonly look: () => Promise<Status>;
  /** The work that is stuck until a restart. Undefined while all work goes on. */
  readonly stuck: () => string | undefined;
}

/** The port serves a household's health data. So it forbids caches, frames, other sites' pages and content sniffing. */
const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** The status port: the status as JSON and as a page. */
export function createPrivateApp(options: PrivateAppOptions): Express {
  const { version, look, stuck, log } = options;
  const app = createApp();
  app.use((_request, response, next) => {
    response.set(HEADERS);
    next();
  });
  app.use(createPrivateGate(options));
  app.get('/healthz', async (request, response) => {
    // This answer is for a program that restarts weighbridge if it is not 200. A restart links no person and repairs no
    // broker.
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
  app.use(({ path }, response) => {
    const home = '../'.repeat(path.split('/').length - 2) || './';
    const text = html`<p>No page here. Open the <a href="${home}">status page</a>.</p>\n`;
    response.status(404).set('connection', 'close').type('html').send(text.markup);
  });
  app.use(answerErrors(log, refuse));
  return app;
}
