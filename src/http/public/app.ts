import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { type ParsedUrlQuery, parse } from 'node:querystring';
import express, { type Express, type Request } from 'express';
import { BED_KINDS } from '../../domain/bed.ts';
import { type Clock, within } from '../../domain/clock.ts';
import type { People } from '../../domain/household.ts';
import type { LinkOutcome, Redirect } from '../../domain/link.ts';
import type { Log } from '../../domain/log.ts';
import { type Notification, parseNotification } from '../../domain/notification.ts';
import { answerErrors, createApp, parametersOf, refuse, reportDefect } from '../answers.ts';
import { sendOutcome } from '../link-page.ts';
import { DIRECTORY_HEADER, NONCE_HEADER, PROOF_HEADER, type Prove } from '../probe.ts';
import { type CallbackGate, createCallbackGate } from './callback-gate.ts';

/** A notification is a hundred bytes. */
const MOST_BODY_BYTES = 4096;
const NOT_A_FORM = 'send a form (application/x-www-form-urlencoded, not compressed)';

export interface PublicAppOptions {
  /** The path of requests when they arrive here. */
  readonly path: string;
  /** The parameters of the callback URL, which every request must bring. */
  readonly query: URLSearchParams;
  /** Express' `trust proxy`: which proxies may state a client's address. */
  readonly trustProxy: boolean | number | string;
  /**
   * Gets every well-formed notification and its sender's address, after the answer. For a bed it gets the notification
   * before the answer, and returns false if Withings must send it again.
   */
  readonly onNotification: (notification: Notification, caller: string) => Promise<boolean>;
  /** Gets the redirect of a browser from the consent page. Waits for the outcome until `deadline` resolves. */
  readonly onRedirect: (redirect: Redirect, deadline: Promise<void>) => Promise<LinkOutcome | 'working'>;
  /** Proves to a caller with the secret of the URL that this is the daemon, and not another server. */
  readonly prove: Prove;
  /** The directory of the logins, as an absolute path. */
  readonly directory: string;
  readonly people: People;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly log: Log;
}

/** How browsers mark the fetch of a page that the user has not opened yet. */
const PREFETCH_HEADERS = ['sec-purpose', 'purpose', 'x-purpose', 'x-moz'];

/** Well below the time limits of proxies and of this port. */
const DEADLINE_MS = 8_000;
/** Withings waits 2 s for the answer to a notification (developer guide, notifications). */
const BED_DEADLINE_MS = 1_500;

/**
 * The port that faces the internet. Everything but the callback path is 404, and it trusts nothing that it receives. It
 * answers a notification before any work. A bed notification is different: nothing can be fetched later, so the answer
 * depends on whether it is stored.
 */
export function createPublicApp(options: PublicAppOptions): Express {
  const { path, query, trustProxy, onNotification, onRedirect, prove, directory, people, clock, log } = options;
  const gate = createCallbackGate(path, query);
  const app = createApp();
  app.set('trust proxy', trustProxy);

  app.use((request, response, next) => {
    response.locals['gate'] = gate.check(parametersOf(request));
    if (!gate.isPath(request.url.replace(/\?.*$/s, '')) || response.locals['gate'] === 'wrong') refuse(response, 404);
    else next();
  });

  app.use((request, response, next) => {
    const { method } = request;
    if (method === 'POST') next();
    else if (response.locals['gate'] === 'missing') refuse(response, 404);
    else if (method === 'GET' && isRedirect(parametersOf(request))) next();
    // Withings probes with HEAD before it stores a subscription, and treats 204 and 405 as unreachable.
    else if (method === 'HEAD' || method === 'GET') {
      const nonce = request.get(NONCE_HEADER);
      if (nonce !== undefined) {
        response.set(PROOF_HEADER, prove(nonce));
        response.set(DIRECTORY_HEADER, prove(nonce, directory));
      }
      response.status(200).end();
    } else response.status(405).set('allow', 'GET, HEAD, POST').end();
  });

  app.get('/{*any}', async (request, response) => {
    // A prefetch must not use up a code that is valid for one use.
    if (PREFETCH_HEADERS.some((name) => request.get(name) !== undefined)) {
      response.status(503).set('cache-control', 'no-store').end();
      return;
    }
    const parameters = parametersOf(request);
    const read = (name: string) => parameters.get(name) ?? undefined;
    const redirect = { code: read('code'), state: read('state'), error: read('error') };
    const answered = new AbortController();
    const outcome = await onRedirect(redirect, clock.sleep(DEADLINE_MS, answered.signal));
    answered.abort();
    sendOutcome(response, outcome, people);
  });

  // The body is read as bytes: a notification is ASCII, and the same in every charset that it may name.
  app.use(express.raw({ type: isForm, inflate: false, limit: MOST_BODY_BYTES }));

  app.post('/{*any}', async (request, response) => {
    const fields = formOf(request);
    if (response.locals['gate'] === 'missing' && checkForm(gate, fields) !== 'right') return refuse(response, 404);
    if (!isForm(request)) return refuse(response, 415, NOT_A_FORM);
    const notification = parseNotification(fields);
    if ('malformed' in notification) return refuse(response, 400, notification.malformed);
    const caller = callerOf(request);
    const take = () =>
      onNotification(notification, caller).catch((error: unknown) => {
        reportDefect(log, error);
        return false;
      });
    if (!BED_KINDS.has(notification.appli)) response.once('close', take);
    else if (!(await within(take(), BED_DEADLINE_MS, clock)))
      return refuse(response, 503, 'weighbridge cannot store the notification now. Send it again.');
    response.type('text/plain').send('ok');
  });

  app.use(
    answerErrors(log, (response, status) => {
      // A stranger without the secret learns nothing.
      if (response.locals['gate'] !== 'right') refuse(response, 404);
      else if (status >= 500) refuse(response, status, '');
      else refuse(response, REASONS[status] === undefined ? 400 : status, REASONS[status] ?? '');
    }),
  );
  return app;
}

/** The caller's address, as `trust proxy` allows. No decision depends on it. */
function callerOf({ ip, socket }: Request): string {
  // A proxy may forward anything, and people read this in a log.
  const address = ip !== undefined && isIP(ip) !== 0 ? ip : (socket.remoteAddress ?? 'an unknown address');
  return address.replace(/^::ffff:(?=[0-9.]+$)/, '');
}

/** Whether a browser comes back from the consent page: with a code, or with the reason why there is none. */
function isRedirect(parameters: URLSearchParams): boolean {
  return parameters.has('code') || parameters.has('error');
}

/** True also without a body, unlike `request.is`. A request without a type counts as a form. */
function isForm({ headers }: IncomingMessage): boolean {
  return /^(application\/x-www-form-urlencoded *(;|$)|$)/i.test(headers['content-type'] ?? '');
}

function formOf({ body }: Request): ParsedUrlQuery {
  return Buffer.isBuffer(body) ? parse(body.toString(), '&', '=', { maxKeys: MOST_BODY_BYTES }) : {};
}

function checkForm(gate: CallbackGate, fields: ParsedUrlQuery): ReturnType<CallbackGate['check']> {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    for (const each of [value ?? []].flat()) form.append(name, each);
  }
  return gate.check(form);
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'weighbridge cannot read the request',
  413: `a notification has at most ${MOST_BODY_BYTES} bytes`,
  415: NOT_A_FORM,
};
