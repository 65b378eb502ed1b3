import { BlockList, isIPv6 } from 'node:net';
import { broken, type Finding, ok } from './finding.ts';
import { codeOf } from './network.ts';

/**
 * Addresses that lead nowhere from outside (IANA's special-purpose registries): private, shared by a provider's
 * customers, this machine, this link.
 */
const PRIVATE = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const) {
  PRIVATE.addSubnet(network, prefix, 'ipv4');
}
for (const [network, prefix] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
] as const) {
  PRIVATE.addSubnet(network, prefix, 'ipv6');
}

/** What DNS says of the host in the callback URL. Whether there is anything to connect to is `found`. */
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
  if (addresses.every((address) => PRIVATE.check(address, isIPv6(address) ? 'ipv6' : 'ipv4'))) {
    const remedy =
      'let its DNS record name your public address ("curl https://api.ipify.org" shows it), or use a tunnel; where only the DNS in your own network says so, a lookup from a phone without Wi-Fi shows what Withings sees';
    return broken('dns', `${host} leads to ${list}, which is reachable from your own network alone`, remedy);
  }
  return ok('dns', `${host} leads to ${list}`);
}

/** As Node names what the resolver answered, or did not. */
const UNKNOWN: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA']);

function judgeFailure(host: string, code: string): Finding {
  if (UNKNOWN.has(code)) {
    const remedy =
      'is the name in CALLBACK_URL right? Make its DNS record, or look whether the tunnel still has this name';
    return broken('dns', `DNS knows no address of ${host}`, remedy);
  }
  return broken(
    'dns',
    `DNS does not answer for ${host} (${code})`,
    'is there a network? "resolvectl status" shows who is asked',
  );
}
