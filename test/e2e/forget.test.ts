import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { startHome } from '../support/home.ts';
import { runProgram } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const TAKEN = Date.parse('2026-01-31T06:00:00Z') / 1000;
const DAY_S = 24 * 3_600;

/** A line as the daemon writes it, so many days after the first. */
function line(
  grpid: number,
  kilograms: number,
  days: number,
  userid = '1234',
  measures: object = { weight: kilograms },
): string {
  const timestamp = TAKEN + days * DAY_S;
  const date = `${new Date(timestamp * 1000).toISOString().slice(0, -'.000Z'.length)}+00:00`;
  const rest = { attrib: 0, ambiguous: false, deviceid: 'd1', model: 'Body+', measures };
  return `${JSON.stringify({ userid, grpid, date, timestamp, modified: timestamp + 60, ...rest })}\n`;
}

async function withJournal(...lines: readonly string[]) {
  const directory = await temporaryDirectory();
  const path = join(directory.path, 'data/measures.jsonl');
  await mkdir(join(directory.path, 'data'));
  if (lines.length > 0) await writeFile(path, lines.join(''));
  return {
    run: (...args: readonly string[]) => runProgram(args, { cwd: directory.path, env: { USER_NAMES: '1234:Anna' } }),
    journal: () => readFile(path, 'utf8'),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

describe('weighbridge forget', () => {
  test('withdraws a group, and reports the weigh-in that counts now', async () => {
    await using home = await withJournal(line(1, 81.25, 0), line(2, 62, 1));
    const { code, stdout, stderr } = await home.run('forget', '1234', '2');
    assert.deepEqual([code, stderr], [0, '']);
    assert.deepEqual(stdout.split('\n'), [
      'Anna (1234): withdrew 62.00 kg, measured 2026-02-01T06:00:00+00:00.',
      'The weight of Anna (1234) is now 81.25 kg, measured 2026-01-31T06:00:00+00:00.',
      '',
    ]);
    const last = JSON.parse((await home.journal()).trim().split('\n').at(-1) ?? '');
    assert.deepEqual([last.grpid, last.withdrawn, last.reason], [2, true, 'forgotten']);
    const exported = await home.run('export', '--user', '1234', '--format', 'json');
    const groups = exported.stdout.trim().split('\n');
    assert.deepEqual(
      groups.map((each) => JSON.parse(each).grpid),
      [1],
    );
  });

  test('a second time changes nothing', async () => {
    await using home = await withJournal(line(1, 81.25, 0));
    await home.run('forget', '1234', '1');
    const before = await home.journal();
    const { code, stdout } = await home.run('forget', '1234', '1');
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^Anna \(1234\): 81\.25 kg, .*, was withdrawn before\.\nAnna \(1234\) has no weight left\.\n$/,
    );
    assert.equal(await home.journal(), before);
  });

  test('lists the newest five groups of the person for an unknown group, ready to copy', async () => {
    const groups = [1, 2, 3, 4, 5, 6].map((grpid) => line(grpid, 80 + grpid, grpid));
    await using home = await withJournal(...groups, line(99, 60, 9, '5678'));
    const before = await home.journal();
    const { code, stdout, stderr } = await home.run('forget', '1234', '99');
    assert.deepEqual([code, stdout], [1, '']);
    const [first, ...listed] = stderr.trim().split('\n');
    assert.equal(first, 'error: Anna (1234) has no measure group 99. The 5 newest measure groups:');
    assert.equal(listed.length, 5);
    assert.match(listed[0] ?? '', /^ {2}weighbridge forget 1234 6 +# 86\.00 kg, measured 2026-02-06T06:00:00\+00:00$/);
    assert.match(listed[4] ?? '', /^ {2}weighbridge forget 1234 2 /);
    const asked = await home.run('forget', '1234', '0');
    assert.deepEqual([asked.code, asked.stderr], [0, '']);
    assert.deepEqual(asked.stdout.trim().split('\n'), ['Anna (1234): The 5 newest measure groups:', ...listed]);
    assert.equal(await home.journal(), before);
  });

  test('of a group without a weight names what it has, and reports no weight', async () => {
    await using home = await withJournal(line(1, 81.25, 0), line(2, 0, 1, '1234', { heart_rate: 61, fat_ratio: 17.3 }));
    const { code, stdout } = await home.run('forget', '1234', '2');
    assert.equal(code, 0);
    const expected = 'Anna (1234): withdrew heart rate 61 bpm, body fat 17.3 %, measured 2026-02-01T06:00:00+00:00.\n';
    assert.equal(stdout, expected);
  });

  test('reports a missing journal, and explains the argument if it is not a group', async () => {
    await using home = await withJournal();
    const missing = await home.run('forget', '1234', '1');
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /no measurements yet: .*measures\.jsonl does not exist/);
    const wrong = await home.run('forget', '1234', 'last');
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /6123456789/);
  });

  test('makes a running daemon show the rest, and the daemon does not add the group again', async () => {
    await using home = await startHome();
    await home.link('1234');
    const nowS = Math.floor(Date.now() / 1000);
    const [first] = home.sandbox.store('1234', { kilograms: 81.25, date: nowS - 7_200, body: 'unknown' });
    const [second] = home.sandbox.store('1234', { kilograms: 80.5, date: nowS - 3_600, body: 'unknown' });
    assert(first !== undefined && second !== undefined);
    await using daemon = await home.serve({ STATUS_PORT: '0' });
    await daemon.reading(second.grpid);
    const { code, stdout } = await home.start({}, ['forget', '1234', `${second.grpid}`]).exited;
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^User 1234: withdrew 80\.50 kg, measured /);
    const changed = { ...second, modified: second.modified + 30 };
    home.sandbox.measures.put('1234', changed);
    await daemon.notify({ userid: '1234', appli: 1, startdate: second.date, enddate: second.date + 1 });
    await daemon.line(({ event, text }) => event === 'fetched' && / 1 groups of user 1234, 0 of them/.test(`${text}`));
    const lines = await home.journal();
    assert.deepEqual(
      lines.map(({ grpid }) => grpid),
      [first.grpid, second.grpid, second.grpid],
    );
    const { stdout: users } = await home.start({}, ['users', '--json']).exited;
    assert.match(users, /"weight":81\.25/);
  });
});
