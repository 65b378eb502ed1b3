import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { CLIENT } from '../support/home.ts';
import { bootMachine, debianMirror, type Machine, makeRoot } from '../support/machine.ts';
import { installGlobally, ROOT as PROJECT, pack, packVersion } from '../support/packed.ts';

/**
 * `npm run boot-test` runs the packed tarball as a service of a real systemd in a container, as root, with debootstrap
 * and systemd-nspawn. `--root DIR` keeps the Debian for the next run.
 */
const { values } = parseArgs({
  options: { root: { type: 'string' }, suite: { type: 'string', default: 'trixie' }, mirror: { type: 'string' } },
});
const root = values.root ?? mkdtempSync(join(tmpdir(), 'weighbridge-boot-'));
const PORT = 3000;
const [WITHINGS, SCALE] = [4000, 4001];
const SECRET = 'a-path-that-nobody-can-guess';
const STATE = '/var/lib/weighbridge';

const say = (line: string) => void process.stdout.write(`${line}\n`);
let machine: Machine;

/** Prints a command with its output, and checks output and exit code. */
function show(command: string, expected: { readonly code?: number; readonly says?: RegExp } = {}): string {
  const { code: wanted = 0, says } = expected;
  say(`\n# ${command}`);
  const { code, output } = machine.sh(command);
  for (const line of output.trimEnd().split('\n')) say(`  ${line}`);
  if (code !== wanted) throw new Error(`it has ended with ${code}, not with ${wanted}`);
  if (says !== undefined && !says.test(output)) throw new Error(`it does not say ${says}`);
  return output.trim();
}

async function until(what: string, command: string, says: RegExp): Promise<void> {
  for (const endsAt = Date.now() + 60_000; Date.now() < endsAt; await sleep(300)) {
    if (says.test(machine.sh(command).output)) return say(`\n✓ ${what}`);
  }
  throw new Error(`never seen: ${what}; ${command} says\n${machine.sh(command).output}`);
}

function expect(what: string, isSo: boolean): void {
  if (!isSo) throw new Error(`not so: ${what}`);
  say(`\n✓ ${what}`);
}

/** Subscribes by hand, because weighbridge does so only 12 s after its start. */
function subscribe(): void {
  const url = `http://127.0.0.1:${PORT}/withingsWebhook/${SECRET}`;
  machine.sh(`curl -s "http://127.0.0.1:${SCALE}/subscribe?user=1234&url=${url}"`);
}

const property = (name: string) => machine.sh(`systemctl show weighbridge -P ${name}`).output.trim();

async function prepare(): Promise<void> {
  if (!existsSync(join(root, 'usr/bin/node')))
    makeRoot(root, { suite: values.suite, mirror: values.mirror ?? debianMirror() });
  for (const each of ['etc/weighbridge', 'var/lib/weighbridge', 'var/lib/private/weighbridge', 'home/pi', 'opt/stage'])
    rmSync(join(root, each), { recursive: true, force: true });
  rmSync(join(root, 'var/log/journal'), { recursive: true, force: true });
  for (const each of ['', '.saved', '.d']) {
    const path = join(root, `etc/systemd/system/weighbridge.service${each}`);
    rmSync(path, { recursive: true, force: true });
  }
  // Debian 12 has Node 18. This machine's own Node takes its place, as an installation from Node's site does.
  const { stdout: version } = spawnSync('chroot', [root, 'node', '--version'], { encoding: 'utf8' });
  if (Number.parseInt(version.slice(1), 10) < 20) copyFileSync(process.execPath, join(root, 'usr/local/bin/node'));
  const tarball = await pack(PROJECT, root);
  await installGlobally(tarball, `${root}/usr/local`);
  // The copy runs the sandbox, and nothing under test.
  cpSync(join(PROJECT, 'dist'), join(root, 'opt/stage/dist'), { recursive: true });
  cpSync(join(PROJECT, 'package.json'), join(root, 'opt/stage/package.json'));
  // A loop that never ends on request, which no signal can cause from outside.
  writeFileSync(join(root, 'opt/stage/block.mjs'), "process.on('SIGUSR2', () => { for (;;); });\n");
  mkdirSync(join(root, 'var/log/journal'));
}

