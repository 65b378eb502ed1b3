import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { realClock } from '../../src/runtime/real-clock.ts';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { retainedOn, startMosquitto } from '../support/broker.ts';
import { findChromium, launchChromium, NO_BROWSER } from '../support/chromium.ts';
import { type Container, IMAGE, openBuildah, startContainer } from '../support/container.ts';
import { freePort } from '../support/free-port.ts';
import { CALLBACK_PATH, CLIENT } from '../support/home.ts';
import { pack, ROOT } from '../support/packed.ts';
import { APP_TOKEN, INGRESS_ADDRESS, playSupervisor } from '../support/played-supervisor.ts';
import { type Program, startProgram } from '../support/program.ts';

/**
 * `npm run app-test` runs the app for Home Assistant next to a played Supervisor, with a real browser and a real
 * Mosquitto. With `--image BASE` it builds and runs the image, as root, with buildah. BASE is the Debian that `npm run
 * container-test -- --base BASE` leaves. Without it the program runs with the settings of the image.
 */
const { values } = parseArgs({ options: { image: { type: 'string' } } });
const APP = join(ROOT, 'deploy/home-assistant-app');
const place = mkdtempSync(join(tmpdir(), 'weighbridge-app-'));
const REFUSED = /Anna \(1234\): .*must link again/;
const PAST_YEARS = /past years: 6 measure groups from 2012-06-01 to 2025-06-01, 6 new/i;
const PATIENCE_MS = 120_000;
const SECRET = 'first-password-of-the-service';
const OTHER_SECRET = 'second-password-of-the-service';

const say = (line: string) => void process.stdout.write(`${line}\n`);
const secondsAgo = (seconds: number) => Math.floor(Date.now() / 1000) - seconds;

function expect(what: string, isSo: boolean, details = ''): void {
  if (!isSo) throw new Error(`not so: ${what}\n${details}`);
  say(`✓ ${what}`);
}

async function until(what: string, isSo: () => boolean | Promise<boolean>, details = () => ''): Promise<void> {
  for (const endsAt = performance.now() + PATIENCE_MS; performance.now() < endsAt; await sleep(100)) {
    if (await isSo()) return say(`✓ ${what}`);
  }
  throw new Error(`never seen: ${what}\n${details()}`);
}

/** Starts the app on a folder, which is `/data` for the app. */
type Start = (folder: string, env: Readonly<Record<string, string>>) => Promise<Program | Container>;

/** Reads the settings from the Containerfile. */
function readImageSettings(): Readonly<Record<string, string>> {
  const lines = readFileSync(join(APP, 'Containerfile'), 'utf8').split('\n');
  const pairs = lines.filter((line) => line.startsWith('ENV ')).flatMap((line) => line.slice(4).split(' '));
  return Object.fromEntries(pairs.map((pair) => pair.split('=')));
}

function openProgram(): Start {
  return async (folder, env) =>
    startProgram(['serve'], {
      cwd: folder,
      env: { ...readImageSettings(), ...env, SUPERVISOR_OPTIONS: join(folder, 'options.json') },
    });
}

async function buildImage(base: string): Promise<Start> {
  const context = join(place, 'context');
  mkdirSync(context);
  renameSync(await pack(ROOT, context), join(context, 'weighbridge.tgz'));
  execFileSync('cp', [join(ROOT, 'deploy/container/Containerfile'), context]);
  const buildah = openBuildah(place);
  const app = `${IMAGE}-app`;
  buildah.importBase(base);
  buildah.build(context);
  buildah.build(APP, { base: IMAGE, image: app });
  const image = buildah.open(app);
  const { Entrypoint, Healthcheck, Labels, User } = image.config;
  say(`  ${JSON.stringify({ User, Entrypoint, Healthcheck, Labels })}`);
  say(`the image: ${image.megabytes.unpacked} MB unpacked, ${image.megabytes.compressed} MB compressed`);
  return async (folder, env) => {
    const container = await startContainer({ image, folder, user: '0:0', keepsRights: true, env });
    const { child } = container;
    // A signal to the process that made the namespaces does not reach what runs in them.
    child.kill = (name) => {
      const isRunning = child.exitCode === null && child.signalCode === null;
      if (isRunning) container.signal(name === undefined || typeof name === 'number' ? 'SIGTERM' : name);
      return isRunning;
    };
    return container;
  };
}

function makeFolder(name: string, options: object): string {
  const folder = join(place, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'options.json'), JSON.stringify(options, undefined, 2), { mode: 0o600 });
  return folder;
}

