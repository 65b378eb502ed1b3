import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, open, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { parse } from 'csv-parse/sync';
import { MAIN } from '../support/program.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const TAKEN = Date.parse('2026-01-31T06:00:00Z') / 1000;

/** A line as the daemon writes it. */
function line(grpid: number, changes: Readonly<Record<string, unknown>> = {}): string {
  const timestamp = Number(changes['timestamp'] ?? TAKEN);
  const date = `${new Date(timestamp * 1000).toISOString().slice(0, -'.000Z'.length)}+00:00`;
  const rest = { attrib: 0, ambiguous: false, deviceid: 'd1', model: 'Body+', measures: { weight: 81.25 } };
  return JSON.stringify({ userid: '1234', grpid, date, timestamp, modified: timestamp + 60, ...rest, ...changes });
}

/** Runs the program in a directory with a journal, as from a shell, and keeps every byte of its output. */
async function withJournal(journal: string | undefined, env: Readonly<Record<string, string>> = {}) {
  const directory = await temporaryDirectory();
  const cwd = directory.path;
  if (journal !== undefined) {
    await mkdir(join(cwd, 'data'));
    await writeFile(join(cwd, 'data/measures.jsonl'), journal);
  }
  const start = (...args: readonly string[]) => {
    const { PATH = '' } = process.env;
    const child = spawn(process.execPath, [MAIN, 'export', ...args], { cwd, env: { PATH, TZ: 'UTC', ...env } });
    child.stdin.end();
    return child;
  };
  const run = async (...args: readonly string[]) => {
    const child = start(...args);
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    return { code, stdout, stderr };
  };
  return {
    cwd,
    start,
    run,
    /** The rows of the CSV, by column. */
    async csv(...args: readonly string[]) {
      const { code, stdout, stderr } = await run(...args);
      assert.deepEqual([code, stderr], [0, '']);
      const rows: Record<string, string>[] = parse(stdout, { columns: true, record_delimiter: '\r\n' });
      return rows;
    },
    /** The groups that come, in their order. */
    async groups(...args: readonly string[]) {
      const { code, stdout } = await run('--format', 'json', ...args);
      assert.equal(code, 0);
      return stdout
        .split('\n')
        .filter((each) => each !== '')
        .map((each) => Number(JSON.parse(each).grpid));
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

const journalOf = (...lines: readonly string[]) => lines.map((each) => `${each}\n`).join('');

describe('the CSV', () => {
  test('has all data of a group, the name of the person, and other quantities in the last column', async () => {
    const measures = { weight: 81.25, fat_ratio: 17.3, segment_muscle_mass_12: 8.1, type_999: 5 };
    const told = line(6123456789, { date: '2026-01-31T07:00:00+01:00', measures });
    await using home = await withJournal(journalOf(told), { USER_NAMES: '1234:Anna' });
    const [row, ...more] = await home.csv();
    assert.deepEqual(more, []);
    const filled = Object.fromEntries(Object.entries(row ?? {}).filter(([, value]) => value !== ''));
    assert.deepEqual(filled, {
      userid: '1234',
      name: 'Anna',
      grpid: '6123456789',
      date: '2026-01-31T07:00:00+01:00',
      timestamp: String(TAKEN),
      modified: String(TAKEN + 60),
      attrib: '0',
      ambiguous: 'false',
      deviceid: 'd1',
      model: 'Body+',
      weight: '81.25',
      fat_ratio: '17.3',
      other: '{"segment_muscle_mass_12":8.1,"type_999":5}',
    });
  });

  test('has the reason of a held group in the last column', async () => {
    await using home = await withJournal(journalOf(line(1), line(2, { held: 'jump', measures: { weight: 116.25 } })));
    const rows = await home.csv();
    assert.deepEqual(
      rows.map((row) => [row['grpid'], row['weight'], row['held']]),
      [
        ['1', '81.25', ''],
        ['2', '116.25', 'jump'],
      ],
    );
    assert.equal(Object.keys(rows[0] ?? {}).at(-1), 'held');
  });

  test('has the same columns for any journal', async () => {
    await using full = await withJournal(journalOf(line(1, { measures: { weight: 80, type_999: 1 } })));
    await using empty = await withJournal('');
    const header = async (home: typeof full) => (await home.run()).stdout.split('\r\n')[0];
    assert.equal(await header(full), await header(empty));
  });

  test('keeps quotes, commas and line breaks of a model and a name', async () => {
    const model = 'Body "Pro", 2nd\r\nfloor\n;\'';
    await using home = await withJournal(journalOf(line(1, { model })), { USER_NAMES: '1234:An"na; =1+1' });
    const [row] = await home.csv();
    assert.equal(row?.['model'], model);
    assert.equal(row?.['name'], 'An"na; =1+1');
  });

  test('leaves unknown fields empty', async () => {
    await using home = await withJournal(journalOf(line(1, { deviceid: null, model: null, attrib: 2 })));
    const [row] = await home.csv();
    assert.deepEqual([row?.['name'], row?.['deviceid'], row?.['model'], row?.['other']], ['', '', '', '']);
  });

  test('marks an ambiguous group', async () => {
    await using home = await withJournal(journalOf(line(1, { attrib: 1, ambiguous: true })));
    assert.equal((await home.csv())[0]?.['ambiguous'], 'true');
  });
});

describe('the JSON lines', () => {
  test('are exactly the lines of the journal', async () => {
    const lines = [line(1), line(2, { timestamp: TAKEN + 1, model: 'Body "Pro"', unknown: 'kept' })];
    await using home = await withJournal(journalOf(...lines));
    assert.equal((await home.run('--format', 'json')).stdout, journalOf(...lines));
  });
});

describe('the export', () => {
  for (const reason of ['emptied', 'ambiguous', 'moved', 'deleted', 'forgotten']) {
    test(`omits a withdrawn group: ${reason}`, async () => {
      const taken = line(2, { withdrawn: true, reason, ...(reason === 'emptied' && { measures: {} }) });
      await using home = await withJournal(journalOf(line(1), line(2), taken));
      assert.deepEqual(await home.groups(), [1]);
      assert.deepEqual(
        (await home.csv()).map((row) => row['grpid']),
        ['1'],
      );
    });
  }

  test('assigns a group that moved to its current person', async () => {
    const moved = line(1, { withdrawn: true, reason: 'moved' });
    await using home = await withJournal(journalOf(line(1), moved, line(1, { userid: '5678', attrib: 7 })));
    assert.deepEqual(
      (await home.csv()).map((row) => [row['userid'], row['grpid']]),
      [['5678', '1']],
    );
  });

  test('contains a group that Withings sent again', async () => {
    const deleted = line(1, { withdrawn: true, reason: 'deleted' });
    await using home = await withJournal(journalOf(line(1), deleted, line(1)));
    assert.deepEqual(await home.groups(), [1]);
  });

  test('reports that all selected groups were withdrawn', async () => {
    await using home = await withJournal(journalOf(line(1, { withdrawn: true, reason: 'deleted' })));
    const { code, stdout, stderr } = await home.run('--format', 'json');
    assert.deepEqual([code, stdout], [0, '']);
    assert.equal(stderr, 'No measurements match.\n');
  });

  test('has held groups as JSON lines with the reason, and without it after the release', async () => {
    const held = line(2, { held: 'jump' });
    await using home = await withJournal(journalOf(line(1), held));
    assert.equal((await home.run('--format', 'json')).stdout, journalOf(line(1), held));
    await using released = await withJournal(journalOf(line(1), held, line(2)));
    assert.equal((await released.run('--format', 'json')).stdout, journalOf(line(1), line(2)));
  });

  test('uses the last line of a group, even if the line moves the group in time', async () => {
    const first = line(1, { measures: { weight: 80 } });
    const later = line(1, { timestamp: TAKEN + 500, measures: { weight: 82 } });
    await using home = await withJournal(journalOf(first, line(2, { timestamp: TAKEN + 100 }), later));
    const rows = await home.csv();
    assert.deepEqual(
      rows.map((row) => [row['grpid'], row['weight']]),
      [
        ['2', '81.25'],
        ['1', '82'],
      ],
    );
    assert.deepEqual(await home.groups('--until', '2026-01-31T06:01:00Z'), [], 'what the group said first is past');
  });

  test('keeps groups of the same number apart that belong to different people', async () => {
    await using home = await withJournal(journalOf(line(1, { userid: '5678' }), line(1)));
    const rows = await home.csv();
    assert.deepEqual(
      rows.map((row) => row['userid']),
      ['1234', '5678'],
    );
  });

  test('is sorted by the time of measurement, and then by group', async () => {
    const journal = journalOf(line(3, { timestamp: TAKEN + 60 }), line(2), line(9, { timestamp: TAKEN - 60 }), line(1));
    await using home = await withJournal(journal);
    assert.deepEqual(await home.groups(), [9, 1, 2, 3]);
  });

  test('skips a torn last line silently', async () => {
    await using home = await withJournal(journalOf(line(1)) + line(2).slice(0, -9));
    assert.equal((await home.csv()).length, 1);
  });

  test('accepts a last line that only lacks its end', async () => {
    await using home = await withJournal(journalOf(line(1)) + line(2));
    assert.deepEqual(await home.groups(), [1, 2]);
  });

  test('skips unreadable lines, and reports their positions once', async () => {
    await using home = await withJournal(journalOf(line(1), '', 'rubbish', line(2), '{"userid":"1234"}', line(3)));
    const { code, stdout, stderr } = await home.run('--format', 'json');
    assert.equal(code, 0);
    assert.equal(stdout, journalOf(line(1), line(2), line(3)));
    assert.match(stderr, /^warning: skipped 2 unreadable lines of \S+measures\.jsonl, the first is line 3\n$/);
  });

  test('contains one person on request', async () => {
    await using home = await withJournal(journalOf(line(1), line(2, { userid: '5678' })));
    assert.deepEqual(await home.groups('--user', '5678'), [2]);
  });

  test('starts at the moment of --since, and ends before the moment of --until', async () => {
    const journal = journalOf(...[-1, 0, 1, 59, 60, 61].map((s) => line(100 + s, { timestamp: TAKEN + s })));
    await using home = await withJournal(journal);
    assert.deepEqual(await home.groups('--since', '2026-01-31T06:00:00Z'), [100, 101, 159, 160, 161]);
    assert.deepEqual(await home.groups('--until', '2026-01-31T06:01:00Z'), [99, 100, 101, 159]);
    const minute = ['--since', '2026-01-31T06:00:00Z', '--until', '2026-01-31T06:01:00Z'];
    assert.deepEqual(await home.groups(...minute), [100, 101, 159]);
  });

  test('contains whole days by the clock of this computer', async () => {
    const at = (time: string) => Date.parse(time) / 1000;
    const moments = ['30T22:59:59Z', '30T23:00:00Z', '31T22:59:59Z', '31T23:00:00Z'];
    const lines = moments.map((moment, index) => line(index, { timestamp: at(`2026-01-${moment}`) }));
    await using home = await withJournal(journalOf(...lines), { TZ: 'Europe/Vienna' });
    assert.deepEqual(await home.groups('--since', '2026-01-31', '--until', '2026-01-31'), [1, 2]);
  });

  test('reports that no group matches', async () => {
    await using home = await withJournal(journalOf(line(1)));
    const { code, stdout, stderr } = await home.run('--since', '2035-01-01', '--format', 'json');
    assert.deepEqual([code, stdout, stderr], [0, '', 'No measurements match.\n']);
    const unknown = await home.run('--user', '9999', '--format', 'json');
    assert.deepEqual([unknown.code, unknown.stdout], [1, '']);
    assert.equal(unknown.stderr, 'error: user 9999 is not linked (no person is). Run "weighbridge login".\n');
  });

  for (const [format, expected] of [
    ['csv', /^userid,name,.*,other,held\r\n$/],
    ['json', /^$/],
    ['influx', /^$/],
  ] as const) {
    test(`is empty and reports a missing journal without creating one: ${format}`, async () => {
      await using home = await withJournal(undefined);
      const { code, stdout, stderr } = await home.run('--format', format);
      assert.equal(code, 0);
      assert.match(stdout, expected);
      assert.match(
        stderr,
        /^No measurements yet: \S+measures\.jsonl does not exist\. To link a person, run "weighbridge login"\.\n$/,
      );
      assert.deepEqual(await readdir(home.cwd), []);
    });
  }

  test('to a full disk fails and says so', async () => {
    await using home = await withJournal(journalOf(line(1)));
    await using full = await open('/dev/full', 'w');
    const child = spawn(process.execPath, [MAIN, 'export'], { cwd: home.cwd, stdio: ['ignore', full.fd, 'pipe'] });
    assert.ok(child.stderr);
    const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, 'close')]);
    assert.equal(code, 1);
    assert.match(stderr, /^error: ENOSPC/);
  });

  for (const args of [
    ['--since', 'yesterday'],
    ['--until', '2026-02-30'],
    ['--user', '../1234'],
    ['--format', 'xml'],
    ['--since', '2026-02-01', '--until', '2026-01-31'],
    ['1234'],
  ]) {
    test(`exits 2 and prints nothing after wrong arguments: ${args.join(' ')}`, async () => {
      await using home = await withJournal(journalOf(line(1)));
      const { code, stdout, stderr } = await home.run(...args);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, /^error: .+\n(Run "weighbridge --help" for all commands\.\n)?$/);
    });
  }

  test('shows the format of a date after a wrong one', async () => {
    await using home = await withJournal(undefined);
    assert.match((await home.run('--since', '31.01.2026')).stderr, /31\.01\.2026.*2026-01-31/);
  });

  test('exits 1 with one line and a hint if the journal is not readable', async () => {
    await using home = await withJournal(undefined);
    await mkdir(join(home.cwd, 'data/measures.jsonl'), { recursive: true });
    const { code, stderr } = await home.run();
    assert.equal(code, 1);
    assert.match(stderr, /^error: cannot read \S+measures\.jsonl \(EISDIR\)\. .+\n$/);
  });

  test('changes nothing in the directory, and needs no write access', async () => {
    await using home = await withJournal(journalOf(line(1)) + line(2).slice(0, 20));
    const file = join(home.cwd, 'data/measures.jsonl');
    await chmod(join(home.cwd, 'data'), 0o555);
    const before = await stat(file);
    assert.deepEqual(await home.groups(), [1]);
    const { size, mtimeMs } = await stat(file);
    assert.deepEqual([size, mtimeMs], [before.size, before.mtimeMs]);
    assert.deepEqual(await readdir(join(home.cwd, 'data')), ['measures.jsonl']);
  });
});

