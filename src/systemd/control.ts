import { spawn } from 'node:child_process';
import { SERVICE_NAME } from './paths.ts';

/** What came of a program. */
export interface Ran {
  /** Null where a signal ended it, undefined where there is no such program. */
  readonly code: number | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. */
export type RunProgram = (program: string, args: readonly string[]) => Promise<Ran>;

export const runProgram: RunProgram = (program, args) => {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH, LC_ALL: 'C.UTF-8' } });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: undefined, stdout, stderr: error.message }));
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
};

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The version of systemd, where it is there. */
export async function systemdVersion(run: RunProgram): Promise<number | undefined> {
  const { stdout } = await run('systemctl', ['--version']);
  const [, version] = /^systemd ([0-9]+)/.exec(stdout) ?? [];
  return version === undefined ? undefined : Number(version);
}

/** What systemd says of the service. */
export interface ServiceState {
  readonly isInstalled: boolean;
  readonly startsAtBoot: boolean;
  /** `active`, `activating`, `inactive`, `failed`… */
  readonly activity: string;
  /** Since when it is so, as systemd writes it. */
  readonly since: string;
  readonly pid: string;
  /** What it says of itself. */
  readonly status: string;
  /** The exit code of the last process that has ended. */
  readonly exitCode: number;
  /** Why it ended: `success`, `exit-code`, `watchdog`… */
  readonly result: string;
  readonly restarts: number;
  readonly dropIns: readonly string[];
}

const PROPERTIES = [
  'LoadState',
  'UnitFileState',
  'ActiveState',
  'StateChangeTimestamp',
  'MainPID',
  'StatusText',
  'ExecMainStatus',
  'Result',
  'NRestarts',
  'DropInPaths',
] as const;

/** Undefined where there is no systemd that could be asked. */
export async function askService(run: RunProgram): Promise<ServiceState | undefined> {
  const properties = PROPERTIES.map((name) => `--property=${name}`);
  const { code, stdout } = await run('systemctl', ['show', `${SERVICE_NAME}.service`, ...properties]);
  if (code !== 0) return undefined;
  const lines = stdout.split('\n').map((line): [string, string] => {
    const at = line.indexOf('=');
    return [line.slice(0, at), line.slice(at + 1)];
  });
  const found = new Map(lines);
  const read = (name: (typeof PROPERTIES)[number]) => found.get(name) ?? '';
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
    dropIns: read('DropInPaths')
      .split(' ')
      .filter((path) => path !== ''),
  };
}

/** The last lines of its log; nothing where this user may not read it. */
export async function lastLines(run: RunProgram, count: number): Promise<readonly string[]> {
  const args = ['--unit', SERVICE_NAME, '--lines', String(count), '--no-pager', '--quiet', '--output', 'short-iso'];
  const { stdout } = await run('journalctl', args);
  return stdout.split('\n').filter((line) => line !== '');
}
