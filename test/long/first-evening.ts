import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { CLIENT } from '../support/home.ts';
import { bootMachine, debianMirror, type Machine } from '../support/machine.ts';
import { ROOT as PROJECT, packVersion } from '../support/packed.ts';

/**
 * `npm run first-evening` runs the commands of the documents on a new Debian, as root, with debootstrap and
 * systemd-nspawn: to the first weight, through an update, back, and to the removal. Only apt and npm need a network.
 *
 *   --suite NAME   trixie or bookworm; both without it
 *   --bases DIR    keeps the new Debians for the next run
 */
const { values } = parseArgs({ options: { suite: { type: 'string' }, bases: { type: 'string' } } });
/** The packages of Raspberry Pi OS Lite that the commands need. */
const PACKAGES = 'systemd,systemd-sysv,dbus,libnss-systemd,cron,curl,sudo,iproute2,ca-certificates,openssl,logrotate';
const [PORT, WITHINGS, SCALE] = [3000, 4000, 4001];
const CALLBACK_URL = `http://127.0.0.1:${PORT}/withingsWebhook/a-path-that-is-long`;
const [OLDER, NEWER] = ['0.1.0', '0.2.0'];
const STATE = '/var/lib/weighbridge';
const ENVIRONMENT = ['env', '-i', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'TERM=dumb'];
const SETTINGS = `WITHINGS_CLIENT_ID=${CLIENT.clientId}
WITHINGS_CLIENT_SECRET=${CLIENT.clientSecret}
WITHINGS_API_URL=http://127.0.0.1:${WITHINGS}
WITHINGS_ACCOUNT_URL=http://127.0.0.1:${WITHINGS}
CALLBACK_URL=${CALLBACK_URL}
HOST=127.0.0.1
`;

interface Expected {
  readonly code?: number;
  readonly says?: RegExp;
}

/** A new Debian, before it is booted and after. */
interface Computer {
  readonly root: string;
  machine: Machine | undefined;
  /** The commands of a person, and their cost. */
  readonly figures: { commands: number; seconds: number; peak: number };
}

const say = (line: string) => void process.stdout.write(`${line}\n`);
const bases = values.bases ?? mkdtempSync(join(tmpdir(), 'weighbridge-bases-'));
const table: string[] = [];
try {
  for (const suite of values.suite === undefined ? ['trixie', 'bookworm'] : [values.suite]) await spend(suite);
  say(`\n${table.join('\n')}\neverything as it should be`);
} finally {
  if (values.bases === undefined) rmSync(bases, { recursive: true, force: true });
}

async function spend(suite: string): Promise<void> {
  say(`\n===== ${suite}`);
  const root = mkdtempSync(join(bases, `${suite}-now-`));
  const computer: Computer = { root, machine: undefined, figures: { commands: 0, seconds: 0, peak: 0 } };
  try {
    makeNew(suite, root);
    await putThere(computer);
    const before = megabytesOf(root);
    await installNode(computer, suite);
    await type(computer, 'sudo npm install --global ./weighbridge.tgz');
    table.push(`${suite}: Node, npm and weighbridge take ${megabytesOf(root) - before} MB of the disk`);
    unmount(root);
    computer.machine = await bootMachine(root);
    await weighIn(computer);
    note(suite, 'from nothing to the first weight', computer);
    await update(computer);
    note(suite, 'with an update, a way back and the end', computer);
    await withNewerNpm(computer);
  } finally {
    await computer.machine?.[Symbol.asyncDispose]();
    unmount(root);
    rmSync(root, { recursive: true, force: true });
  }
}

function note(suite: string, what: string, { figures: { commands, seconds, peak } }: Computer): void {
  table.push(
    `${suite}: ${what}: ${commands} commands, ${seconds.toFixed(0)} s of waiting, at most ${peak} MB resident`,
  );
}

function makeNew(suite: string, root: string): void {
  const base = join(bases, suite);
  if (!existsSync(join(base, 'usr/bin/sudo'))) {
    rmSync(base, { recursive: true, force: true });
    run('debootstrap', `--include=${PACKAGES}`, suite, base, debianMirror());
  }
  run('cp', '-aT', base, root);
}

