import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { parse } from 'dotenv';
import { installService } from '../../../src/cli/service/install.ts';
import { showService, uninstallService } from '../../../src/cli/service/status.ts';
import { judgeService } from '../../../src/doctor/host.ts';
import { listen } from '../../../src/http/listen.ts';
import { createProof } from '../../../src/http/probe.ts';
import { createPublicApp } from '../../../src/http/public/app.ts';
import type { Ran } from '../../../src/systemd/control.ts';
import { servicePaths } from '../../../src/systemd/paths.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { OWN_FILES } from '../../support/own-files.ts';
import { createRecordingLog } from '../../support/recording-log.ts';
import { createShell } from '../../support/shell.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const SETTINGS = 'WITHINGS_CLIENT_ID=my-id\nWITHINGS_CLIENT_SECRET=hush-client-secret # mine\n';

interface MachineOptions {
  readonly isRoot?: boolean;
  readonly settings?: string;
  /** The output of `systemctl show`. */
  readonly state?: Readonly<Record<string, string>>;
  /** The output of other programs, by their first words. */
  readonly answers?: Readonly<Record<string, Partial<Ran>>>;
}

const STOPPED = { LoadState: 'not-found', ActiveState: 'inactive' };

/** A machine with its files under a directory, a scripted systemd, and the folder of a user. */
async function openMachine(options: MachineOptions = {}) {
  const { isRoot = true, settings = SETTINGS, answers = {} } = options;
  const directory = await temporaryDirectory();
  const paths = servicePaths(join(directory.path, 'root'));
  const folder = join(directory.path, 'folder');
  await mkdir(join(folder, 'tokens'), { recursive: true });
  if (settings !== '') await writeFile(join(folder, '.env'), `PORT=0\nHOST=127.0.0.1\n${settings}`);
  await writeFile(join(folder, 'tokens/1234'), 'a-token\n');
  await writeFile(join(folder, 'tokens/.gitignore'), '*\n');
  await mkdir(join(folder, 'data/cursors'), { recursive: true });
  await writeFile(join(folder, 'data/measures.jsonl'), '{}\n');
  const manifest = join(directory.path, 'package.json');
  const setVersion = (version: string) => writeFile(manifest, JSON.stringify({ version }));
  await setVersion('0.2.0');
  const said: string[] = [];
  const printed: string[] = [];
  const ran: string[] = [];
  const machine = { state: options.state ?? STOPPED };
  const run = async (program: string, args: readonly string[]): Promise<Ran> => {
    const words = [program, ...args].join(' ');
    ran.push(words);
    const found = Object.entries(answers).find(([beginning]) => words.startsWith(beginning))?.[1] ?? {};
    const states = Object.entries(machine.state).map(([name, value]) => `${name}=${value}`);
    const known = words.startsWith('systemctl --version') ? 'systemd 257 (257)' : '';
    const stdout = words.startsWith('systemctl show weighbridge.service') ? states.join('\n') : known;
    return { code: 0, stdout, stderr: '', ...found };
  };
  const shell = createShell({
    isRoot,
    say: (line) => void said.push(line),
    print: (line) => void printed.push(line),
    readDotenv: (path) => (existsSync(path) ? parse(readFileSync(path)) : {}),
    program: { node: '/bin/sh', script: '/bin/sh' },
    files: { ...OWN_FILES, manifest: pathToFileURL(manifest) },
  });
  const world = { paths, run, folder, root: process.getuid?.() ?? 0 };
  return {
    ...directory,
    paths,
    folder,
    machine,
    setVersion,
    said: () => said.splice(0).join('\n'),
    printed: () => printed.splice(0).join('\n'),
    changes: () => ran.splice(0).filter((words) => /^systemctl (?!show|--version)/.test(words)),
    install: (dryRun = false, force = false) => installService(shell, { dryRun, force }, world),
    uninstall: (dryRun = false) => uninstallService(shell, { dryRun }, world),
    status: () => showService(shell, world),
  };
}

