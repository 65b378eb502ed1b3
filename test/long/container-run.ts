import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { realClock } from '../../src/runtime/real-clock.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { browse, linkOf } from '../support/browser.ts';
import { type Container, type Image, openBuildah, startContainer } from '../support/container.ts';
import { freePort } from '../support/free-port.ts';
import { CALLBACK_PATH, CLIENT } from '../support/home.ts';
import { debianMirror, makeRoot } from '../support/machine.ts';
import { ROOT as PROJECT, pack } from '../support/packed.ts';

/**
 * `npm run container-test` builds the image of deploy/container from the packed tarball, as root, with buildah and
 * debootstrap. Then it runs the image as an engine would, in a chroot and namespaces. `--base DIR` keeps the Debian of
 * the image for the next run.
 */
const { values } = parseArgs({
  options: { base: { type: 'string' }, suite: { type: 'string', default: 'trixie' }, mirror: { type: 'string' } },
});
const place = mkdtempSync(join(tmpdir(), 'weighbridge-container-'));
const folder = join(place, 'weighbridge');
const context = join(place, 'context');
const PATIENCE_MS = 60_000;
/** Appends each reading to a file, and leaves a process that ends after the hook. */
const HOOK = `sh -c 'cat >> told.jsonl; setsid sleep 1 > /dev/null 2>&1 &'`;

const say = (line: string) => void process.stdout.write(`${line}\n`);
const secondsAgo = (seconds: number) => Math.floor(Date.now() / 1000) - seconds;
const read = (name: string) => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8') : '');

function expect(what: string, isSo: boolean, details = ''): void {
  if (!isSo) throw new Error(`not so: ${what}\n${details}`);
  say(`✓ ${what}`);
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const endsAt = performance.now() + PATIENCE_MS; performance.now() < endsAt; await sleep(100)) {
    if (await isSo()) return say(`✓ ${what}`);
  }
  throw new Error(`never seen: ${what}`);
}

async function buildImage(): Promise<Image> {
  const base = values.base ?? join(place, 'base');
  if (!existsSync(join(base, 'usr/bin/apt-get'))) {
    say('making a Debian takes minutes');
    makeRoot(base, { suite: values.suite, mirror: values.mirror ?? debianMirror(), flags: ['--variant=minbase'] });
  }
  mkdirSync(context);
  const tarball = join(context, 'weighbridge.tgz');
  renameSync(await pack(PROJECT, context), tarball);
  execFileSync('tar', ['-xzf', tarball, '-C', context, '--strip-components=3', 'package/deploy/container']);
  const buildah = openBuildah(place);
  buildah.importBase(base);
  const startedMs = performance.now();
  buildah.build(context);
  const image = buildah.open();
  const { unpacked, compressed } = image.megabytes;
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  say(`the image: built in ${seconds} s, ${unpacked} MB unpacked, ${compressed} MB compressed`);

  return image;
}

/** Runs a program in the container to its end. */
async function inside(container: Container, ...command: readonly string[]) {
  return await container.exec(command).exited;
}

/** Returns the processes of a container that ended and were not reaped. */
async function zombiesIn(container: Container): Promise<readonly string[]> {
  const { stdout } = await inside(container, 'sh', '-c', 'cat /proc/[0-9]*/stat');
  return stdout.split('\n').filter((line) => /\) Z /.test(line));
}

function tellTimes(grpid: number): number {
  return read('told.jsonl').split(`"grpid":${grpid},`).length - 1;
}

/** Returns the number of journal lines of a group. */
function journalled(grpid: number): number {
  return read('data/measures.jsonl').split(`"grpid":${grpid},`).length - 1;
}

/** Reads the options of compose.yaml. Only the ports differ: here they are those of this machine. */
function readCompose() {
  const { services } = parse(readFileSync(join(context, 'compose.yaml'), 'utf8'));
  const { user, environment } = services.weighbridge;
  return { user, environment } as { readonly user: string; readonly environment: Readonly<Record<string, string>> };
}

function makeFolder(path: string, owner: number, settings: readonly string[]): void {
  mkdirSync(path, { mode: 0o700 });
  writeFileSync(join(path, '.env'), `${settings.join('\n')}\n`, { mode: 0o600 });
  for (const each of [path, join(path, '.env')]) chownSync(each, owner, owner);
}

