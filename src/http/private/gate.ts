import { isIP } from 'node:net';
import type { Request, RequestHandler, Response } from 'express';
import type { Clock } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import { isSame } from '../same.ts';
import { createGuesses } from './guesses.ts';

/** How often it is told that somebody guesses passwords. */
const TELL_MS = 3_600_000;

const BY_ADDRESS = 'ask by address, or as localhost';
/** Which name that is, a stranger's page need not read here. */
const BY_NAME = 'ask by address, as localhost, or by the name of this machine';

export interface PrivateGateOptions {
  /** Names of this machine under which the port may be asked, besides addresses and `localhost`. */
  readonly names: readonly string[];
  readonly password: string | undefined;
  readonly clock: Pick<Clock, 'elapsedMs'>;
  readonly log: Log;
}

/** Lets through who may see the private port; whoever may not learns nothing, not even what there is. */
export function createPrivateGate({ names, password, clock, log }: PrivateGateOptions): RequestHandler {
  const guesses = createGuesses(clock);
  let toldMs = Number.NEGATIVE_INFINITY;

  const tell = () => {
    if (clock.elapsedMs() - toldMs < TELL_MS) return;
    toldMs = clock.elapsedMs();
    const text =
      'somebody tries passwords on the status port; after ten wrong ones it takes none for the rest of the minute';
    log.warn({ event: 'wrong_passwords', text });
  };

  const checkPassword = (expected: string, authorization: string | undefined, response: Response): boolean => {
    const given = readPassword(authorization);
    const pauseMs = guesses.pauseMs();
    if (given !== undefined && pauseMs > 0) {
      const seconds = Math.ceil(pauseMs / 1000);
      response.set('retry-after', String(seconds));
      refuse(response, 429, `too many wrong passwords; try again in ${seconds} s`);
      return false;
    }
    if (given !== undefined && isSame(given, expected)) return true;
    if (given !== undefined && guesses.wrong(given)) tell();
    response.set('www-authenticate', 'Basic realm="weighbridge", charset="UTF-8"');
    refuse(response, 401, 'the password is STATUS_PASSWORD, with any user name');
    return false;
  };

  return (request, response, next) => {
    const { host, authorization } = request.headers;
    if (!isOwnName(host, names)) return refuse(response, 421, names.length === 0 ? BY_ADDRESS : BY_NAME);
    if (isForeign(request)) return refuse(response, 403, 'not from other sites');
    if (password === undefined || checkPassword(password, authorization, response)) next();
  };
}

/**
 * A page on the internet can have its own name resolve to this machine, and then ask here as if this were its own
 * server (DNS rebinding). An address cannot be made to do that.
 */
function isOwnName(host: string | undefined, names: readonly string[]): boolean {
  const [, bracketed, plain = ''] = /^(?:\[([^\]]*)\]|([^:]*))(?::[0-9]*)?$/.exec(host ?? '') ?? [];
  if (bracketed !== undefined) return isIP(bracketed) === 6;
  const name = plain.toLowerCase();
  return isIP(name) === 4 || name === 'localhost' || names.some((each) => each.toLowerCase() === name);
}

/** Another site may lead somebody here by a link, and has nothing of it; it may not load, embed or ask anything. */
function isForeign({ method, headers }: Request): boolean {
  const isFollowedLink = headers['sec-fetch-dest'] === 'document' && (method === 'GET' || method === 'HEAD');
  return headers['sec-fetch-site'] === 'cross-site' && !isFollowedLink;
}

/** The password of HTTP Basic (RFC 7617); undefined where there is none. */
function readPassword(authorization: string | undefined): string | undefined {
  const [, encoded] = /^basic +([A-Za-z0-9+/=_-]+) *$/i.exec(authorization ?? '') ?? [];
  if (encoded === undefined) return undefined;
  const decoded = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  return colon === -1 ? undefined : decoded.slice(colon + 1);
}

/** What is left of a refused request is not worth reading, so the connection goes with it. */
function refuse(response: Response, status: number, reason: string): void {
  response.status(status).set('connection', 'close').type('text/plain').send(`${reason}\n`);
}
