import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { realClock } from '../../src/runtime/real-clock.ts';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { CALLBACK_PATH, CLIENT } from '../support/home.ts';
import { OTHER_UID } from '../support/program.ts';

/**
 * `npm run cron-test` starts weighbridge by real cron at `@reboot`, as an ordinary user with an empty environment. It
 * runs as root, with cron installed, in namespaces of its own. The first minute has no network. With libfaketime the
 * clock shows 1970 for half of it.
 */
const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url));
const [, SELF = ''] = process.argv;
const MACHINE = '10.9.9.9';
const NETWORK_AFTER_MS = 60_000;
const CLOCK_AFTER_MS = 30_000;
const PORT = 3000;
const LIBFAKETIME = ['x86_64-linux-gnu', 'aarch64-linux-gnu', 'arm-linux-gnueabihf']
  .map((each) => `/usr/lib/${each}/faketime/libfaketime.so.1`)
  .find((path) => existsSync(path));

const started = performance.now();
const say = (text: string) => {
  const at = Math.round((performance.now() - started) / 1000);
  for (const line of text.trimEnd().split('\n')) process.stdout.write(`${String(at).padStart(4)} s  ${line}\n`);
};

function sh(command: string): string {
  const { status, stdout, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command}: ${stdout}${stderr}`);
  return stdout;
}

if (process.env['WEIGHBRIDGE_CRON'] === undefined) {
  const namespaces = ['--mount', '--pid', '--net', '--fork', '--mount-proc', '--kill-child'];
  const env = { ...process.env, WEIGHBRIDGE_CRON: 'inside' };
  const inside = spawn('unshare', [...namespaces, process.execPath, SELF], { stdio: 'inherit', env });
  const [code] = await once(inside, 'exit');
  process.exitCode = code ?? 1;
} else await tryCron();

async function tryCron(): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'weighbridge-cron-'));
  try {
    await boot(home);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
  // The exit ends every process in these namespaces.
  process.exit();
}

async function boot(home: string): Promise<void> {
  // The namespaces look like a machine after its start: nothing in /run, one crontab, no route.
  sh(
    'mount -t tmpfs none /run; mkdir -p /run/lock; mount -t tmpfs none /var/spool/cron; mkdir -m 1730 /var/spool/cron/crontabs',
  );
  sh('ip link set lo up');
  const certificate = join(home, 'cert.pem');
  const key = join(home, 'key.pem');
  sh(
    `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=withings -addext subjectAltName=IP:${MACHINE} -keyout ${key} -out ${certificate} 2>&1`,
  );
  const sandbox = await startSandbox({ clock: realClock, client: CLIENT });
  const folder = join(home, 'weighbridge');
  mkdirSync(join(folder, 'tokens'), { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, 'tokens/1234'), `${sandbox.grants.link('1234')}\n`);
  writeFileSync(
    join(folder, '.env'),
    `WITHINGS_CLIENT_ID=${CLIENT.clientId}\nWITHINGS_CLIENT_SECRET=${CLIENT.clientSecret}\nWITHINGS_API_URL=https://${MACHINE}:8443\nWEBHOOK_PATH=${CALLBACK_PATH}\nUSER_NAMES=1234:Anna\n`,
  );
  const clock = join(home, 'clock');
  const fakeClock =
    LIBFAKETIME === undefined
      ? []
      : [
          `LD_PRELOAD=${LIBFAKETIME}`,
          `FAKETIME_TIMESTAMP_FILE=${clock}`,
          'FAKETIME_NO_CACHE=1',
          'FAKETIME_DONT_FAKE_MONOTONIC=1',
        ];
  writeFileSync(clock, '@1970-01-01 00:00:10\n');
  const crontab = [
    'SHELL=/bin/sh',
    `HOME=${home}`,
    `NODE_EXTRA_CA_CERTS=${certificate}`,
    ...fakeClock,
    `@reboot cd $HOME/weighbridge && ${process.execPath} ${MAIN} serve >> weighbridge.log 2>&1`,
    `@reboot env > $HOME/environment`,
  ].join('\n');
  const table = '/var/spool/cron/crontabs/nobody';
  writeFileSync(table, `${crontab}\n`);
  chmodSync(table, 0o600);
  sh(`chown nobody:crontab ${table}; chown -R nobody ${home}; chmod 755 ${home}`);
  chownSync(home, OTHER_UID, OTHER_UID);
  say(`the crontab of nobody:\n${crontab}`);

  const cron = spawn('cron', ['-f'], { stdio: 'inherit' });
  const bootedMs = performance.now();
  say('cron is started, as at boot');
  const log = join(folder, 'weighbridge.log');
  const journal = join(folder, 'data/measures.jsonl');
  await until('weighbridge listens', () => /listening on/.test(read(log)));
  say(`what cron gives a program:\n${read(join(home, 'environment'))}`);
  const date = Math.floor(Date.now() / 1000) - 2;
  sandbox.store('1234', { kilograms: 81.25, date });
  const body = new URLSearchParams({ userid: '1234', appli: '1', startdate: `${date}`, enddate: `${date + 1}` });
  const answer = await fetch(`http://127.0.0.1:${PORT}${CALLBACK_PATH}`, { method: 'POST', body });
  say(`somebody steps on the scale; Withings has it, and its call is answered ${answer.status}`);

  await sleep(CLOCK_AFTER_MS - (performance.now() - bootedMs));
  expect('nothing is in the journal yet', read(journal) === '');
  writeFileSync(clock, '+0\n');
  say(
    LIBFAKETIME === undefined ? 'libfaketime is not installed: the clock was right all the time' : 'the clock is set',
  );
  await sleep(NETWORK_AFTER_MS - (performance.now() - bootedMs));
  expect('still nothing is in the journal', read(journal) === '');
  const { port } = sandbox.url;
  createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { authorization = '', 'content-type': type = '' } = request.headers;
    const headers = { authorization, 'content-type': type };
    const passed = await fetch(`http://127.0.0.1:${port}${request.url}`, {
      method: 'POST',
      headers,
      body: Buffer.concat(chunks),
    });
    response.writeHead(passed.status, { 'content-type': 'application/json' }).end(await passed.text());
  }).listen(8443);
  sh(`ip address add ${MACHINE}/32 dev lo`);
  say('there is a network');
  await until('the weigh-in is in the journal', () => read(journal).includes('81.25'));
  say(`its log:\n${read(log)}`);
  const lines = read(journal)
    .split('\n')
    .filter((line) => line.includes('"weight":81.25'));
  expect('it is there once', lines.length === 1);
  expect('the log says it once', read(log).match(/: 81\.25 kg/g)?.length === 1);
  say('cron is started again, and nothing is started twice');
  cron.kill();
  await once(cron, 'exit');
  spawn('cron', ['-f'], { stdio: 'inherit' });
  await sleep(3_000);
  expect('one weighbridge runs', sh("pgrep -fc 'main.js serve$' || true").trim() === '1');
  say('everything as it should be');
}

function read(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

function expect(what: string, isSo: boolean): void {
  if (!isSo) throw new Error(`not so: ${what}`);
  say(`✓ ${what}`);
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (const endsAt = performance.now() + 120_000; performance.now() < endsAt; await sleep(200)) {
    if (isSo()) return say(`✓ ${what}`);
  }
  throw new Error(`never seen: ${what}`);
}
