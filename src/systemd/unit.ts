import { createHash } from 'node:crypto';
import { ENV_CREDENTIAL, ENVIRONMENT_IN_STATE, SERVICE, SERVICE_NAME } from './paths.ts';

/** systemd passes an open socket since this version, */
const PASSES_SOCKETS = 253;
/** and waits longer from restart to restart since this one. */
const BACKS_OFF = 254;

export interface UnitOptions {
  /** Node, and the script that it runs. */
  readonly program: { readonly node: string; readonly script: string };
  /** The number that `systemctl --version` begins with. */
  readonly systemd: number;
}

/** The unit of the service, as this version of systemd understands it. */
export function writeUnit({ program, systemd }: UnitOptions): string {
  const environment = Object.entries(ENVIRONMENT_IN_STATE).map(([name, value]) => `${name}=${value}`);
  const notify =
    systemd >= PASSES_SOCKETS
      ? 'NotifyAccess=main\nOpenFile=/run/systemd/notify:notify:graceful'
      : '# This systemd cannot pass its socket: weighbridge runs systemd-notify for each message.\nNotifyAccess=all';
  const backOff = systemd >= BACKS_OFF ? 'RestartSec=5\nRestartSteps=5\nRestartMaxDelaySec=1min' : 'RestartSec=15';
  return `# weighbridge as a service. Own changes belong into a drop-in: sudo systemctl edit ${SERVICE_NAME}
[Unit]
Description=weighbridge: weigh-ins from a Withings scale
Wants=network-online.target
After=network-online.target time-sync.target
StartLimitIntervalSec=0
# Without them it could only fail, again and again.
AssertPathExists=${SERVICE.env}

[Service]
ExecStart=${quote(program.node)} ${quote(program.script)} serve
# It says when it listens, and then that it is alive, which a program that hangs does not.
Type=notify
${notify}
TimeoutStartSec=5min
WatchdogSec=3min
# For ever, but not with settings that are wrong (78).
Restart=always
${backOff}
RestartPreventExitStatus=78
# A stop asks weighbridge, which ends what it has started.
KillMode=mixed
TimeoutStopSec=15
SyslogIdentifier=${SERVICE_NAME}

# Settings: a .env file, which only root can read. weighbridge is handed a copy, and no secret is in its environment.
LoadCredential=${ENV_CREDENTIAL}:${SERVICE.env}
# Logins and measurements: /var/lib/${SERVICE_NAME}, of a user that exists while it runs.
DynamicUser=yes
StateDirectory=${SERVICE_NAME}
StateDirectoryMode=0700
WorkingDirectory=%S/${SERVICE_NAME}
UMask=0077
Environment=NODE_ENV=production ${environment.join(' ')}

# With the locks, which are processes, and a hook.
MemoryHigh=256M
MemoryMax=384M
TasksMax=128
# A dump would hold logins.
LimitCORE=0

# All it needs is the network and its directory. Not MemoryDenyWriteExecute, which ends V8.
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
LockPersonality=yes
PrivateDevices=yes
PrivateTmp=yes
PrivateUsers=yes
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources

[Install]
WantedBy=multi-user.target
`;
}

/** One word of a command line: systemd.service(5), "Command lines". */
function quote(path: string): string {
  const literal = path.replace(/[\\"]/g, '\\$&').replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[\w./%+@:=,-]+$/.test(literal) ? literal : `"${literal}"`;
}

const SEAL = /# Written by "weighbridge service install"(?: (\S+))?; sha256 ([0-9a-f]{64})\n$/;

/** Adds a line that tells later which version wrote the unit, and whether it was changed. */
export function seal(unit: string, version: string): string {
  return `${unit}# Written by "weighbridge service install" ${version}; sha256 ${digestOf(unit)}\n`;
}

/** The version that wrote the unit, where the unit is as a version of weighbridge wrote it. */
export function readSeal(text: string): { readonly version: string | undefined } | undefined {
  const found = SEAL.exec(text);
  const isUnchanged = found !== null && found[2] === digestOf(text.slice(0, found.index));
  return isUnchanged ? { version: found[1] } : undefined;
}

function digestOf(unit: string): string {
  return createHash('sha256').update(unit).digest('hex');
}
