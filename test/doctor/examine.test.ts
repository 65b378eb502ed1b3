import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, chown, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { doctor } from '../../src/cli/doctor.ts';
import { standIn } from '../../src/doctor/daemon.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import type { Clock } from '../../src/domain/clock.ts';
import { probeCallback } from '../../src/http/probe.ts';
import { realClock } from '../../src/runtime/real-clock.ts';
import { assertFinding, assertOnlyBroken, PERSON, type SetUp, startSetUp } from '../support/examination.ts';
import { createFastClock } from '../support/fast-clock.ts';
import { freePort } from '../support/free-port.ts';
import { CALLBACK_PATH, CLIENT, URL_SECRET } from '../support/home.ts';
import { OTHER_UID, runProgram, WITHOUT_ROOT } from '../support/program.ts';
import { createRecordingLog } from '../support/recording-log.ts';
import { http, startScriptedServer } from '../support/scripted-server.ts';
import { createShell } from '../support/shell.ts';
import { mountSmallDisk, NO_MOUNT } from '../support/small-disk.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { startTlsServer } from '../support/tls-server.ts';

const MINUTE_MS = 60_000;

/** Runs the real program on the set-up, with a callback URL on this machine, so that no request leaves the machine. */
async function run(setUp: SetUp, env: Readonly<Record<string, string>> = {}) {
  const args = ['doctor', '--json'];
  const { code, stdout, stderr } = await setUp.home.start({ ...local(setUp), LOG_LEVEL: 'info', ...env }, args).exited;
  const findings: Finding[] = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
  return { code, findings, stdout, stderr };
}

function local({ env, port }: SetUp) {
  return { ...env, CALLBACK_URL: `http://127.0.0.1:${port}${CALLBACK_PATH}` };
}

/** Makes Withings send notifications to this machine. */
function subscribeLocally(setUp: SetUp): void {
  setUp.subscriptions = [{ appli: 1, callbackurl: local(setUp).CALLBACK_URL, comment: null }];
}

/** The clock is correct, and every wait is short. */
function createQuickClock(): Clock {
  return { ...createFastClock({ speed: 60, startMs: Date.now() }), now: realClock.now };
}

