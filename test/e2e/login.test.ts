import { strict as assert } from 'node:assert';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SandboxOptions } from '../../src/sandbox/sandbox.ts';
import { browse, consent, linkOf } from '../support/browser.ts';
import { freePort } from '../support/free-port.ts';
import { CALLBACK_PATH, CLIENT, type Home, startHome } from '../support/home.ts';

const secondsAgo = (seconds: number) => Math.floor(Date.now() / 1000) - seconds;

/** A home with a callback URL that is reachable on this machine. */
async function setUp(options: Partial<SandboxOptions> = {}) {
  const home = await startHome(options);
  const port = await freePort();
  const env = {
    PORT: `${port}`,
    CALLBACK_URL: `http://127.0.0.1:${port}${CALLBACK_PATH}`,
    USER_NAMES: '1234:Anna,5678:<b>Bo</b>',
  };
  return {
    ...home,
    env,
    serve: (more: Readonly<Record<string, string>> = {}) => home.serve({ ...env, ...more }),
    login: (...args: readonly string[]) =>
      home.start({ ...env, LOG_FORMAT: 'text', LOG_LEVEL: 'info' }, ['login', ...args]),
    subscriptions: (userId: string) => home.sandbox.subscriptions.of(userId),
  };
}

async function assertLinked(home: Home, userId: string) {
  const token = (await home.tokenFile(userId)).trim();
  assert(home.sandbox.grants.accepts(token), 'the stored login works');
}

