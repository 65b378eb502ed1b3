import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { readManifest } from '../../runtime/version.ts';
import { askService, lastLines, type ServiceState } from '../../systemd/control.ts';
import { SERVICE_NAME } from '../../systemd/paths.ts';
import { ExitCode, type Shell } from '../shell.ts';
import { carryOut, type Machine, readUnit, type Step, systemctl, THIS_MACHINE } from './steps.ts';

/** Prints the status of the service in words. */
export async function showService(shell: Shell, machine: Machine = THIS_MACHINE): Promise<ExitCode> {
  const { paths, run } = machine;
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
  const lines = await lastLines(run);
  const version = (await readUnit(machine))?.version;
  const { version: own } = readManifest(shell.files);
  const text = [
    `installed: ${paths.unit}, ${boot}`,
    ...(version === undefined || version === own
      ? []
      : [`set up by version ${version}, and this is ${own}: "sudo weighbridge service install" starts this one`]),
    ...state.dropIns.map((path) => `changed by ${path}`),
    ...describe(state),
    `settings: ${paths.env}${existsSync(paths.env) ? '' : ', which are gone: it cannot start without them'}`,
    `logins and measurements: ${paths.state}`,
    lines.length > 0 ? 'the last lines of its log:' : `its log: "sudo journalctl -u ${SERVICE_NAME}"`,
    ...lines.map((line) => `  ${line}`),
  ];
  for (const line of text) shell.print(line);
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

/** Stops the service and removes its unit. Settings, logins and measurements stay. */
export async function uninstallService(
  shell: Shell,
  options: { readonly dryRun?: boolean },
  machine: Machine = THIS_MACHINE,
): Promise<ExitCode> {
  const { paths, run } = machine;
  const unit = await readUnit(machine);
  if (unit === undefined) {
    shell.say(`there is no service: ${paths.unit} does not exist`);
    return ExitCode.done;
  }
  const saved = `${paths.unit}.saved`;
  const steps: readonly Step[] = [
    {
      text: 'stop weighbridge, and start it at boot no more',
      run: () => systemctl(run, 'disable', '--now', `${SERVICE_NAME}.service`),
    },
    unit.isUnchanged
      ? { text: `remove ${paths.unit}`, run: () => rm(paths.unit) }
      : {
          text: `move ${paths.unit} to ${saved}, for somebody has changed it`,
          run: () => rename(paths.unit, saved),
        },
    { text: 'let systemd forget it', run: () => systemctl(run, 'daemon-reload') },
  ];
  const code = await carryOut(shell, steps, options);
  if (code !== ExitCode.done) return code;
  shell.say(`What stays: the settings in ${paths.settings}, logins and measurements in ${paths.state}`);
  shell.say('(which leads to /var/lib/private). Another "weighbridge service install" goes on with them.');
  return code;
}