describe('the line protocol', () => {
  test('has each counted group as a point at its time in nanoseconds', async () => {
    const lines = [
      line(1, { measures: { weight: 81.25, fat_ratio: 17.3 } }),
      line(2, { userid: '5678', timestamp: TAKEN + 1 }),
      line(3, { held: 'jump' }),
      line(4, { attrib: 1, ambiguous: true }),
      line(5),
      line(5, { modified: TAKEN + 90, withdrawn: true, reason: 'deleted' }),
      line(6, { measures: {} }),
    ];
    await using home = await withJournal(journalOf(...lines), { USER_NAMES: '1234:Anna Li' });
    const { code, stdout, stderr } = await home.run('--format', 'influx');
    assert.deepEqual([code, stderr], [0, '']);
    assert.deepEqual(stdout.split('\n'), [
      String.raw`weighbridge,userid=1234,name=Anna\ Li weight=81.25,fat_ratio=17.3 ${TAKEN}000000000`,
      `weighbridge,userid=5678 weight=81.25 ${TAKEN + 1}000000000`,
      '',
    ]);
  });
});

describe('a journal of ten years', () => {
  /** The lines of two people follow each other in the file, so that the sorted output jumps within it. */
  const COUNT = 100_000;
  const HEAP_MB = 48;
  const lines = () =>
    Array.from({ length: COUNT }, (_, index) => {
      const isBo = index >= COUNT / 2;
      const timestamp = TAKEN - (COUNT - (isBo ? index - COUNT / 2 : index)) * 3_153;
      return line(6_000_000_000 + index, { timestamp, userid: isBo ? '5678' : '1234' });
    });

  test('is exported whole and in order', async (t) => {
    await using home = await withJournal(journalOf(...lines()));
    const since = performance.now();
    const rows = await home.csv();
    t.diagnostic(`${COUNT} lines in ${Math.round(performance.now() - since)} ms, with reading them here`);
    assert.equal(rows.length, COUNT);
    assert.equal(new Set(rows.map((row) => row['grpid'])).size, COUNT);
    const times = rows.map((row) => Number(row['timestamp']));
    assert.ok(times.every((time, index) => time >= (times[index - 1] ?? 0)));
  });

  test('is exported within a heap smaller than the journal, to a slow reader', async () => {
    await using home = await withJournal(journalOf(...lines()), { NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}` });
    const child = home.start();
    const stderr = text(child.stderr);
    await once(child.stdout, 'readable');
    assert.equal((await text(child.stdout)).split('\r\n').length, COUNT + 2, await stderr);
  });

  test('is exported without an error to a reader that stops early', async () => {
    await using home = await withJournal(journalOf(...lines()));
    for (const format of ['csv', 'json']) {
      const child = home.start('--format', format);
      const stderr = text(child.stderr);
      await once(child.stdout, 'readable');
      child.stdout.destroy();
      const [code] = await once(child, 'close');
      assert.deepEqual([code, await stderr], [0, '']);
    }
  });
});
