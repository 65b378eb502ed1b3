import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { realClock } from '../../src/runtime/real-clock.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { CLIENT } from '../support/home.ts';
import { temporaryDirectory } from '../support/temporary.ts';

/**
 * `npm run clients` runs clients of other authors against the sandbox, unchanged except for the addresses. They come
 * from the npm registry, into a temporary folder. Without them in the registry, the run is skipped and reports that.
 */
const PACKAGES = { 'withings-node-oauth2': '2.1.1', arctic: '3.7.0', 'iobroker.withings': '0.0.16' };
const INSTALL_MS = 40_000;
const STEPS = ['code exchange', 'refresh', 'getmeas', 'paging', 'subscribe', 'list', 'revoke', 'devices'] as const;
const REDIRECT = 'http://127.0.0.1/back';
const PAGE_SIZE = 4;

/** The part of ioBroker that its adapter for Withings runs in. */
const ADAPTER_CORE = `
exports.Adapter = class {
  log = { debug() {}, info() {}, warn() {}, error: (error) => { this.failure ??= error; } };
  config = {};
  on() {}
  async setObjectNotExistsAsync() {}
  setObjectNotExists() {}
  states = new Map();
  setState(id, value) { this.states.set(id, value?.val ?? value); }
  async setStateAsync(id, value) { this.setState(id, value); }
};`;

type Steps = Partial<Record<(typeof STEPS)[number], () => Promise<boolean>>>;

const say = (line: string) => void process.stdout.write(`${line}\n`);
await using temporary = await temporaryDirectory();
const folder = temporary.path;
const problem = await install();
if (problem === undefined) await runClients();
else say(`skipped: the npm registry gives no ${Object.keys(PACKAGES).join(', ')} (${problem})`);

/** Returns why it did not work. */
async function install(): Promise<string | undefined> {
  const core = '@iobroker/adapter-core';
  await mkdir(join(folder, 'core'));
  await writeFile(
    join(folder, 'core/package.json'),
    JSON.stringify({ name: core, version: '3.2.3', main: 'index.js' }),
  );
  await writeFile(join(folder, 'core/index.js'), ADAPTER_CORE);
  const manifest = { private: true, dependencies: PACKAGES, overrides: { [core]: 'file:./core' } };
  await writeFile(join(folder, 'package.json'), JSON.stringify(manifest));
  const options = [
    '--ignore-scripts',
    '--omit=dev',
    '--no-audit',
    '--no-fund',
    '--fetch-retries=0',
    '--loglevel=error',
  ];
  const npm = spawn('npm', ['install', ...options], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: INSTALL_MS,
  });
  const [errors, [code, signal]] = await Promise.all([text(npm.stderr), once(npm, 'close')]);
  if (code === 0) return undefined;
  return signal === null ? (/npm error code (\S+)/.exec(errors)?.[1] ?? `npm: ${code}`) : 'it does not answer';
}

