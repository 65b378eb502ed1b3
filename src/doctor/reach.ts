import type { Clock } from '../domain/clock.ts';
import type { Log } from '../domain/log.ts';
import { explain } from '../domain/trouble.ts';
import type { Finding } from './finding.ts';

/** A tunnel may start later than weighbridge. */
const AGAIN_MS = 600_000;

/** The network findings of a set-up, for a person without a terminal. */
export interface Reach {
  /** The findings of the last look that are not fine. */
  readonly findings: () => readonly Finding[];
  /** Resolves when everything is fine, or the signal aborts. */
  readonly ended: Promise<void>;
}

/** Looks at once, and again while a finding is not fine. Each finding is logged once. */
export function watchReach(ports: {
  readonly look: () => AsyncIterable<Finding>;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Reach {
  const { look, clock, log, signal } = ports;
  const told = new Set<string>();
  let found: readonly Finding[] = [];

  const tell = ({ check, mark, text, remedy }: Finding) => {
    if (told.has(text)) return;
    told.add(text);
    if (mark === 'ok') log.info({ event: 'doctor', text, check });
    else log.warn({ event: 'doctor', text: explain({ message: text, hint: remedy }), check });
  };
  const lookOnce = async () => {
    const seen: Finding[] = [];
    for await (const finding of look()) {
      if (signal.aborted) return;
      seen.push(finding);
      tell(finding);
    }
    found = seen.filter(({ mark }) => mark !== 'ok');
  };
  const run = async () => {
    for (;;) {
      await lookOnce();
      if (found.length === 0 || signal.aborted) return;
      await clock.sleep(AGAIN_MS, signal);
      if (signal.aborted) return;
    }
  };
  return { findings: () => found, ended: run() };
}
