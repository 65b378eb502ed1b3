import { type Finding, ok, warning } from './finding.ts';

/**
 * What a running daemon says of itself.
 *
 * @param url of `/healthz` on its private port
 */
export async function checkHealthz(url: string, statusOf: (url: string) => Promise<number>): Promise<Finding> {
  const { host } = new URL(url);
  try {
    if ((await statusOf(url)) !== 503) return ok('daemon', `its private port answers (${host})`);
    return warning('daemon', 'it says itself that something is wrong', `curl -s ${url}`);
  } catch {
    const remedy = 'restart weighbridge after a change of STATUS_HOST or STATUS_PORT; its log says where it listens';
    return warning('daemon', `its private port does not answer (${host})`, remedy);
  }
}