/** A person `pi` with `sudo`, the tarball in their home directory, and what plays Withings. */
async function putThere({ root }: Computer): Promise<void> {
  run('chroot', root, 'useradd', '--create-home', '--shell', '/bin/bash', 'pi');
  writeFileSync(join(root, 'etc/sudoers.d/pi'), 'pi ALL=(ALL) NOPASSWD: ALL\n', { mode: 0o440 });
  // The network, and the authorities, that this machine has.
  for (const each of ['etc/resolv.conf', 'etc/hosts']) copyFileSync(`/${each}`, join(root, each));
  copyFileSync('/etc/ssl/certs/ca-certificates.crt', join(root, 'etc/ssl/own.pem'));
  writeFileSync(join(root, 'root/.npmrc'), 'cafile=/etc/ssl/own.pem\n');
  const home = join(root, 'home/pi');
  for (const version of [OLDER, NEWER]) await packVersion(version, home);
  copyFileSync(join(home, `weighbridge-${OLDER}.tgz`), join(home, 'weighbridge.tgz'));
  run('chroot', root, 'chown', '-R', 'pi:', '/home/pi');
  mkdirSync(join(root, 'opt/stage'), { recursive: true });
  cpSync(join(PROJECT, 'dist'), join(root, 'opt/stage/dist'), { recursive: true });
  copyFileSync(join(PROJECT, 'package.json'), join(root, 'opt/stage/package.json'));
  const { stdout } = spawnSync('npm', ['root', '--global'], { encoding: 'utf8' });
  cpSync(join(stdout.trim(), 'npm'), join(root, 'opt/npm'), { recursive: true });
  run('mount', '-t', 'devpts', 'devpts', join(root, 'dev/pts'));
  run('mount', '-t', 'proc', 'proc', join(root, 'proc'));
}

async function installNode(computer: Computer, suite: string): Promise<void> {
  await type(computer, 'sudo apt-get update -qq && sudo apt-get install -qq --no-install-recommends nodejs npm');
  await behind(computer, 'node --version; npm --version');
  if (suite !== 'bookworm') return;
  await type(computer, 'sudo npm install --global ./weighbridge.tgz', { says: /EBADENGINE/ });
  await type(computer, 'weighbridge doctor', { code: 1, says: /needs Node 20\.19\.0 or later, and this is Node 18\./ });
  await type(computer, 'sudo npm install --global node@24');
  await type(computer, 'weighbridge --version', { says: /^0\.1\.0$/m });
}

/** Follows getting-started.md, from the settings to the first weight of the service. */
async function weighIn(computer: Computer): Promise<void> {
  asRoot(
    computer,
    `systemd-run --quiet --unit=withings node /opt/stage/dist/test/support/played-withings.js ${WITHINGS} ${SCALE}`,
  );
  await until(computer, 'a Withings is played on loopback', `curl -s http://127.0.0.1:${SCALE}/`, /undefined/);
  await type(computer, 'mkdir -p weighbridge && cd weighbridge');
  await type(computer, `cat > .env <<'END'\n${SETTINGS}END\nchmod 600 .env`);
  await type(computer, '(weighbridge login > login.out 2>&1; echo "ended with $?" >> login.out) > /dev/null 2>&1 &');
  await until(computer, 'login prints a link', 'cat /home/pi/weighbridge/login.out', /http:/);
  asRoot(computer, `curl -s "http://127.0.0.1:${SCALE}/store?user=1234&kilograms=80.85"`);
  await behind(computer, 'curl -sL "$(grep -o "http:[^ ]*" login.out | head -n 1)" | grep -o "[^>]*is linked[^<]*"');
  await until(computer, 'a person is linked', 'cat /home/pi/weighbridge/login.out', /ended with 0/);
  await type(computer, 'sudo weighbridge service install', { says: /weighbridge 0\.1\.0 is running/ });
  asRoot(computer, `curl -s "http://127.0.0.1:${SCALE}/weigh?user=1234&kilograms=81.25"`);
  await until(computer, 'the first weight is in the journal', `cat ${STATE}/data/measures.jsonl`, /81\.25/);
  await behind(computer, 'sudo weighbridge users', /81\.25 kg/);
}

async function update(computer: Computer): Promise<void> {
  await behind(computer, `cp ../weighbridge-${NEWER}.tgz ../weighbridge.tgz`);
  await type(computer, 'sudo npm install --global ../weighbridge.tgz');
  await behind(computer, 'curl -s -o /dev/null -w "%{http_code}" http://127.0.0.1:3001/', /^200/);
  asRoot(computer, `curl -s "http://127.0.0.1:${SCALE}/weigh?user=1234&kilograms=81.45"`);
  await until(computer, 'a weigh-in is recorded meanwhile', `cat ${STATE}/data/measures.jsonl`, /81\.45/);
  await type(computer, 'sudo weighbridge service install', {
    says: /weighbridge 0\.2\.0 is running \(before: 0\.1\.0\)/,
  });
  say('\n== The way back');
  await type(computer, `sudo npm install --global ../weighbridge-${OLDER}.tgz`);
  await type(computer, 'sudo weighbridge service install', { code: 1, says: /newer.*--force/ });
  await type(computer, 'sudo weighbridge service install --force', {
    says: /weighbridge 0\.1\.0 is running \(before: 0\.2\.0\)/,
  });
  say('\n== A backup, and the way home');
  await type(computer, 'sudo tar -C / -czf backup.tgz etc/weighbridge var/lib/weighbridge/.');
  await behind(
    computer,
    'tar -tzf backup.tgz',
    /var\/lib\/weighbridge\/\.\/tokens\/1234[\s\S]*measures\.jsonl|measures\.jsonl[\s\S]*tokens\/1234/,
  );
  await type(computer, 'sudo weighbridge service uninstall', { says: /Kept: the settings in/ });
  await type(computer, 'sudo weighbridge service install', { says: /0\.1\.0 is running/ });
  await behind(computer, 'sudo weighbridge users', /81\.45 kg/);
  await type(computer, 'sudo weighbridge service uninstall', { says: /Kept: the settings in/ });
  await type(computer, 'sudo npm uninstall --global weighbridge');
  await type(computer, 'sudo rm -r /etc/weighbridge /var/lib/weighbridge /var/lib/private/weighbridge');
  const left = 'find / -xdev -name "*weighbridge*" -not -path "/opt/*" -not -path "/home/*"';
  await behind(computer, `! sudo ${left} | grep -v /npm/_cacache/ | grep .`);
}

