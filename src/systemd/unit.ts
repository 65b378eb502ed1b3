import { createHash } from 'node:crypto';
import { ENV_CREDENTIAL, ENVIRONMENT_IN_STATE, SERVICE, SERVICE_NAME } from './paths.ts';

/** systemd passes an open socket since this version. */
const PASSES_SOCKETS = 253;
/** systemd waits longer from restart to restart since this version. */
const BACKS_OFF = 254;

export interface UnitOptions {
  /** Node, and its script. */
  readonly program: { readonly node: string; readonly script: string };
  /** The version number of `systemctl --version`. */
  readonly systemd: number;
}

/** The unit of the service, for this version of systemd. */
export function writeUnit({ program, systemd }: UnitOptions): string {
  const environment = Object.entries(ENVIRONMENT_IN_STATE).map(([name, value]) => `${name}=${value}`);
  const notify =
    systemd >= PASSES_SOCKETS
      ? 'NotifyAccess=main\nOpenFile=/run/systemd/notify:notify:graceful'
      : '# This systemd cannot pass its socket: weighbridge runs systemd-notify for each message.\nNotifyAccess=all';
  const backOff = systemd >= BACKS_OFF ? 'RestartSec=5\nRestartSteps=5\nRestartMaxDelaySec=1min' : 'RestartSec=15';
  return `# weighbridge as a service. Put your own changes in a drop-in: sudo systemctl edit ${SERVICE_NAME}
[Unit]
Description=weighbridge: weigh-ins from a Withings scale
Wants=network-online.target
After=network-online.target time-sync.target
StartLimitIntervalSec=0
# Without its settings, weighbridge cannot start.
AssertPathExists=${SERVICE.env}

[Service]
ExecStart=${quote(program.node)} ${quote(program.script)} serve
# weighbridge reports when it listens, and then regularly that it is alive. A program that hangs does not.
Type=notify
${notify}
TimeoutStartSec=5min
WatchdogSec=3min
# systemd always restarts weighbridge, except after wrong settings (exit code 78).
Restart=always
${backOff}
RestartPreventExitStatus=78
# systemd stops weighbridge, and weighbridge stops the processes that it started.
KillMode=mixed
TimeoutStopSec=15
SyslogIdentifier=${SERVICE_NAME}

# Settings: a .env file that only root can read. systemd passes a copy, so the environment has no secret.
LoadCredential=${ENV_CREDENTIAL}:${SERVICE.env}
# Logins and measurements: /var/lib/${SERVICE_NAME}. Its owner is a user that exists while the service runs.
DynamicUser=yes
StateDirectory=${SERVICE_NAME}
StateDirectoryMode=0700
WorkingDirectory=%S/${SERVICE_NAME}
UMask=0077
Environment=NODE_ENV=production ${environment.join(' ')}

# The limits include the hook, and the processes that hold locks.
MemoryHigh=256M
MemoryMax=384M
TasksMax=128
# A core dump would contain logins.
LimitCORE=0

# weighbridge needs only the network and its directory. MemoryDenyWriteExecute would stop Node.
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

/** Adds a line that shows later which version wrote the unit, and whether it was changed. */
export function seal(unit: string, version: string): string {
  return `${unit}# Written by "weighbridge service install" ${version}; sha256 ${digestOf(unit)}\n`;
}

/** The version that wrote the unit, if the unit is unchanged since. */
export function readSeal(text: string): { readonly version: string | undefined } | undefined {
  const found = SEAL.exec(text);
  const isUnchanged = found !== null && found[2] === digestOf(text.slice(0, found.index));
  return isUnchanged ? { version: found[1] } : undefined;
}

function digestOf(unit: string): string {
  return createHash('sha256').update(unit).digest('hex');
}