async function runClients(): Promise<void> {
  await using sandbox = await startSandbox({ clock: realClock, client: CLIENT, pageSize: PAGE_SIZE });
  for (const each of Object.keys(PACKAGES)) await readdress(join(folder, 'node_modules', each), sandbox.url.origin);
  const listener = createServer((_request, response) => response.end()).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const callbackUrl = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/`;
  try {
    const clients = { 'withings-node-oauth2': nodeClient, 'arctic + iobroker.withings': adapter };
    for (const [name, prepare] of Object.entries(clients)) await runSteps(name, await prepare(sandbox, callbackUrl));
  } finally {
    listener.close();
  }
}

/** Replaces the two addresses of Withings in the files of a package. */
async function readdress(directory: string, origin: string): Promise<void> {
  for (const name of await readdir(directory, { recursive: true })) {
    if (!/\.[cm]?js$/.test(name)) continue;
    const path = join(directory, name);
    const code = await readFile(path, 'utf8');
    await writeFile(path, code.replaceAll(/https:\/\/(wbsapi\.withings\.net|account\.withings\.com)/g, origin));
  }
}

async function runSteps(client: string, steps: Steps): Promise<void> {
  say(client);
  for (const step of STEPS) {
    const take = steps[step];
    if (take === undefined) say(`  ${step.padEnd(14)} -`);
    else await attempt(step, take);
  }
}

async function attempt(step: string, take: () => Promise<boolean>): Promise<void> {
  const result = await take().catch((error: unknown) => `${error}`);
  if (result !== true) process.exitCode = 1;
  say(`  ${step.padEnd(14)} ${result === true ? 'works' : `FAILS ${result || ''}`}`);
}

/** Gives the consent of a person in the browser, and returns the code. */
async function agree(link: URL): Promise<string> {
  const answer = await fetch(link, { redirect: 'manual' });
  return new URL(answer.headers.get('location') ?? '').searchParams.get('code') ?? '';
}

/** Adds three weigh-ins of two groups each within the last hour, which are two pages. */
function weigh(sandbox: Sandbox, userId: string): void {
  const now = Math.floor(Date.now() / 1000);
  for (const ago of [3000, 2000, 1000]) sandbox.store(userId, { kilograms: 81.25, date: now - ago });
}

async function nodeClient(sandbox: Sandbox, callbackUrl: string): Promise<Steps> {
  const entry = join(folder, 'node_modules/withings-node-oauth2/dist/index.js');
  const { WithingsClient } = await import(pathToFileURL(entry).href);
  const client = new WithingsClient({ ...CLIENT, callbackURL: REDIRECT });
  weigh(sandbox, '1234');
  const subscription = { callbackUrl, appli: 1 };
  const subscriptions = async () => (await client.notify.list()).profiles;
  return {
    'code exchange': async () => {
      const link = new URL(client.oauth.authorizeUrl({ scope: ['user.metrics', 'user.info'], state: 'state' }));
      const { userId, scope } = await client.oauth.exchangeCode(await agree(link));
      return userId === '1234' && scope === 'user.metrics,user.info';
    },
    refresh: async () => {
      const { refreshToken } = await client.getTokens();
      const next = await client.oauth.refresh();
      return next.refreshToken !== refreshToken && sandbox.grants.accepts(next.refreshToken);
    },
    getmeas: async () => (await client.measures.list({ types: [1] })).measuregrps.length === 3,
    paging: async () => {
      const groups = new Set<number>();
      for await (const { grpid } of client.measures.paginate({ category: 1 })) groups.add(grpid);
      return groups.size === 6;
    },
    subscribe: async () => {
      await client.notify.subscribe({ ...subscription, comment: 'clients' });
      return (await client.notify.get(subscription)).comment === 'clients';
    },
    list: async () => {
      await client.notify.update({ ...subscription, comment: 'updated' });
      const [first, ...others] = await subscriptions();
      return first.callbackurl === callbackUrl && first.comment === 'updated' && others.length === 0;
    },
    revoke: async () => {
      await client.notify.revoke(subscription);
      return (await subscriptions()).length === 0;
    },
    devices: async () => (await client.devices.list()).devices[0].model === 'Body+',
  };
}

/** A library for logins and an adapter that reads measures and devices: neither has the other's part. */
async function adapter(sandbox: Sandbox): Promise<Steps> {
  const require = createRequire(join(folder, 'package.json'));
  const { Withings } = await import(pathToFileURL(require.resolve('arctic')).href);
  const login = new Withings(CLIENT.clientId, CLIENT.clientSecret, REDIRECT);
  const ioBroker = require('iobroker.withings')({});
  Object.assign(ioBroker.config, { clientid: CLIENT.clientId, clientsecret: CLIENT.clientSecret });
  Object.assign(ioBroker.config, { lastDays: 1, lastHours: 1 });
  ioBroker.requestClient = require('axios');
  weigh(sandbox, '5678');
  const works = () => {
    if (ioBroker.failure !== undefined) throw ioBroker.failure;
    return true;
  };
  return {
    'code exchange': async () => {
      const link = login.createAuthorizationURL('state', ['user.metrics', 'user.info']);
      link.searchParams.set('as', '5678');
      const tokens = await login.validateAuthorizationCode(await agree(link));
      const [access_token, refresh_token] = [tokens.accessToken(), tokens.refreshToken()];
      ioBroker.session = [{ userid: '5678', access_token, refresh_token }];
      return sandbox.grants.accepts(refresh_token);
    },
    refresh: async () => {
      const { access_token } = ioBroker.session[0];
      await ioBroker.refreshToken();
      return works() && ioBroker.session[0].access_token !== access_token;
    },
    getmeas: async () => {
      await ioBroker.updateDevices();
      return works() && [...ioBroker.states.values()].includes(81_250);
    },
    devices: async () => {
      await ioBroker.getDeviceList();
      return works() && ioBroker.deviceArray.length === 1;
    },
  };
}