/** Installs the newest npm next to Debian's npm 9. */
async function withNewerNpm(computer: Computer): Promise<void> {
  const npm = 'sudo node /opt/npm/bin/npm-cli.js --offline --prefix /usr/local';
  await behind(computer, 'node /opt/npm/bin/npm-cli.js --version');
  for (const version of [OLDER, NEWER, OLDER]) {
    await behind(computer, `${npm} install --global ../weighbridge-${version}.tgz`);
    await behind(computer, 'weighbridge --version', new RegExp(`^${version}$`, 'm'));
  }
  await behind(computer, 'weighbridge demo --once', /81\.25 kg/);
  await behind(computer, `${npm} uninstall --global weighbridge && ! command -v weighbridge`);
}

/** Runs a command of the documents as `pi`, and counts it. */
async function type(computer: Computer, command: string, expected: Expected = {}): Promise<void> {
  const { figures } = computer;
  const startedAt = performance.now();
  const { code, output, peak } = await asPi(computer, command);
  figures.commands += 1;
  figures.seconds += (performance.now() - startedAt) / 1000;
  figures.peak = Math.max(figures.peak, peak);
  judge(`$ ${command}`, { code, output }, expected);
  say(`  (${((performance.now() - startedAt) / 1000).toFixed(1)} s, at most ${peak} MB resident)`);
}

/** Runs a check as `pi`, which does not count as a command of the documents. */
async function behind(computer: Computer, command: string, says?: RegExp): Promise<void> {
  judge(`> ${command}`, await asPi(computer, command), says === undefined ? {} : { says });
}

function judge(what: string, { code, output }: { code: number | null; output: string }, expected: Expected): void {
  say(`\n${what}`);
  for (const line of output.trimEnd().split('\n').slice(-25)) say(`  ${line}`);
  if (code !== (expected.code ?? 0)) throw new Error(`it has ended with ${code}`);
  if (expected.says !== undefined && !expected.says.test(output)) throw new Error(`it does not say ${expected.says}`);
}

/** Runs in the home directory before the boot, and in the folder of the set-up after it. */
async function asPi({ root, machine }: Computer, command: string) {
  const folder = existsSync(join(root, 'home/pi/weighbridge')) ? '/home/pi/weighbridge' : '/home/pi';
  const inside = [
    'runuser',
    '-u',
    'pi',
    '--',
    'bash',
    '-c',
    `cd ${folder}; export HOME=/home/pi; { ${command}\n} 2>&1`,
  ];
  const [program = '', ...args] = machine === undefined ? ['chroot', root] : ['nsenter', '-t', machine.init(), '-a'];
  const child = spawn(program, [...args, ...ENVIRONMENT, ...inside], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const ended = new AbortController();
  const closed = once(child, 'close').finally(() => ended.abort());
  let peak = 0;
  while (!ended.signal.aborted) {
    peak = Math.max(peak, residentBelow(child.pid ?? 0));
    await sleep(50, undefined, { signal: ended.signal }).catch(() => undefined);
  }
  const [code] = await closed;
  return { code, output, peak: Math.round(peak / 1024) };
}

/** Returns the memory of a process and its descendants, in KiB. */
function residentBelow(pid: number): number {
  try {
    const [, own = '0'] = /^VmRSS:\s+([0-9]+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
    return Number(own) + children.reduce((sum, child) => sum + residentBelow(Number(child)), 0);
  } catch {
    return 0;
  }
}

function asRoot({ machine }: Computer, command: string): string {
  return machine?.sh(command).output ?? '';
}

async function until(computer: Computer, what: string, command: string, says: RegExp): Promise<void> {
  for (const endsAt = Date.now() + 60_000; Date.now() < endsAt; await sleep(300)) {
    if (says.test(asRoot(computer, command))) return say(`\n✓ ${what}`);
  }
  throw new Error(`never seen: ${what}; ${command} says\n${asRoot(computer, command)}`);
}

/** Unmounts the file systems that apt needs before the boot. systemd-nspawn mounts its own later. */
function unmount(root: string): void {
  for (const each of ['dev/pts', 'proc']) spawnSync('umount', [join(root, each)]);
}

function megabytesOf(root: string): number {
  return Number(/^[0-9]+/.exec(run('du', '-sxm', root))?.[0]);
}

function run(program: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} has failed:\n${stdout.slice(-2000)}${stderr}`);
  return stdout;
}
