import { broken, type Finding, ok, warning } from './finding.ts';

/** What a TLS server has shown. */
export interface Certificate {
  readonly validTo: Date;
  /** Why a client must not trust it, as OpenSSL and Node name it; undefined where it may. */
  readonly distrust: string | undefined;
}

/** Let's Encrypt renews a month ahead. With so little left something has failed for weeks. */
const SOON_MS = 14 * 86_400_000;

const RENEW = 'renew it: "sudo certbot renew", or look into the log of the proxy that should do it by itself';
const TRUSTED = "get one of Let's Encrypt's (Caddy and certbot do that for you), or use a tunnel";

/** What each of OpenSSL's words means, and what helps. */
const DISTRUST: Readonly<Record<string, readonly [meaning: string, remedy: string]>> = {
  CERT_NOT_YET_VALID: ['is not valid yet', 'is the clock of this machine right, and that of the proxy?'],
  ERR_TLS_CERT_ALTNAME_INVALID: ['is for another name', 'get one for the name in CALLBACK_URL'],
  DEPTH_ZERO_SELF_SIGNED_CERT: ['is signed by itself, and Withings trusts public authorities only', TRUSTED],
  SELF_SIGNED_CERT_IN_CHAIN: ['comes from an authority of your own, and Withings trusts public ones only', TRUSTED],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ['comes without the one that vouches for it', 'serve fullchain.pem, not cert.pem'],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: [
    'is vouched for by nobody that this machine knows',
    'serve fullchain.pem, not cert.pem; and here "sudo apt install ca-certificates"',
  ],
};

/** What Withings will think of a certificate. */
export function judgeCertificate({ validTo, distrust }: Certificate, now: Date): Finding {
  const day = validTo.toISOString().slice(0, 10);
  const leftMs = validTo.getTime() - now.getTime();
  if (distrust === 'CERT_HAS_EXPIRED' || leftMs <= 0) {
    return broken('certificate', `has expired on ${day}`, `${RENEW}; or is the clock wrong?`);
  }
  if (distrust !== undefined) {
    const [meaning, remedy] = DISTRUST[distrust] ?? [`cannot be trusted (${distrust})`, TRUSTED];
    return broken('certificate', meaning, remedy);
  }
  if (leftMs < SOON_MS)
    return warning('certificate', `expires in ${Math.floor(leftMs / 86_400_000)} days, on ${day}`, RENEW);
  return ok('certificate', `is trusted, and valid until ${day}`);
}
