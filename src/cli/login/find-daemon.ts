import { resolve } from 'node:path';
import type { Config } from '../../config/config.ts';
import { createProof, localCallbackUrl, probeCallback } from '../../http/probe.ts';

/**
 * Whether a daemon with our client secret, or a login in its place, listens on our port.
 *
 * @returns whether it has our logins, or others elsewhere; undefined without one
 */
export async function findDaemon(
  { listen, callback, directories, withings }: Config,
  signal: AbortSignal,
): Promise<'here' | 'elsewhere' | undefined> {
  if (withings.credentials === undefined) return undefined;
  const url = localCallbackUrl({ ...listen, ...callback });
  const prove = createProof(withings.credentials.clientSecret);
  const { isOurs, isHere } = await probeCallback(url, prove, resolve(directories.tokens), signal);
  return isHere ? 'here' : isOurs ? 'elsewhere' : undefined;
}
