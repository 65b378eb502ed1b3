import { isIP } from 'node:net';
import { isLoopback } from '../config/readers.ts';
import { broken, type Finding, ok, warning } from './finding.ts';

/** Withings' rules for a callback URL (developer guide, notifications): https, a domain, port 443 or 80, 255 characters. */
const LONGEST = 255;
/** What `URL` says of a port that is the scheme's own is nothing. */
const PORTS: ReadonlySet<string> = new Set(['', '443', '80']);
/** Names that routers and machines give each other, and that nobody outside can look up. */
const PRIVATE_NAMES = /\.(local|localdomain|localhost|lan|home|home\.arpa|internal|intranet|private|fritz\.box)$/;

/**
 * What can be told of a callback URL by looking at it.
 *
 * @param url a whole URL, https unless it is on this machine
 * @param options.sandbox there is no Withings outside: the API is on this machine as well
 */
export function judgeCallbackUrl(url: string, { sandbox }: { readonly sandbox: boolean }): readonly Finding[] {
  const { hostname, port, protocol, host } = new URL(url);
  if (isLoopback(hostname)) {
    const text = `CALLBACK_URL is for this machine alone (${host}): Withings cannot reach it`;
    return sandbox
      ? [warning('callback', text, 'this is right for a sandbox and a test, and only for those')]
      : [broken('callback', text, NEEDS_A_NAME)];
  }
  const findings: Finding[] = [];
  if (protocol !== 'https:')
    findings.push(broken('callback', 'CALLBACK_URL does not begin with https://', NEEDS_A_NAME));
  if (isIP(hostname.replace(/^\[|\]$/g, '')) !== 0) {
    findings.push(
      broken('callback', `CALLBACK_URL names an address (${hostname}), and Withings calls names only`, NEEDS_A_NAME),
    );
  } else if (PRIVATE_NAMES.test(hostname) || !hostname.includes('.')) {
    const text = `CALLBACK_URL names ${hostname}, which is known in your own network alone`;
    findings.push(broken('callback', text, NEEDS_A_NAME));
  }
  if (!PORTS.has(port)) {
    const remedy =
      'let the tunnel, the proxy or the router take calls on port 443, and leave the port out of CALLBACK_URL';
    findings.push(broken('callback', `CALLBACK_URL names port ${port}, and Withings calls 443 and 80 only`, remedy));
  }
  if (url.length > LONGEST) {
    const text = `CALLBACK_URL has ${url.length} characters, and Withings takes ${LONGEST}`;
    findings.push(broken('callback', text, 'shorten the secret in it: "openssl rand -hex 16" gives 32 characters'));
  }
  return findings.length > 0 ? findings : [ok('callback', `CALLBACK_URL is one that Withings accepts (${host})`)];
}

const NEEDS_A_NAME =
  'it needs https and a public name: a tunnel such as ngrok gives you both (README, "A way in"); then set CALLBACK_URL, and change it in the partner dashboard';
