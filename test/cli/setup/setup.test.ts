import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import { login } from '../../../src/cli/login/login.ts';
import { takeClient } from '../../../src/cli/setup/client.ts';
import { takeNames } from '../../../src/cli/setup/extras.ts';
import type { SetupOptions } from '../../../src/cli/setup/session.ts';
import { chooseWayIn, tryWayIn } from '../../../src/cli/setup/way-in.ts';
import { ExitCode, type Shell } from '../../../src/cli/shell.ts';
import { browse, consent } from '../../support/browser.ts';
import { freePort } from '../../support/free-port.ts';
import { CLIENT } from '../../support/home.ts';
import { patient } from '../../support/patience.ts';
import { CLIENT_OPTIONS, startSetUpFolder } from '../../support/set-up-folder.ts';

const ENTER_URL = /Enter this callback URL in the dashboard/;
const KNOWN = {
  WITHINGS_CLIENT_ID: CLIENT.clientId,
  WITHINGS_CLIENT_SECRET: CLIENT.clientSecret,
  CALLBACK_URL: 'https://old.example.org/withingsWebhook/0123456789abcdef',
};
const LINK = /http\S+\/oauth2_user\/\S+/;

/** The value of a setting in a `.env`. */
function storedIn(name: string, dotenv: string): string {
  return new RegExp(`^${name}=(.*)$`, 'm').exec(dotenv)?.[1] ?? '';
}

describe('setup shows a new callback URL for the dashboard', () => {
  test('if the client is an option', async () => {
    await using folder = await startSetUpFolder();
    const code = await folder.run({ hostName: 'me.example.org', link: false, ...CLIENT_OPTIONS });
    assert.equal(code, ExitCode.done, folder.text());
    assert.match(folder.text(), ENTER_URL);
    const url = storedIn('CALLBACK_URL', await folder.dotenv());
    assert.match(url, /^https:\/\/me\.example\.org\/withingsWebhook\/[0-9a-f]{32}$/);
    assert.ok(folder.text().split('\n').includes(url), folder.text());
  });

  test('if it replaces another one, and not if nothing changes', async () => {
    await using folder = await startSetUpFolder(KNOWN);
    await folder.run({ link: false });
    assert.doesNotMatch(folder.text(), ENTER_URL);
    await folder.run({ hostName: 'other.example.org', link: false });
    assert.match(folder.text(), ENTER_URL);
    assert.ok(
      folder
        .text()
        .split('\n')
        .includes(storedIn('CALLBACK_URL', await folder.dotenv())),
    );
  });

  test('once, if setup shows the form of the dashboard as well', async () => {
    await using folder = await startSetUpFolder();
    const session = await folder.session({ hostName: 'me.example.org' }, [CLIENT.clientId, CLIENT.clientSecret]);
    await takeClient(session, await chooseWayIn(session));
    const url = storedIn('CALLBACK_URL', await folder.dotenv());
    assert.equal(folder.text().split(url).length, 2, folder.text());
  });
});

