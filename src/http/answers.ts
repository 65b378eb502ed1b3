import { createHash, timingSafeEqual } from 'node:crypto';
import express, { type ErrorRequestHandler, type Express, type Request, type Response } from 'express';
import type { Log } from '../domain/log.ts';
import { REPORT } from '../domain/trouble.ts';

/** An app that reveals nothing about itself and matches each path exactly. */
export function createApp(): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('case sensitive routing');
  app.enable('strict routing');
  app.set('query parser', false);
  return app;
}

export function parametersOf({ url }: Pick<Request, 'url'>): URLSearchParams {
  const start = url.indexOf('?');
  return new URLSearchParams(start === -1 ? '' : url.slice(start + 1));
}

/** Compares in a time that reveals neither the first difference nor the length of the secret. */
export function isSame(one: string, other: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(one), digest(other));
}

/** Closes the connection, because the rest of a refused request is not worth reading. */
export function refuse(response: Response, status: number, reason?: string): void {
  response.status(status).set('connection', 'close');
  if (reason === undefined) response.end();
  else response.type('text/plain').send(reason);
}

/** A content security policy that allows these sources and nothing else. */
export function policyOf(...sources: readonly string[]): string {
  const nothing = ["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"];
  return ["default-src 'none'", ...sources, ...nothing].join('; ');
}

/** Home Assistant shows a page in a frame, from its own address. */
export function allowFrame(policy: string): string {
  return policy.replace("frame-ancestors 'none'", "frame-ancestors 'self'");
}

/** Refuses all methods but GET and HEAD. */
export function refuseMethod(_request: Request, response: Response): void {
  refuse(response.set('allow', 'GET, HEAD'), 405);
}

/** Answers a request whose handler has failed, or whose body cannot be read. */
export function answerErrors(log: Log, answer: (response: Response, status: number) => void): ErrorRequestHandler {
  return (error: unknown, _request, response, _next) => {
    const status = error instanceof Error && 'status' in error ? Number(error.status) : 500;
    if (status >= 500) reportDefect(log, error);
    if (response.headersSent) response.destroy();
    else answer(response, status);
  };
}

export function reportDefect(log: Log, error: unknown): void {
  const where = error instanceof Error ? (error.stack ?? error.message) : String(error);
  log.error({ event: 'defect', text: `bug in weighbridge: ${where}. ${REPORT}` });
}