/** Asserts that the daemon in the container is a user without rights, who owns the options. */
async function expectNoRights(container: Container): Promise<void> {
  const look = 'read pid _ < /proc/1/task/1/children; cat /proc/$pid/status; stat -c %u:%g:%a options.json';
  const { stdout, stderr } = await container.exec(['sh', '-c', look]).exited;
  const isUser = /^Uid:\t1000\t1000\t[\s\S]*^1000:1000:600$/m.test(stdout);
  const hasNoRights =
    /^CapBnd:\t0+$/m.test(stdout) && /^CapEff:\t0+$/m.test(stdout) && /^NoNewPrivs:\t1$/m.test(stdout);
  expect(
    'weighbridge is user 1000, without rights, and the options are its own',
    isUser && hasNoRights,
    stdout + stderr,
  );
}

async function stop(program: Program): Promise<void> {
  const startedMs = performance.now();
  program.child.kill('SIGTERM');
  const { code } = await program.exited;
  expect(`it stops with 0, after ${Math.round(performance.now() - startedMs)} ms`, code === 0, program.output());
}

async function play(start: Start): Promise<void> {
  const chromium = findChromium();
  if (chromium === undefined) throw new Error(NO_BROWSER);
  await using played = await playSupervisor();
  await using sandbox = await startSandbox({ clock: realClock, client: CLIENT });
  await using browser = await launchChromium(chromium);
  const [port, statusPort] = [await freePort(), await freePort()];
  const env = {
    SUPERVISOR_URL: played.url,
    SUPERVISOR_TOKEN: APP_TOKEN,
    // All addresses are on this machine, and the sandbox plays Withings.
    STATUS_INGRESS: INGRESS_ADDRESS,
    PORT: `${port}`,
    STATUS_PORT: `${statusPort}`,
    WITHINGS_API_URL: sandbox.url.origin,
    WITHINGS_ACCOUNT_URL: sandbox.url.origin,
  };
  const options = {
    WITHINGS_CLIENT_ID: CLIENT.clientId,
    WITHINGS_CLIENT_SECRET: CLIENT.clientSecret,
    CALLBACK_URL: `http://127.0.0.1:${port}${CALLBACK_PATH}`,
    USER_NAMES: ['1234:Anna', '5678:Bo'],
    WEIGHT_UNIT: 'kg',
    APPLIS: ['1'],
    HOLD_JUMPS: '20%',
    LOG_LEVEL: 'info',
  };

  say('\n== Wrong options');
  const wrong = await start(makeFolder('wrong', { ...options, HOLD_JUMPS: '900%', USER_NAMES: ['Anna'] }), env);
  const { code } = await wrong.exited;
  const said = wrong.output();
  expect('both are in the log, with an example', /HOLD_JUMPS: expected .*\n.*HOLD_JUMPS=20%/.test(said), said);
  expect('and where they are changed', /USER_NAMES: expected [\s\S]*In Home Assistant/.test(said), said);
  expect('it ends with 78', code === 78, said);

  say('\n== The first start, with the broker of Home Assistant');
  const broker = await startMosquitto({ users: { addons: SECRET } });
  played.mqtt = { host: '127.0.0.1', port: broker.port, username: 'addons', password: SECRET };
  played.lead(statusPort);
  const folder = makeFolder('data', options);
  await using app = await start(folder, env);
  await until('it listens', () => /listening on/.test(app.output()), app.output);
  await until('the client id is checked', () => /Withings accepts the client id/.test(app.output()), app.output);
  await until('it is connected to the broker', () => /connected to the MQTT broker/.test(app.output()), app.output);
  if ('exec' in app) await expectNoRights(app);

  say('\n== The page in a frame of Home Assistant');
  const page = await browser.newPage();
  await page.goto(played.url);
  const frame = page.frameLocator('iframe');
  await frame.getByText('Link a person', { exact: true }).click({ trial: true });
  const link = async (button: string) => {
    const opens = page.waitForEvent('popup');
    await frame.getByText(button, { exact: true }).click();
    const popup = await opens;
    await popup.waitForURL(/withingsWebhook/);
    expect('the button leads to Withings in a tab of its own, and back', /is linked/.test(await popup.content()));
    await popup.close();
  };
  await link('Link a person');
  await until('the page shows the person automatically', async () => (await frame.getByText('Anna').count()) > 0);
  const stranger = await fetch(`http://127.0.0.1:${statusPort}/`, { headers: { 'x-ingress-path': '/api/x' } });
  expect('another address, this machine alone, gets the page without a frame', stranger.status === 200);
  const policy = stranger.headers.get('content-security-policy') ?? '';
  expect('which no frame may show', policy.includes("frame-ancestors 'none'"), policy);
  const live = await fetch(`${played.pageUrl}healthz?live`);
  expect('the watchdog gets 200', live.status === 200);

  say('\n== A weigh-in');
  await sandbox.weigh('1234', { kilograms: 81.25, date: secondsAgo(600) });
  await until('it is in the log', () => /Anna \(1234\): 81\.25 kg/.test(app.output()), app.output);
  await until('on the page', async () => (await frame.getByText('81.25').count()) > 0);
  const login = (password: string) => ({ username: 'addons', password });
  const weightAt = async (url: string, password: string) =>
    (await retainedOn(url, login(password))).get('weighbridge/1234/weight') ?? '';
  await until('and at the broker', async () => (await weightAt(broker.url, SECRET)).includes('"value":81.25'));

  say('\n== Past years');
  for (const year of [2012, 2019, 2025])
    sandbox.store(
      '1234',
      { kilograms: 90 - year / 100, date: Date.UTC(year, 5, 1, 6) / 1000 },
      Date.UTC(year, 5, 1, 6) / 1000,
    );
  await frame.getByText('Connection: OK').click();
  await frame.getByRole('button', { name: 'Fetch past years of Anna' }).click();
  await until('the page shows what came', async () => (await frame.getByText(PAST_YEARS).count()) > 0, app.output);
  expect('the log as well', PAST_YEARS.test(app.output()), app.output());
  const newest = await weightAt(broker.url, SECRET);
  expect('and the newest weight stays', newest.includes('"value":81.25'), newest);

  say('\n== The broker gets another password');
  await broker[Symbol.asyncDispose]();
  await using other = await startMosquitto({ users: { addons: OTHER_SECRET }, port: broker.port });
  const refused = /rejected the (user name|connection)/;
  await until('the old one is refused', () => refused.test(app.output()), app.output);
  played.mqtt = { ...played.mqtt, password: OTHER_SECRET };
  const connections = () => app.output().split('connected to the MQTT broker').length - 1;
  await until('the new one is asked for, and works', () => connections() === 2, app.output);
  await until('the weight is there', async () => (await weightAt(other.url, OTHER_SECRET)) !== '');
  expect('no password is in the log', !app.output().includes(SECRET) && !app.output().includes(OTHER_SECRET));

  say('\n== A backup while it runs, a stop, and a restore elsewhere');
  const [restored, stale] = [join(place, 'restored'), join(place, 'stale')];
  for (const copy of [restored, stale]) cpSync(folder, copy, { recursive: true });
  await stop(app);
  sandbox.store('1234', { kilograms: 81.65, date: secondsAgo(300) });
  await using again = await start(restored, env);
  await until('the missed weigh-in is in the log', () => / 81\.65 kg/.test(again.output()), again.output);
  expect('without a new link', !/must link again/i.test(again.output()), again.output());
  await until('the page has it', async () => (await frame.getByText('81.65').count()) > 0);

  say('\n== A backup of before the login was renewed');
  sandbox.grants.expireAccess();
  await sandbox.weigh('1234', { kilograms: 81.05, date: secondsAgo(2) });
  await until('the login was renewed', () => / 81\.05 kg/.test(again.output()), again.output);
  await stop(again);
  // Withings allows the same request every 12 s, and the old machine has just sent one.
  await sleep(12_000);
  await using late = await start(stale, env);
  const listensMs = performance.now();
  await until('the log tells who must link again', () => REFUSED.test(late.output()), late.output);
  say(`  after ${Math.round(performance.now() - listensMs)} ms`);
  const health = async () => {
    const answer = await fetch(`${played.pageUrl}healthz`);
    return `${answer.status} ${await answer.text()}`;
  };
  await until('so does /healthz', async () => /^503 .*"1234".*"needs_login"/s.test(await health()), late.output);
  await page.reload();
  await until('so does the page', async () => (await frame.getByText('Anna must link again').count()) > 0);
  await link('Link Anna again');
  await until('the missed weigh-ins are in the log', () => / 81\.05 kg/.test(late.output()), late.output);
  await until('/healthz is well again', async () => (await health()).startsWith('200'), late.output);
  await until('and so is the page', async () => (await frame.getByText('must link again').count()) === 0);
  await stop(late);
}

try {
  await play(values.image === undefined ? openProgram() : await buildImage(values.image));
  say('\nall as it should be');
} finally {
  rmSync(place, { recursive: true, force: true });
}