describe('the way in', () => {
  test('can be changed if it does not work, whatever the options were', async () => {
    await using folder = await startSetUpFolder(KNOWN);
    const nothing = `http://127.0.0.1:${await freePort()}`;
    const answers = ['again', 'change', 'ngrok', `http://127.0.0.1:${folder.port}`];
    const session = await folder.session({ way: 'proxy', hostName: nothing }, answers);
    await chooseWayIn(session);
    assert.equal(await tryWayIn(session), true, folder.text());
    assert.match(folder.text(), ENTER_URL);
    const url = storedIn('CALLBACK_URL', await folder.dotenv());
    assert.ok(url.startsWith(`http://127.0.0.1:${folder.port}/`), url);
  });

  test('can be removed: --way none removes the callback URL, so that weighbridge polls', async () => {
    await using folder = await startSetUpFolder(KNOWN);
    await folder.write(`CALLBACK_URL=${KNOWN.CALLBACK_URL}\n`);
    const session = await folder.session({ way: 'none', redirectUrl: 'http://localhost:3000/x' });
    assert.equal(await chooseWayIn(session), true);
    assert.equal(await folder.dotenv(), `# CALLBACK_URL=${KNOWN.CALLBACK_URL}\nREDIRECT_URL=http://localhost:3000/x\n`);
    assert.equal(session.config().callback.url, undefined);
    assert.equal(await tryWayIn(session), true);
    assert.doesNotMatch(folder.text(), /Trying/);
  });

  test('has a recipe in an existing file', async () => {
    await using folder = await startSetUpFolder(KNOWN);
    await chooseWayIn(await folder.session({ way: 'cloudflare', hostName: 'me.example.org' }));
    const [, path = ''] = /follow the recipe "Cloudflare Tunnel" in (\S+)\.$/m.exec(folder.text()) ?? [];
    assert.ok(existsSync(path), folder.text());
  });

  for (const typed of [
    '"me.example.org"',
    '“me.example.org”',
    'me.example.org.',
    'HTTPS://ME.EXAMPLE.ORG',
    'https:/me.example.org',
    'https:me.example.org',
    ' https://me.example.org/login?a=b ',
  ])
    test(`accepts the host name ${typed}`, async () => {
      await using folder = await startSetUpFolder(KNOWN);
      await chooseWayIn(await folder.session({ hostName: typed }));
      assert.match(await folder.dotenv(), /^CALLBACK_URL=https:\/\/me\.example\.org\/withingsWebhook\/[0-9a-f]{32}$/m);
    });

  for (const [typed, problem] of [
    ['', 'expected a host name'],
    ['me .example.org', 'Remove the space.'],
    ['me"x.example.org', 'expected a host name, e.g. NAME.ngrok-free.app'],
    ['192.168.1.2', 'has an IP address (192.168.1.2), but Withings needs a domain name. A tunnel such as ngrok'],
    ['raspberrypi.local', 'has a host name of your own network (raspberrypi.local), but Withings needs a public one.'],
  ] as const)
    test(`rejects the host name "${typed}" with a message for this question`, async () => {
      await using folder = await startSetUpFolder(KNOWN);
      const refused: string[] = [];
      await assert.rejects(
        chooseWayIn(await folder.session({ hostName: typed })),
        ({ code, message }) => code === ExitCode.usage && message.startsWith(`--host-name: ${problem}`),
      );
      await chooseWayIn(await folder.session({ way: 'proxy' }, [typed, 'me.example.org'], refused));
      assert.ok(refused[0]?.startsWith(problem), refused[0]);
      assert.doesNotMatch(refused.join(), /set CALLBACK_URL|partner dashboard/);
    });
});

describe('the client', () => {
  test('is accepted without its quotes, and rejected with a space', async () => {
    await using folder = await startSetUpFolder({ CALLBACK_URL: KNOWN.CALLBACK_URL });
    const refused: string[] = [];
    const answers = ['test client', `"${CLIENT.clientId}"`, `'${CLIENT.clientSecret}'`];
    await takeClient(await folder.session({}, answers, refused), false);
    assert.deepEqual(refused, ['Remove the space.']);
    assert.equal(storedIn('WITHINGS_CLIENT_ID', await folder.dotenv()), CLIENT.clientId);
    assert.equal(storedIn('WITHINGS_CLIENT_SECRET', await folder.dotenv()), CLIENT.clientSecret);
  });

  test('cannot be checked without a network, and setup then names the next step', async () => {
    await using folder = await startSetUpFolder({ ...KNOWN, WITHINGS_API_URL: 'http://127.0.0.1:9' });
    await assert.rejects(folder.run({ link: false }), ({ code, message }) => {
      assert.match(message, /Check the network connection\. Then run "weighbridge setup" again\.$/);
      return code === ExitCode.failed;
    });
  });
});

test('a name with a comma is rejected with a reason', async () => {
  await using folder = await startSetUpFolder(KNOWN);
  await folder.link('1234');
  const refused: string[] = [];
  await takeNames(await folder.session({}, ['Anna, Bo', 'Anna'], refused), undefined);
  assert.deepEqual(refused, ['A name cannot contain a comma.']);
  assert.equal(storedIn('USER_NAMES', await folder.dotenv()), '1234:Anna');
});

