import { strict as assert } from 'node:assert';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Call, Fault } from '../../src/sandbox/calls.ts';
import { HOLDS_TOKENS } from '../support/checker.ts';
import { flood } from '../support/flood.ts';
import { CLIENT, type Home, startHome, URL_SECRET } from '../support/home.ts';
import { patient } from '../support/patience.ts';

const secondsAgo = (seconds: number) => Math.floor(Date.now() / 1000) - seconds;
const isRefresh = ({ form }: Call) => form.get('action') === 'requesttoken';
const isGetMeas = ({ form }: Call) => form.get('action') === 'getmeas';

test('a weight is logged after a token from echo and a form POST', async () => {
  const calls: (string | null)[] = [];
  await using home = await startHome({ onCall: ({ form }) => calls.push(form.get('action')) });
  const first = await home.link('1234');
  await using daemon = await home.serve({ USER_NAMES: '1234:Anna' });
  await daemon.line(({ event }) => event === 'fetched');

  const { date, groups } = weigh(home.sandbox, 81.25);
  assert.equal(await daemon.notify({ userid: 1234, appli: 1, startdate: date, enddate: date + 1 }), 200);
  const grpid = groups[0]?.grpid ?? 0;
  const line = await daemon.reading(grpid);
  const expected = /^Anna \(1234\): 81\.25 kg, measured \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+\d\d:00, Body\+$/;
  assert.match(String(line['text']), expected);

  const token = (await home.tokenFile('1234')).trim();
  assert.notEqual(token, first);
  assert(home.sandbox.grants.accepts(token));
  assert.equal((await stat(join(home.directory, 'tokens/1234'))).mode & 0o777, 0o600);
  const raw = await readFile(join(home.directory, 'data/measures.jsonl'), 'utf8');
  const start = `^\\{"userid":"1234","grpid":${grpid},"date":"[^"]+","timestamp":${date},`;
  assert.match(raw, new RegExp(`${start}.*"measures":\\{"weight":81\\.25,`, 'm'));

  const before = calls.length;
  const second = weigh(home.sandbox, 81.65, date - 60);
  await daemon.notify({ userid: 1234, appli: 1, startdate: second.date, enddate: second.date + 1 });
  await daemon.reading(second.groups[0]?.grpid ?? 0);
  assert.deepEqual(calls.slice(before), ['getmeas']);
});

test('the answer to a notification does not wait for a silent Withings', async () => {
  await using home = await startHome({ fault: () => 'hang' });
  await home.link('1234');
  await using daemon = await home.serve();
  const mostMs = patient(2_000);
  const startedAt = performance.now();
  assert.equal(await daemon.notify({ userid: 1234, appli: 1, startdate: secondsAgo(9), enddate: secondsAgo(8) }), 200);
  assert(performance.now() - startedAt < mostMs);
});

function weigh(sandbox: Awaited<ReturnType<typeof startHome>>['sandbox'], kilograms: number, date = secondsAgo(100)) {
  return { date, groups: sandbox.store('1234', { kilograms, date }) };
}

test('the log line is the line of the contract', async () => {
  await using home = await startHome();
  await home.link('1234');
  weigh(home.sandbox, 80.85, secondsAgo(4000));
  weigh(home.sandbox, 81.25, secondsAgo(100));
  await using daemon = await home.serve({ USER_NAMES: '1234:Anna' });
  const line = await daemon.line(({ event, weight }) => event === 'reading' && weight === 81.25);
  assert.match(String(line['text']), /^Anna \(1234\): 81\.25 kg \(\+0\.40\), measured \S+, Body\+$/);
});

test('a burst of ten thousand notifications gets 200, three fetches at most and one announcement', async () => {
  let fetches = 0;
  await using home = await startHome({ onCall: (call) => void (isGetMeas(call) && fetches++) });
  await home.link('1234');
  await using daemon = await home.serve();
  await daemon.line(({ event }) => event === 'refresh');
  await home.sandbox.store('1234', { kilograms: 81.25, date: secondsAgo(50) });
  const before = fetches;
  const body = `userid=1234&appli=1&startdate=${secondsAgo(50)}&enddate=${secondsAgo(49)}`;
  const statuses = await flood(daemon.url, body, { count: 10_000 });
  await daemon.line(({ event, weight }) => event === 'reading' && weight === 81.25);
  assert.deepEqual([...statuses], [[200, 10_000]]);
  assert(fetches - before <= 3, `${fetches - before} fetches`);
  assert.equal(daemon.lines.filter(({ event, level }) => event === 'reading' && level === 'info').length, 1);
});

