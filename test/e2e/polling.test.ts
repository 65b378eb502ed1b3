import { strict as assert } from 'node:assert';
import { describe, test } from 'node:test';
import { browse, consent, linkOf } from '../support/browser.ts';
import { freePort } from '../support/free-port.ts';
import { startHome } from '../support/home.ts';

const secondsAgo = (seconds: number) => Math.floor(Date.now() / 1000) - seconds;

interface Health {
  readonly status: string;
  readonly troubles: readonly unknown[];
  readonly users: readonly { readonly subscription: Readonly<Record<string, unknown>> }[];
}

describe('without CALLBACK_URL', { concurrency: true }, () => {
  test('a daemon polls, publishes new weigh-ins, and reports no trouble', async () => {
    await using home = await startHome();
    await home.link('1234');
    home.sandbox.store('1234', { kilograms: 81.25, date: secondsAgo(60) });
    const [port, statusPort] = [await freePort(), await freePort()];
    // The polls are seconds apart, so a weigh-in of a minute ago is fresh by the interval alone.
    const env = { PORT: `${port}`, STATUS_PORT: `${statusPort}`, POLL_INTERVAL: '2s', ANNOUNCE_MAX_AGE: '1s' };
    await using daemon = await home.serve(env);
    const started = await daemon.line(({ event }) => event === 'polling');
    assert.match(
      `${started['text']}`,
      /^CALLBACK_URL is not set, so Withings sends no notifications: polling every 2 s/,
    );
    await daemon.line(({ event, weight }) => event === 'reading' && weight === 81.25);
    home.sandbox.store('1234', { kilograms: 81.65, date: secondsAgo(20) });
    const polled = await daemon.line(({ event, weight }) => event === 'reading' && weight === 81.65);
    assert.equal(polled['late'], undefined);
    assert.doesNotMatch(daemon.output(), /"level":"(warn|error)".*(CALLBACK|polling)/);

    const answer = await fetch(`http://127.0.0.1:${statusPort}/healthz`);
    const health: Health = JSON.parse(await answer.text());
    assert.deepEqual([answer.status, health.status, health.troubles], [200, 'ok', []]);
    const { state, mode, poll_interval_s: seconds } = health.users[0]?.subscription ?? {};
    assert.deepEqual([state, mode, seconds], ['polling', 'polling every 2 s', 2]);

    const page = await (await fetch(`http://127.0.0.1:${statusPort}/`)).text();
    assert.match(page, /<summary class="pill well">OK</);
    assert.match(page, /polling every 2 s/);

    const users = await home.start(env, ['users']).exited;
    assert.match(users.stdout, /polling every 2 s \(no CALLBACK_URL\)/);

    const doctor = await home.start(env, ['doctor', '--json']).exited;
    assert.equal(doctor.code, 0, doctor.stdout);
    const findings: { check: string; mark: string; text: string }[] = doctor.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const ofCallback = findings.filter(({ check }) => check === 'callback' || check === 'subscription');
    assert.deepEqual(
      ofCallback.map(({ mark, text }) => [mark, text]),
      [['ok', 'polling every 2 s: CALLBACK_URL is not set']],
    );
  });

  for (const hasDaemon of [true, false])
    test(`login links in a browser on this computer, ${hasDaemon ? 'next to a daemon' : 'alone'}`, async () => {
      await using home = await startHome();
      home.sandbox.store('1234', { kilograms: 81.25, date: secondsAgo(3_000) });
      const port = await freePort();
      // The path that the daemon answers is the one of this URL.
      const env = { PORT: `${port}`, REDIRECT_URL: `http://127.0.0.1:${port}/back`, WEBHOOK_PATH: '' };
      await using _daemon = hasDaemon ? await home.serve(env) : undefined;
      await using login = home.start({ ...env, LOG_FORMAT: 'text', LOG_LEVEL: 'info' }, ['login']);
      const page = await browse(await linkOf(login));
      assert.match(page.text, /1234 is linked/);
      assert.match(page.text, /weighbridge polls Withings/);
      const { code, stderr } = await login.exited;
      assert.equal(code, 0, stderr);
      assert(home.sandbox.grants.accepts((await home.tokenFile('1234')).trim()));
      assert.deepEqual(home.sandbox.subscriptions.of('1234'), []);
    });

  for (const args of [['login'], ['login', '--paste']])
    test(`"${args.join(' ')}" accepts the address of a page that weighbridge does not answer`, async () => {
      await using home = await startHome();
      const env = { REDIRECT_URL: 'https://me.example.org/done', LOG_FORMAT: 'text', LOG_LEVEL: 'info' };
      await using login = home.typed(env, args);
      const landed = await consent(await linkOf(login));
      assert.equal(landed.origin, 'https://me.example.org');
      login.child.stdin?.write(`${landed.href}\n`);
      const { code, stderr } = await login.exited;
      assert.equal(code, 0, stderr);
      assert.match(stderr, /1234 is linked/);
    });

  test('login names both settings if neither is set', async () => {
    await using home = await startHome();
    const { code, stderr } = await home.start({}, ['login']).exited;
    assert.equal(code, 78);
    assert.match(stderr, /CALLBACK_URL or REDIRECT_URL is required/);
  });
});
