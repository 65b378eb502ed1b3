import { createHmac, randomBytes } from 'node:crypto';
import { type Answer, done, invalidParams, NOT_IMPLEMENTED } from './limits.ts';

/** Withings' developer guide: the lifetime of a nonce. */
const NONCE_MS = 30 * 60_000;

/** The application that the sandbox accepts. */
export interface Client {
  readonly clientId: string;
  readonly clientSecret: string;
}

export type Signatures = ReturnType<typeof createSignatures>;

/** The signature service, and the check of signatures with its nonces. */
export function createSignatures(client: Client, now: () => number) {
  const nonces = new Map<string, number>();
  /** The values in the alphabetical order of their names; no other parameter is signed. */
  const sign = (action: string, value: string) =>
    createHmac('sha256', client.clientSecret).update(`${action},${client.clientId},${value}`).digest('hex');

  return {
    /** Hands out a nonce. No user is involved. */
    call(form: URLSearchParams): Answer {
      const { action, client_id, timestamp = '', signature } = Object.fromEntries(form);
      if (action !== 'getnonce') return NOT_IMPLEMENTED;
      if (!/^[0-9]+$/.test(timestamp)) return invalidParams('invalid timestamp');
      if (client_id !== client.clientId || signature !== sign(action, timestamp)) {
        return invalidParams('invalid client id/secret');
      }
      const nonce = randomBytes(20).toString('hex');
      nonces.set(nonce, now() + NONCE_MS);
      return done({ nonce });
    },
    /** Whether the signature of a call is right. Its nonce is valid for one call. */
    accepts(form: URLSearchParams): boolean {
      const { action = '', nonce = '', signature } = Object.fromEntries(form);
      const diesAt = nonces.get(nonce) ?? 0;
      nonces.delete(nonce);
      return now() < diesAt && signature === sign(action, nonce);
    },
  };
}