describe('weighbridge login', { concurrency: true }, () => {
  test('next to a running daemon links, subscribes, shows the last weight, and logs the next weigh-in', async () => {
    await using home = await setUp();
    home.sandbox.store('1234', { kilograms: 81.25, date: secondsAgo(3_000) });
    await using daemon = await home.serve();
    await using login = home.login();
    const page = await browse(await linkOf(login));
    assert.equal(page.status, 200);
    assert.match(page.text, /Anna is linked/);
    assert.match(page.text, /81\.25 kg/);
    const { code, stderr } = await login.exited;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /Anna \(1234\) is linked/);
    await assertLinked(home, '1234');
    assert.deepEqual(
      home.subscriptions('1234').map(({ appli, callbackurl }) => [appli, callbackurl]),
      [[1, home.env.CALLBACK_URL]],
    );
    void home.sandbox.weigh('1234', { kilograms: 81.65, date: secondsAgo(60) });
    await daemon.line(({ event, weight }) => event === 'reading' && weight === 81.65);
  });

  test('without a daemon answers the browser, and a daemon started later logs the next weigh-in', async () => {
    await using home = await setUp();
    home.sandbox.store('1234', { kilograms: 81.25, date: secondsAgo(3_000) });
    {
      await using login = home.login();
      const page = await browse(await linkOf(login));
      assert.match(page.text, /81\.25 kg/);
      const { code, stderr } = await login.exited;
      assert.equal(code, 0, stderr);
      assert.match(stderr, /81\.25 kg/);
      assert.match(stderr, /To fetch the weigh-ins of all past years, run "weighbridge backfill 1234"/);
      assert.match(page.text, /“weighbridge backfill 1234”/);
    }
    await assertLinked(home, '1234');
    await using daemon = await home.serve();
    void home.sandbox.weigh('1234', { kilograms: 81.65, date: secondsAgo(60) });
    await daemon.line(({ event, weight }) => event === 'reading' && weight === 81.65);
  });

  test('links a second person, and the first one again, while the daemon runs', async () => {
    await using home = await setUp();
    await using daemon = await home.serve();
    for (const [userId, said] of [
      ['1234', /<h1>Anna is linked</],
      ['5678', /&#60;b&#62;Bo&#60;\/b&#62; is linked</],
      ['1234', /Anna is linked again</],
    ] as const) {
      await using login = home.login();
      const page = await browse(await consent(await linkOf(login), userId));
      assert.match(page.text, said);
      assert.equal((await login.exited).code, 0);
      await assertLinked(home, userId);
      assert.equal(home.subscriptions(userId).length, 1);
      void home.sandbox.weigh(userId, { kilograms: 70, date: secondsAgo(60) });
      await daemon.line(({ event, userid }) => event === 'reading' && userid === userId);
    }
  });

  const LINKED_ALREADY =
    /Anna was already linked\. To link another person, (?:<[^>]*>)?log out at Withings(?:<[^>]*>)? first, or use a private window\./;

  /** Returns the target of the link for another person after the log-out. */
  function afterLogout(address: string | undefined): URL {
    const link = new URL(address ?? '');
    assert.equal(link.pathname, '/logout');
    assert.deepEqual([...link.searchParams.keys()], ['r']);
    return new URL(link.searchParams.get('r') ?? '');
  }

  for (const who of ['a daemon', 'login alone']) {
    test(`reports that a person was already linked, and how to link another one: ${who}`, async () => {
      await using home = await setUp();
      await home.link('1234');
      const daemon = who === 'a daemon' ? await home.serve() : undefined;
      await using login = home.login();
      const link = await linkOf(login);
      const page = await browse(await consent(link, '1234'));
      assert.match(page.text, /Anna is linked again/);
      assert.match(page.text, LINKED_ALREADY);
      assert.doesNotMatch(page.text, /backfill/);
      const [, href] = /<a href="([^"]*)">log out at Withings/.exec(page.text) ?? [];
      const { code, stderr } = await login.exited;
      assert.equal(code, 0, stderr);
      assert.match(stderr, LINKED_ALREADY);
      const printed = stderr.split('\n').filter((line) => URL.canParse(line));
      assert.equal(printed.length, 1, 'one line is the link and nothing else');
      const next = [href?.replaceAll('&#38;', '&'), printed[0]].map(afterLogout);
      for (const each of next) {
        assert.equal(each.href.split('?')[0], link.href.split('?')[0]);
        assert.notEqual(each.searchParams.get('state'), link.searchParams.get('state'));
      }
      await using _daemon = daemon ?? (await home.serve());
      // Without a daemon, the page and the terminal have the same link, which is valid for one person.
      for (const [at, userId] of (daemon ? ['5678', '9999'] : ['5678']).entries()) {
        const { text } = await browse(await consent(next[at] ?? '', userId));
        assert.match(text, /is linked</);
        assert.doesNotMatch(text, /already linked/);
        await assertLinked(home, userId);
      }
    });

    test(`does not report that if the person had to link again: ${who}`, async () => {
      await using home = await setUp();
      await writeFile(join(home.directory, 'tokens/1234'), 'refused\n');
      const needs_login = { since: '2026-11-20T05:00:00.000Z', reason: 'refused' };
      await mkdir(join(home.directory, 'data/people'), { recursive: true });
      await writeFile(join(home.directory, 'data/people/1234'), JSON.stringify({ needs_login }));
      await using _daemon = who === 'a daemon' ? await home.serve() : undefined;
      await using login = home.login();
      const page = await browse(await consent(await linkOf(login), '1234'));
      assert.doesNotMatch(page.text, /already linked/);
      const { stderr } = await login.exited;
      assert.doesNotMatch(stderr, /already linked/);
    });
  }

  test('shows a weight of last month if there is no newer one, and stores no history', async () => {
    await using home = await setUp();
    for (const [days, kilograms] of [
      [50, 84],
      [20, 82],
      [300, 90],
    ] as const) {
      const [group] = home.sandbox.store('1234', { kilograms, date: secondsAgo(days * 86_400) });
      assert(group);
      home.sandbox.measures.put('1234', { ...group, modified: group.date });
    }
    await using login = home.login();
    const page = await browse(await linkOf(login));
    assert.match(page.text, /82\.00 kg/);
    assert.equal((await login.exited).code, 0);
  });

  test('reports a missing weight, and names the membership that Withings may require', async () => {
    await using home = await setUp();
    await using login = home.login();
    const page = await browse(await linkOf(login));
    assert.match(page.text, /no weight of the past year/);
    assert.match(page.text, /Withings\+ membership/);
  });

  test('--no-subscribe leaves the subscriptions unchanged', async () => {
    await using home = await setUp();
    await using login = home.login('--no-subscribe');
    assert.match((await browse(await linkOf(login))).text, /Notifications<\/dt><dd>Off\./);
    assert.equal((await login.exited).code, 0);
    assert.deepEqual(home.subscriptions('1234'), []);
  });

  test('--no-subscribe and unsubscribe hold next to a daemon too, until the next subscribe', async () => {
    await using home = await setUp();
    await using daemon = await home.serve({ RECONCILE_INTERVAL: '1m' });
    {
      await using login = home.login('--no-subscribe');
      await browse(await linkOf(login));
    }
    await daemon.line(({ event, userid }) => event === 'linked' && userid === '1234');
    const quiet = { ...home.env, LOG_FORMAT: 'text', LOG_LEVEL: 'warn' };
    const run = async (...args: readonly string[]) => {
      const { code, stderr } = await home.start(quiet, args).exited;
      assert.equal(code, 0);
      return stderr;
    };
    const state = async () => JSON.parse(await readFile(join(home.directory, 'data/people/1234'), 'utf8'));
    assert.equal((await state()).leave_unsubscribed, true);
    assert.match(await run('subscribe', '1234'), /^Anna \(1234\): subscribed to notifications about weight \(1\)\n$/m);
    assert.equal((await state()).leave_unsubscribed, undefined);
    assert.equal(home.subscriptions('1234').length, 1);
    assert.match(await run('unsubscribe', '1234'), /^Anna \(1234\): unsubscribed from notifications\n$/m);
    assert.equal((await state()).leave_unsubscribed, true);
    assert.equal(home.subscriptions('1234').length, 0);
  });

  test('subscriptions says whose each one is', async () => {
    await using home = await setUp({ limits: { callsPerMinute: 1_000, sameArgumentsMs: 0 } });
    await using _daemon = await home.serve();
    {
      await using login = home.login();
      await browse(await linkOf(login));
      assert.equal((await login.exited).code, 0);
    }
    const url = home.env.CALLBACK_URL;
    for (const [callback, whose] of [
      [url, 'this weighbridge'],
      [`${url}?secret=old`, 'this weighbridge, outdated'],
      ['https://me.example.org/withingsWebhook', 'another program'],
    ] as const) {
      const { code, stdout } = await home.start({ ...home.env, CALLBACK_URL: callback }, ['subscriptions']).exited;
      assert.deepEqual([code, stdout], [0, `Anna (1234)  weight (1)  ${new URL(url).host}  ${whose}\n`]);
    }
  });

  test('two at once each end with their own person, and the second takes over from the first', async () => {
    await using home = await setUp();
    await using first = home.login();
    const links = [await linkOf(first)];
    await using second = home.login();
    links.push(await linkOf(second));
    assert.match((await browse(await consent(links[0] ?? '', '1234'))).text, /(?:Anna|1234) is linked/);
    assert.equal((await first.exited).code, 0);
    const landed = await consent(links[1] ?? '', '5678');
    for (;;) {
      const page = await browse(landed).catch(() => undefined);
      if (page !== undefined) {
        assert.match(page.text, /(?:Bo\S*|5678) is linked/);
        break;
      }
      await sleep(200);
    }
    assert.equal((await second.exited).code, 0);
  });

  test('next to a daemon with another directory for logins reports that, and creates no directories', async () => {
    await using home = await setUp();
    await using _daemon = await home.serve();
    const elsewhere = { ...home.env, TOKENS_DIR: './other-tokens', DATA_DIR: './other-data', LOG_FORMAT: 'text' };
    const { code, stderr } = await home.start(elsewhere, ['login']).exited;
    assert.equal(code, 1);
    assert.match(stderr, /uses a different TOKENS_DIR/);
    await assert.rejects(stat(join(home.directory, 'other-tokens')));
  });

  test('stores the login although the daemon stops meanwhile, and reports no bug', async () => {
    let hold = true;
    await using home = await setUp({
      fault: ({ form }, answer) =>
        hold && answer === undefined && form.get('action') === 'getmeas' ? 'hang' : undefined,
    });
    await using daemon = await home.serve();
    await using login = home.login();
    const page = browse(await linkOf(login)).catch(() => undefined);
    await daemon.line(({ event }) => event === 'linked');
    daemon.child.kill('SIGTERM');
    const { code, stdout } = await daemon.exited;
    hold = false;
    assert.equal(code, 0);
    assert.doesNotMatch(stdout, /bug in weighbridge/);
    assert.doesNotMatch((await page)?.text ?? '', /bug in weighbridge|file:/);
    await assertLinked(home, '1234');
  });

  test('--demo-user links the demo account', async () => {
    await using home = await setUp();
    await using login = home.login('--demo-user');
    assert.equal((await linkOf(login)).searchParams.get('mode'), 'demo');
  });

  test('--paste accepts the address that the browser could not open', async () => {
    await using home = await setUp();
    await using login = home.typed(home.env, ['login', '--paste', '--no-subscribe']);
    const landed = await consent(await linkOf(login));
    login.child.stdin?.write(`not an address\n${landed.href}\n`);
    const { code, stderr } = await login.exited;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /Paste the rest, or the whole address/);
    await assertLinked(home, '1234');
  });

  for (const [how, type] of [
    ['in quotes and with spaces', (url) => `  "${url}" \n`],
    ['with line breaks in it', (url) => `${url.slice(0, 60)}\n  ${url.slice(60, 90)}\n${url.slice(90)}\n`],
    ['after a part of it', (url) => `${url.slice(0, -9)}\n${url}\n`],
    ['in typographic quotes', (url) => `“${url}”\n`],
  ] satisfies readonly (readonly [string, (url: string) => string])[]) {
    test(`--paste accepts the address ${how}`, async () => {
      await using home = await setUp();
      await using login = home.typed(home.env, ['login', '--paste', '--no-subscribe']);
      login.child.stdin?.write(type((await consent(await linkOf(login))).href));
      const { code, stderr } = await login.exited;
      assert.equal(code, 0, stderr);
      await assertLinked(home, '1234');
    });
  }

  test('--paste reports missing input at the end of the input', async () => {
    await using home = await setUp();
    await using login = home.typed(home.env, ['login', '--paste']);
    await linkOf(login);
    login.child.stdin?.end('half an address\n');
    const { code, stderr } = await login.exited;
    assert.equal(code, 1);
    assert.match(stderr, /error: the input ended, and no person was linked/);
  });

  for (const args of [[], ['--paste']]) {
    test(`Ctrl-C is not an error: login ${args.join(' ')}`, async () => {
      await using home = await setUp();
      await using login = home.typed({ ...home.env, LOG_FORMAT: 'text' }, ['login', ...args]);
      await linkOf(login);
      login.child.kill('SIGINT');
      const { code, stderr } = await login.exited;
      assert.equal(code, 1);
      assert.match(stderr, /Stopped\. No person was linked\.\n$/);
      assert.doesNotMatch(stderr, /error|bug in weighbridge/);
    });
  }

  test('answers the browser itself if the daemon stops meanwhile', async () => {
    await using home = await setUp();
    const daemon = await home.serve();
    await using login = home.login();
    const link = await linkOf(login);
    daemon.child.kill('SIGTERM');
    await daemon.exited;
    while (!/This command handles the browser now/.test(login.output())) await sleep(100);
    assert.match((await browse(link)).text, /(?:Anna|1234) is linked/);
    const { code, stdout } = await login.exited;
    assert.equal(code, 0);
    assert.equal(stdout.split('\n').filter((line) => URL.canParse(line)).length, 1, 'the link is shown once');
    await assertLinked(home, '1234');
  });

  test('names the taken port if another program replaces the daemon', async () => {
    await using home = await setUp();
    const daemon = await home.serve();
    await using login = home.login();
    await linkOf(login);
    // A daemon that hangs keeps the port, and does not answer.
    daemon.child.kill('SIGSTOP');
    const { code, stderr } = await login.exited;
    daemon.child.kill('SIGKILL');
    await daemon.exited;
    assert.equal(code, 1);
    assert.match(stderr, /EADDRINUSE/);
  });

  test('names the taken port if another program uses it', async () => {
    await using home = await setUp();
    const other = createServer((_request, response) => response.end('another program')).listen(Number(home.env.PORT));
    try {
      await using login = home.login();
      const { code, stdout, stderr } = await login.exited;
      assert.equal(code, 1);
      assert.equal(stdout, '');
      assert.match(stderr, new RegExp(`:${home.env.PORT} .*EADDRINUSE.*set PORT`));
    } finally {
      other.close();
    }
  });

  test('without CALLBACK_URL is a configuration error', async () => {
    await using home = await setUp();
    const { code, stderr } = await home.start({ ...home.env, CALLBACK_URL: '' }, ['login']).exited;
    assert.equal(code, 78);
    assert.match(stderr, /CALLBACK_URL or REDIRECT_URL is required to link a person/);
  });

  test('links despite an unreachable callback URL, explains the effect, and repairs it later', async () => {
    await using home = await setUp({
      fault: ({ form }, answer) =>
        answer === undefined && form.get('action') === 'subscribe'
          ? { text: JSON.stringify({ status: 293, body: {}, error: 'callback url not reachable' }) }
          : undefined,
    });
    await using daemon = await home.serve();
    await using login = home.login();
    const page = await browse(await linkOf(login));
    assert.match(page.text, /is linked/);
    assert.match(page.text, /a HEAD request must return 200/);
    assert.doesNotMatch(page.text, new RegExp(CALLBACK_PATH));
    await assertLinked(home, '1234');
    await daemon.line(({ event }) => event === 'linked');
  });
});

