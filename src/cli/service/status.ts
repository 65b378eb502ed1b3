import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { askService, lastLines, type RunProgram, runProgram, type ServiceState } from '../../systemd/control.ts';
import { ENV_CREDENTIAL, SERVICE, SERVICE_NAME, type SystemPaths } from '../../systemd/paths.ts';
import { ExitCode, type Shell } from '../shell.ts';
import { carryOut, readUnit, type Step } from './steps.ts';

/** What the commands about the service work on; a parameter, so that a test has a machine of its own. */
export interface ServiceWorld {
  readonly paths: SystemPaths;
  readonly run: RunProgram;
  /** Where the set-up is that becomes a service. */
  readonly folder: string;
}

export const REAL_WORLD: ServiceWorld = { paths: SERVICE, run: runProgram, folder: '.' };

const LINES = 10;

/** Says in words how the service does. */
export async function showService(shell: Shell, { paths, run }: ServiceWorld = REAL_WORLD): Promise<ExitCode> {
  const state = await askService(run);
  if (state === undefined) {
    shell.say('error: systemd cannot be asked on this machine');
    return ExitCode.failed;
  }
  if (!state.isInstalled) {
    shell.print('not installed; "sudo weighbridge service install --dry-run" says what that would do');
    return ExitCode.failed;
  }
  const boot = state.startsAtBoot
    ? 'starts at boot'
    : `does not start at boot: "sudo systemctl enable ${SERVICE_NAME}"`;
  shell.print(`installed: ${paths.unit}, ${boot}`);
  for (const path of state.dropIns) shell.print(`changed by ${path}`);
  for (const line of describe(state)) shell.print(line);
  const settings = `${paths.settings}/${ENV_CREDENTIAL}`;
  shell.print(`settings: ${settings}${existsSync(settings) ? '' : ', which are gone: it cannot start without them'}`);
  shell.print(`logins and measurements: ${paths.state}`);
  const lines = await lastLines(run, LINES);
  shell.print(lines.length > 0 ? 'the last lines of its log:' : `its log: "sudo journalctl -u ${SERVICE_NAME}"`);
  for (const line of lines) shell.print(`  ${line}`);
  return state.activity === 'active' ? ExitCode.done : ExitCode.failed;
}

function describe({ activity, since, pid, status, exitCode, result, restarts }: ServiceState): readonly string[] {
  const again = restarts === 0 ? '' : `; restarted ${restarts} times since it was started by hand or at boot`;
  switch (activity) {
    case 'active':
      return [`running since ${since}, process ${pid}${again}`, ...(status === '' ? [] : [`says: ${status}`])];
    case 'activating':
      return [`starting, or waiting for the next try, since ${since} (the last one: ${result}, ${exitCode})${again}`];
    default:
      if (exitCode === ExitCode.configuration)
        return [`stopped since ${since}: its settings are wrong (78), the lines below say which`];
      return [`stopped since ${since} (${result}): "sudo systemctl start ${SERVICE_NAME}"`];
  }
}

/** Stops the service and removes its unit. What it has gathered stays. */
export async function uninstallService(
  shell: Shell,
  options: { readonly dryRun?: boolean },
  { paths, run }: ServiceWorld = REAL_WORLD,
): Promise<ExitCode> {
  const unit = await readUnit(paths);
  if (unit === undefined) {
    shell.say(`there is no service: ${paths.unit} does not exist`);
    return ExitCode.done;
  }
  const steps: Step[] = [
    {
      text: 'stop weighbridge, and start it at boot no more',
      run: () => systemctl(run, 'disable', '--now', `${SERVICE_NAME}.service`),
    },
    unit.isSealed
      ? { text: `remove ${paths.unit}`, run: () => rm(paths.unit) }
      : {
          text: `move ${paths.unit} to ${paths.unit}.saved, for somebody has changed it`,
          run: () => rename(paths.unit, `${paths.unit}.saved`),
        },
    { text: 'let systemd forget it', run: () => systemctl(run, 'daemon-reload') },
  ];
  const code = await carryOut(shell, steps, options);
  if (code !== ExitCode.done) return code;
  shell.say(`What stays: the settings in ${paths.settings}, logins and measurements in ${paths.state}`);
  shell.say('(which leads to /var/lib/private). Another "weighbridge service install" goes on with them.');
  return code;
}

/** @throws Error with what it said when it fails */
export async function systemctl(run: RunProgram, ...args: readonly string[]): Promise<void> {
  const { code, stderr } = await run('systemctl', args);
  if (code !== 0) throw new Error(`systemctl ${args.join(' ')} has failed: ${stderr.trim()}`);
}
