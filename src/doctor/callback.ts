import { BlockList, isIP, isIPv6 } from 'node:net';
import { isLoopback } from '../config/readers.ts';
import type { Probe } from '../http/probe.ts';
import { broken, codeOf, type Finding, ok, warning } from './finding.ts';
import type { Certificate } from './network.ts';

/** Withings' rules for a callback URL (developer guide, notifications): https, a domain, port 443 or 80, 255 characters. */
const LONGEST = 255;
/** `URL` leaves the port empty if it is the scheme's own. */
const PORTS: ReadonlySet<string> = new Set(['', '443', '80']);
/** Names that routers and machines give each other. Public DNS has no record of them. */
const PRIVATE_NAMES = /\.(local|localdomain|localhost|lan|home|home\.arpa|internal|intranet|private|fritz\.box)$/;

/**
 * The problems that the text of a callback URL shows.
 *
 * @param url a whole URL, https unless it is on this machine
 * @param options.sandbox the API is on this machine as well
 */
export function judgeCallbackUrl(url: string, { sandbox }: { readonly sandbox: boolean }): readonly Finding[] {
  const { hostname, host } = new URL(url);
  const faults = faultsOf(url);
  if (sandbox && isLoopback(hostname)) {
    const remedy = 'This is right for a sandbox or a test. For Withings, set a public https URL.';
    return faults.map(({ what }) => warning('callback', `CALLBACK_URL ${what}`, remedy));
  }
  if (faults.length === 0) return [ok('callback', `CALLBACK_URL follows the rules of Withings (${host})`)];
  return faults.map(({ what, remedy }) => broken('callback', `CALLBACK_URL ${what}`, remedy));
}

/** Why Withings cannot reach a URL: `what` continues the name of the URL. */
export function faultsOf(url: string): readonly { readonly what: string; readonly remedy: string }[] {
  const { hostname, port, protocol, host } = new URL(url);
  if (isLoopback(hostname))
    return [{ what: `is an address of this computer (${host}), which Withings cannot reach`, remedy: NEEDS_A_NAME }];
  const faults: { what: string; remedy: string }[] = [];
  const report = (what: string, remedy = NEEDS_A_NAME) => void faults.push({ what, remedy });
  if (protocol !== 'https:') report('does not begin with https://');
  if (isIP(hostname.replace(/^\[|\]$/g, '')) !== 0) {
    report(`has an IP address (${hostname}), but Withings needs a domain name`);
  } else if (PRIVATE_NAMES.test(hostname) || !hostname.includes('.')) {
    report(`has a host name of your own network (${hostname}), but Withings needs a public one`);
  }
  if (!PORTS.has(port)) {
    const remedy =
      'Forward port 443 of the tunnel, the proxy or the router to weighbridge, and remove the port from CALLBACK_URL.';
    report(`has port ${port}, but Withings accepts only 443 and 80`, remedy);
  }
  if (url.length > LONGEST) {
    const remedy = 'Shorten the secret in CALLBACK_URL: "openssl rand -hex 16" prints 32 characters.';
    report(`has ${url.length} characters, but Withings accepts at most ${LONGEST}`, remedy);
  }
  return faults;
}

const NEEDS_A_NAME =
  'Use an https URL with a domain name. A tunnel such as ngrok gives you both (see docs/exposing.md). Change CALLBACK_URL here and in the Withings dashboard.';

/**
 * Subnets that cannot be reached from outside (IANA's special-purpose registries): private, shared by a provider's
 * customers, this machine, this link.
 */
const PRIVATE_SUBNETS = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16'],
  ...['::/127', 'fc00::/7', 'fe80::/10'],
];

function listPrivate(): BlockList {
  const list = new BlockList();
  for (const subnet of PRIVATE_SUBNETS) {
    const [network = '', prefix] = subnet.split('/');
    list.addSubnet(network, Number(prefix), familyOf(network));
  }
  return list;
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4';
}

/** Looks up the host in the callback URL. `found` is true if there is an address to connect to. */
export async function checkDns(
  host: string,
  resolve: (host: string) => Promise<readonly string[]>,
): Promise<{ readonly finding: Finding; readonly found: boolean }> {
  try {
    return { finding: judgeAddresses(host, await resolve(host)), found: true };
  } catch (error) {
    return { finding: judgeFailure(host, codeOf(error)), found: false };
  }
}

function judgeAddresses(host: string, addresses: readonly string[]): Finding {
  const list = addresses.join(', ');
  const subnets = listPrivate();
  if (addresses.every((address) => subnets.check(address, familyOf(address)))) {
    const remedy =
      'Set its DNS record to your public address ("curl https://api.ipify.org" shows it), or use a tunnel. If only your own DNS answers so, try from a phone without Wi-Fi.';
    return broken('dns', `${host} leads to ${list}, which only your own network can reach`, remedy);
  }
  return ok('dns', `${host} leads to ${list}`);
}

/** @param code Node's code of the resolver's answer */
function judgeFailure(host: string, code: string): Finding {
  if (code === 'ENOTFOUND' || code === 'ENODATA') {
    const remedy =
      'Check the name in CALLBACK_URL. Create its DNS record, or check whether the tunnel still has this name.';
    return broken('dns', `DNS knows no address of ${host}`, remedy);
  }
  const remedy = 'Check the network connection. "resolvectl status" shows the DNS server.';
  return broken('dns', `DNS does not answer for ${host} (${code})`, remedy);
}

/** Let's Encrypt renews a month ahead. With less left, the renewal has been failing for weeks. */
const SOON_MS = 14 * 86_400_000;

const RENEW =
  'Renew the certificate with "sudo certbot renew", or check the log of the proxy that renews automatically.';
const TRUSTED = "Get a certificate from Let's Encrypt (Caddy and certbot do that for you), or use a tunnel.";