describe('the page names the failure, and no login is stored or replaced:', { concurrency: true }, () => {
  /** Starts a daemon with a linked person and an opened link. */
  async function opened(options: Partial<SandboxOptions> = {}, more: Readonly<Record<string, string>> = {}) {
    const home = await setUp(options);
    const before = await home.link('1234');
    const daemon = await home.serve(more);
    await daemon.line(({ event }) => event === 'fetched');
    const login = home.login();
    const landed = await consent(await linkOf(login));
    const stored = await home.tokenFile('1234');
    assert.notEqual(stored.trim(), before);
    return {
      ...home,
      landed,
      daemon,
      async refused(url: URL, said: RegExp) {
        const page = await browse(url);
        assert.equal(page.status, 400, page.text);
        assert.match(page.text, said);
        assert.match(page.text, /Nothing was stored/);
        assert.equal(await home.tokenFile('1234'), stored, 'the login that was there is still there');
      },
      async [Symbol.asyncDispose]() {
        await login[Symbol.asyncDispose]();
        await daemon[Symbol.asyncDispose]();
        await home[Symbol.asyncDispose]();
      },
    };
  }

  const change = (url: URL, changes: Readonly<Record<string, string | undefined>>) => {
    const changed = new URL(url);
    for (const [name, value] of Object.entries(changes)) {
      if (value === undefined) changed.searchParams.delete(name);
      else changed.searchParams.set(name, value);
    }
    return changed;
  };
  const exchanges = (calls: readonly string[]) => calls.filter((grant) => grant === 'authorization_code').length;

  test('a state that is missing, forged, or signed with another secret', async () => {
    const grants: string[] = [];
    await using place = await opened({ onCall: ({ form }) => grants.push(form.get('grant_type') ?? '') });
    const state = place.landed.searchParams.get('state') ?? '';
    await place.refused(change(place.landed, { state: undefined }), /only a part/);
    await place.refused(change(place.landed, { state: 'by-hand' }), /did not make the link/);
    await place.refused(change(place.landed, { state: `${state.slice(0, -2)}AA` }), /did not make the link/);
    await place.refused(change(place.landed, { state: state.replace('.s.', '.n.') }), /did not make the link/);
    assert.equal(exchanges(grants), 0, 'no code was used up');
  });

  test('a code that Withings rejects as unknown or expired', async () => {
    await using place = await opened();
    await place.refused(change(place.landed, { code: '0123456789abcdef' }), /30 seconds for a sign-in/);
    // The same link may be opened again: the person was only too slow.
    assert.match((await browse(place.landed)).text, /is linked again/);
  });

  test('the same code once more after it has failed', async () => {
    const grants: string[] = [];
    await using place = await opened({ onCall: ({ form }) => grants.push(form.get('grant_type') ?? '') });
    const wrong = change(place.landed, { code: '0123456789abcdef' });
    await place.refused(wrong, /30 seconds for a sign-in/);
    // The page has the same text after a reload, and no request is sent again.
    await place.refused(wrong, /30 seconds for a sign-in/);
    assert.equal(exchanges(grants), 1);
  });

  test('a wrong client secret', async () => {
    await using place = await opened({
      fault: ({ form }, answer) =>
        answer === undefined && form.get('grant_type') === 'authorization_code'
          ? { text: JSON.stringify({ status: 503, body: {}, error: 'Invalid Params: invalid client id/secret' }) }
          : undefined,
    });
    await place.refused(place.landed, /client id or the client secret of weighbridge is wrong/);
  });

  test('a redirect URL that is not the registered one', async () => {
    await using place = await opened({
      fault: ({ form }, answer) =>
        answer === undefined && form.get('grant_type') === 'authorization_code'
          ? { text: JSON.stringify({ status: 503, body: {}, error: 'Invalid Params: invalid redirect_uri' }) }
          : undefined,
    });
    await place.refused(place.landed, /is not the callback URL of the Withings application/);
  });

  test('an unreachable Withings', async () => {
    await using place = await opened({
      fault: ({ form }) => (form.get('grant_type') === 'authorization_code' ? 'cut' : undefined),
    });
    await place.refused(place.landed, /did not answer as expected/);
  });

  test('a person who declines', async () => {
    await using place = await opened();
    await place.refused(change(place.landed, { code: undefined, error: 'access_denied' }), /did not get your consent/);
  });

  test('a used link names the linked person to every visitor', async () => {
    const grants: string[] = [];
    await using home = await setUp({ onCall: ({ form }) => grants.push(form.get('grant_type') ?? '') });
    await using _daemon = await home.serve();
    await using login = home.login();
    const link = await linkOf(login);
    const landed = await consent(link);
    assert.match((await browse(landed)).text, /is linked/);
    const stored = await home.tokenFile('1234');
    for (const again of [landed, await consent(link), await consent(link, '5678')]) {
      const page = await browse(again);
      assert.equal(page.status, 409);
      assert.match(page.text, /This link was used before: Anna is linked/);
    }
    assert.equal(exchanges(grants), 1);
    assert.equal(await home.tokenFile('1234'), stored);
    await assert.rejects(home.tokenFile('5678'));
  });
});