test('a token that is stored at run time counts at the next notification', async () => {
  await using home = await startHome();
  await using daemon = await home.serve();
  await home.link('1234');
  const { date, groups } = weigh(home.sandbox, 81.25);
  assert.equal(await daemon.notify({ userid: 1234, appli: 1, startdate: date, enddate: date + 1 }), 200);
  await daemon.reading(groups[0]?.grpid ?? 0);
});

test('the start fetches weigh-ins of the downtime without a notification', async () => {
  await using home = await startHome();
  await home.link('1234');
  {
    await using daemon = await home.serve();
    await daemon.line(({ event }) => event === 'refresh');
  }
  const { groups } = weigh(home.sandbox, 81.25);
  await using daemon = await home.serve();
  await daemon.reading(groups[0]?.grpid ?? 0);
});

test('paged answers are read to the end', async () => {
  await using home = await startHome({ pageSize: 3 });
  await home.link('1234');
  for (let count = 0; count < 10; count += 1) weigh(home.sandbox, 80 + count / 10, secondsAgo(2000 - count * 100));
  await using daemon = await home.serve();
  await daemon.line(({ weight }) => weight === 80.9);
  assert.equal((await home.journal()).length, 20);
});

const PASSING_FAULTS: Readonly<Record<string, Fault>> = {
  'HTTP 500': { httpStatus: 500, text: 'Internal Server Error' },
  'HTTP 502 with HTML': { httpStatus: 502, text: '<html><h1>Bad Gateway</h1></html>' },
  'HTTP 200 with HTML': { text: '<html>maintenance</html>' },
  rubbish: { text: '{"status":0,"body":{"measuregrps":"none"}}' },
  'a cut connection': 'cut',
  'status 522': { text: '{"status":522,"body":{},"error":"timeout"}' },
};

describe('a temporary failure at Withings', { concurrency: true }, () => {
  for (const [name, fault] of Object.entries(PASSING_FAULTS)) {
    test(`${name}: notifications get 200, and the weigh-in arrives after the failure`, async () => {
      const state = { broken: false };
      await using home = await startHome({
        fault: (call, answer) => (state.broken && isGetMeas(call) && answer === undefined ? fault : undefined),
      });
      await home.link('1234');
      await using daemon = await home.serve();
      await daemon.line(({ event }) => event === 'refresh');
      state.broken = true;
      const { date, groups } = weigh(home.sandbox, 81.25);
      const fields = { userid: 1234, appli: 1, startdate: date, enddate: date + 1 };
      assert.equal(await daemon.notify(fields), 200);
      const trouble = await daemon.line(({ event, level }) => event === 'trouble' && level === 'warn');
      assert.match(String(trouble['text']), /Withings|cannot reach/);
      assert.equal(await daemon.notify(fields), 200);
      state.broken = false;
      await daemon.reading(groups[0]?.grpid ?? 0);
    });
  }
});

test('an expired access token costs one refresh and one repeated request', async () => {
  const calls: (string | null)[] = [];
  await using home = await startHome({ onCall: ({ form }) => calls.push(form.get('action')) });
  await home.link('1234');
  await using daemon = await home.serve();
  // A token that ends before its first use is refused while it is fresh, which is another trouble.
  await daemon.line(({ event }) => event === 'fetched');
  home.sandbox.grants.expireAccess();
  const { date, groups } = weigh(home.sandbox, 81.25);
  const before = calls.length;
  await daemon.notify({ userid: 1234, appli: 1, startdate: date, enddate: date + 1 });
  await daemon.reading(groups[0]?.grpid ?? 0);
  assert.deepEqual(calls.slice(before).filter((action) => action === 'requesttoken').length, 1);
});

test('a rejected refresh token leaves its file, and the log reports that the person must link again', async () => {
  await using home = await startHome();
  await writeFile(join(home.directory, 'tokens/1234'), 'dead-token\n');
  await using daemon = await home.serve();
  const line = await daemon.line(({ event }) => event === 'needs_login');
  assert.match(
    String(line['text']),
    /Withings rejected the login.*must link again, on the status page or with "weighbridge login"/,
  );
  assert.equal(await home.tokenFile('1234'), 'dead-token\n');
});

test('a wrong client secret is reported as such, and the login is not blamed', async () => {
  await using home = await startHome();
  await home.link('1234');
  await using daemon = await home.serve({ WITHINGS_CLIENT_SECRET: 'not-the-secret' });
  const line = await daemon.line(({ event, level }) => event === 'trouble' && level === 'error');
  assert.match(String(line['text']), /client secret is wrong/);
  assert.equal(
    daemon.lines.some(({ event }) => event === 'needs_login'),
    false,
  );
});

