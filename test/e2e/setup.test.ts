import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { MOSQUITTO_IS_MISSING, startMosquitto } from '../support/broker.ts';
import { browse, consent } from '../support/browser.ts';
import { freePort } from '../support/free-port.ts';
import { CLIENT, startHome } from '../support/home.ts';
import { runProgram } from '../support/program.ts';
import { CTRL_C, CTRL_D, DOWN, NO_TERMINAL, startTerminal, type Terminal } from '../support/terminal.ts';

const ENTER = '\r';
const STOPPED = /Stopped\. Your answers are saved in \.env/;

/** A folder with nothing in it but what `.env` is given, and a sandbox with a weight of Anna's. */
async function startFolder(dotenv?: string) {
  const home = await startHome();
  const { directory, sandbox } = home;
  sandbox.store('1234', { kilograms: 81.25, date: Math.floor(Date.now() / 1000) - 3_000 });
  const port = await freePort();
  const env = {
    WITHINGS_API_URL: sandbox.url.href,
    WITHINGS_ACCOUNT_URL: sandbox.url.href,
    PORT: `${port}`,
    STATUS_PORT: '0',
  };
  const path = join(directory, '.env');
  if (dotenv !== undefined) await writeFile(path, dotenv);
  return {
    ...home,
    env,
    origin: `http://127.0.0.1:${port}`,
    path,
    dotenv: () => readFile(path, 'utf8'),
    terminal: (...args: readonly string[]) => startTerminal(['setup', ...args], { cwd: directory, env }),
    run: (...args: readonly string[]) => runProgram(['setup', ...args], { cwd: directory, env }),
  };
}

/** The last consent link that was shown. */
async function linkOn(terminal: Terminal): Promise<string> {
  await terminal.until(/^http\S+\/oauth2_user\/\S+\r?\n/m);
  return (
    terminal
      .text()
      .match(/^http\S+\/oauth2_user\/\S+/gm)
      ?.at(-1) ?? ''
  );
}

async function answerWayIn(terminal: Terminal, origin: string): Promise<void> {
  await terminal.answer('Which way is it?', ENTER);
  await terminal.answer('Public host name', `${origin}\r`);
}

async function answerRest(terminal: Terminal): Promise<void> {
  await terminal.answer('What is the name of user 1234?', 'Anna\r');
  await terminal.answer('MQTT broker, for', ENTER);
  await terminal.answer('Fetch the weigh-ins of all past years for Anna now?', ENTER);
}

/** The pattern accepts the answer of a busy machine after more than a second. */
const ANSWERS = /weighbridge (itself answers CALLBACK_URL with 200|answers CALLBACK_URL after)/;

