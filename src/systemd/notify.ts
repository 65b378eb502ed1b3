import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { write } from 'node:fs';
import { promisify } from 'node:util';

/** Sends systemd a message of lines such as `READY=1`, as sd_notify(3) does. */
export type Notify = (lines: readonly string[]) => Promise<void>;

/** The variables that systemd sets for its service process. */
export type NotifyVariables = Readonly<Record<string, string | undefined>>;

/** The name of the open socket in the unit (`OpenFile=`), and where passed descriptors begin: sd_listen_fds(3). */
const SOCKET_NAME = 'notify';
const FIRST_DESCRIPTOR = 3;

/**
 * Node cannot open a datagram socket in the file system. systemd 253 and later passes a connected one: a message is a
 * write. Otherwise systemd-notify(1) runs for each message.
 */
export function createNotify(variables: NotifyVariables, pid: number): Notify {
  const descriptor = passedSocket(variables, pid);
  if (descriptor === undefined) return (lines) => runNotify(lines, variables['NOTIFY_SOCKET']);
  return async (lines) => void (await promisify(write)(descriptor, lines.join('\n')));
}

function passedSocket(variables: NotifyVariables, pid: number): number | undefined {
  const { LISTEN_PID: whose, LISTEN_FDNAMES: names = '' } = variables;
  const at = names.split(':').indexOf(SOCKET_NAME);
  return whose === String(pid) && at !== -1 ? FIRST_DESCRIPTOR + at : undefined;
}

async function runNotify(lines: readonly string[], socket: string | undefined): Promise<void> {
  const env = { PATH: '/usr/bin:/bin', NOTIFY_SOCKET: socket };
  const child = spawn('systemd-notify', lines, { env, stdio: 'ignore' });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`systemd-notify ended with exit code ${code}`);
}

/** How long systemd waits for `WATCHDOG=1` of this process before it ends the process; undefined without a watchdog. */
export function watchdogMs({ WATCHDOG_USEC: limit, WATCHDOG_PID: whose }: NotifyVariables, pid: number) {
  const isOurs = whose === undefined || whose === String(pid);
  const ms = isOurs && limit !== undefined && /^[0-9]{1,15}$/.test(limit) ? Number(limit) / 1000 : 0;
  return ms > 0 ? ms : undefined;
}