describe('linking a person while weighbridge polls', () => {
  /** Creates a folder that polls, with a callback on this computer and a terminal for QR codes. */
  async function startPolling() {
    const folder = await startSetUpFolder({ ...KNOWN, CALLBACK_URL: '' });
    const redirectUrl = `http://localhost:${folder.port}/withingsWebhook`;
    const terminal = Object.assign(new PassThrough(), { columns: 200 });
    terminal.resume();
    const run = (readLines: Shell['readLines'], options: Partial<SetupOptions> = {}) =>
      folder.run(
        { way: 'none', redirectUrl, name: 'Anna', history: false, service: false, ...options },
        { readLines, terminal },
      );
    return { ...folder, run };
  }
  /** The person at the keyboard types nothing. */
  async function* silence(signal: AbortSignal): AsyncGenerator<string> {
    if (!signal.aborted) await once(signal, 'abort');
    yield* [];
  }

  test('works with the browser on this computer', async () => {
    await using folder = await startPolling();
    const exited = folder.run(silence);
    assert.match((await browse(await folder.until(LINK))).text, /1234 is linked/);
    assert.equal(await exited, ExitCode.done, folder.text());
    assert.doesNotMatch(folder.text(), /scan this code/);
    assert.match(folder.text(), /Anna \(1234\) is linked\.\n[\s\S]*Start weighbridge now/);
  });

  test('works with the pasted address, with a line break in it', async () => {
    await using folder = await startPolling();
    const exited = folder.run(async function* () {
      const { href } = await consent(await folder.until(LINK));
      yield href.slice(0, 60);
      yield href.slice(60);
    });
    assert.equal(await exited, ExitCode.done, folder.text());
    assert.match(folder.text(), /Anna \(1234\) is linked\./);
  });

  test('works next to a running weighbridge by browser or address, and setup asks for a restart', async () => {
    await using folder = await startPolling();
    const env = { ...folder.env, WEBHOOK_PATH: '', REDIRECT_URL: `http://localhost:${folder.port}/withingsWebhook` };
    await using daemon = await folder.serve(env);
    const exited = folder.run(silence);
    assert.match((await browse(await folder.until(LINK))).text, /1234 is linked/);
    assert.equal(await exited, ExitCode.done, folder.text());
    assert.match(folder.text(), /Restart weighbridge to apply the new settings\.$/);
    assert.doesNotMatch(folder.text(), /Start weighbridge now/);
    assert.ok(daemon.lines.some(({ event }) => event === 'linked'));
    folder.forget();
    const pasted = folder.run(
      async function* () {
        yield (await consent(await folder.until(LINK), '5678')).href;
      },
      { link: true, paste: true, name: 'Bo' },
    );
    assert.equal(await pasted, ExitCode.done, folder.text());
    assert.match(folder.text(), /Bo \(5678\) is linked\.\n[\s\S]*Restart weighbridge to apply/);
    assert.doesNotMatch(folder.text(), /Start weighbridge now|scan this code/);
    folder.forget();
    await folder.run(silence, { link: false });
    assert.match(folder.text(), /Restart weighbridge to apply/);
    folder.forget();
    const readLines = async function* () {
      yield (await consent(await folder.until(LINK))).href;
    };
    const shell = folder.shell({ readLines, env: { ...folder.env, REDIRECT_URL: env.REDIRECT_URL } });
    assert.equal(await login(shell, { paste: true, subscribe: true }), ExitCode.done);
    assert.doesNotMatch(folder.text(), /Start weighbridge now/);
  });
});

describe('Ctrl-C stops setup at once without an error', () => {
  for (const [what, settings, options] of [
    ['the callback URL', (url: string) => ({ ...KNOWN, CALLBACK_URL: `http://${url}/hook/0123456789` }), { try: true }],
    ['the client', (url: string) => ({ ...KNOWN, WITHINGS_API_URL: `http://${url}` }), {}],
    ['the broker', () => KNOWN, { mqtt: 'mqtt://HOST', service: false }],
  ] as const)
    test(`while setup checks ${what}`, async () => {
      // The server accepts connections and sends no answer.
      const server = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const address = server.address();
      const at = `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
      await using folder = await startSetUpFolder(settings(at));
      const mqtt = 'mqtt' in options ? options.mqtt.replace('HOST', at) : false;
      const stop = new AbortController();
      const exited = folder.run({ ...options, mqtt, link: false }, { signal: stop.signal });
      const [socket] = await once(server, 'connection');
      const mostMs = patient(5_000);
      const since = performance.now();
      stop.abort();
      const closed = once(socket, 'close');
      assert.equal(await exited, ExitCode.failed);
      assert.ok(performance.now() - since < mostMs);
      assert.match(folder.text(), /Stopped\. No answer is saved yet\. To continue, run "weighbridge setup" again\.$/);
      assert.doesNotMatch(folder.text(), /error|✗/);
      await closed;
      server.close();
    });
});

test('a terminal with TERM=dumb is named as the reason', async () => {
  await using folder = await startSetUpFolder();
  const known = { keyboard: new PassThrough(), env: { ...folder.env, TERM: 'dumb' } };
  await assert.rejects(folder.run({}, known), /with TERM=dumb, setup cannot ask questions\. Add these options/);
  await assert.rejects(folder.run({}), /without a terminal, setup cannot ask questions\. Add these options/);
});
