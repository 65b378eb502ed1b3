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
    shell.say('error: systemd is not available on this machine');
    return ExitCode.failed;
  }
  if (!state.isInstalled) {
    shell.print('not installed. To see the steps, run "sudo weighbridge service install --dry-run".');
    return ExitCode.failed;
  }
  const boot = state.startsAtBoot
    ? 'starts at boot'
    : `does not start at boot. Run "sudo systemctl enable ${SERVICE_NAME}".`;
  const lines = await lastLines(run);
  const version = (await readUnit(machine))?.version;
  const { version: own } = readManifest(shell.files);
  const text = [
    `installed: ${paths.unit}, ${boot}`,
    ...(version === undefined || version === own
      ? []
      : [`service version: ${version}. This is ${own}; to start it, run "sudo weighbridge service install".`]),
    ...state.dropIns.map((path) => `changed by ${path}`),
    ...describe(state),
    `settings: ${paths.env}${existsSync(paths.env) ? '' : ' (missing: weighbridge cannot start without it)'}`,
    `logins and measurements: ${paths.state}`,
    lines.length > 0 ? 'last log lines:' : `log: "sudo journalctl -u ${SERVICE_NAME}"`,
    ...lines.map((line) => `  ${line}`),
  ];
  for (const line of text) shell.print(line);
  return state.activity === 'active' ? ExitCode.done : ExitCode.failed;
}

function describe({ activity, since, pid, status, exitCode, result, restarts }: ServiceState): readonly string[] {
  const again = restarts === 0 ? '' : `, restarted ${restarts} time${restarts === 1 ? '' : 's'}`;
  switch (activity) {
    case 'active':
      return [`running since ${since}, process ${pid}${again}`, ...(status === '' ? [] : [`status: ${status}`])];
    case 'activating':
      return [`starting, or waiting to restart, since ${since} (last exit: ${result}, code ${exitCode})${again}`];
    default:
      if (exitCode === ExitCode.configuration)
        return [`stopped since ${since}: wrong settings (exit code 78). The lines below show which.`];
      return [`stopped since ${since} (${result}). Run "sudo systemctl start ${SERVICE_NAME}".`];
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
    shell.say(`no service is installed: ${paths.unit} does not exist`);
    return ExitCode.done;
  }
  const saved = `${paths.unit}.saved`;
  const steps: readonly Step[] = [
    {
      text: 'stop weighbridge, and disable start at boot',
      run: () => systemctl(run, 'disable', '--now', `${SERVICE_NAME}.service`),
    },
    unit.isUnchanged
      ? { text: `remove ${paths.unit}`, run: () => rm(paths.unit) }
      : {
          text: `move ${paths.unit} to ${saved}, because it was changed by hand`,
          run: () => rename(paths.unit, saved),
        },
    { text: 'reload systemd', run: () => systemctl(run, 'daemon-reload') },
  ];
  const code = await carryOut(shell, steps, options);
  if (code !== ExitCode.done) return code;
  shell.say(`Kept: the settings in ${paths.settings}, and logins and measurements in ${paths.state}`);
  shell.say('(a link to /var/lib/private). The next "weighbridge service install" uses them again.');
  return code;
}