async function tryFolderOfUser(): Promise<void> {
  show('node --version; systemctl --version | head -1; weighbridge --version');
  show('weighbridge demo --once', { says: /81\.25 kg/ });
  show(`systemd-run --quiet --unit=withings node /opt/stage/dist/test/support/played-withings.js ${WITHINGS} ${SCALE}`);
  await until('a Withings is played on loopback', `curl -s http://127.0.0.1:${SCALE}/`, /undefined/);
  const settings = [
    '# my settings',
    `WITHINGS_CLIENT_ID=${CLIENT.clientId}`,
    `WITHINGS_CLIENT_SECRET="${CLIENT.clientSecret}" # from the dashboard`,
    `WITHINGS_API_URL=http://127.0.0.1:${WITHINGS}`,
    `CALLBACK_URL=http://127.0.0.1:${PORT}/withingsWebhook/${SECRET}`,
    'USER_NAMES=1234:Anna',
  ];
  machine.sh('id pi || useradd --create-home --shell /bin/bash pi; mkdir -p /home/pi/scale/tokens');
  machine.sh(`cat > /home/pi/scale/.env <<'END'\n${settings.join('\n')}\nEND`);
  machine.sh(`curl -s "http://127.0.0.1:${SCALE}/link?user=1234" > /home/pi/scale/tokens/1234`);
  machine.sh('chown -R pi: /home/pi; chmod 700 /home/pi; chmod 600 /home/pi/scale/.env');

  say('\n== A user has started it in their folder, and it is still running');
  show('systemd-run --quiet --unit=by-hand --uid=pi -p WorkingDirectory=/home/pi/scale weighbridge serve');
  await until('it listens', 'journalctl -u by-hand', /listening on/);
  subscribe();
  show(`curl -s "http://127.0.0.1:${SCALE}/weigh?user=1234&kilograms=80.85"`);
  await until('a weigh-in is in the journal of the folder', 'cat /home/pi/scale/data/measures.jsonl', /80\.85/);
  show('cd /home/pi/scale && weighbridge service install', { code: 1, says: /is already running here/ });
  show('systemctl stop by-hand');

  say('\n== What would happen, for every user to see');
  show('cd /home/pi/scale && runuser -u pi -- weighbridge service install --dry-run', {
    says: /would start weighbridge/,
  });
  show('cd /home/pi/scale && runuser -u pi -- weighbridge service install', { code: 1, says: /sudo/ });
  show(
    'cp -r /usr/local/lib/node_modules/weighbridge /home/pi/clone; cd /home/pi/scale && node /home/pi/clone/dist/bundle/main.js service install',
    {
      code: 1,
      says: /a service cannot see/,
    },
  );
}

async function tryInstall(): Promise<void> {
  say('\n== The service');
  show('cd /home/pi/scale && weighbridge service install', { says: /running since/ });
  show('systemd-analyze verify /etc/systemd/system/weighbridge.service');
  show('systemd-analyze security --threshold=20 --no-pager weighbridge | tail -1', { says: /exposure level/ });
  await until(
    'it says how things stand',
    'systemctl show weighbridge -P StatusText',
    /^1 person linked, last weigh-in/,
  );
  show('systemctl status weighbridge --no-pager --lines 0');
  show('ls -la /home/pi/scale /home/pi/scale/tokens; ls -l /etc/weighbridge; ls -ld /var/lib/weighbridge');
  show(`ls -laR ${STATE}/`, { says: /1234/ });
  const pid = property('MainPID');
  const environment = show(`tr '\\0' '\\n' < /proc/${pid}/environ | grep -v NOTHING`);
  expect('its environment has no secret', !environment.includes(CLIENT.clientSecret) && !environment.includes(SECRET));
  show(
    `ls -l /run/credentials/weighbridge.service/; grep -E "^(Uid|CapEff|NoNewPrivs|Seccomp):|VmRSS" /proc/${pid}/status`,
  );
  const group = '/sys/fs/cgroup/system.slice/weighbridge.service/cgroup.procs';
  expect('it is one process, and nothing runs beside it', machine.sh(`cat ${group}`).output.trim() === pid);
}

