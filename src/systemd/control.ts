import { execFile } from 'node:child_process';
import { SERVICE_NAME } from './paths.ts';

/** How a program ended. */
export interface Ran {
  /** Undefined if a signal ended it, or the program does not exist. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. */
export type RunProgram = (program: string, args: readonly string[]) => Promise<Ran>;

const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' };

export const runProgram: RunProgram = (program, args) =>
  new Promise((resolve) => {
    const child = execFile(program, args, { env }, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      resolve({ code: typeof code === 'number' ? code : undefined, stdout, stderr: stderr || (error?.message ?? '') });
    });
    child.stdin?.end();
  });

/** The version of systemd, if installed. */
export async function systemdVersion(run: RunProgram): Promise<number | undefined> {
  const { stdout } = await run('systemctl', ['--version']);
  const [, version] = /^systemd ([0-9]+)/.exec(stdout) ?? [];
  return version === undefined ? undefined : Number(version);
}

/** systemd's report about the service. */
export interface ServiceState {
  readonly isInstalled: boolean;
  readonly startsAtBoot: boolean;
  /** `active`, `activating`, `inactive`, `failed`… */
  readonly activity: string;
  /** The start of the activity, in systemd's format. */
  readonly since: string;
  readonly pid: string;
  /** The last status that weighbridge sent. */
  readonly status: string;
  /** The exit code of the last process that ended. */
  readonly exitCode: number;
  /** Why that process ended: `success`, `exit-code`, `watchdog`… */
  readonly result: string;
  readonly restarts: number;
  readonly dropIns: readonly string[];
}

/** Undefined without systemd. */
export async function askService(run: RunProgram): Promise<ServiceState | undefined> {
  const { code, stdout } = await run('systemctl', ['show', `${SERVICE_NAME}.service`]);
  if (code !== 0) return undefined;
  const found = new Map(stdout.split('\n').map((line) => [line.replace(/=.*/, ''), line.replace(/^[^=]*=/, '')]));
  const read = (property: string) => found.get(property) ?? '';
  return {
    isInstalled: read('LoadState') === 'loaded',
    startsAtBoot: read('UnitFileState') === 'enabled',
    activity: read('ActiveState'),
    since: read('StateChangeTimestamp'),
    pid: read('MainPID'),
    status: read('StatusText'),
    exitCode: Number(read('ExecMainStatus')),
    result: read('Result'),
    restarts: Number(read('NRestarts')),
    dropIns: read('DropInPaths').split(' ').filter(Boolean),
  };
}

/** The last lines of the log; none if this user may not read it. */
export async function lastLines(run: RunProgram): Promise<readonly string[]> {
  const args = ['--unit', SERVICE_NAME, '--lines', '10', '--no-pager', '--quiet', '--output', 'short-iso'];
  const { stdout } = await run('journalctl', args);
  return stdout.split('\n').filter(Boolean);
}
