import type { Config } from '../config/config.ts';
import { isLoopback } from '../config/readers.ts';
import { judgeCallbackUrl } from './callback.ts';
import { lookAtDirectory, lookAtNames } from './directory.ts';
import type { Finding } from './finding.ts';
import { checkHook } from './publishers.ts';

/**
 * The problems of a set-up that a few milliseconds without the network show. An unreadable directory is reported at its
 * use, not here.
 */
export async function examineAtStart(config: Config): Promise<readonly Finding[]> {
  const { callback, directories, withings, hook, people } = config;
  const sandbox = isLoopback(withings.apiUrl.hostname);
  const findings = [
    ...(callback.url === undefined ? [] : judgeCallbackUrl(callback.url, { sandbox })),
    ...(await lookAtDirectory({ check: 'tokens', path: directories.tokens }).catch(() => [])),
    ...(await lookAtNames(directories, people).catch(() => [])),
    ...(await lookAtDirectory({ check: 'data', path: directories.data }).catch(() => [])),
    ...(hook === undefined ? [] : [await checkHook(hook)]),
  ];
  return findings.filter(({ mark }) => mark !== 'ok');
}
