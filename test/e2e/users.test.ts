import { strict as assert } from 'node:assert';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { formatTable } from '../../src/cli/users.ts';
import { createAccessFiles } from '../../src/storage/token-files.ts';
import { startHome } from '../support/home.ts';
import { ANNA, accessToken, refreshToken } from '../support/people.ts';
import { runProgram } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const SINCE = '2026-11-20T05:00:00.000Z';

/** A directory as a daemon leaves it behind, with as much of it as is given. */
async function startUsers(files: Readonly<Record<string, string>> = {}) {
  const directory = await temporaryDirectory();
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(directory.path, path, '..'), { recursive: true });
    await writeFile(join(directory.path, path), content);
  }
  const run = (args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) =>
    runProgram(['users', ...args], { cwd: directory.path, env: { USER_NAMES: '1234:Anna', ...env } });
  const rows = async (env: Readonly<Record<string, string>> = {}) => {
    const { stdout } = await run(['--json'], env);
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  };
  return { ...directory, run, rows };
}

const line = (grpid: number, timestamp: number, weight: number | undefined, changes: object = {}) =>
  `${JSON.stringify({
    userid: '1234',
    grpid,
    timestamp,
    modified: timestamp,
    attrib: 0,
    measures: weight === undefined ? { heart_rate: 58 } : { weight },
    ...changes,
  })}\n`;

/** Returns all files with the properties that a write would change. */
async function snapshot(directory: string) {
  const names = (await readdir(directory, { recursive: true })).sort();
  return await Promise.all(
    ['.', ...names].map(async (name) => {
      const { mtimeMs, ctimeMs, mode, size } = await stat(join(directory, name));
      return { name, mtimeMs, ctimeMs, mode, size };
    }),
  );
}

