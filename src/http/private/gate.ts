import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import type { Request, RequestHandler, Response } from 'express';
import type { Clock } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import { createThrottle } from '../../domain/throttle.ts';
import { isSame, refuse } from '../answers.ts';

const MINUTE_MS = 60_000;
/** Typing errors of a household need a few. At ten a minute, a password of four random words is safe. */
const MOST_A_MINUTE = 10;
const HOUR_MS = 60 * MINUTE_MS;
/** More than typing errors: it must be a program that stays below the limit. */
const MANY_AN_HOUR = 30;

/** The text omits the name, because a stranger's page could read it. */
const BY_NAME = 'Open this page by IP address, as localhost, or by the name of this computer.\n';
const CLOSED = 'Set STATUS_PASSWORD to open this port to other computers.\n';
const GUESSED = 'repeated wrong passwords on the status port. Sign-in is blocked for up to a minute.';

export interface PrivateGateOptions {
  /** The accepted names of this machine, besides addresses and `localhost`. */
  readonly names: readonly string[];
  readonly password: string | undefined;
  /** The address that needs neither the password nor our name, because Home Assistant there requires a login. */
  readonly ingress: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Admits requests that may see the status port. Others learn nothing, not even what the port offers.
 *
 * Wrong passwords count together for all addresses: IPv6 addresses are free in a LAN, and behind a proxy there is only
 * one. While the limit lasts, the right password is refused as well, or there would be no limit.
 */
export function createPrivateGate({ names, password, ingress, clock, log }: PrivateGateOptions): RequestHandler {
  const minute = createCount(clock, MINUTE_MS, MOST_A_MINUTE);
  const hour = createCount(clock, HOUR_MS, MANY_AN_HOUR);
  const throttle = createThrottle(clock, HOUR_MS, 1);

  const countWrong = (given: string) => {
    const isFull = [minute.add(given), hour.add(given)].includes(true);
    if (isFull && throttle('')) log.warn({ event: 'wrong_passwords', text: GUESSED });
  };

  const checkPassword = (expected: string, given: string | undefined, response: Response): boolean => {
    const pauseMs = minute.fullForMs();
    if (given !== undefined && pauseMs > 0) {
      const seconds = Math.ceil(pauseMs / 1000);
      response.set('retry-after', String(seconds));
      refuse(response, 429, `Too many wrong passwords. Try again in ${seconds} s\n`);
      return false;
    }
    if (given !== undefined && isSame(given, expected)) return true;
    if (given !== undefined) countWrong(given);
    response.set('www-authenticate', 'Basic realm="weighbridge", charset="UTF-8"');
    refuse(response, 401, 'Sign in with any user name and the password from STATUS_PASSWORD.\n');
    return false;
  };

  const isAllowed = (request: Request, response: Response): boolean => {
    if (password !== undefined) return checkPassword(password, readPassword(request.headers.authorization), response);
    if (ingress === undefined || isLoopback(callerOf(request))) return true;
    refuse(response, 403, CLOSED);
    return false;
  };

  return (request, response, next) => {
    const isIngress = ingress !== undefined && callerOf(request) === ingress;
    response.locals['isIngress'] = isIngress;
    const isNamed = isIngress || isOwnName(request.headers.host, names);
    if (!isNamed) refuse(response, 421, names.length === 0 ? byAddress(request) : BY_NAME);
    else if (isForeign(request, isIngress)) refuse(response, 403, 'Blocked: the request came from another website.\n');
    else if (isIngress || isAllowed(request, response)) next();
  };
}

function byAddress({ socket }: Request): string {
  return `Open this page by IP address or as localhost, e.g. http://127.0.0.1:${socket.localPort}/\n`;
}

/** Whether the request came through Home Assistant. */
export function isByIngress(response: Response): boolean {
  return response.locals['isIngress'] === true;
}

/** The address at the other end of the connection, regardless of headers. */
function callerOf({ socket }: Request): string | undefined {
  return socket.remoteAddress?.replace(/^::ffff:(?=[0-9.]+$)/, '');
}

function isLoopback(address: string | undefined): boolean {
  return address === '::1' || address?.startsWith('127.') === true;
}

/**
 * Counts different passwords up to a limit, within a time that begins with the first. A repeated password is not
 * another guess, so a monitor with an old one does not block others.
 */
function createCount({ elapsedMs }: Clock, lengthMs: number, most: number) {
  const passwords = new Set<string>();
  let endMs = Number.NEGATIVE_INFINITY;
  const startOver = () => {
    if (elapsedMs() >= endMs) passwords.clear();
  };

  return {
    /** How long the count stays full, or 0 if it is not full. */
    fullForMs(): number {
      startOver();
      return passwords.size < most ? 0 : endMs - elapsedMs();
    },
    /** Returns true if this password filled the count. */
    add(password: string): boolean {
      startOver();
      if (passwords.size === 0) endMs = elapsedMs() + lengthMs;
      if (passwords.size >= most || passwords.has(password)) return false;
      passwords.add(password);
      return passwords.size === most;
    },
  };
}

/**
 * A page on the internet can make its own name resolve to this machine. It can then send requests here as to its own
 * server (DNS rebinding). That does not work with an address.
 */
function isOwnName(host: string | undefined, names: readonly string[]): boolean {
  const [, bracketed, plain = ''] = /^(?:\[([^\]]*)\]|([^:]*))(?::[0-9]*)?$/.exec(host ?? '') ?? [];
  if (bracketed !== undefined) return isIP(bracketed) === 6;
  const name = plain.toLowerCase();
  return isIP(name) === 4 || name === 'localhost' || names.some((each) => each.toLowerCase() === name);
}

/**
 * Another site may link here, and learns nothing by that. It may not load, embed or request anything. Writing is only
 * for our own page, and for programs other than browsers.
 */
function isForeign({ method, headers }: Request, isIngress: boolean): boolean {
  const site = headers['sec-fetch-site'];
  if (method !== 'GET' && method !== 'HEAD')
    return site === undefined ? isOtherOrigin(headers, isIngress) : site !== 'same-origin';
  return site === 'cross-site' && headers['sec-fetch-dest'] !== 'document';
}

/**
 * Browsers send `Sec-Fetch-Site` only to localhost and over TLS, but `Origin` with every form. So a request without
 * the first came over http, unless Home Assistant reports another scheme.
 */
function isOtherOrigin({ origin, host, 'x-forwarded-proto': forwarded }: IncomingHttpHeaders, isIngress: boolean) {
  if (origin === undefined) return false;
  const [scheme] = (isIngress && forwarded?.toString().split(',')) || ['http'];
  return !URL.canParse(`${scheme}://${host}`) || origin !== new URL(`${scheme}://${host}`).origin;
}

/** The password of HTTP Basic (RFC 7617); undefined without one. */
function readPassword(authorization: string | undefined): string | undefined {
  const [, encoded] = /^basic +([A-Za-z0-9+/=_-]+) *$/i.exec(authorization ?? '') ?? [];
  if (encoded === undefined) return undefined;
  const decoded = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  return colon === -1 ? undefined : decoded.slice(colon + 1);
}