describe('weighbridge setup on a terminal', { concurrency: 2, skip: NO_TERMINAL }, () => {
  const KEPT = '# mine\nPORT_OF_OTHERS=8080\n\nWEIGHT_UNIT="kg" # as it was\n';

  test('asks at most ten questions, ends with the first weight, and keeps the content of .env', async () => {
    await using folder = await startFolder(KEPT);
    await using terminal = folder.terminal('--no-service');
    await answerWayIn(terminal, folder.origin);
    await terminal.until('https://developer.withings.com/dashboard');
    await terminal.answer('Client id:', `${CLIENT.clientId}\r`);
    await terminal.answer('Client secret', `${CLIENT.clientSecret}\r`);
    await terminal.until('✓ Withings accepts the client id and the secret.');
    await terminal.until(ANSWERS);
    const page = await browse(await linkOn(terminal));
    assert.match(page.text, /81\.25 kg/);
    await answerRest(terminal);
    await terminal.until(/Anna \(1234\) is linked\.\s+Last weigh-in: 81\.25 kg/);
    assert.equal(await terminal.exited, 0, terminal.text());

    const text = await folder.dotenv();
    assert.ok(text.startsWith(KEPT), text);
    const [, secret] =
      /\nCALLBACK_URL=http:\/\/127\.0\.0\.1:[0-9]+\/withingsWebhook\/([0-9a-f]{32})\n/.exec(text) ?? [];
    assert.ok(secret, text);
    for (const line of [
      `WITHINGS_CLIENT_ID=${CLIENT.clientId}`,
      `WITHINGS_CLIENT_SECRET=${CLIENT.clientSecret}`,
      'HOST=127.0.0.1',
      'USER_NAMES=1234:Anna',
    ])
      assert.ok(text.includes(`\n${line}\n`), `${line} is not in\n${text}`);
    assert.equal((await stat(folder.path)).mode & 0o777, 0o600);
    assert.ok(!terminal.text().includes(CLIENT.clientSecret), 'the secret is not shown');
    assert.ok(folder.sandbox.grants.accepts((await folder.tokenFile('1234')).trim()));
    const asked = new Set(terminal.text().match(/(?<=✔ )[^:?]+[:?]/g));
    assert.ok(asked.size > 0 && asked.size <= 10, [...asked].join('\n'));
    // A user copies the host name, the callback URL, the client id and the secret. The phone scans the link.
    assert.match(terminal.text(), /\n█{20}/);
  });

  test('repeats the question for a wrong secret, with the same client id', async () => {
    await using folder = await startFolder(`CALLBACK_URL=http://127.0.0.1:1/withingsWebhook/abc\n`);
    await using terminal = folder.terminal('--no-try', '--no-link', '--no-mqtt', '--no-service');
    await terminal.answer('Client id:', `${CLIENT.clientId}\r`);
    await terminal.answer('Client secret', 'wrong\r');
    await terminal.until('Withings rejects the client id or the secret.');
    assert.doesNotMatch(await folder.dotenv(), /SECRET/);
    await terminal.answer(`Client id: (${CLIENT.clientId})`, ENTER);
    await terminal.answer('Client secret', `${CLIENT.clientSecret}\r`);
    assert.equal(await terminal.exited, 0, terminal.text());
    assert.ok((await folder.dotenv()).includes(`WITHINGS_CLIENT_SECRET=${CLIENT.clientSecret}\n`));
  });

  test('stops on Ctrl-C at any question, and the next run continues from there', async () => {
    await using folder = await startFolder();
    {
      await using terminal = folder.terminal();
      await terminal.answer('Which way is it?', CTRL_C);
      await terminal.until('Stopped. No answer is saved yet.');
      assert.equal(await terminal.exited, 1);
      assert.doesNotMatch(terminal.text(), /error|bug in weighbridge|at file/);
    }
    {
      await using terminal = folder.terminal();
      await answerWayIn(terminal, folder.origin);
      await terminal.answer('Client id:', `${CLIENT.clientId}\r`);
      await terminal.answer('Client secret', CTRL_C);
      await terminal.until(STOPPED);
      assert.equal(await terminal.exited, 1);
    }
    const before = await folder.dotenv();
    assert.match(before, /CALLBACK_URL=.*\nHOST=.*\nWITHINGS_CLIENT_ID=test-client\n$/);
    {
      await using terminal = folder.terminal();
      await terminal.answer('Client secret', `${CLIENT.clientSecret}\r`);
      await linkOn(terminal);
      await terminal.answer(/[█▀]{40}\s*$/, CTRL_C);
      await terminal.until('Stopped. No person was linked.');
      assert.equal(await terminal.exited, 1);
      assert.doesNotMatch(terminal.text(), /Which way|Client id|error|bug in weighbridge/);
    }
    {
      await using terminal = folder.terminal();
      await browse(await linkOn(terminal));
      await terminal.answer('What is the name of user 1234?', CTRL_D);
      await terminal.until(STOPPED);
      assert.equal(await terminal.exited, 1);
    }
    await using terminal = folder.terminal('--no-service');
    await terminal.answer('One person is linked. Link another person?', ENTER);
    await answerRest(terminal);
    assert.equal(await terminal.exited, 0, terminal.text());
    const after = await folder.dotenv();
    assert.ok(after.startsWith(before), after);
    assert.match(after, /\nUSER_NAMES=1234:Anna\n/);
  });

  test('links a second person, and asks no other known question', async () => {
    await using folder = await startFolder();
    const callbackUrl = `${folder.origin}/withingsWebhook/abc`;
    await folder.run(
      ...['--client-id', CLIENT.clientId, '--client-secret', CLIENT.clientSecret, '--no-link', '--no-try'],
      ...['--host-name', folder.origin],
    );
    await folder.link('1234');
    await writeFile(folder.path, `${await folder.dotenv()}CALLBACK_URL=${callbackUrl}\nUSER_NAMES=1234:Anna\n`);
    await using terminal = folder.terminal('--no-service', '--no-mqtt');
    await terminal.answer('One person is linked. Link another person?', 'y\r');
    const page = await browse(await consent(await linkOn(terminal), '5678'));
    assert.match(page.text, /(?:Bo|5678) is linked/);
    await terminal.answer('What is the name of user 5678?', 'Bo\r');
    await terminal.answer('Fetch the weigh-ins of all past years for Bo now?', 'n\r');
    await terminal.until('Bo (5678) is linked.');
    assert.equal(await terminal.exited, 0, terminal.text());
    assert.doesNotMatch(terminal.text(), /Which way|Client id:|Client secret/);
    assert.match(await folder.dotenv(), /\nUSER_NAMES=1234:Anna,5678:Bo\n$/);
  });

  test('checks a wrong callback URL again, or continues and accepts the address by hand', async () => {
    await using folder = await startFolder();
    await using terminal = folder.terminal('--no-service', '--no-mqtt', '--no-history', '--name', 'Anna');
    // The port has no listener.
    await answerWayIn(terminal, `http://127.0.0.1:${await freePort()}`);
    await terminal.answer('Client id:', `${CLIENT.clientId}\r`);
    await terminal.answer('Client secret', `${CLIENT.clientSecret}\r`);
    await terminal.until('nothing answers at CALLBACK_URL (ECONNREFUSED)');
    await terminal.answer('What now?', ENTER);
    await terminal.until('nothing answers at CALLBACK_URL');
    await terminal.answer('What now?', `${DOWN.repeat(2)}\r`);
    const landed = await consent(await linkOn(terminal));
    await terminal.answer('the address of that page here', `${landed.href.slice(0, 80)}\r${landed.href.slice(80)}\r`);
    await terminal.until('The address is incomplete');
    await terminal.until('Anna (1234) is linked.');
    assert.equal(await terminal.exited, 0, terminal.text());
  });

  test('polls without a callback URL, and links by the address of the browser', async () => {
    await using folder = await startFolder();
    await using terminal = folder.terminal('--no-service', '--no-mqtt', '--no-history', '--name', 'Anna');
    await terminal.answer('Which way is it?', `${DOWN.repeat(4)}\r`);
    await terminal.answer('Which address?', ENTER);
    await terminal.answer('Client id:', `${CLIENT.clientId}\r`);
    await terminal.answer('Client secret', `${CLIENT.clientSecret}\r`);
    const landed = await consent(await linkOn(terminal));
    await terminal.answer('the address of that page here', `${landed.href}\r`);
    await terminal.until(/Anna \(1234\) is linked\.\s+Last weigh-in: 81\.25 kg/);
    assert.equal(await terminal.exited, 0, terminal.text());
    const redirectUrl = `http://localhost:${folder.env.PORT}/withingsWebhook`;
    assert.ok((await folder.dotenv()).startsWith(`REDIRECT_URL=${redirectUrl}\nWITHINGS_CLIENT_ID=`));
    assert.doesNotMatch(terminal.text(), /Trying the callback URL|bug in weighbridge|scan this code/);
    // The folder is one that polls: a weigh-in comes without a notification.
    const env = { ...folder.env, CALLBACK_URL: '', POLL_INTERVAL: '1s', WEBHOOK_PATH: '' };
    await using daemon = folder.start(env);
    folder.sandbox.store('1234', { kilograms: 80.5, date: Math.floor(Date.now() / 1000) - 60 });
    await daemon.line(({ event, weight }) => event === 'reading' && weight === 80.5);
  });

  // aedes sometimes leaves a subscription unanswered on a busy machine.
  test('checks the broker at once, and repeats the question after a rejection', {
    skip: MOSQUITTO_IS_MISSING,
  }, async () => {
    await using broker = await startMosquitto();
    await using folder = await startFolder();
    await folder.run(
      ...['--client-id', CLIENT.clientId, '--client-secret', CLIENT.clientSecret, '--no-link', '--no-try'],
      ...['--host-name', folder.origin],
    );
    await using terminal = folder.terminal('--no-service', '--no-link', '--no-try');
    await terminal.answer('MQTT broker, for', 'mqtt://127.0.0.1:9\r');
    await terminal.answer('User name at the broker', ENTER);
    await terminal.until('✗ mqtt');
    assert.doesNotMatch(await folder.dotenv(), /MQTT/);
    await terminal.answer('MQTT broker, for', `mqtt://127.0.0.1:${broker.port}\r`);
    await terminal.answer('User name at the broker', ENTER);
    await terminal.until('and its messages');
    assert.equal(await terminal.exited, 0, terminal.text());
    assert.match(await folder.dotenv(), new RegExp(`\nMQTT_URL=mqtt://127\\.0\\.0\\.1:${broker.port}\n$`));
  });
});

