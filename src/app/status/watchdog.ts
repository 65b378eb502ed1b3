import { type Clock, formatTime } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import { isPersonWell, type Status } from '../../domain/status.ts';

/** The round over all people comes every minute. */
const ROUND_LIMIT_MS = 10 * 60_000;
/** Every call has a time limit and a turn, so every attempt is far shorter. */
const ATTEMPT_LIMIT_MS = 60 * 60_000;
/** A worn-out card takes seconds. */
const FILES_LIMIT_MS = 3 * 60_000;
/** How long a file operation may take without a line in the log, and how often to check. */
const HANG_MS = 30_000;
const HANG_LOOK_MS = 10_000;
/** How often to report the status if systemd expects no sign of life. */
const STATUS_MS = 60_000;

/** Whether the work goes on, regardless of success. */
export interface Liveness {
  /** Another round over all people begins. */
  beat(): void;
  /** The stuck work, in words. Undefined while all work goes on. */
  stuck(): string | undefined;
}

/** A running file operation: what it does, and for how long. */
type FileWait = { readonly doing: string; readonly ms: number } | undefined;

/**
 * @param oldestAttemptMs the age of the oldest running fetch attempt
 * @param silentFiles the hanging operation, if no file operation ends any more
 */
export function createLiveness(
  clock: Clock,
  oldestAttemptMs: () => number,
  silentFiles: () => FileWait = () => undefined,
): Liveness {
  let lastMs = clock.elapsedMs();
  const minutes = (ms: number) => Math.floor(ms / 60_000);
  return {
    beat() {
      lastMs = clock.elapsedMs();
    },
    stuck() {
      const silentMs = clock.elapsedMs() - lastMs;
      if (silentMs > ROUND_LIMIT_MS) return `no person was checked for ${minutes(silentMs)} min`;
      const wait = silentFiles();
      if (wait !== undefined && wait.ms > FILES_LIMIT_MS)
        return `the file system has not answered for ${minutes(wait.ms)} min (${wait.doing})`;
      const busyMs = oldestAttemptMs();
      return busyMs > ATTEMPT_LIMIT_MS ? `a fetch has not ended for ${minutes(busyMs)} min` : undefined;
    },
  };
}

/** Logs a hanging file operation once, and its end. The waiting caller cannot. */
export async function reportHangs(ports: {
  readonly longest: () => FileWait;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { longest, clock, log, signal } = ports;
  let told: string | undefined;
  while (!signal.aborted) {
    const wait = longest();
    const hanging = wait !== undefined && wait.ms >= HANG_MS ? wait.doing : undefined;
    if (hanging !== undefined && hanging !== told) {
      const text = `the file system does not answer (${hanging}). Check the disk or the network share with "dmesg".`;
      log.error({ event: 'file_hangs', text });
    }
    if (hanging === undefined && told !== undefined)
      log.info({ event: 'recovered', text: 'the file system answers again' });
    told = hanging;
    await clock.sleep(HANG_LOOK_MS, signal);
  }
}

/**
 * Reports to systemd that this process is ready, that it is alive, its status, and when it stops. The event loop itself
 * sends the sign of life, and only while the work goes on. At a standstill systemd restarts the process.
 */
export async function reportToSystemd(ports: {
  readonly notify: (lines: readonly string[]) => Promise<void>;
  /** How long systemd waits for a sign of life. Undefined if it does not wait. */
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
      const text = `cannot send the status to systemd (${error instanceof Error ? error.message : error})`;
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
    else log.error({ event: 'stuck', text: `${standstill}. systemd will restart weighbridge.` });
  };

  await notify('READY=1');
  while (!signal.aborted) {
    if (watchdogMs !== undefined) await showLife();
    // Do not wait for it: it reads files, and a slow card is not a standstill.
    void tellStatus();
    await clock.sleep(watchdogMs === undefined ? STATUS_MS : watchdogMs / 2, signal);
  }
  await notify('STOPPING=1', 'STATUS=stopping');
}

/** Every user of this machine can read it through systemd, so it has no names or weights. */
export function describe({ people, troubles }: Pick<Status, 'people' | 'troubles'>, timeZone: string): string {
  if (people.length === 0) return 'no person is linked yet (run "weighbridge login")';
  const parts = [people.length === 1 ? '1 person linked' : `${people.length} people linked`];
  const times = people.flatMap(({ lastWeighIn }) => (lastWeighIn === undefined ? [] : [lastWeighIn.takenAt.getTime()]));
  if (times.length > 0)
    parts.push(`last weigh-in ${formatTime(new Date(times.reduce((a, b) => Math.max(a, b))), timeZone)}`);
  const unwell = people.filter((person) => !isPersonWell(person)).length;
  if (unwell > 0) parts.push(`${unwell} with a problem (run "weighbridge users")`);
  else if (troubles.some(({ isLasting }) => isLasting)) parts.push('a problem (run "weighbridge doctor")');
  return parts.join(', ');
}
