import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { type ConnectionOptions, connect } from 'node:tls';
import { type Probe, type Prove, probeCallback } from '../http/probe.ts';
import { TIMEOUT_MS } from './finding.ts';

/** The certificate of a TLS server. */
export interface Certificate {
  readonly validTo: Date;
  /** The code of OpenSSL and Node why a client must not trust it. Undefined if a client may. */
  readonly distrust: string | undefined;
}

/** All network access of checks, except Withings' API. Each fails with Node's code. */
export interface Network {
  /** The addresses of a host in DNS, without this machine's own list of names. */
  resolve(host: string): Promise<readonly string[]>;
  certificateOf(url: URL): Promise<Certificate>;
  /** The `Date` header of a web server. */
  timeAt(url: URL): Promise<Date | undefined>;
  probe(url: string, prove: Prove): Promise<Probe>;
  /** The HTTP status of the answer to a GET. */
  statusOf(url: string): Promise<number>;
}

/** @param signal ends everything that waits for an answer */
export function openNetwork(signal: AbortSignal): Network {
  const limit = () => AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  return {
    async resolve(host) {
      const dns = new Resolver({ timeout: TIMEOUT_MS / 4, tries: 2 });
      const cancel = () => dns.cancel();
      signal.addEventListener('abort', cancel);
      const [four, six] = await Promise.allSettled([dns.resolve4(host), dns.resolve6(host)]);
      signal.removeEventListener('abort', cancel);
      const addresses = [four, six].flatMap((each) => (each.status === 'fulfilled' ? each.value : []));
      if (addresses.length === 0 && four.status === 'rejected') throw four.reason;
      return addresses;
    },
    certificateOf: (url) => certificateOf(url, {}, limit()),
    timeAt: (url) => timeAt(url, limit()),
    probe: (url, prove) => probeCallback(url, prove, undefined, signal),
    async statusOf(url) {
      const answer = await fetch(url, { redirect: 'manual', signal: limit() });
      await answer.arrayBuffer();
      return answer.status;
    },
  };
}

/**
 * Completes the TLS handshake and sends nothing, for the server may be untrusted.
 *
 * @param options other authorities than this machine's, or another lookup of the host
 */
export async function certificateOf(
  { hostname, port }: URL,
  options: Pick<ConnectionOptions, 'ca' | 'lookup'> = {},
  signal: AbortSignal = AbortSignal.timeout(TIMEOUT_MS),
): Promise<Certificate> {
  const host = hostname.replace(/^\[|\]$/g, '');
  const socket = connect({
    ...options,
    host,
    port: Number(port || 443),
    ...(isIP(host) === 0 && { servername: host }),
    rejectUnauthorized: false,
  });
  try {
    await once(socket, 'secureConnect', { signal });
    const { authorized, authorizationError } = socket;
    const validTo = new Date(socket.getPeerCertificate().valid_to);
    return { validTo, distrust: authorized ? undefined : String(authorizationError) };
  } finally {
    socket.destroy();
  }
}

/**
 * A wrong clock makes every certificate look wrong, so the certificate is not checked here. No secret is sent, and the
 * answer is only shown to a person.
 */
async function timeAt(url: URL, signal: AbortSignal): Promise<Date | undefined> {
  const ask = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const sent = ask(url, { method: 'HEAD', agent: false, rejectUnauthorized: false, signal }).end();
  // Errors after the head of the answer do not matter.
  sent.on('error', () => undefined);
  const [answer] = await once(sent, 'response');
  answer.resume();
  const date = new Date(answer.headers.date ?? Number.NaN);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