describe('weighbridge setup without a terminal', { concurrency: true }, () => {
  const CLIENT_OPTIONS = ['--client-id', CLIENT.clientId, '--client-secret', CLIENT.clientSecret];

  for (const [args, missing] of [
    [[], '--way, --host-name (with --way none: --redirect-url), --client-id, --client-secret'],
    [['--way', 'ngrok'], '--host-name, --client-id, --client-secret'],
    [['--host-name', 'me.example.org', '--client-id', 'x'], '--client-secret'],
    [['--way', 'none', ...CLIENT_OPTIONS], '--redirect-url'],
  ] as const) {
    test(`names the missing options: setup ${args.join(' ')}`, async () => {
      await using folder = await startFolder();
      const { code, stderr } = await folder.run(...args);
      assert.equal(code, 2);
      assert.ok(
        stderr.endsWith(`error: without a terminal, setup cannot ask questions. Add these options: ${missing}\n`),
        stderr,
      );
      await assert.rejects(stat(folder.path));
    });
  }

  test('accepts every answer from the options', async () => {
    await using folder = await startFolder();
    const { code, stderr } = await folder.run(
      ...['--way', 'tailscale', '--host-name', folder.origin, ...CLIENT_OPTIONS, '--no-link'],
    );
    assert.equal(code, 0, stderr);
    assert.match(stderr, ANSWERS);
    assert.match(
      await folder.dotenv(),
      /^CALLBACK_URL=.*\nHOST=127\.0\.0\.1\nWITHINGS_CLIENT_ID=.*\nWITHINGS_CLIENT_SECRET=.*\n$/,
    );
    assert.ok(!stderr.includes(CLIENT.clientSecret));
  });

  test('rejects an unreachable host name with the message of the doctor', async () => {
    await using folder = await startFolder();
    for (const host of ['raspberrypi.local', '192.168.1.2', 'me.example.org:8443', 'not a name']) {
      const { code, stderr } = await folder.run('--host-name', host, ...CLIENT_OPTIONS);
      assert.equal(code, 2, stderr);
      assert.match(stderr, /error: --host-name: /);
    }
  });

  test('reports a wrong secret as a configuration error', async () => {
    await using folder = await startFolder();
    const args = ['--host-name', folder.origin, '--client-id', CLIENT.clientId, '--client-secret', 'wrong'];
    const { code, stderr } = await folder.run(...args);
    assert.equal(code, 78);
    assert.match(stderr, /error: Withings rejects the client id or the secret/);
  });
});
