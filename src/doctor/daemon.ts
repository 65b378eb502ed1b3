import { asTrouble, type Trouble } from '../domain/trouble.ts';
import { listen } from '../http/listen.ts';
import { localCallbackUrl } from '../http/probe.ts';
import { createPublicApp, type PublicAppOptions } from '../http/public/app.ts';
import { broken, type Finding, findingOf, ok, warning } from './finding.ts';
import type { Network } from './network.ts';

export interface StandInOptions extends Pick<PublicAppOptions, 'path' | 'query' | 'prove' | 'clock' | 'log'> {
  readonly host: string;
  readonly port: number;
  readonly probe: Network['probe'];
}

/**
 * Answers the callback until it is disposed, so that the way in can be tried without a daemon.
 *
 * @returns with `answers` undefined if another program has the port, or the port cannot be opened
 */
export async function standIn(
  options: StandInOptions,
): Promise<AsyncDisposable & { readonly finding: Finding; readonly answers: 'daemon' | 'doctor' | undefined }> {
  const { host, port, path, query, prove, probe, clock, log } = options;
  const app = createPublicApp({
    path,
    query,
    trustProxy: false,
    // The daemon fetches measures when it starts, and Withings sends bed events again.
    onNotification: () => Promise.resolve(false),
    onRedirect: async () => ({
      kind: 'failed',
      code: 'not_now',
      title: 'weighbridge is not running',
      problem: '"weighbridge doctor" is checking this address.',
      remedy: 'Open the link again in a minute.',
    }),
    prove,
    directory: '',
    people: { names: new Map(), unit: 'kg' },
    clock,
    log,
  });
  try {
    const listener = await listen(app, { host, port });
    const text = 'weighbridge is not running (doctor answers on its port for this check)';
    const finding = warning('daemon', text, 'Start weighbridge: "weighbridge serve"');
    return { finding, answers: 'doctor', [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose]() };
  } catch (error) {
    const trouble = asTrouble(error);
    const isDaemon = trouble.code === 'port_taken' && (await probe(localCallbackUrl(options), prove)).isOurs;
    return {
      finding: isDaemon ? ok('daemon', `weighbridge is running here, on port ${port}`) : notOpened(trouble, port),
      answers: isDaemon ? 'daemon' : undefined,
      [Symbol.asyncDispose]: async () => undefined,
    };
  }
}

function notOpened(trouble: Trouble, port: number): Finding {
  if (trouble.code !== 'port_taken') return findingOf('daemon', trouble);
  const text = `another program uses port ${port}, or a weighbridge that was started with different settings`;
  const remedy = `Run "sudo ss -ltnp 'sport = :${port}'" to see which program. Stop that program, or set PORT. Restart weighbridge after a change of settings.`;
  return broken('daemon', text, remedy);
}

/**
 * The status that a running daemon reports.
 *
 * @param url of `/healthz` on its status port
 */
export async function checkHealthz(url: string, statusOf: (url: string) => Promise<number>): Promise<Finding> {
  const { host } = new URL(url);
  try {
    if ((await statusOf(url)) !== 503) return ok('daemon', `its status port answers (${host})`);
    return warning('daemon', 'running, but reports problems', 'Run "weighbridge healthz" to see the problems.');
  } catch {
    const remedy = 'Restart weighbridge after a change of STATUS_HOST or STATUS_PORT. Its log shows where it listens.';
    return warning('daemon', `its status port does not answer (${host})`, remedy);
  }
}