test('a link that linked a person links no other person after a restart', async () => {
  await using home = await setUp();
  let landed: URL;
  {
    await using _daemon = await home.serve();
    await using login = home.login();
    const link = await linkOf(login);
    landed = await consent(link);
    assert.equal((await browse(landed)).status, 200);
    landed = await consent(link, '5678');
  }
  await using _daemon = await home.serve();
  assert.equal((await browse(landed)).status, 409);
  await assert.rejects(home.tokenFile('5678'));
});

describe('a code is used only by the browser of the person:', { concurrency: true }, () => {
  test('a HEAD and a prefetch do not use it, and two simultaneous requests are one exchange', async () => {
    const grants: string[] = [];
    await using home = await setUp({ onCall: ({ form }) => grants.push(form.get('grant_type') ?? '') });
    await using _daemon = await home.serve();
    await using login = home.login();
    const landed = await consent(await linkOf(login));
    const head = await fetch(landed, { method: 'HEAD' });
    assert.deepEqual([head.status, await head.text()], [200, '']);
    for (const headers of [{ 'sec-purpose': 'prefetch' }, { purpose: 'prefetch' }]) {
      assert.equal((await fetch(landed, { headers })).status, 503);
    }
    assert.equal(grants.length, 0);
    const pages = await Promise.all([browse(landed), browse(landed)]);
    for (const page of pages) assert.match(page.text, /is linked/);
    assert.equal(grants.filter((grant) => grant === 'authorization_code').length, 1);
  });

  test('a link opened again after a closed page shows the result', async () => {
    let hold = true;
    await using home = await setUp({
      fault: ({ form }, answer) =>
        hold && answer === undefined && form.get('grant_type') === 'authorization_code' ? 'hang' : undefined,
    });
    await using daemon = await home.serve();
    await using login = home.login();
    const link = await linkOf(login);
    const landed = await consent(link);
    assert.equal((await fetch(landed)).status, 202);
    // Another code of the same link waits for the result of the first.
    const second = await consent(link);
    assert.equal((await fetch(second)).status, 202);
    hold = false;
    home.sandbox.hangUp();
    await daemon.line(({ event }) => event === 'link_failed');
    // The first code was sent, and its answer was lost, as the page reports. The second code is still unused.
    assert.match((await browse(landed)).text, /did not answer as expected/);
    assert.match((await browse(second)).text, /Anna is linked/);
    assert.match((await browse(landed)).text, /This link was used before: Anna is linked/);
  });

  test('during a slow exchange the page waits and reloads', async () => {
    let hold = true;
    await using home = await setUp({
      fault: ({ form }, answer) => (hold && answer !== undefined && form.get('action') === 'list' ? 'hang' : undefined),
    });
    await using _daemon = await home.serve();
    await using login = home.login();
    const landed = await consent(await linkOf(login));
    const page = await fetch(landed);
    assert.equal(page.status, 202);
    assert.match(await page.text(), /http-equiv="refresh"/);
    hold = false;
    await assertLinked(home, '1234');
  });

  test('without a daemon the command stays until the browser gets its result', async () => {
    let hold = true;
    await using home = await setUp({
      fault: ({ form }, answer) => (hold && answer !== undefined && form.get('action') === 'list' ? 'hang' : undefined),
    });
    await using login = home.login();
    const landed = await consent(await linkOf(login));
    assert.equal((await fetch(landed)).status, 202);
    hold = false;
    home.sandbox.hangUp();
    for (let looks = 0; looks < 600 && !/is linked/.test(login.output()); looks += 1) await sleep(100);
    // The page waits as long before it reloads.
    await sleep(3_000);
    assert.match((await browse(landed)).text, /(?:Anna|1234) is linked/);
    assert.equal((await login.exited).code, 0);
  });
});

