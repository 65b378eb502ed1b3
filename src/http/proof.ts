import { createHmac } from 'node:crypto';

/** A request may ask with the one; the answer carries the other. */
export const NONCE_HEADER = 'weighbridge-nonce';
export const PROOF_HEADER = 'weighbridge-proof';
/** The same for where the daemon keeps its logins, which it does not tell. */
export const DIRECTORY_HEADER = 'weighbridge-place';

/** What only a daemon with this client secret can make of a nonce. */
export function createProof(clientSecret: string): (nonce: string) => string {
  return (nonce) => createHmac('sha256', clientSecret).update(`weighbridge proof 1\n${nonce}`).digest('hex');
}