test('an empty token file is reported and stays', async () => {
  await using home = await startHome();
  await writeFile(join(home.directory, 'tokens/1234'), '');
  await using daemon = await home.serve();
  const line = await daemon.line(({ event }) => event === 'needs_login');
  assert.match(String(line['text']), /tokens\/1234 is empty/);
  assert.equal(await home.tokenFile('1234'), '');
});

test('SIGTERM ends the daemon with exit 0 within ten seconds, even during a request without an answer', async () => {
  const state = { asked: () => {} };
  const asked = new Promise<void>((resolve) => {
    state.asked = resolve;
  });
  await using home = await startHome({
    fault: (call) => {
      if (!isRefresh(call)) return undefined;
      state.asked();
      return 'hang';
    },
  });
  await home.link('1234');
  const daemon = await home.serve();
  await asked;
  const startedAt = performance.now();
  daemon.child.kill('SIGTERM');
  assert.equal((await daemon.exited).code, 0);
  assert(performance.now() - startedAt < 10_000);
});

test('a group that slips into a page already read comes with the next start', async () => {
  const state = { changed: false };
  await using home: Home = await startHome({
    pageSize: 2,
    onCall: ({ form }) => {
      const [first] = home.sandbox.measures.of('1234');
      if (form.get('action') !== 'getmeas' || state.changed || first === undefined) return;
      state.changed = true;
      home.sandbox.measures.put('1234', { ...first, modified: secondsAgo(0) });
    },
  });
  await home.link('1234');
  for (const hours of [20, 19]) {
    for (const group of home.sandbox.store('1234', { kilograms: 80, date: secondsAgo(hours * 3600) }))
      home.sandbox.measures.put('1234', { ...group, modified: group.date + (group.grpid % 2) });
  }
  for (const slips of [true, false]) {
    await using daemon = await home.serve();
    await daemon.line(({ event }) => event === 'fetched');
    daemon.child.kill('SIGTERM');
    await daemon.exited;
    const held = new Set((await home.journal()).map(({ grpid }) => grpid));
    assert.equal(held.size, slips ? 3 : 4);
  }
});

test('a run writes no used secret anywhere', async () => {
  const seen = new Set<string>([CLIENT.clientSecret, URL_SECRET]);
  let refreshes = 0;
  await using home = await startHome({
    onCall: ({ form }, answer) => {
      for (const value of Object.values(answer?.body ?? {}))
        if (typeof value === 'string' && value.length === 40) seen.add(value);
      const token = form.get('refresh_token');
      if (token !== null) seen.add(token);
    },
    fault: (call, answer) => {
      // The answers repeat the secrets of the request, as a careless server does.
      const echo = `refused: ${call.form}`;
      if (isRefresh(call) && answer === undefined && refreshes++ === 0)
        return { text: JSON.stringify({ status: 524, error: echo }) };
      return undefined;
    },
  });
  seen.add(await home.link('1234'));
  await writeFile(join(home.directory, 'tokens/77'), 'dead-token-77-that-is-not-valid\n');
  seen.add('dead-token-77-that-is-not-valid');
  const daemon = await home.serve();
  await daemon.notify({ userid: 1234, appli: 1, startdate: secondsAgo(90), enddate: secondsAgo(80) });
  await daemon.notify({ userid: 99, appli: 1, startdate: secondsAgo(90), enddate: secondsAgo(80) });
  await fetch(daemon.url.replace(URL_SECRET, 'wrong'), { method: 'POST', body: 'userid=1234' });
  await daemon.line(({ event }) => event === 'needs_login');
  const { groups } = weigh(home.sandbox, 81.25);
  await daemon.line(({ event }) => event === 'trouble');
  await daemon.notify({ userid: 1234, appli: 1, startdate: groups[0]?.date ?? 0, enddate: groups[0]?.date ?? 0 });
  await daemon.reading(groups[0]?.grpid ?? 0);
  daemon.child.kill('SIGTERM');
  const { stdout, stderr } = await daemon.exited;

  assert(seen.size >= 6, 'the run used secrets');
  for (const { path, text } of [...(await home.files()), { path: 'the output', text: stdout + stderr }]) {
    if (HOLDS_TOKENS.test(path)) continue;
    for (const secret of seen) assert(!text.includes(secret), `${path} holds ${secret}`);
  }
});