async function tryWeighIn(): Promise<void> {
  say('\n== A weigh-in');
  subscribe();
  show(`curl -s "http://127.0.0.1:${SCALE}/weigh?user=1234&kilograms=81.25"`);
  await until('it is in the journal of the service', `cat ${STATE}/data/measures.jsonl`, /81\.25/);
  show(`cat ${STATE}/data/measures.jsonl`, { says: /80\.85[\s\S]*81\.25/ });
  show('journalctl -u weighbridge --no-pager | grep kg', {
    says: /weighbridge\[[0-9]+\]: info {2}Anna \(1234\): 81\.25 kg \(\+0\.40\)/,
  });
  show('journalctl -u weighbridge -p warning --no-pager');
}

async function tryCommands(): Promise<void> {
  say('\n== The other commands, by sudo, from anywhere');
  show('weighbridge users', { says: /Anna +81\.25 kg/ });
  const owner = machine.sh(`stat -L -c %u ${STATE}`).output.trim();
  const before = machine.sh(`cat ${STATE}/tokens/1234`).output;
  show(`rm ${STATE}/tokens/.1234.access; weighbridge token 1234 | wc -c`);
  expect('the login was rotated', machine.sh(`cat ${STATE}/tokens/1234`).output !== before);
  show(`ls -lan ${STATE}/tokens ${STATE}/data`);
  const owners = machine.sh(`find ${STATE}/ -printf '%U\\n' | sort -u`).output.trim();
  expect(`all of it belongs to the user of the service (${owner})`, owners === owner);
  show('weighbridge doctor', { says: /login +Anna \(1234\): OK/ });
  show('weighbridge export | tail -1');
  show('timeout --signal=INT 6 weighbridge login', {
    code: 124,
    says: /weighbridge is already running, and will handle the browser/,
  });
  show('cd / && runuser -u pi -- weighbridge users', { says: /sudo weighbridge/ });
  show(`curl -s "http://127.0.0.1:${SCALE}/weigh?user=1234&kilograms=81.45"`);
  await until('and the service goes on with that login', `cat ${STATE}/data/measures.jsonl`, /81\.45/);
  show(
    `curl -s "http://127.0.0.1:${SCALE}/link?user=5678" > /tmp/t; printf '{"userid":"5678","refresh_token":"%s"}' $(cat /tmp/t) > /root/answer.json; weighbridge import < /root/answer.json`,
  );
  const all = machine.sh(`find ${STATE}/ -printf '%U\\n' | sort -u`).output.trim();
  expect('what root imports belongs to that user, too', all === owner);
}

async function tryWatchdog(): Promise<void> {
  say('\n== The watchdog');
  machine.sh(`mkdir -p /etc/systemd/system/weighbridge.service.d
cat > /etc/systemd/system/weighbridge.service.d/quick.conf <<END
[Service]
WatchdogSec=4
RestartSec=1
Environment=NODE_OPTIONS=--import=/opt/stage/block.mjs
END
systemctl daemon-reload; systemctl restart weighbridge`);
  for (const [what, signal] of [
    ['a process that is stopped', 'STOP'],
    ['an event loop that is blocked', 'USR2'],
  ] as const) {
    const pid = property('MainPID');
    const restarts = Number(property('NRestarts'));
    show(`kill -${signal} ${pid}`);
    await until(
      `${what} is ended by the watchdog, and another one runs`,
      'echo $(systemctl show weighbridge -P ActiveState) $(systemctl show weighbridge -P NRestarts) .',
      new RegExp(`^active\\s+${restarts + 1}\\s`),
    );
    expect('it is another process', property('MainPID') !== pid);
  }
  show("journalctl -u weighbridge --no-pager | grep -E 'atchdog|SIGABRT|Scheduled|Started'", {
    says: /Watchdog timeout/,
  });
  const pid = property('MainPID');
  show('systemctl daemon-reexec');
  await sleep(12_000);
  expect('three times the limit later, and after systemd was replaced, it still runs', property('MainPID') === pid);
  show(`kill -9 ${pid}`);
  await until(
    'killed, it comes back',
    'echo $(systemctl show weighbridge -P ActiveState) $(systemctl show weighbridge -P MainPID) .',
    new RegExp(`^active\\s+(?!${pid}\\s)`),
  );
  machine.sh('rm -r /etc/systemd/system/weighbridge.service.d; systemctl daemon-reload; systemctl restart weighbridge');
}

