import type { Clock } from '../domain/clock.ts';
import type { LinkFailed } from '../domain/link.ts';
import type { Log } from '../domain/log.ts';
import { asTrouble } from '../domain/trouble.ts';
import { listen } from '../http/listen.ts';
import { localCallbackUrl, type Probe } from '../http/probe.ts';
import { createPublicApp } from '../http/public/app.ts';
import { broken, type Finding, ok, warning } from './finding.ts';
import { findingOf } from './trouble.ts';

export interface StandInOptions {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly prove: (nonce: string) => string;
  readonly probe: (url: string, prove: (nonce: string) => string) => Promise<Probe>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Who answers the callback on this machine, for as long as it is not disposed of. */
export interface StandIn extends AsyncDisposable {
  readonly finding: Finding;
  /** The daemon does, or we; nobody else. */
  readonly answers: boolean;
  readonly isDaemon: boolean;
}

/** Answers the callback where no daemon does, so that the way in can be tried all the same. */
export async function standIn(options: StandInOptions): Promise<StandIn> {
  const { host, port, path, query, prove, probe, clock, log } = options;
  const app = createPublicApp({
    path,
    query,
    trustProxy: false,
    // A hint at most: the daemon asks for everything when it starts.
    onNotification: () => undefined,
    onRedirect: async () => NOT_NOW,
    prove,
    directory: '',
    people: { names: new Map(), unit: 'kg' },
    clock,
    log,
  });
  try {
    const listener = await listen(app, { host, port });
    const text = 'no weighbridge is running here; this check answers the callback in its place';
    const finding = warning('daemon', text, 'start it: "weighbridge serve"');
    return { finding, answers: true, isDaemon: false, [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose]() };
  } catch (error) {
    const nothing = { [Symbol.asyncDispose]: async () => undefined };
    const trouble = asTrouble(error);
    if (trouble.code !== 'port_taken')
      return { ...nothing, finding: findingOf('daemon', trouble), answers: false, isDaemon: false };
    const { isOurs } = await probe(localCallbackUrl(options), prove);
    const finding = isOurs ? ok('daemon', `weighbridge is running here, on port ${port}`) : taken(port);
    return { ...nothing, finding, answers: isOurs, isDaemon: isOurs };
  }
}

function taken(port: number): Finding {
  const remedy = `"sudo ss -ltnp 'sport = :${port}'" names it: stop it, or set PORT; a weighbridge must be restarted after a change of settings`;
  return broken(
    'daemon',
    `something else uses port ${port}, or a weighbridge that was started with other settings`,
    remedy,
  );
}

const NOT_NOW: LinkFailed = {
  kind: 'failed',
  code: 'not_now',
  problem: '"weighbridge doctor" is just checking this address, and no weighbridge is running.',
  remedy: 'Open the link again in a minute.',
};
