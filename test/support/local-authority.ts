import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

/** The authority makes certificates for this name. */
export const SITE = 'me.example.org';

export interface LocalAuthority {
  /** The file that a client must trust, and its content. */
  readonly caFile: string;
  readonly ca: string;
  /** The certificate for `SITE` with the authority's certificate, and its key. */
  readonly certificateFile: string;
  readonly keyFile: string;
}

export const OPENSSL_IS_MISSING =
  spawnSync('openssl', ['version']).error === undefined ? false : 'openssl is not installed';

/** A certificate authority of one's own, and a certificate that it has signed today. */
export function createLocalAuthority(directory: string): LocalAuthority {
  const at = (name: string) => `${directory}/${name}`;
  const openssl = (...args: readonly string[]) => execFileSync('openssl', args, { stdio: 'pipe' });
  const key = (name: string) => [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-keyout',
    at(name),
  ];
  openssl('req', '-x509', ...key('ca-key.pem'), '-out', at('ca.pem'), '-days', '365', '-subj', '/CN=local authority');
  openssl('req', ...key('key.pem'), '-out', at('request.pem'), '-subj', `/CN=${SITE}`);
  writeFileSync(at('names'), `subjectAltName=DNS:${SITE}\n`);
  const by = ['-CA', at('ca.pem'), '-CAkey', at('ca-key.pem'), '-CAcreateserial', '-extfile', at('names')];
  const leaf = openssl('x509', '-req', '-in', at('request.pem'), ...by, '-days', '90');
  const ca = readFileSync(at('ca.pem'), 'utf8');
  writeFileSync(at('fullchain.pem'), `${leaf}${ca}`);
  return { ca, caFile: at('ca.pem'), certificateFile: at('fullchain.pem'), keyFile: at('key.pem') };
}