test('the page is self-contained, cannot be cached, and sends no referrer', async () => {
  await using home = await setUp();
  await using _daemon = await home.serve();
  await using login = home.login();
  const answer = await fetch(await linkOf(login));
  const text = await answer.text();
  assert.equal(answer.headers.get('cache-control'), 'no-store');
  assert.equal(answer.headers.get('referrer-policy'), 'no-referrer');
  assert.match(answer.headers.get('content-security-policy') ?? '', /^default-src 'none'; style-src 'sha256-[^']+'/);
  assert.doesNotMatch(text, /<script|src=|href=/);
  assert.match(text, /<html lang="en">/);
  assert.match(text, /<h1>/);
  for (const secret of [CALLBACK_PATH, CLIENT.clientSecret, await home.tokenFile('1234')]) {
    assert(!text.includes(secret.trim()));
  }
});

test('a login that cannot be stored is not a success, and other logins stay', async () => {
  await using home = await setUp();
  await home.link('1234');
  await using _daemon = await home.serve();
  await using login = home.login();
  // A directory in the place of the token file: nothing can be written for this user.
  await mkdir(join(home.directory, 'tokens/5678'));
  const page = await browse(await consent(await linkOf(login), '5678'));
  assert.equal(page.status, 400);
  assert.match(page.text, /cannot write .*tokens\/5678/);
  await assert.rejects(home.tokenFile('5678'));
  await assertLinked(home, '1234');
});
