import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { type Answer, done, invalidParams, NOT_IMPLEMENTED } from './answer.ts';
import type { Client } from './oauth.ts';

/** The signature endpoint: hands out a nonce to whoever knows the client secret. No user is involved. */
export function signature(client: Client, form: URLSearchParams): Answer {
  const { action, client_id, timestamp = '', signature: given = '' } = Object.fromEntries(form);
  if (action !== 'getnonce') return NOT_IMPLEMENTED;
  if (!/^[0-9]+$/.test(timestamp)) return invalidParams('invalid timestamp');
  // The values in the alphabetical order of their names.
  const text = `getnonce,${client.clientId},${timestamp}`;
  const expected = createHmac('sha256', client.clientSecret).update(text).digest('hex');
  if (client_id !== client.clientId || !isSame(given, expected)) return invalidParams('invalid client id/secret');
  return done({ nonce: randomBytes(20).toString('hex') });
}

function isSame(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one), Buffer.from(other)];
  return left.length === right.length && timingSafeEqual(left, right);
}
