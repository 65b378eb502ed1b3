import { type Clock, formatTime } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import { isPersonWell, type Status } from '../../domain/status.ts';
import type { Liveness } from './liveness.ts';

/** How often to say how things stand where nobody waits for a sign of life. */
const STATUS_MS = 60_000;

/**
 * Tells whoever supervises this process that it is ready, that it is alive, how things stand, and when it stops. A sign
 * of life is given by the event loop itself, and only while the work goes on: whatever comes to a standstill, the
 * supervisor ends the process and starts another.
 */
export async function reportToSystemd(ports: {
  readonly notify: (lines: readonly string[]) => Promise<void>;
  /** How long the supervisor waits for a sign of life; undefined where it does not. */
  readonly watchdogMs: number | undefined;
  readonly liveness: Pick<Liveness, 'stuck'>;
  readonly look: () => Promise<Status>;
  readonly timeZone: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { watchdogMs, liveness, look, timeZone, clock, log, signal } = ports;
  let told = '';
  let isLooking = false;
  let isDeaf = false;

  const notify = async (...lines: readonly string[]) => {
    try {
      await ports.notify(lines);
      isDeaf = false;
    } catch (error) {
      const text = `systemd cannot be told how things stand (${error instanceof Error ? error.message : error})`;
      if (!isDeaf) log.warn({ event: 'trouble', text });
      isDeaf = true;
    }
  };

  const tellStatus = async () => {
    if (isLooking) return;
    isLooking = true;
    const status = describe(await look(), timeZone);
    isLooking = false;
    if (status === told || signal.aborted) return;
    told = status;
    await notify(`STATUS=${status}`);
  };

  const showLife = async () => {
    const standstill = liveness.stuck();
    if (standstill === undefined) await notify('WATCHDOG=1');
    else log.error({ event: 'stuck', text: `${standstill}; systemd is left to restart weighbridge` });
  };

  await notify('READY=1');
  while (!signal.aborted) {
    if (watchdogMs !== undefined) await showLife();
    // Not waited for: it reads files, and a slow card is no standstill.
    void tellStatus();
    await clock.sleep(watchdogMs === undefined ? STATUS_MS : watchdogMs / 2, signal);
  }
  await notify('STOPPING=1', 'STATUS=stopping');
}

/** For everybody who may ask systemd: neither names nor weights. */
export function describe({ people, troubles }: Pick<Status, 'people' | 'troubles'>, timeZone: string): string {
  if (people.length === 0) return 'nobody is linked yet: weighbridge login';
  const parts = [people.length === 1 ? '1 person linked' : `${people.length} people linked`];
  const times = people.flatMap(({ lastWeighIn }) => (lastWeighIn === undefined ? [] : [lastWeighIn.takenAt.getTime()]));
  if (times.length > 0)
    parts.push(`last weigh-in ${formatTime(new Date(times.reduce((a, b) => Math.max(a, b))), timeZone)}`);
  const unwell = people.filter((person) => !isPersonWell(person)).length;
  if (unwell > 0) parts.push(`${unwell} to be looked at: weighbridge users`);
  else if (troubles.some(({ isLasting }) => isLasting)) parts.push('something is wrong: weighbridge doctor');
  return parts.join(', ');
}