describe('weighbridge users', { concurrency: 4 }, () => {
  test('reports that no person is linked and the next step, exits 0, and creates no directory', async () => {
    await using users = await startUsers();
    for (const args of [[], ['--json']]) {
      const { code, stdout, stderr } = await users.run(args);
      assert.deepEqual([code, stdout], [0, '']);
      assert.match(stderr, /No person is linked yet\. Run "weighbridge login"/);
    }
    assert.deepEqual(await readdir(users.path), []);
  });

  test('needs no client id and no secret', async () => {
    await using users = await startUsers({ 'tokens/1234': 'abc\n' });
    assert.equal((await users.run()).code, 0);
  });

  test('lists all people by number, under aligned headings', async () => {
    await using users = await startUsers({
      'tokens/5678': 'b\n',
      'tokens/1234': 'a\n',
      'tokens/99': '',
      'tokens/x': 'y',
    });
    const { stdout } = await users.run();
    assert.equal(
      stdout,
      `USER  NAME  LAST WEIGH-IN  LAST CHECK  SUBSCRIPTION                            LOGIN
99    -     -              -           polling every 10 min (no CALLBACK_URL)  MUST LINK AGAIN (the token file ./tokens/99 is empty)
1234  Anna  -              -           polling every 10 min (no CALLBACK_URL)  not checked yet
5678  -     -              -           polling every 10 min (no CALLBACK_URL)  not checked yet
`,
    );
  });

  test('shows the last certain weigh-in of a person, in the unit of the household', async () => {
    await using users = await startUsers({
      'tokens/1234': 'a\n',
      'data/measures.jsonl':
        line(1, 1_795_154_462, 81.25) +
        line(2, 1_795_154_400, 80) +
        line(3, 1_795_154_463, undefined) +
        line(4, 1_795_154_500, 60, { attrib: 1 }) +
        line(5, 1_795_154_600, 70, { userid: '5678' }) +
        '{"torn":',
    });
    assert.match((await users.run()).stdout, /81\.25 kg, 2026-11-20 06:01/);
    assert.match((await users.run([], { WEIGHT_UNIT: 'lb' })).stdout, /179\.1 lb, 2026-11-20 06:01/);
    const [{ last_weigh_in }] = await users.rows();
    assert.deepEqual([last_weigh_in.weight, last_weigh_in.date], [81.25, '2026-11-20T06:01:02+00:00']);
  });

  const TAKEN = 1_795_154_462;
  const bo = { userid: '5678' };

  for (const [what, lines] of [
    ['emptied', [line(2, TAKEN, undefined, { measures: {}, withdrawn: true, reason: 'emptied' })]],
    ['ambiguous', [line(2, TAKEN, 62, { attrib: 1, withdrawn: true, reason: 'ambiguous' })]],
    [
      "another person's",
      [line(2, TAKEN, 62, { withdrawn: true, reason: 'moved' }), line(2, TAKEN, 62, { ...bo, attrib: 7 })],
    ],
    ['deleted', [line(2, TAKEN, 62, { withdrawn: true, reason: 'deleted' })]],
    ['forgotten by hand', [line(2, TAKEN, 62, { withdrawn: true, reason: 'forgotten' })]],
  ] as const) {
    test(`shows the weigh-in before one that is ${what}, and the own one of the other person`, async () => {
      const before = line(1, TAKEN - 86_400, 81.25) + line(1, TAKEN - 90_000, 60.5, bo);
      await using users = await startUsers({
        'tokens/1234': 'a\n',
        'tokens/5678': 'b\n',
        'data/measures.jsonl': before + line(2, TAKEN, 62) + lines.join(''),
      });
      const rows = await users.rows();
      assert.deepEqual(
        rows.map(({ last_weigh_in }) => last_weigh_in.weight),
        [81.25, what === "another person's" ? 62 : 60.5],
      );
      assert.deepEqual(
        rows.map(({ held }) => held),
        [
          { count: 0, newest: null },
          { count: 0, newest: null },
        ],
      );
      assert.doesNotMatch((await users.run()).stdout, /HELD|UNREADABLE/);
    });
  }

  test('shows held weigh-ins apart from the last weigh-in, for 30 days', async () => {
    const now = Math.floor(Date.now() / 1000);
    const day = 86_400;
    const future = now + 400 * day;
    await using users = await startUsers({
      'tokens/1234': 'a\n',
      'tokens/5678': 'b\n',
      'data/measures.jsonl':
        line(1, now - 3 * day, 81.25) +
        line(2, now - 31 * day, 200, { held: 'jump' }) +
        line(3, now - day, 116.25, { held: 'jump' }) +
        line(4, now - day, 120, { held: 'jump' }) +
        line(4, now - day, 120, { withdrawn: true, reason: 'forgotten' }) +
        line(5, now - 2 * day, 4, { ...bo, held: 'jump' }) +
        line(6, future, 60, { ...bo, held: 'future' }),
    });
    const [anna, other] = await users.rows();
    assert.deepEqual([anna.last_weigh_in.weight, other.last_weigh_in], [81.25, null]);
    const date = (seconds: number) => new Date(seconds * 1000).toISOString().replace('.000Z', '+00:00');
    assert.deepEqual(
      [anna.held, other.held],
      [
        { count: 1, newest: { grpid: 3, weight: 116.25, date: date(now - day), reason: 'jump' } },
        { count: 2, newest: { grpid: 6, weight: 60, date: date(future), reason: 'future' } },
      ],
    );
    const [headings, ...cells] = (await users.run()).stdout.split('\n');
    assert.match(headings ?? '', / LAST WEIGH-IN +HELD +LAST CHECK /);
    assert.match(cells[0] ?? '', / 81\.25 kg, \S+ \S+ +116\.25 kg, \S+ \d\d:\d\d +- /);
    assert.match(cells[1] ?? '', / - +60\.00 kg, \S+ \S+ \(and 1 more\) /);
  });

  test('shows the scales of a person, in a column if any person has one', async () => {
    const seen_at = SINCE;
    const scales = [
      { deviceid: 'b0d7', model: 'Body+', battery: 'low', last_contact: SINCE, seen_at },
      { deviceid: 'x', seen_at },
    ];
    await using users = await startUsers({ 'tokens/1234': 'a\n', 'data/people/1234': JSON.stringify({ scales }) });
    const { stdout } = await users.run();
    assert.match(stdout, / SCALE +LAST CHECK .*\n.* Body\+, battery low, 2026-11-20 05:00; scale {2}/);
    const [row] = await users.rows();
    assert.deepEqual(row.scales, [
      { deviceid: 'b0d7', model: 'Body+', battery: 'low', last_contact: '2026-11-20T05:00:00+00:00' },
      { deviceid: 'x', model: null, battery: null, last_contact: null },
    ]);
  });

  test('shows since when and why a person must link again', async () => {
    const needs_login = { since: SINCE, reason: 'Withings rejected the login' };
    await using users = await startUsers({
      'tokens/1234': 'a\n',
      'data/people/1234': JSON.stringify({ needs_login }),
      'data/cursors/1234': '1795150000\n',
    });
    await createAccessFiles(join(users.path, 'tokens')).save(ANNA, refreshToken('a'), {
      accessToken: accessToken('secret-access'),
      issuedAt: new Date(),
      expiresAt: new Date(),
      scope: undefined,
    });
    const { stdout } = await users.run();
    assert.match(
      stdout,
      /2026-11-20 04:46 .* MUST LINK AGAIN since 2026-11-20 05:00 \(Withings rejected the login\)\n/,
    );
    const [row] = await users.rows();
    assert.deepEqual(
      [row.login, row.needs_login_since, row.reason, row.last_contact],
      ['needs_login', '2026-11-20T05:00:00+00:00', 'Withings rejected the login', '2026-11-20T04:46:40+00:00'],
    );
  });

  for (const [what, subscription, expected] of [
    ['is there', { applis: [1, 4] }, /weight \(1\), blood pressure \(4\)/],
    [
      'is lost',
      { applis: [], hitch: { since: SINCE, reason: 'not reachable' } },
      /LOST since 2026-11-20 05:00 \(not reachable\)/,
    ],
    ['was never checked', undefined, /not yet/],
  ] as const) {
    test(`shows a subscription that ${what}`, async () => {
      await using users = await startUsers({
        'tokens/1234': 'a\n',
        'data/people/1234': JSON.stringify({ subscription }),
      });
      assert.match((await users.run([], { CALLBACK_URL: 'https://me.example.org/long-enough' })).stdout, expected);
      assert.match((await users.run()).stdout, /polling every 10 min \(no CALLBACK_URL\)/);
    });
  }

  for (const [linked_at, shows] of [
    ['2026-11-20T20:00:00Z', true],
    ['2026-11-21T20:00:00Z', false],
  ] as const) {
    test(`shows ${shows ? 'a' : 'no'} bed event of ${shows ? 'after' : 'before'} the link`, async () => {
      const event = { number: 1, userid: '1234', kind: 'in_bed', timestamp: Date.UTC(2026, 10, 20, 21) / 1000 };
      await using users = await startUsers({
        'tokens/1234': 'a\n',
        'data/people/1234': JSON.stringify({ linked_at }),
        'data/bed.jsonl': `${JSON.stringify(event)}\n`,
      });
      const { stdout } = await users.run(['--json'], { APPLIS: '1,50' });
      assert.equal('bed' in JSON.parse(stdout), shows);
    });
  }

  test('shows a subscription that was removed on purpose', async () => {
    await using users = await startUsers({
      'tokens/1234': 'a\n',
      'data/people/1234': JSON.stringify({ leave_unsubscribed: true }),
    });
    const { stdout } = await users.run([], { CALLBACK_URL: 'https://me.example.org/long-enough' });
    assert.match(stdout, / off \(unsubscribed\) /);
  });

  for (const [what, content] of [
    ['is empty', ''],
    ['has no refresh token', '<html>not a token</html>\n'],
  ] as const) {
    test(`reports that a person must link again whose token file ${what}`, async () => {
      await using users = await startUsers({ 'tokens/1234': content });
      assert.match((await users.run()).stdout, new RegExp(`MUST LINK AGAIN \\(the token file \\S+ ${what}`));
    });
  }

  test('does not report that for an unreachable token file', async () => {
    await using users = await startUsers({ 'tokens/README': '' });
    await mkdir(join(users.path, 'tokens/1234'));
    assert.match((await users.run()).stdout, /unknown \(cannot read \S+ \(EISDIR\)\)/);
  });

  for (const [what, content] of [
    ['rubbish', '{"needs_lo'],
    ['another shape', '{"needs_login":{"since":7},"subscription":"yes"}'],
  ]) {
    test(`continues if a status file is ${what}`, async () => {
      await using users = await startUsers({ 'tokens/1234': 'a\n', 'data/people/1234': content ?? '' });
      const { code, stdout } = await users.run();
      assert.deepEqual([code, /not checked yet/.test(stdout)], [0, true]);
    });
  }

  test('shows control characters in texts of Withings as blanks', async () => {
    const needs_login = { since: SINCE, reason: 'red \u001b[31m alert\nline' };
    await using users = await startUsers({ 'tokens/1234': '', 'data/people/1234': JSON.stringify({ needs_login }) });
    assert.doesNotMatch((await users.run()).stdout.replaceAll('\n', ''), /\p{C}/u);
  });

  test('writes nothing, also without write access', async () => {
    await using users = await startUsers({
      'tokens/1234': 'a\n',
      'tokens/.1234.tmp': 'half',
      'data/measures.jsonl': `${line(1, 1_795_154_462, 81.25)}{"torn":`,
      'data/cursors/1234': 'no time\n',
      'data/people/1234': '{}',
    });
    const before = await snapshot(users.path);
    await users.run();
    await users.run(['--json']);
    assert.deepEqual(await snapshot(users.path), before);
    await chmod(join(users.path, 'data'), 0o500);
    assert.equal((await users.run()).code, 0);
    await chmod(join(users.path, 'data'), 0o700);
  });

  test('works next to a running daemon, and after its end', async () => {
    await using home = await startHome();
    await home.link('1234');
    const cwd = home.directory;
    const env = { WEBHOOK_PATH: '/x', USER_NAMES: '1234:Anna' };
    const list = async () => JSON.parse((await runProgram(['users', '--json'], { cwd, env })).stdout);
    assert.equal((await list()).login, 'not_tried');
    {
      await using daemon = await home.serve();
      home.sandbox.store('1234', { kilograms: 81.25, date: Math.floor(Date.now() / 1000) - 60 });
      await daemon.notify({ userid: 1234, appli: 1 });
      await daemon.line(({ event, weight }) => event === 'reading' && weight === 81.25);
      const { name, login, last_weigh_in, last_contact_age_s } = await list();
      assert.deepEqual([name, login, last_weigh_in.weight], ['Anna', 'works', 81.25]);
      assert(last_contact_age_s < 60);
      daemon.child.kill('SIGTERM');
      await daemon.exited;
    }
    const { stdout, stderr } = await runProgram(['users'], { cwd, env });
    assert.match(stdout, /1234 {2}Anna {2}81\.25 kg, .* OK\n/);
    const token = (await readFile(join(cwd, 'tokens/1234'), 'utf8')).trim();
    assert(!`${stdout}${stderr}`.includes(token));
  });

  test('exits 1 and names the unreadable directory', async () => {
    await using users = await startUsers({ tokens: 'a file' });
    const { code, stderr } = await users.run();
    assert.equal(code, 1);
    assert.match(stderr, /cannot read the directory \.\/tokens/);
  });
});

test('table cells are aligned for any script', () => {
  assert.deepEqual(
    formatTable([
      ['a', 'b', 'c'],
      ['Zoë', '', 'x'],
      ['Zoe\u0308', '👩‍🚀', 'y'],
    ]),
    ['a    b  c', 'Zoë     x', 'Zoe\u0308  👩‍🚀  y'],
  );
});