/** The meanings of OpenSSL's codes, and their fixes. */
const DISTRUST: Readonly<Record<string, readonly [meaning: string, remedy: string]>> = {
  CERT_NOT_YET_VALID: ['is not valid yet', 'Check the clocks of this computer and of the proxy.'],
  ERR_TLS_CERT_ALTNAME_INVALID: ['is for another name', 'Get a certificate for the name in CALLBACK_URL.'],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['is self-signed, but Withings trusts only public certificate authorities', TRUSTED],
  SELF_SIGNED_CERT_IN_CHAIN: [
    'comes from a private certificate authority, but Withings trusts only public ones',
    TRUSTED,
  ],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [
    'comes without the certificate of its issuer',
    'Serve fullchain.pem, not cert.pem.',
  ],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: [
    'comes from an issuer that this computer does not trust',
    'Serve fullchain.pem, not cert.pem. On this computer, run "sudo apt install ca-certificates".',
  ],
};

/** Whether Withings will accept a certificate. */
export function judgeCertificate({ validTo, distrust }: Certificate, now: Date): Finding {
  const day = validTo.toISOString().slice(0, 10);
  const leftMs = validTo.getTime() - now.getTime();
  if (distrust === 'CERT_HAS_EXPIRED' || leftMs <= 0) {
    return broken('certificate', `expired on ${day}`, `${RENEW} Check the clock as well.`);
  }
  if (distrust !== undefined) {
    const [meaning, remedy] = DISTRUST[distrust] ?? [`cannot be trusted (${distrust})`, TRUSTED];
    return broken('certificate', meaning, remedy);
  }
  if (leftMs >= SOON_MS) return ok('certificate', `is trusted, and valid until ${day}`);
  return warning('certificate', `expires in ${Math.floor(leftMs / 86_400_000)} days, on ${day}`, RENEW);
}

/** Withings closes the connection after 2 s (developer guide, notifications). */
const TOO_SLOW_MS = 2_000;
const SLOW_MS = 1_000;

/** Judges the answer to a HEAD request to the callback URL, sent as Withings sends it. */
export function judgeHead(probe: Probe, { url, port }: { readonly url: string; readonly port: number }): Finding {
  const { status, isOurs, location, ms, error } = probe;
  if (status === undefined) return judgeSilence(error ?? 'no answer');
  if (location !== undefined && status >= 300 && status < 400) return judgeRedirect(status, location, url);
  if (status !== 200) {
    const [meaning, remedy] = meaningOf(status, port);
    return broken('callback', `a HEAD request to CALLBACK_URL returns ${status}: ${meaning}`, remedy);
  }
  if (!isOurs) {
    const remedy =
      'Open CALLBACK_URL in a private window. It shows a login, a warning of the tunnel, or a router: exclude the path of CALLBACK_URL there.';
    return broken('callback', 'a HEAD request to CALLBACK_URL returns 200, but not from this weighbridge', remedy);
  }
  const seconds = (ms / 1000).toFixed(1);
  if (ms > SLOW_MS) {
    const text = `weighbridge answers CALLBACK_URL after ${seconds} s, but Withings allows 2 s`;
    const remedy = 'Check with "top" whether this computer is too busy. If not, try another tunnel.';
    return (ms > TOO_SLOW_MS ? broken : warning)('callback', text, remedy);
  }
  return ok('callback', `weighbridge itself answers CALLBACK_URL with 200 in ${seconds} s`);
}

/** @param error Node's code of the error */
export function judgeSilence(error: string): Finding {
  const remedy =
    'Check that the tunnel is running, or that the router forwards port 443. Some routers cannot connect to themselves: then try from a phone without Wi-Fi.';
  return broken('callback', `nothing answers at CALLBACK_URL (${error})`, remedy);
}

/** Names the target without its path, which may contain the secret. */
function judgeRedirect(status: number, location: string, url: string): Finding {
  const from = new URL(url);
  const to = URL.canParse(location, url) ? new URL(location, url) : undefined;
  const where = to === undefined ? 'another address' : to.origin === from.origin ? 'another path' : to.origin;
  const remedy =
    'Withings does not follow redirects. Set CALLBACK_URL to the final address (check https and a slash at the end), or exclude its path from logins.';
  return broken('callback', `a HEAD request to CALLBACK_URL is redirected to ${where} (${status})`, remedy);
}

function meaningOf(status: number, port: number): readonly [meaning: string, remedy: string] {
  const here = `port ${port} of this computer`;
  switch (status) {
    case 404:
      return [
        'something answers, but not on this path',
        `Check that the tunnel is running and leads to ${here}. Restart weighbridge after a change of CALLBACK_URL. If a proxy changes the path, set WEBHOOK_PATH to the path that arrives.`,
      ];
    case 204:
    case 405:
      return [
        'Withings needs 200',
        `Another program answers. Forward all requests from the tunnel or the proxy to ${here}.`,
      ];
    case 401:
    case 403:
      return [
        'something on the way requires a login, or blocks the request',
        'Exclude the path of CALLBACK_URL from basic auth, Cloudflare Access, bot protection, and "block exploits" of a proxy.',
      ];
    case 502:
    case 503:
    case 504:
      return [
        'the tunnel or proxy is up but cannot reach weighbridge',
        `Forward it to ${here} (on the same computer http://127.0.0.1:${port}), not to https.`,
      ];
    case 530:
      return ["Cloudflare's tunnel is not running (error 1033)", 'Run "sudo systemctl status cloudflared" to see why.'];
    default:
      return status >= 520 && status < 530
        ? ['Cloudflare cannot reach this computer', `Check that cloudflared is running and leads to ${here}.`]
        : ['Withings needs 200', `Another program answers. Forward all requests to ${here}.`];
  }
}