async function tryWrongSettings(): Promise<void> {
  say('\n== Wrong settings');
  machine.sh('echo PORT=80a >> /etc/weighbridge/env');
  show('systemctl restart weighbridge', { code: 1 });
  await sleep(8_000);
  expect('it stays down after exit 78', property('ActiveState') === 'failed' && property('NRestarts') === '0');
  show('systemctl show weighbridge -p ActiveState -p ExecMainStatus -p NRestarts', { says: /ExecMainStatus=78/ });
  show('weighbridge service status', { code: 1, says: /wrong settings \(exit code 78\)/ });
  show('journalctl -u weighbridge -p err --no-pager -n 2', { says: /PORT: expected a number/ });
  show('weighbridge service install', { code: 78, says: /PORT: expected a number/ });
  machine.sh("sed -i '/^PORT=80a/d' /etc/weighbridge/env; mv /etc/weighbridge/env /root/env");
  show('systemctl restart weighbridge', { code: 1, says: /Assertion failed/ });
  show('weighbridge service status | grep settings:', { says: /missing: weighbridge cannot start without it/ });
  machine.sh('mv /root/env /etc/weighbridge/env');
  show('weighbridge service install', { says: /running since/ });
}

async function tryUpdate(): Promise<void> {
  say('\n== An update, and a way back that is refused');
  await installGlobally(await packVersion('99.0.0', root), `${root}/usr/local`);
  show('weighbridge service status', { says: /service version: \S+\. This is 99\.0\.0/ });
  show('weighbridge service install', { says: /weighbridge 99\.0\.0 is running \(before: \d/ });
  await installGlobally(await pack(PROJECT, root), `${root}/usr/local`);
  show('weighbridge service install', { code: 1, says: /newer.*--force/ });
  show('weighbridge service install --force', { says: /is running \(before: 99\.0\.0\)/ });
}

async function tryReboot(): Promise<void> {
  say('\n== A reboot');
  await machine[Symbol.asyncDispose]();
  machine = await bootMachine(root);
  await until('it restarted automatically', 'systemctl is-active weighbridge', /^active/);
  show('weighbridge users', { says: /Anna/ });
}

async function tryRemoval(): Promise<void> {
  say('\n== Stop, and removal');
  show('time systemctl stop weighbridge; systemctl show weighbridge -p Result -p ExecMainStatus', {
    says: /Result=success/,
  });
  show('echo "# mine" >> /etc/systemd/system/weighbridge.service; weighbridge service install', {
    code: 1,
    says: /was changed by hand/,
  });
  show('weighbridge service uninstall --dry-run', { says: /would stop/ });
  show('weighbridge service uninstall', { says: /Kept: the settings in/ });
  show('weighbridge service uninstall', { says: /no service is installed/ });
  show('weighbridge service status', { code: 1, says: /not installed/ });
  show(`ls -l /etc/systemd/system/weighbridge.service* /etc/weighbridge/env ${STATE}/tokens/1234`);
  show('weighbridge service install && weighbridge users', { says: /running since/ });
}

await prepare();
machine = await bootMachine(root);
try {
  await tryFolderOfUser();
  await tryInstall();
  await tryWeighIn();
  await tryCommands();
  await tryWatchdog();
  await tryWrongSettings();
  await tryUpdate();
  await tryReboot();
  await tryRemoval();
  say('\neverything as it should be');
} finally {
  await machine[Symbol.asyncDispose]();
  if (values.root === undefined) rmSync(root, { recursive: true, force: true });
}