describe('a good set-up', () => {
  it('is fine in all checks next to a running daemon', async () => {
    await using setUp = await startSetUp();
    await using _daemon = await setUp.home.serve(setUp.env);
    const findings = await setUp.examine();
    assert.deepEqual(
      findings.filter(({ mark }) => mark !== 'ok'),
      [],
    );
    assert.deepEqual(
      findings.map(({ check }) => check),
      [
        'settings',
        'node',
        'flock',
        'clock',
        'client',
        'tokens',
        'data',
        'callback',
        'dns',
        'certificate',
        'daemon',
        'callback',
        'login',
        'subscription',
      ],
    );
  });

  it('has its callback served by the doctor without a daemon, which is its one warning', async () => {
    await using setUp = await startSetUp();
    const findings = await setUp.examine();
    assertFinding(findings, 'daemon', 'warning', /weighbridge is not running \(doctor answers/, /weighbridge serve/);
    assertFinding(findings, 'callback', 'ok', /weighbridge itself answers CALLBACK_URL with 200/);
    assert.equal(findings.filter(({ mark }) => mark !== 'ok').length, 1);
  });

  it('answers a browser that comes back from Withings meanwhile', async () => {
    const port = await freePort();
    const clock = realClock;
    const options = {
      path: '/',
      query: new URLSearchParams(),
      prove: () => '',
      probe: probeCallback,
      log: createRecordingLog(),
    };
    await using _stand = await standIn({ host: '127.0.0.1', port, clock, ...options });
    const page = await (await fetch(`http://127.0.0.1:${port}/?code=a&state=b`)).text();
    for (const text of ['weighbridge is not running', 'is checking this address.', 'Open the link again in a minute.'])
      assert.ok(page.includes(text), page);
  });

  for (const beside of ['a running daemon', 'no daemon']) {
    it(`makes the program exit 0, on a sandbox, next to ${beside}, and leaves no files`, async () => {
      await using setUp = await startSetUp();
      subscribeLocally(setUp);
      await using _daemon = beside === 'no daemon' ? undefined : await setUp.home.serve(local(setUp));
      const { code, findings, stderr } = await run(setUp);
      assert.deepEqual([code, stderr], [0, ''], JSON.stringify(findings));
      assertFinding(findings, 'callback', 'warning', /address of this computer/, /sandbox/);
      assertFinding(findings, 'callback', 'ok', /answers CALLBACK_URL/);
      assertFinding(findings, 'subscription', 'ok', /1234: subscribed to weight \(1\)$/);
      assert.ok(!(await readdir(setUp.tokens)).some((name) => name.startsWith('.doctor')));
      assert.ok(!(await readdir(setUp.data)).some((name) => name.startsWith('.doctor')));
    });
  }

  it('does not rotate a login if a running daemon shares an access token', async () => {
    await using setUp = await startSetUp();
    await using daemon = await setUp.home.serve(setUp.env);
    await daemon.line(({ event }) => event === 'fetched');
    const before = await setUp.home.tokenFile(PERSON);
    assertFinding(await setUp.examine(), 'login', 'ok', /1234: OK, the access token/);
    assert.equal(await setUp.home.tokenFile(PERSON), before);
  });
});

describe('settings', () => {
  it('that are wrong are all named, exit with 1, and do not prevent the other checks', async () => {
    await using setUp = await startSetUp();
    const { code, findings } = await run(setUp, { PORT: '80a', LOG_LEVEL: 'loud', WITHINGS_CLIENT_SECRT: 'typo' });
    assert.equal(code, 1);
    assertFinding(findings, 'settings', 'broken', /^PORT: .*80a/, /PORT=3000/);
    assertFinding(findings, 'settings', 'broken', /^LOG_LEVEL: .*loud/, /LOG_LEVEL=info/);
    assertFinding(findings, 'settings', 'warning', /WITHINGS_CLIENT_SECRT/, /WITHINGS_CLIENT_SECRET/);
    for (const check of ['client', 'tokens', 'data', 'login'] as const) assertFinding(findings, check, 'ok', /./);
    assertFinding(findings, 'daemon', 'warning', /^skipped: needs the settings above$/);
  });

  it('that are missing are named, and all possible checks still run', async () => {
    await using directory = await temporaryDirectory();
    const { code, stdout } = await runProgram(['doctor', '--json'], {
      cwd: directory.path,
      env: { WITHINGS_API_URL: 'http://127.0.0.1:9' },
    });
    assert.equal(code, 1);
    const findings: Finding[] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assertFinding(findings, 'settings', 'broken', /WITHINGS_CLIENT_ID: required/, /weighbridge setup/);
    assertFinding(findings, 'settings', 'broken', /WITHINGS_CLIENT_SECRET: required/, /weighbridge setup/);
    assertFinding(findings, 'callback', 'ok', /^polling every 10 min: CALLBACK_URL is not set$/);
    assertFinding(findings, 'tokens', 'warning', /\.\/tokens is not there yet/, /creates the directory/);
    assert.deepEqual(await readdir(directory.path), []);
  });

  it('with a secret that can be guessed are a warning', async () => {
    await using setUp = await startSetUp();
    const findings = await setUp.examine({ env: { CALLBACK_URL: 'https://me.example.org/withingsWebhook' } });
    assertFinding(findings, 'settings', 'warning', /contains no secret/, /openssl rand/);
  });
});

describe('Withings', () => {
  it('rejects the client secret: the doctor reports that, and tries no login', async () => {
    const asked: (string | null)[] = [];
    await using setUp = await startSetUp({ onCall: ({ form }) => void asked.push(form.get('action')) });
    subscribeLocally(setUp);
    const { code, findings } = await run(setUp, { WITHINGS_CLIENT_SECRET: 'wrong-client-secret' });
    assert.equal(code, 1);
    assertFinding(findings, 'client', 'broken', /^wrong client id or secret$/, /dashboard.*logins are not the cause/);
    assertOnlyBroken(findings, 'client');
    assertFinding(findings, 'login', 'warning', /1234: Withings cannot be asked/);
    assert.deepEqual(
      asked.filter((action) => action === 'requesttoken'),
      [],
    );
  });

  it('is unreachable, which is distinct from a wrong secret', async () => {
    await using setUp = await startSetUp();
    const findings = await setUp.examine({ env: { WITHINGS_API_URL: 'http://127.0.0.1:9' } });
    assertFinding(findings, 'client', 'broken', /cannot reach 127\.0\.0\.1:9 \(ECONNREFUSED\)/, /network/);
    assertOnlyBroken(findings, 'client');
  });

  it('answers with a web page, which is distinct from both', async () => {
    await using page = await startScriptedServer(http(200, {}, '<html>Maintenance</html>'));
    await using setUp = await startSetUp();
    const findings = await setUp.examine({ env: { WITHINGS_API_URL: page.url.href } });
    assertFinding(findings, 'client', 'broken', /unexpected/, /later/);
  });
});

describe('the clock', () => {
  for (const [aheadMs, mark, text] of [
    [3 * MINUTE_MS, 'warning', /3 min ahead of Withings' clock/],
    [-10 * MINUTE_MS, 'broken', /10 min behind Withings' clock/],
    [-56 * 365 * 1440 * MINUTE_MS, 'broken', /days behind/],
  ] as const) {
    it(`that is ${aheadMs / MINUTE_MS} min off is ${mark}`, async () => {
      await using setUp = await startSetUp();
      const clock = { ...realClock, now: () => new Date(Date.now() + aheadMs) };
      assertFinding(await setUp.examine({ clock }), 'clock', mark, text, /timedatectl/);
    });
  }
});

describe('a directory', () => {
  it('with access for others, and files in it, are warnings with a command', async () => {
    await using setUp = await startSetUp();
    await chmod(setUp.tokens, 0o775);
    await chmod(join(setUp.tokens, PERSON), 0o644);
    await writeFile(join(setUp.tokens, 'Anna'), 'abc\n', { mode: 0o600 });
    const findings = await setUp.examine();
    assertFinding(
      findings,
      'tokens',
      'warning',
      /can be written by other users.*0775/,
      new RegExp(`^chmod 700 ${setUp.tokens}$`),
    );
    assertFinding(findings, 'tokens', 'warning', /1234 can be read by other users/, /^chmod -R go= /);
    assertFinding(findings, 'tokens', 'warning', /Anna is not used/, /^Rename it to the "userid"/);
    assertOnlyBroken(findings);
  });

  it('that cannot be written is broken', async () => {
    await using setUp = await startSetUp();
    await chmod(setUp.home.directory, 0o755);
    await chmod(setUp.data, 0o555);
    const env = {
      DATA_DIR: setUp.data,
      TOKENS_DIR: join(setUp.home.directory, 'none'),
      WITHINGS_API_URL: 'http://127.0.0.1:9',
    };
    const { code, stdout } = await runProgram(['doctor'], { cwd: setUp.home.directory, env, ...WITHOUT_ROOT });
    assert.equal(code, 1);
    assert.match(
      stdout,
      /^✗ data +cannot write to .*\/data \(EACCES\)\n +→ Give the files to this user: sudo chown -R/m,
    );
    assert.match(stdout, /^✗ tokens +.*\/none is not there, and this user cannot create it\n +→ sudo install -d /m);
  });

  it('of another user is not written to by root, and its logins stay unchanged', async (t) => {
    if (process.getuid?.() !== 0) return t.skip('giving files away needs root');
    await using setUp = await startSetUp();
    for (const path of [setUp.tokens, join(setUp.tokens, PERSON)]) await chown(path, OTHER_UID, OTHER_UID);
    const before = await setUp.home.tokenFile(PERSON);
    const findings = await setUp.examine();
    assertFinding(findings, 'tokens', 'warning', /belongs to user 65534/, /sudo -u '#65534'/);
    assertFinding(findings, 'login', 'warning', /1234: .*belongs to user 65534/);
    assert.deepEqual([await readdir(setUp.tokens), await setUp.home.tokenFile(PERSON)], [[PERSON], before]);
  });

  it('that is a file is broken', async () => {
    await using setUp = await startSetUp();
    await rm(setUp.data, { recursive: true });
    await writeFile(setUp.data, '');
    assertFinding(await setUp.examine(), 'data', 'broken', /is a file/, /Move the file away/);
  });

  it('in memory without room is both', async (t) => {
    await using disk = await mountSmallDisk(256);
    if (disk === undefined) return t.skip(NO_MOUNT);
    await using setUp = await startSetUp();
    await chmod(disk.path, 0o700);
    await disk.fill();
    const findings = await setUp.examine({ env: { DATA_DIR: disk.path } });
    assertFinding(findings, 'data', 'warning', /in memory/, /DATA_DIR/);
    assertFinding(findings, 'data', 'broken', /is full: .* free$/, /Free some space/);
    assertOnlyBroken(findings, 'data');
  });

  it('that has become read-only is broken', async (t) => {
    await using disk = await mountSmallDisk(256);
    if (disk === undefined) return t.skip(NO_MOUNT);
    await using setUp = await startSetUp();
    await disk.setReadOnly(true);
    const findings = await setUp.examine({ env: { DATA_DIR: disk.path } });
    assertFinding(findings, 'data', 'broken', /cannot write to .*\(EROFS\)/, /SD card/);
  });
});

describe('a login', () => {
  it('that Withings rejects must be linked again, and the program exits 1', async () => {
    await using setUp = await startSetUp();
    setUp.home.sandbox.grants.unlink(PERSON);
    const { code, findings } = await run(setUp, { USER_NAMES: '1234:Anna' });
    assert.equal(code, 1);
    assertFinding(findings, 'login', 'broken', /Anna \(1234\) must link again/, /weighbridge login/);
    assertOnlyBroken(findings, 'login');
  });

  it('in a file without a token is broken, and all others are checked', async () => {
    await using setUp = await startSetUp();
    await writeFile(join(setUp.tokens, '99'), '\n', { mode: 0o600 });
    const findings = await setUp.examine();
    assertFinding(findings, 'login', 'broken', /User 99 must link again: .*is empty/, /weighbridge login/);
    assertFinding(findings, 'login', 'ok', /1234: OK, the access token/);
  });

  it('in a file with the name of another person is broken', async () => {
    await using setUp = await startSetUp();
    await rename(join(setUp.tokens, PERSON), join(setUp.tokens, '99'));
    const hint = /^Rename the file to 1234\. Or run "weighbridge login"\.$/;
    assertFinding(await setUp.examine(), 'login', 'broken', /^User 99 must link again: .* belongs to user 1234$/, hint);
  });

  it('that works although it was rejected is a warning', async () => {
    await using setUp = await startSetUp();
    const people = join(setUp.data, 'people');
    await mkdir(people, { mode: 0o700 });
    const person = { needs_login: { since: '2026-11-20T06:00:00Z', reason: 'refused' } };
    await writeFile(join(people, PERSON), JSON.stringify(person), { mode: 0o600 });
    assertFinding(await setUp.examine(), 'login', 'warning', /rejected the login on 2026-11-20/, /within the hour/);
  });

  it('of an unknown person is a warning', async () => {
    await using setUp = await startSetUp();
    await rm(join(setUp.tokens, PERSON));
    assertFinding(await setUp.examine(), 'login', 'warning', /no person is linked/, /weighbridge login/);
  });
});

it('a login without a scope that APPLIS needs is a warning that names the scope', async () => {
  await using setUp = await startSetUp();
  const needs = /1234: the login lacks the scope user\.sleepevents, which APPLIS needs/;
  const findings = await setUp.examine({ env: { APPLIS: '1,50,51' } });
  assertFinding(findings, 'login', 'warning', needs, /weighbridge login/);
});

describe('a subscription', () => {
  const foreign = { appli: 1, callbackurl: 'https://home.example.net/api/webhook/1', comment: null };

  it('that is missing is broken, and names the command', async () => {
    await using setUp = await startSetUp();
    setUp.subscriptions = [foreign];
    const findings = await setUp.examine({ env: { APPLIS: '1,4' } });
    const text = /1234: not subscribed to weight \(1\), blood pressure \(4\)/;
    assertFinding(findings, 'subscription', 'broken', text, /weighbridge subscribe 1234/);
    assertOnlyBroken(findings, 'subscription');
  });

  it('that was removed on purpose is a warning', async () => {
    await using setUp = await startSetUp();
    setUp.subscriptions = [];
    await mkdir(join(setUp.data, 'people'), { recursive: true });
    await writeFile(join(setUp.data, 'people/1234'), '{"leave_unsubscribed":true}\n', { mode: 0o600 });
    const findings = await setUp.examine();
    assertFinding(findings, 'subscription', 'warning', /notifications are off/, /weighbridge subscribe 1234/);
    assertOnlyBroken(findings);
  });

  it('to an old URL of weighbridge is a warning', async () => {
    await using setUp = await startSetUp();
    const old = {
      appli: 1,
      callbackurl: 'https://me.example.org/withingsWebhook/old-secret-11',
      comment: 'weighbridge',
    };
    setUp.subscriptions = [...setUp.subscriptions, old];
    const findings = await setUp.examine();
    assertFinding(findings, 'subscription', 'warning', /an old URL/, /weighbridge subscribe 1234/);
    assert.doesNotMatch(JSON.stringify(findings), /old-secret/);
  });

  it('that exists twice, or belongs to another program, is fine', async () => {
    await using setUp = await startSetUp();
    setUp.subscriptions = [...setUp.subscriptions, ...setUp.subscriptions, foreign];
    const findings = await setUp.examine();
    assertFinding(findings, 'subscription', 'ok', /also to home\.example\.net\)$/);
  });

  it('list that was just requested is requested again after the required pause', async () => {
    let refusals = 0;
    await using setUp = await startSetUp({
      fault: ({ form }, answer) => {
        if (form.get('action') !== 'list' || answer === undefined) return undefined;
        refusals += 1;
        const profiles = [{ appli: 1, callbackurl: `https://me.example.org${CALLBACK_PATH}`, comment: null }];
        return refusals === 1
          ? { text: JSON.stringify({ status: 601, body: {}, error: 'Same arguments in less than 10 seconds' }) }
          : { text: JSON.stringify({ status: 0, body: { profiles } }) };
      },
    });
    const findings = await setUp.examine({ clock: createQuickClock() });
    assertFinding(findings, 'subscription', 'ok', /subscribed to weight/);
  });
});

describe('the port', () => {
  it('that another program uses is broken, and the program exits 1', async () => {
    await using setUp = await startSetUp();
    subscribeLocally(setUp);
    const stranger = createServer((_request, response) => void response.end('hello'));
    stranger.listen(setUp.port, '127.0.0.1');
    await once(stranger, 'listening');
    try {
      const { code, findings } = await run(setUp);
      assert.equal(code, 1);
      assertFinding(findings, 'daemon', 'broken', /another program uses port/, new RegExp(`sport = :${setUp.port}`));
      assertOnlyBroken(findings, 'daemon');
    } finally {
      stranger.closeAllConnections();
      stranger.close();
    }
  });

  it('of a daemon with another secret in its settings is broken as well', async () => {
    await using setUp = await startSetUp();
    await using _daemon = await setUp.home.serve({ ...setUp.env, WITHINGS_CLIENT_SECRET: 'the-secret-of-last-week' });
    const findings = await setUp.examine({ clock: createQuickClock() });
    assertFinding(findings, 'daemon', 'broken', /different settings/, /Restart weighbridge/);
  });

  it('of the status page that does not answer is a warning, and so is one that reports problems', async () => {
    await using setUp = await startSetUp();
    await using _daemon = await setUp.home.serve(setUp.env);
    await using sick = await startScriptedServer(http(503), http(200));
    const findings = await setUp.examine({ env: { STATUS_PORT: sick.url.port } });
    assertFinding(findings, 'daemon', 'warning', /reports problems/, /weighbridge healthz/);
    assertFinding(await setUp.examine({ env: { STATUS_PORT: sick.url.port } }), 'daemon', 'ok', /status port answers/);
    assertFinding(
      await setUp.examine({ env: { STATUS_PORT: '9' } }),
      'daemon',
      'warning',
      /does not answer/,
      /STATUS_/,
    );
  });
});

describe('the way in', () => {
  for (const [what, addresses, text] of [
    ['private', ['192.168.1.5', 'fd00::5'], /leads to 192\.168\.1\.5, fd00::5/],
    ['this machine’s own', ['127.0.1.1'], /leads to 127\.0\.1\.1/],
  ] as const) {
    it(`under a name with only addresses that are ${what} is broken`, async () => {
      await using setUp = await startSetUp();
      const findings = await setUp.examine({ network: { resolve: async () => addresses } });
      assertFinding(findings, 'dns', 'broken', text, /public address/);
      assertOnlyBroken(findings, 'dns');
    });
  }

  for (const [code, text] of [
    ['ENOTFOUND', /DNS knows no address of me\.example\.org/],
    ['ETIMEOUT', /DNS does not answer/],
  ] as const) {
    it(`under an unresolvable name (${code}) is broken`, async () => {
      await using setUp = await startSetUp();
      const resolve = () => Promise.reject(Object.assign(new Error('no'), { code }));
      const findings = await setUp.examine({ network: { resolve } });
      assertFinding(findings, 'dns', 'broken', text, /./);
      assertOnlyBroken(findings, 'dns');
    });
  }

  it('with an expired certificate is broken', async () => {
    await using setUp = await startSetUp();
    await using tls = await startTlsServer('expired');
    const findings = await setUp.examine({ network: { certificateOf: (url) => tls.look(url, { trusted: true }) } });
    assertFinding(findings, 'certificate', 'broken', /^expired on 2021-01-01/, /renew/);
    assertOnlyBroken(findings, 'certificate');
  });

  it('with a self-signed certificate is broken', async () => {
    await using setUp = await startSetUp();
    await using tls = await startTlsServer('valid');
    const findings = await setUp.examine({ network: { certificateOf: (url) => tls.look(url) } });
    assertFinding(findings, 'certificate', 'broken', /self-signed/, /Let's Encrypt/);
  });

  it('with a certificate for another name is broken', async () => {
    await using setUp = await startSetUp();
    const env = { CALLBACK_URL: `https://you.example.org${CALLBACK_PATH}` };
    assertFinding(await setUp.examine({ env }), 'certificate', 'broken', /another name/, /CALLBACK_URL/);
  });

  it('without an answer is broken', async () => {
    await using setUp = await startSetUp();
    const certificateOf = () => Promise.reject(Object.assign(new Error('no'), { code: 'ECONNREFUSED' }));
    const findings = await setUp.examine({ network: { certificateOf } });
    assertFinding(findings, 'callback', 'broken', /nothing answers at CALLBACK_URL \(ECONNREFUSED\)/, /port 443/);
    assertOnlyBroken(findings, 'callback');
  });

  for (const [answer, text, remedy] of [
    [http(200, {}, 'a login page'), /200, but not from this weighbridge/, /private window/],
    [http(404), /404: .*not on this path/, /WEBHOOK_PATH/],
    [http(502), /502: .*cannot reach weighbridge/, /http:\/\/127\.0\.0\.1:/],
    [http(405), /405: Withings needs 200/, /Another program answers/],
    [http(204), /204: Withings needs 200/, /Another program answers/],
    [http(403), /403: something on the way requires a login/, /bot protection/],
    [http(530), /530: Cloudflare/, /cloudflared/],
    [
      http(301, { location: `https://www.example.org${CALLBACK_PATH}` }),
      /redirected to https:\/\/www\.example\.org \(301\)/,
      /CALLBACK_URL/,
    ],
    [http(308, { location: `${CALLBACK_PATH}/` }), /redirected to another path \(308\)/, /slash/],
  ] as const) {
    it(`is broken if ${text}`, async () => {
      await using setUp = await startSetUp();
      await using proxy = await startScriptedServer(answer);
      const probe: typeof probeCallback = (url, prove) =>
        probeCallback(url.replace('https://me.example.org', proxy.url.origin), prove);
      const findings = await setUp.examine({ network: { probe } });
      assertFinding(findings, 'callback', 'broken', text, remedy);
      assertOnlyBroken(findings, 'callback');
      assert.ok(!JSON.stringify(findings).includes(URL_SECRET));
    });
  }

  for (const [ms, mark] of [
    [1_400, 'warning'],
    [2_600, 'broken'],
  ] as const) {
    it(`that takes ${ms} ms is ${mark}`, async () => {
      await using setUp = await startSetUp();
      const probe = async () => ({
        status: 200,
        isOurs: true,
        isHere: true,
        location: undefined,
        ms,
        error: undefined,
      });
      const findings = await setUp.examine({ network: { probe } });
      assertFinding(findings, 'callback', mark, /but Withings allows 2 s/, /too busy/);
    });
  }
});

describe('the output', () => {
  it('contains no secret, in text and in JSON, whatever is wrong', async () => {
    await using setUp = await startSetUp();
    const secrets = [CLIENT.clientSecret, URL_SECRET, 'hush-password', (await setUp.home.tokenFile(PERSON)).trim()];
    const env = {
      ...local(setUp),
      STATUS_PASSWORD: 'hush-password',
      WEBHOOK_PATH: '/elsewhere-hush',
      STATUS_PORT: '9',
    };
    for (const args of [['doctor'], ['doctor', '--json']]) {
      const { stdout, stderr } = await setUp.home.start(env, args).exited;
      assert.match(stdout, /login/);
      for (const secret of [...secrets, 'hush', (await setUp.home.tokenFile(PERSON)).trim()]) {
        assert.ok(!(stdout + stderr).includes(secret), `${secret} in ${stdout}${stderr}`);
      }
    }
  });

  it('is a mark and a line for each finding, and a line with the fix', async () => {
    await using setUp = await startSetUp();
    subscribeLocally(setUp);
    const { code, stdout, stderr } = await setUp.home.start({ ...local(setUp), LOG_LEVEL: 'info' }, ['doctor']).exited;
    assert.equal(code, 0);
    assert.equal(stderr, '0 problems, 2 warnings, 10 ok\n');
    const lines = stdout.trimEnd().split('\n');
    assert.equal(lines.length, 12 + 2);
    for (const line of lines) assert.match(line, /^([✓!✗] [a-z]+ +\S| {2,}→ \S)/);
    assert.ok(!stdout.includes('\u001b'));
  });

  it('has colours if the terminal supports them', async () => {
    await using directory = await temporaryDirectory();
    const printed: string[] = [];
    const code = await doctor(
      createShell({
        env: { WITHINGS_API_URL: 'http://127.0.0.1:9', TOKENS_DIR: directory.path, DATA_DIR: directory.path },
        print: (line) => void printed.push(line),
        colour: true,
      }),
      {},
    );
    assert.equal(code, 1);
    assert.ok(printed[0]?.startsWith('\u001b[31m✗\u001b[0m settings '), printed[0]);
    assert.ok(printed.some((line) => line.startsWith('\u001b[32m✓\u001b[0m flock ')));
  });
});

describe('at its start the daemon', () => {
  it('logs each warning that needs no network once', async () => {
    await using setUp = await startSetUp();
    await writeFile(join(setUp.tokens, 'Anna'), 'a-token\n');
    await using daemon = await setUp.home.serve({
      ...setUp.env,
      CALLBACK_URL: `https://scale.local:8443${CALLBACK_PATH}`,
    });
    await daemon.line(({ event, check }) => event === 'doctor' && check === 'tokens');
    const warnings = daemon.lines.filter(({ event }) => event === 'doctor');
    assert.deepEqual(
      warnings.map(({ level, check }) => [level, check]),
      [
        ['warn', 'callback'],
        ['warn', 'callback'],
        ['warn', 'tokens'],
      ],
    );
    assert.match(String(warnings[0]?.['text']), /scale\.local.*\. Use an https URL/);
    assert.match(String(warnings[1]?.['text']), /port 8443.*\. Forward port 443/);
    assert.match(String(warnings[2]?.['text']), /tokens\/Anna/);
  });

  it('logs nothing if all checks pass', async () => {
    await using setUp = await startSetUp();
    await using daemon = await setUp.home.serve(setUp.env);
    await daemon.line(({ event }) => event === 'fetched');
    assert.deepEqual(
      daemon.lines.filter(({ event }) => event === 'doctor'),
      [],
    );
  });
});
