import { once } from 'node:events';
import { reportToSystemd } from '../app/status/watchdog.ts';
import type { Config } from '../config/config.ts';
import { type Daemon, startDaemon } from '../daemon/daemon.ts';
import type { Finding } from '../doctor/finding.ts';
import { LOCAL_ZONE } from '../domain/clock.ts';
import type { Log } from '../domain/log.ts';
import { describePolling } from '../domain/status.ts';
import { explain } from '../domain/trouble.ts';
import type { Concern } from '../page/view.ts';
import { realClock } from '../runtime/real-clock.ts';
import { openLog, readWithingsSettings } from './open-command.ts';
import { ExitCode, type NotifyEnvironment, type Shell } from './shell.ts';

/** Runs the daemon until it is asked to stop. */
export async function serve(shell: Shell): Promise<ExitCode> {
  const config = readWithingsSettings(shell);
  if (config.hook !== undefined) {
    const { checkHook, isPath } = await import('../doctor/publishers.ts');
    const { mark, text, remedy } = await checkHook(config.hook);
    if (mark === 'broken' && isPath(config.hook.command[0] ?? '')) {
      shell.say(`error: ${explain({ message: text, hint: remedy })}`);
      return ExitCode.configuration;
    }
  }
  const log = openLog(shell, config);
  if (config.callback.url === undefined) {
    const text = `CALLBACK_URL is not set, so Withings sends no notifications: ${describePolling(config.pollIntervalMs)}`;
    log.info({ event: 'polling', text, poll_interval_s: config.pollIntervalMs / 1000 });
  }
  const { signalGroup, files } = shell;
  await using daemon = await startDaemon(config, log, { signalGroup, files, examine: () => examineForPage(config) });
  // It listens. Node's module v8 takes 5 % of the start.
  const { spareMemory } = await import('../runtime/spare-memory.ts');
  spareMemory();
  await daemon.load();
  const reporting = shell.notifyEnvironment && report(shell, shell.notifyEnvironment, daemon, log);
  for (const { text, remedy, check } of await examine(config)) {
    log.warn({ event: 'doctor', text: `${check}: ${explain({ message: text, hint: remedy })}`, check });
  }
  if (!shell.signal.aborted) await once(shell.signal, 'abort');
  log.info({ event: 'stopping', text: 'stopping' });
  await reporting;
  return ExitCode.done;
}

/** Loaded after the port is open. */
async function examine(config: Config): Promise<readonly Finding[]> {
  const { examineAtStart } = await import('../doctor/at-start.ts');
  return await examineAtStart(config);
}

async function examineForPage(config: Config): Promise<readonly Concern[]> {
  const findings = await examine(config);
  return findings.map(({ mark, text, remedy }) => ({ isBroken: mark === 'broken', text, remedy }));
}

/** Reports the status to systemd for as long as the daemon runs. Loaded only where systemd started it. */
async function report(
  { signal }: Shell,
  notifyEnvironment: NotifyEnvironment,
  { look, liveness }: Daemon,
  log: Log,
): Promise<void> {
  const { variables, pid } = notifyEnvironment;
  const { createNotify, watchdogMs } = await import('../systemd/notify.ts');
  await reportToSystemd({
    notify: createNotify(variables, pid),
    watchdogMs: watchdogMs(variables, pid),
    liveness,
    look,
    timeZone: LOCAL_ZONE,
    clock: realClock,
    log,
    signal,
  });
}
