import { once } from 'node:events';
import { reportToSystemd } from '../app/status/watchdog.ts';
import type { Config } from '../config/config.ts';
import { type Daemon, startDaemon } from '../daemon/daemon.ts';
import type { Finding } from '../doctor/finding.ts';
import type { Reach } from '../doctor/reach.ts';
import { LOCAL_ZONE } from '../domain/clock.ts';
import type { Log } from '../domain/log.ts';
import { describePolling } from '../domain/status.ts';
import { explain } from '../domain/trouble.ts';
import type { Concern } from '../page/view.ts';
import { realClock } from '../runtime/real-clock.ts';
import { openLog, readWithingsSettings } from './open-command.ts';
import { ExitCode, type NotifyEnvironment, type Shell } from './shell.ts';

/** Runs the daemon until it must stop. */
export async function serve(shell: Shell): Promise<ExitCode> {
  const config = readWithingsSettings(shell);
  if (config.hook !== undefined) {
    const { checkHook, isPath } = await import('../doctor/publishers.ts');
    const finding = isPath(config.hook.command[0] ?? '') ? await checkHook(config.hook) : undefined;
    if (finding?.mark === 'broken') {
      shell.say(`error: ${explain({ message: finding.text, hint: finding.remedy })}`);
      return ExitCode.configuration;
    }
  }
  const log = openLog(shell, config);
  if (config.callback.url === undefined) {
    const text = `CALLBACK_URL is not set, so Withings sends no notifications: ${describePolling(config.pollIntervalMs)}`;
    log.info({ event: 'polling', text, poll_interval_s: config.pollIntervalMs / 1000 });
  }
  const { signalGroup, files, homeAssistant } = shell;
  const { askLogin } = homeAssistant ?? {};
  let reach: Reach | undefined;
  const examine = () => examineForPage(config, reach?.findings() ?? []);
  await using daemon = await startDaemon(config, log, { signalGroup, files, askLogin, examine });
  // This comes after the port is open, because Node's module v8 takes 5 % of the start.
  const { spareMemory } = await import('../runtime/spare-memory.ts');
  spareMemory();
  await daemon.load();
  const reporting = shell.notifyEnvironment && report(shell, shell.notifyEnvironment, daemon, log);
  for (const { text, remedy, check } of await examineAtStart(config)) {
    log.warn({ event: 'doctor', text: `${check}: ${explain({ message: text, hint: remedy })}`, check });
  }
  if (homeAssistant !== undefined) reach = await openReach(shell, log);
  if (!shell.signal.aborted) await once(shell.signal, 'abort');
  log.info({ event: 'stopping', text: 'stopping' });
  await reporting;
  await reach?.ended;
  return ExitCode.done;
}

/** The check is loaded after the port is open. */
async function examineAtStart(config: Config): Promise<readonly Finding[]> {
  const atStart = await import('../doctor/at-start.ts');
  return await atStart.examineAtStart(config);
}

async function examineForPage(config: Config, more: readonly Finding[]): Promise<readonly Concern[]> {
  const findings = await examineAtStart(config);
  const others = more.filter(({ text }) => !findings.some((each) => each.text === text));
  return [...findings, ...others].map(({ mark, text, remedy }) => ({ isBroken: mark === 'broken', text, remedy }));
}

/** Home Assistant has no terminal for the doctor. The module is loaded only there. */
async function openReach(shell: Shell, log: Log): Promise<Reach> {
  const { parseConfig } = await import('../config/config.ts');
  const { examineReach } = await import('../doctor/examine.ts');
  const { openNetwork } = await import('../doctor/network.ts');
  const { watchReach } = await import('../doctor/reach.ts');
  const { signal, nodeVersion, env, written } = shell;
  const platform = { version: nodeVersion, architecture: '' };
  const network = openNetwork(signal);
  const world = { service: undefined, platform, network, clock: realClock, log, signal };
  const look = () => examineReach(parseConfig(env, 'withings', written), world);
  return watchReach({ look, clock: realClock, log, signal });
}

/** Reports the status to systemd as long as the daemon runs. The module is loaded only if systemd started it. */
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