async function healthy(
  container: Container,
  image: Image,
): Promise<{ readonly code: number | null; readonly ms: number }> {
  const [kind, ...command] = image.config.Healthcheck.Test;
  if (kind !== 'CMD') throw new Error(`the health check is a ${kind}`);
  const startedMs = performance.now();
  const { code } = await inside(container, ...command);
  return { code, ms: Math.round(performance.now() - startedMs) };
}

async function play(image: Image, sandbox: Sandbox): Promise<void> {
  const [port, statusPort] = [await freePort(), await freePort()];
  const settings = [
    `WITHINGS_CLIENT_ID=${CLIENT.clientId}`,
    `WITHINGS_CLIENT_SECRET=${CLIENT.clientSecret}`,
    `WITHINGS_API_URL=${sandbox.url.origin}`,
    `WITHINGS_ACCOUNT_URL=${sandbox.url.origin}`,
    `CALLBACK_URL=http://127.0.0.1:${port}${CALLBACK_PATH}`,
    `STATUS_PORT=${statusPort}`,
    'USER_NAMES=1234:Anna',
    // These settings are for a folder without a container. The image and compose.yaml take precedence.
    'TOKENS_DIR=/home/pi/tokens',
    'DATA_DIR=/home/pi/data',
    `HOOK_COMMAND="${HOOK}"`,
  ];
  const { user, environment } = readCompose();
  const [owner = ''] = user.split(':');
  makeFolder(folder, Number(owner), settings);
  const env = { ...environment, HOST: '127.0.0.1', PORT: `${port}`, TZ: 'Asia/Tokyo' };
  const options = { image, folder, user, env };
  const start = async () => {
    const startedMs = performance.now();
    const container = await startContainer(options);
    await until('it listens', () => /listening on/.test(container.output()));
    return { container, ms: Math.round(performance.now() - startedMs) };
  };

  say('\n== The first start');
  const first = await start();
  say(`  ready after ${first.ms} ms`);
  const { container } = first;
  const { stdout: status } = await inside(container, 'cat', '/proc/1/status');
  expect('its first process is tini', /^Name:\ttini$/m.test(status), status);
  expect(`it is user ${owner}`, new RegExp(`^Uid:\t${owner}\t${owner}\t`, 'm').test(status), status);
  expect('it has no rights and gets none', /^CapBnd:\t0+$/m.test(status) && /^NoNewPrivs:\t1$/m.test(status), status);
  const written = await inside(container, 'sh', '-c', 'touch /usr/local/x /etc/x');
  expect('it cannot write but into its folder', /Read-only[\s\S]*Read-only/.test(written.stderr), written.stderr);
  expect('the log has the time of TZ', /^\d{4}-\d\d-\d\dT[\d:]+\+09:00 /m.test(container.output()), container.output());
  expect(
    'certificates can be checked',
    (await inside(container, 'test', '-s', '/etc/ssl/certs/ca-certificates.crt')).code === 0,
  );

  say('\n== A person, by exec, and a weigh-in');
  const login = container.exec(['weighbridge', 'login']);
  const page = await browse(await linkOf(login));
  const linked = await login.exited;
  expect('Anna is linked', linked.code === 0 && /Anna is linked/.test(page.text), linked.stderr);
  const [weighed] = await sandbox.weigh('1234', { kilograms: 81.25, date: secondsAgo(5) });
  const one = weighed?.grpid ?? 0;
  await until('it is in the log', () => /Anna \(1234\): 81\.25 kg/.test(container.output()));
  await until('the hook was told of it', () => tellTimes(one) === 1);
  await sleep(2_000);
  expect('nothing that the hook left behind is there any more', (await zombiesIn(container)).length === 0);
  const users = await inside(container, 'weighbridge', 'users');
  expect('"users" shows it', /Anna +81\.25 kg/.test(users.stdout), users.stdout + users.stderr);

  say('\n== The health check');
  const good = await healthy(container, image);
  expect('is green', good.code === 0);
  say(`  it takes ${good.ms} ms`);
  const daemon = (await inside(container, 'sh', '-c', 'cat /proc/1/task/1/children')).stdout.trim();
  await inside(container, 'sh', '-c', `kill -STOP ${daemon}`);
  expect('is red while the daemon is stopped', (await healthy(container, image)).code === 1);
  await inside(container, 'sh', '-c', `kill -CONT ${daemon}`);
  expect('is green again', (await healthy(container, image)).code === 0);

  say('\n== A stop, and another start with the same folder');
  await stop(container);
  const [missed] = sandbox.store('1234', { kilograms: 81.65, date: secondsAgo(2) });
  const two = missed?.grpid ?? 0;
  writeFileSync(
    join(folder, '.env'),
    `${settings.join('\n')}\nSTATUS_HOST=0.0.0.0\nSTATUS_PASSWORD=correct-horse-battery-staple\n`,
  );
  const again = await start();
  say(`  ready after ${again.ms} ms`);
  await until('what was weighed meanwhile is in the log', () => /: 81\.65 kg/.test(again.container.output()));
  await until('and the hook was told of it', () => tellTimes(two) === 1);
  expect('with a password the health check is green', (await healthy(again.container, image)).code === 0);
  const stranger = await fetch(`http://127.0.0.1:${statusPort}/healthz`);
  expect('and without it the status is refused', stranger.status === 401);
  const [third] = await sandbox.weigh('1234', { kilograms: 81.05, date: secondsAgo(1) });
  const three = third?.grpid ?? 0;
  await until('the next weigh-in is in the log', () => /: 81\.05 kg/.test(again.container.output()));
  await until('and told', () => tellTimes(three) === 1);
  await stop(again.container);
  for (const group of [one, two, three])
    expect(
      `group ${group} is in the journal once, and was told once`,
      journalled(group) === 1 && tellTimes(group) === 1,
    );
  expect('the log of the second start does not repeat the first', !again.container.output().includes(': 81.25 kg ('));

  await tryOtherUser(options, settings, sandbox);
  await tryWrongSettings(options);
}