const RUNNING = { LoadState: 'loaded', UnitFileState: 'enabled', ActiveState: 'active', MainPID: '77', NRestarts: '0' };

async function filesBelow(path: string): Promise<readonly string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name).slice(path.length + 1));
}

describe('service install', () => {
  it('makes a service of the folder: settings, logins and measurements move, and the service starts', async () => {
    await using machine = await openMachine();
    machine.machine.state = { ...RUNNING, ActiveState: 'inactive' };
    await machine.install();
    const { paths, folder } = machine;
    assert.deepEqual((await filesBelow(folder)).toSorted(), ['tokens/.1234.lock', 'tokens/.gitignore'].slice(1));
    assert.match(await readFile(`${paths.settings}/env`, 'utf8'), /hush-client-secret # mine/);
    assert.equal(statSync(`${paths.settings}/env`).mode & 0o777, 0o600);
    assert.equal(await readFile(`${paths.state}/tokens/1234`, 'utf8'), 'a-token\n');
    assert.equal(await readFile(`${paths.state}/data/measures.jsonl`, 'utf8'), '{}\n');
    for (const path of [paths.state, `${paths.state}/tokens`]) assert.equal(statSync(path).mode & 0o777, 0o700);
    assert.match(await readFile(paths.unit, 'utf8'), /^ExecStart=\/bin\/sh \/bin\/sh serve$/m);
    assert.equal(statSync(paths.unit).mode & 0o777, 0o644);
    assert.deepEqual(machine.changes(), [
      'systemctl stop weighbridge.service',
      'systemctl daemon-reload',
      'systemctl enable weighbridge.service',
      'systemctl restart weighbridge.service',
    ]);
    assert.doesNotMatch(machine.said() + machine.printed(), /hush|a-token/);
  });

  it('prints the steps and the unit in a dry run, for every user', async () => {
    await using machine = await openMachine({ isRoot: false });
    const before = await filesBelow(machine.path);
    assert.equal(await machine.install(true), 0);
    assert.deepEqual(await filesBelow(machine.path), before);
    assert.deepEqual(machine.changes(), []);
    for (const line of machine.said().split('\n')) assert.match(line, /^would /);
    assert.match(machine.printed(), /^\[Service\]$/m);
  });

  it('requires root', async () => {
    await using machine = await openMachine({ isRoot: false });
    const before = await filesBelow(machine.path);
    assert.equal(await machine.install(), 1);
    assert.match(machine.said(), /sudo/);
    assert.deepEqual(await filesBelow(machine.path), before);
  });

  it('can be run again, and keeps the files of the service', async () => {
    await using machine = await openMachine();
    machine.machine.state = RUNNING;
    assert.equal(await machine.install(), 0);
    await mkdir(join(machine.folder, 'tokens'), { recursive: true });
    await writeFile(join(machine.folder, 'tokens/1234'), 'an-older-token\n');
    await writeFile(join(machine.folder, '.env'), 'WITHINGS_CLIENT_ID=other\n');
    machine.said();
    assert.equal(await machine.install(), 0);
    assert.match(machine.said(), /note: the service already has logins in .*The logins in .* stay there/);
    assert.equal(await readFile(`${machine.paths.state}/tokens/1234`, 'utf8'), 'a-token\n');
    assert.match(await readFile(`${machine.paths.settings}/env`, 'utf8'), /my-id/);
    assert.match(await readFile(join(machine.folder, '.env'), 'utf8'), /other/);
  });

  it('leaves a unit that was edited by hand', async () => {
    await using machine = await openMachine();
    machine.machine.state = RUNNING;
    await machine.install();
    await appendFile(machine.paths.unit, '# mine\n');
    machine.changes();
    assert.equal(await machine.install(), 1);
    assert.match(machine.said(), /systemctl edit weighbridge/);
    assert.deepEqual(machine.changes(), []);
    assert.match(await readFile(machine.paths.unit, 'utf8'), /# mine\n$/);
  });

  for (const [what, settings, message] of [
    ['there are no settings', '', /this folder has no settings.*weighbridge setup/],
    ['one is wrong', `${SETTINGS}PORT=80a\n`, /PORT: expected a number/],
    ['one is missing', 'WITHINGS_CLIENT_ID=my-id\n', /WITHINGS_CLIENT_SECRET: required/],
    [
      'a hook is in the folder',
      `${SETTINGS}HOOK_COMMAND=./hook.sh\n`,
      /HOOK_COMMAND: the service cannot see \.\/hook\.sh/,
    ],
    ...['/home', '/root', '/run/user', '/tmp', '/var/tmp'].map(
      (hidden) =>
        [
          `a hook is in ${hidden}`,
          `${SETTINGS}HOOK_COMMAND=${hidden}/hook.sh\n`,
          new RegExp(`cannot see ${hidden}/hook`),
        ] as const,
    ),
    [
      'one of our hooks has a path',
      `${SETTINGS}HOOK_COMMAND=./deploy/hooks/append-csv.sh\n`,
      /Set append-csv\.sh without a path/,
    ],
    ['a hook is at home', `${SETTINGS}HOOK_COMMAND="sh /home/pi/hook.sh"\n`, /cannot see \/home\/pi\/hook\.sh/],
    ['a certificate is at home', `${SETTINGS}MQTT_URL=mqtts://broker\nMQTT_CA_FILE=/root/ca.pem\n`, /MQTT_CA_FILE/],
  ] as const) {
    it(`exits 78 and changes nothing if ${what}`, async () => {
      await using machine = await openMachine({ settings });
      const before = await filesBelow(machine.path);
      assert.equal(await machine.install(), 78);
      const said = machine.said();
      assert.match(said, message);
      assert.doesNotMatch(said, /hush/);
      assert.deepEqual([await filesBelow(machine.path), machine.changes()], [before, []]);
    });
  }

  it('rejects a folder with a running weighbridge outside the service, and changes nothing', async () => {
    const app = createPublicApp({
      path: '/withingsWebhook',
      query: new URLSearchParams(),
      trustProxy: false,
      onNotification: () => Promise.resolve(true),
      onRedirect: () => assert.fail(),
      prove: createProof('hush-client-secret'),
      directory: '/elsewhere',
      people: { names: new Map(), unit: 'kg' },
      clock: createFakeClock(),
      log: createRecordingLog(),
    });
    await using listener = await listen(app, { host: '127.0.0.1', port: 0 });
    await using machine = await openMachine({ settings: `${SETTINGS}PORT=${listener.port}\n` });
    const before = await filesBelow(machine.path);
    assert.equal(await machine.install(), 1);
    assert.match(machine.said(), /weighbridge is already running here/);
    assert.deepEqual([await filesBelow(machine.path), machine.changes()], [before, []]);
  });

  for (const [what, options] of [
    ['no settings', { settings: '' }],
    ['wrong settings', { settings: `${SETTINGS}PORT=80a\n` }],
    ['no systemd', { answers: { 'systemctl --version': { code: undefined, stdout: '' } } }],
  ] as const) {
    it(`reports in a dry run what install would reject and do, with ${what}`, async () => {
      await using machine = await openMachine({ ...options, isRoot: false });
      assert.equal(await machine.install(true), 0);
      const said = machine.said();
      assert.match(said, /^would refuse: [^\n]+\n(would (?!refuse)[^\n]+\n?)+$/);
      assert.match(machine.printed(), /^ExecStart=/m);
      assert.equal(said.includes('would move the settings'), what !== 'no settings');
    });
  }

  it('reports which version ran and which runs now', async () => {
    await using machine = await openMachine();
    machine.machine.state = RUNNING;
    await machine.install();
    assert.match(machine.printed(), /^weighbridge 0\.2\.0 is running\n/);
    await machine.setVersion('0.10.0');
    await machine.status();
    assert.match(machine.printed(), /service version: 0\.2\.0\. This is 0\.10\.0.*"sudo weighbridge service install"/);
    machine.changes();
    assert.equal(await machine.install(), 0);
    assert.match(machine.printed(), /^weighbridge 0\.10\.0 is running \(before: 0\.2\.0\)\n/);
    assert.ok(machine.changes().includes('systemctl restart weighbridge.service'));
  });

  for (const [installed, older] of [
    ['0.10.0', '0.9.9'],
    ['1.0.0', '1.0.0-rc.1'],
    ['1.0.0-rc.10', '1.0.0-rc.9'],
  ] as const) {
    it(`rejects ${older} after ${installed} unless it is forced`, async () => {
      await using machine = await openMachine();
      machine.machine.state = RUNNING;
      await machine.setVersion(installed);
      await machine.install();
      await machine.setVersion(older);
      machine.changes();
      machine.said();
      assert.equal(await machine.install(), 1);
      assert.match(machine.said(), /the service is newer.*--force/);
      assert.deepEqual(machine.changes(), []);
      assert.equal(await machine.install(true), 0);
      assert.match(machine.said(), /^would refuse: the service is newer/);
      assert.equal(await machine.install(false, true), 0);
      await machine.setVersion(installed);
      assert.equal(await machine.install(), 0);
    });
  }

  it('names the settings of the folder that differ from those of the service', async () => {
    await using machine = await openMachine();
    machine.machine.state = RUNNING;
    await machine.install();
    await writeFile(join(machine.folder, '.env'), 'WITHINGS_CLIENT_SECRET=hush-other\nHOST=127.0.0.1\nGREETING=hush\n');
    machine.said();
    await machine.install();
    const said = machine.said();
    assert.match(said, /note: .*\.env differs from .*\/env in WITHINGS_CLIENT_SECRET, GREETING\. The service uses/);
    assert.doesNotMatch(said, /hush/);
  });

  it('reports a missing systemd', async () => {
    await using machine = await openMachine({ answers: { 'systemctl --version': { code: undefined, stdout: '' } } });
    assert.equal(await machine.install(), 1);
    assert.match(machine.said(), /systemd is not available/);
  });

  it('shows the log of the service if it does not start', async () => {
    const answers = {
      'systemctl restart': { code: 1, stderr: 'Job failed.' },
      journalctl: { stdout: '2026-11-20T07:00:00 pi weighbridge[7]: cannot listen on 0.0.0.0:3000' },
    };
    await using machine = await openMachine({ answers });
    assert.equal(await machine.install(), 1);
    assert.match(machine.said(), /Job failed\.[\s\S]*cannot listen/);
  });

  const document = readFileSync(new URL('../../../../docs/service.md', import.meta.url), 'utf8');
  const documented = /^@reboot .*$/m.exec(document)?.[0] ?? assert.fail('service.md has no line for cron');
  for (const line of [
    documented,
    documented.replace('$HOME/weighbridge', '/opt/scale').replace('weighbridge.log', 'scale.log'),
    '@reboot /usr/local/bin/weighbridge serve',
    '@reboot cd /opt/scale && node dist/src/main.js',
    '@reboot cd /opt/scale && node dist/bundle/main.js serve',
  ]) {
    it(`reports a line of cron that would start another weighbridge: ${line}`, async () => {
      const stdout = `# my table\n${line}\n`;
      await using machine = await openMachine({ answers: { crontab: { stdout } } });
      await machine.install(true);
      assert.match(machine.said(), /note: cron starts weighbridge too.*@reboot/);
    });
  }

  it('does not report other lines of cron, nor a comment', async () => {
    const stdout = `# ${documented}\n@reboot /usr/bin/node /opt/other/main.js serve\n`;
    await using machine = await openMachine({ answers: { crontab: { stdout } } });
    await machine.install(true);
    assert.doesNotMatch(machine.said(), /cron/);
  });
});

describe('service uninstall', () => {
  it('removes the unit, and nothing else', async () => {
    await using machine = await openMachine();
    machine.machine.state = RUNNING;
    await machine.install();
    machine.changes();
    machine.said();
    assert.equal(await machine.uninstall(true), 0);
    assert.ok(existsSync(machine.paths.unit));
    assert.equal(await machine.uninstall(), 0);
    assert.ok(!existsSync(machine.paths.unit));
    assert.deepEqual(machine.changes(), ['systemctl disable --now weighbridge.service', 'systemctl daemon-reload']);
    assert.match(machine.said(), /Kept: the settings in/);
    assert.ok(existsSync(`${machine.paths.state}/tokens/1234`) && existsSync(`${machine.paths.settings}/env`));
    assert.equal(await machine.uninstall(), 0);
    assert.match(machine.said(), /no service is installed/);
  });

  it('keeps a backup of a unit that was edited by hand', async () => {
    await using machine = await openMachine();
    machine.machine.state = RUNNING;
    await machine.install();
    await appendFile(machine.paths.unit, '# mine\n');
    assert.equal(await machine.uninstall(), 0);
    assert.match(await readFile(`${machine.paths.unit}.saved`, 'utf8'), /# mine/);
  });
});

describe('service status', () => {
  for (const [state, code, words] of [
    [STOPPED, 1, /not installed/],
    [RUNNING, 0, /settings: .*\/env \(missing/],
    [{ ...RUNNING, StatusText: '2 people linked' }, 0, /running since .*process 77[\s\S]*status: 2 people linked/],
    [{ ...RUNNING, NRestarts: '3' }, 0, /restarted 3 times/],
    [{ ...RUNNING, UnitFileState: 'disabled' }, 0, /does not start at boot/],
    [{ ...RUNNING, DropInPaths: '/etc/x.conf /etc/y.conf' }, 0, /changed by \/etc\/x\.conf\nchanged by \/etc\/y\.conf/],
    [
      { ...RUNNING, ActiveState: 'failed', ExecMainStatus: '78', Result: 'exit-code' },
      1,
      /wrong settings \(exit code 78\)/,
    ],
    [
      { ...RUNNING, ActiveState: 'failed', ExecMainStatus: '1', Result: 'exit-code' },
      1,
      /stopped since .*systemctl start/,
    ],
    [{ ...RUNNING, ActiveState: 'activating', Result: 'watchdog' }, 1, /starting, or waiting to restart/],
  ] as const) {
    it(`describes the state: ${words}`, async () => {
      await using machine = await openMachine({ state });
      assert.equal(await machine.status(), code);
      assert.match(machine.printed(), words);
    });
  }

  it('shows the last lines of the log, or how to see them', async () => {
    await using one = await openMachine({ state: RUNNING, answers: { journalctl: { stdout: 'one\ntwo\n' } } });
    await one.status();
    assert.match(one.printed(), /last log lines:\n {2}one\n {2}two$/);
    await using other = await openMachine({ state: RUNNING });
    await other.status();
    assert.match(other.printed(), /sudo journalctl -u weighbridge/);
  });
});

describe('the doctor', () => {
  const state = {
    isInstalled: true,
    startsAtBoot: true,
    activity: 'active',
    since: 'Fri 2026-11-20 07:00:00 CET',
    pid: '77',
    status: '',
    exitCode: 0,
    result: 'success',
    restarts: 0,
    dropIns: [],
  };

  it('checks the service, if there is one', () => {
    assert.deepEqual(judgeService(undefined), []);
    assert.deepEqual(judgeService({ ...state, isInstalled: false }), []);
    for (const [changes, mark, text] of [
      [{}, 'ok', /running since Fri 2026-11-20/],
      [{ startsAtBoot: false }, 'warning', /does not start at boot/],
      [{ activity: 'failed', exitCode: 78 }, 'warning', /not running \(failed, last exit code 78\)/],
    ] as const) {
      const [finding] = judgeService({ ...state, ...changes });
      assert.equal(finding?.mark, mark);
      assert.match(finding.text, text);
    }
  });
});
