import type { Config } from '../config/config.ts';
import { isLoopback } from '../config/readers.ts';
import { judgeCallbackUrl } from './callback.ts';
import { lookAtDirectory } from './directory.ts';
import type { Finding } from './finding.ts';
import { checkHook } from './publishers.ts';

/**
 * What can be seen to be wrong in a few milliseconds and without the network. A directory that cannot be looked at is
 * none of its business: whoever uses it tells.
 */
export async function examineAtStart({ callback, directories, withings, hook }: Config): Promise<readonly Finding[]> {
  const sandbox = isLoopback(withings.apiUrl.hostname);
  const findings = [
    ...(callback.url === undefined ? [] : judgeCallbackUrl(callback.url, { sandbox })),
    ...(await lookAtDirectory({ check: 'tokens', path: directories.tokens }).catch(() => [])),
    ...(await lookAtDirectory({ check: 'data', path: directories.data }).catch(() => [])),
    ...(hook === undefined ? [] : [await checkHook(hook)]),
  ];
  return findings.filter(({ mark }) => mark !== 'ok');
}