async function stop(container: Container): Promise<void> {
  const startedMs = performance.now();
  container.signal('SIGTERM');
  const { code, stderr } = await container.exited;
  expect(`SIGTERM ends it with 0, after ${Math.round(performance.now() - startedMs)} ms`, code === 0, stderr);
}

type Options = Parameters<typeof startContainer>[0];

async function tryOtherUser(options: Options, settings: readonly string[], sandbox: Sandbox): Promise<void> {
  say('\n== --user: a user whom the image does not know');
  const other = join(place, 'other');
  makeFolder(other, 4321, [...settings, 'HOOK_COMMAND=']);
  mkdirSync(join(other, 'tokens'), { mode: 0o700 });
  writeFileSync(join(other, 'tokens/5678'), `${sandbox.grants.link('5678')}\n`, { mode: 0o600 });
  for (const each of ['tokens', 'tokens/5678']) chownSync(join(other, each), 4321, 4321);
  sandbox.store('5678', { kilograms: 92.4, date: secondsAgo(60) });
  const container = await startContainer({ ...options, folder: other, user: '4321:4321' });
  await until('a weigh-in is in the log', () => /: 92\.40 kg/.test(container.output()));
  expect('the health check is green', (await healthy(container, options.image)).code === 0);
  await stop(container);
}

async function tryWrongSettings(options: Options): Promise<void> {
  say('\n== Wrong settings, and a folder of another user');
  const wrong = await startContainer({ ...options, env: { ...options.env, PORT: '80a' } });
  const { code, stderr } = await wrong.exited;
  expect('78 comes through', code === 78 && /PORT: expected a number/.test(stderr), stderr);
  chmodSync(folder, 0o755);
  const foreign = await startContainer({ ...options, user: '999:999' });
  const ended = await foreign.exited;
  expect(
    'it ends, and names the file that is not its own',
    ended.code === 78 && /EACCES/.test(ended.stderr),
    ended.stderr,
  );
  say(`  ${ended.stderr.split('\n')[0]}`);
}

try {
  const image = await buildImage();
  const { User, WorkingDir, Entrypoint, Cmd, Healthcheck } = image.config;
  say(`  ${JSON.stringify({ User, WorkingDir, Entrypoint, Cmd, Healthcheck })}`);
  await using sandbox = await startSandbox({ clock: realClock, client: CLIENT });
  await play(image, sandbox);
  say('\neverything as it should be');
} finally {
  rmSync(place, { recursive: true, force: true });
}
