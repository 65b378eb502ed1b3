import { createHmac, randomBytes } from 'node:crypto';

/** A request may carry a nonce; the answer then carries its proof. */
export const NONCE_HEADER = 'weighbridge-nonce';
export const PROOF_HEADER = 'weighbridge-proof';
/** The same for the daemon's login directory, which the daemon does not reveal. */
export const DIRECTORY_HEADER = 'weighbridge-place';

/** Makes a proof from a nonce, as only our daemon can. With a directory, only a daemon with logins there can. */
export type Prove = (nonce: string, directory?: string) => string;

/** The caller chooses the nonce, so each proof has its own purpose: none may confirm a guess at the other. */
export function createProof(clientSecret: string): Prove {
  const sign = (...lines: readonly string[]) =>
    createHmac('sha256', clientSecret).update(lines.join('\n')).digest('hex');
  return (nonce, directory) =>
    directory === undefined
      ? sign('weighbridge proof 1', nonce)
      : sign('weighbridge proof of directory 1', nonce, directory);
}

/** Longer than Withings waits. */
const TIMEOUT_MS = 10_000;

/** The result of a HEAD request to a callback URL. */
export interface Probe {
  /** Undefined without an answer. */
  readonly status: number | undefined;
  /** The answer came from a daemon with our client secret, and not from a server in front of it. */
  readonly isOurs: boolean;
  /** The daemon is ours, and keeps its logins in the given directory. */
  readonly isHere: boolean;
  /** The target of a redirect. */
  readonly location: string | undefined;
  readonly ms: number;
  /** Node's name of the error, if there was no answer. */
  readonly error: string | undefined;
}

/**
 * Sends a HEAD request to a callback URL, as Withings does, without following redirects.
 *
 * @param directory the expected directory of the logins, as an absolute path
 * @param stop ends the waiting as well, as an error
 */
export async function probeCallback(url: string, prove: Prove, directory = '', stop?: AbortSignal): Promise<Probe> {
  const nonce = randomBytes(16).toString('hex');
  const startedMs = performance.now();
  const elapsedMs = () => Math.round(performance.now() - startedMs);
  try {
    const answer = await fetch(url, {
      method: 'HEAD',
      redirect: 'manual',
      headers: { [NONCE_HEADER]: nonce },
      signal: AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), ...(stop ? [stop] : [])]),
    });
    const isOurs = answer.headers.get(PROOF_HEADER) === prove(nonce);
    const isHere = isOurs && answer.headers.get(DIRECTORY_HEADER) === prove(nonce, directory);
    const location = answer.headers.get('location') ?? undefined;
    return { status: answer.status, isOurs, isHere, location, ms: elapsedMs(), error: undefined };
  } catch (error) {
    const nothing = { status: undefined, location: undefined, isOurs: false, isHere: false };
    return { ...nothing, ms: elapsedMs(), error: reasonOf(error) };
  }
}

/** The callback's address on this machine, past every tunnel and proxy. */
export function localCallbackUrl(address: {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly query: URLSearchParams;
}): string {
  const { host, port, path, query } = address;
  return `http://${reachable(host)}:${port}${path}${query.size === 0 ? '' : `?${query}`}`;
}

/** The host of a URL that reaches a server bound to this address. */
export function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

/** `fetch` hides the reason behind "fetch failed". */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return 'ETIMEDOUT';
  const { cause } = error;
  if (cause instanceof Error && 'code' in cause && cause.code !== undefined) return String(cause.code);
  return cause instanceof Error ? cause.message : error.message;
}
