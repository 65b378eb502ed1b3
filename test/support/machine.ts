import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync, rmdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** The result of a command on the machine, with both streams in order. */
export interface Done {
  readonly code: number | null;
  readonly output: string;
}

/** A Debian with a systemd of its own, in a container without network. */
export interface Machine extends AsyncDisposable {
  /** Runs a shell command as root. */
  sh(command: string): Done;
  /** The process id of its systemd. */
  init(): string;
}

/** Returns the mirror of this machine's own packages. */
export function debianMirror(): string {
  const { stdout } = spawnSync('apt-get', ['indextargets', '--format', '$(SITE)', 'Created-By: Packages'], {
    encoding: 'utf8',
  });
  const mirror = stdout.split('\n').find((site) => /\/debian\/?$/.test(site));
  if (mirror === undefined) throw new Error('apt knows no Debian mirror; name one with --mirror URL');
  return mirror;
}

const PACKAGES = 'systemd,systemd-sysv,dbus,libnss-systemd,nodejs,util-linux,cron,curl,sudo,iproute2';

export function makeRoot(
  directory: string,
  options: { readonly suite: string; readonly mirror: string; readonly flags?: readonly string[] },
) {
  const { suite, mirror, flags = [`--include=${PACKAGES}`] } = options;
  const { status, stdout } = spawnSync('debootstrap', [...flags, suite, directory, mirror], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`debootstrap has failed:\n${stdout.slice(-2000)}`);
  // The services run as other users, but a temporary directory is private.
  chmodSync(directory, 0o755);
}

const BOOT_MS = 120_000;
const LOOK_MS = 500;

export async function bootMachine(root: string): Promise<Machine> {
  const flags = ['--register=no', '--keep-unit', '--boot', '--private-network', '--console=pipe', '--link-journal=no'];
  const container = spawn('systemd-nspawn', [...flags, '-D', root], {
    env: { ...process.env, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1' },
    stdio: 'ignore',
  });
  const sh = (command: string): Done => {
    const pid = initOf(container);
    if (pid === undefined) return { code: null, output: 'the machine does not run' };
    const environment = [
      'env',
      '-i',
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'HOME=/root',
    ];
    const args = ['-t', pid, '-a', ...environment, 'sh', '-c', `cd; { ${command}\n} 2>&1`];
    const { status, stdout } = spawnSync('nsenter', args, { encoding: 'utf8', timeout: BOOT_MS });
    return { code: status, output: stdout };
  };
  const machine = {
    sh,
    init: () => initOf(container) ?? '',
    async [Symbol.asyncDispose]() {
      container.kill('SIGTERM');
      if (container.exitCode === null && container.signalCode === null) await once(container, 'exit');
      for (const each of ['unified/payload', 'unified/supervisor', 'systemd/payload', 'systemd/supervisor'])
        leave(each);
    },
  };
  for (const endsAt = Date.now() + BOOT_MS; Date.now() < endsAt; await sleep(LOOK_MS)) {
    if (/^(running|degraded)/.test(sh('systemctl is-system-running').output)) return machine;
  }
  await machine[Symbol.asyncDispose]();
  throw new Error('the machine does not boot');
}

function initOf({ pid }: ChildProcess): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0] || undefined;
  } catch {
    return undefined;
  }
}

/** systemd-nspawn leaves empty control groups behind. */
function leave(group: string): void {
  try {
    rmdirSync(`/sys/fs/cgroup/${group}`);
  } catch {
    // The control group does not exist.
  }
}
