import assert from 'node:assert/strict';
import { createHook } from 'node:async_hooks';
import { Stats } from 'node:fs';
import { appendFile, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { describe, test } from 'node:test';
import type { Journal, Reading } from '../../../src/domain/reading.ts';
import { Trouble } from '../../../src/domain/trouble.ts';
import { type FileSystem, nodeFiles } from '../../../src/storage/files.ts';
import { openJournal } from '../../../src/storage/journal/journal.ts';
import { createRecordingLog } from '../../support/recording-log.ts';
import { READING } from '../../support/sample-reading.ts';
import { mountSmallDisk, NO_MOUNT } from '../../support/small-disk.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { ANNA, BO } from '../../support/token-store.contract.ts';
import { diskError, failOneByOne, failureOf, watchFiles } from '../../support/watched-files.ts';

/** The line that contract.md shows. */
const LINE =
  '{"userid":"1234","grpid":6123456789,"date":"2026-11-20T07:01:02+01:00","timestamp":1795154462,"modified":1795154570,' +
  '"attrib":0,"ambiguous":false,"deviceid":"d1","model":"Body+",' +
  '"measures":{"weight":81.25,"fat_ratio":17.3,"muscle_mass":63.1}}\n';

/** A weigh-in so many minutes after that of the line. */
function weighIn(groupId: number, minute: number, weight: number, more: Partial<Reading> = {}): Reading {
  const takenAt = new Date(READING.takenAt.getTime() + minute * 60_000);
  return { ...READING, groupId, takenAt, modifiedAt: takenAt, measures: { weight }, ...more };
}
const FIRST = weighIn(1, 0, 80);
const SECOND = weighIn(2, 1, 81);
const THIRD = weighIn(3, 2, 82);

async function setUp(content?: string) {
  const directory = await temporaryDirectory();
  const path = `${directory.path}/measures.jsonl`;
  if (content !== undefined) await writeFile(path, content);
  const log = createRecordingLog();
  return {
    path,
    log,
    open: (files: FileSystem = nodeFiles) => openJournal(path, log, { files }),
    text: () => readFile(path, 'utf8'),
    /** Returns the group ids of the lines in order. Fails if a line is not whole. */
    async groups() {
      const text = await readFile(path, 'utf8');
      assert.match(text, /^$|\n$/);
      const lines: { readonly grpid: number }[] = text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line));
      return lines.map(({ grpid }) => grpid);
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

async function linesOf(...readings: Reading[]): Promise<string> {
  await using place = await setUp();
  await (await place.open()).append(readings);
  return await place.text();
}

const added = async (journal: Journal, ...readings: Reading[]) =>
  (await journal.append(readings)).map(({ reading }) => reading.groupId);

describe('a line of the journal', () => {
  test('is exactly what the contract shows', async () => assert.equal(await linesOf(READING), LINE));

  test('marks a possibly different person, and omits no unknown field', async () => {
    const line = await linesOf({
      ...READING,
      attribution: 1,
      ambiguous: true,
      deviceId: undefined,
      model: undefined,
      timeZone: undefined,
      measures: { weight: 72.35, type_999: 5, segment_muscle_mass_12: 3.1 },
    });
    assert.equal(
      line,
      '{"userid":"1234","grpid":6123456789,"date":"2026-11-20T06:01:02+00:00","timestamp":1795154462,' +
        '"modified":1795154570,"attrib":1,"ambiguous":true,"deviceid":null,"model":null,' +
        '"measures":{"weight":72.35,"type_999":5,"segment_muscle_mass_12":3.1}}\n',
    );
  });

  test('marks history only for groups of a backfill', async () => {
    await using place = await setUp();
    const journal = await place.open();
    await journal.append([FIRST], { history: true });
    await journal.append([SECOND]);
    assert.match(await place.text(), /"measures":\{"weight":80\},"history":true\}\n.*"measures":\{"weight":81\}\}\n$/);
    assert.deepEqual(await added(await place.open(), FIRST, SECOND, THIRD), [3], 'and is known like any other');
  });

  test('is in a private file', async () => {
    await using place = await setUp();
    await place.open();
    assert.equal((await stat(place.path)).mode & 0o777, 0o600);
    assert.equal(await place.text(), '');
  });
});

describe('a group', () => {
  test('is written once, however often it is passed', async () => {
    await using place = await setUp();
    const journal = await place.open();
    assert.deepEqual(await added(journal, FIRST, SECOND), [1, 2]);
    assert.deepEqual(await added(journal, FIRST, THIRD, SECOND), [3]);
    assert.deepEqual(await added(journal, FIRST), []);
    assert.deepEqual(await added(journal), []);
    assert.deepEqual(await place.groups(), [1, 2, 3]);
  });

  test('that is passed twice in one call is written once', async () => {
    await using place = await setUp();
    assert.deepEqual(await added(await place.open(), FIRST, { ...FIRST }), [1]);
    assert.deepEqual(await place.groups(), [1]);
  });

  test('is a different one if it has the same number and another user', async () => {
    await using place = await setUp();
    assert.deepEqual(await added(await place.open(), FIRST, { ...FIRST, userId: BO }), [1, 1]);
  });

  test('that Withings changed is appended again, with a reference to the replaced version', async () => {
    await using place = await setUp();
    const journal = await place.open();
    const ambiguous = weighIn(1, 0, 80, { attribution: 1, ambiguous: true });
    const [first] = await journal.append([ambiguous]);
    assert.equal(first?.replaces, undefined);
    const confirmed = weighIn(1, 0, 79, { attribution: 7, modifiedAt: new Date(READING.takenAt.getTime() + 5_000) });
    const [second] = await journal.append([confirmed]);
    assert.deepEqual(second?.replaces, { weight: 80, counted: false });
    assert.deepEqual(await added(journal, confirmed, ambiguous), [], 'what it said before does not come back');
    assert.deepEqual(await place.groups(), [1, 1]);
  });

  test('is returned with the weight before it in time, in any order of arrival', async () => {
    await using place = await setUp();
    const journal = await place.open();
    await journal.append([THIRD, FIRST, weighIn(7, -5, 60, { userId: BO })]);
    await journal.append([
      weighIn(4, 0.5, 300, { attribution: 1, ambiguous: true }),
      weighIn(5, 0.7, 0, { measures: {} }),
    ]);
    const [entry] = await journal.append([SECOND]);
    assert.equal(entry?.previousWeight, 80, 'neither a later one, nor of another person, nor a doubtful one');
    const [next] = await journal.append([weighIn(8, 1.5, 83)]);
    assert.equal(next?.previousWeight, 81, 'the nearest in time');
    const [late] = await journal.append([weighIn(9, 0.2, 84), weighIn(10, 1.7, 85)]);
    assert.equal(late?.previousWeight, 80);
    const [last] = await journal.append([weighIn(11, 3, 86)]);
    assert.equal(last?.previousWeight, 82, 'though others came in after it');
    const [oldest] = await journal.append([weighIn(6, -1, 79)]);
    assert.equal(oldest?.previousWeight, undefined);
  });

  test('and the one before it can come in one call, in any order', async () => {
    await using place = await setUp();
    const entries = await (await place.open()).append([SECOND, FIRST]);
    assert.deepEqual(
      entries.map(({ reading, previousWeight }) => [reading.groupId, previousWeight]),
      [
        [2, 80],
        [1, undefined],
      ],
    );
  });

  test('belongs to a weigh-in whose weight is in another group, in any order', async () => {
    const pulse = weighIn(9, 0, 0, { measures: { heart_rate: 60 } });
    await using place = await setUp();
    const journal = await place.open();
    const beside = async (...readings: Reading[]) =>
      (await journal.append(readings)).map(({ besideWeight }) => besideWeight);
    assert.deepEqual(await beside(FIRST, pulse), [false, true]);
    assert.deepEqual(await beside({ ...pulse, groupId: 10 }, { ...pulse, groupId: 11, userId: BO }), [true, false]);
    assert.deepEqual(await beside({ ...pulse, groupId: 12, takenAt: SECOND.takenAt }), [false]);
  });
});

describe('opening', () => {
  test('restores all written groups, the weight before, and the newest change', async () => {
    await using place = await setUp();
    const changed = { ...FIRST, modifiedAt: new Date(READING.takenAt.getTime() + 600_000), measures: { weight: 80.5 } };
    await (await place.open()).append([FIRST, SECOND]);
    await (await place.open()).append([changed]);
    const journal = await place.open();
    assert.deepEqual(await added(journal, FIRST, SECOND, changed), []);
    assert.deepEqual(journal.newestModification(ANNA), changed.modifiedAt);
    assert.equal(journal.newestModification(BO), undefined);
    const [third] = await journal.append([THIRD]);
    assert.equal(third?.previousWeight, 81);
    const [again] = await journal.append([weighIn(1, 0, 80, { modifiedAt: new Date('2027-01-01') })]);
    assert.deepEqual(again?.replaces, { weight: 80.5, counted: true });
    assert.deepEqual(place.log.entries, []);
  });

  test('reads a journal of years, longer than any buffer, completely', async () => {
    const many = Array.from({ length: 4000 }, (_, index) => weighIn(index + 1, index, 80));
    await using place = await setUp();
    await (await place.open()).append(many);
    assert.deepEqual(await added(await place.open(), ...many, weighIn(5000, 5000, 80)), [5000]);
  });

  test('cuts off a torn last line, reports it, and continues with whole lines', async () => {
    await using place = await setUp(LINE + (await linesOf(FIRST)).slice(0, 60));
    const journal = await place.open();
    assert.equal(await place.text(), LINE);
    assert.deepEqual(
      place.log.entries.map(({ level, event }) => [level, event]),
      [['warn', 'journal_torn']],
    );
    assert.deepEqual(await added(journal, FIRST, READING), [1]);
    assert.deepEqual(await place.groups(), [READING.groupId, 1]);
  });

  test('cuts off the zeros of a power cut', async () => {
    await using place = await setUp(`${LINE}${'\0'.repeat(4000)}`);
    await place.open();
    assert.equal(await place.text(), LINE);
  });

  test('keeps a last line that lacks only its newline', async () => {
    await using place = await setUp(LINE.trimEnd());
    const journal = await place.open();
    assert.deepEqual(await added(journal, READING, FIRST), [1]);
    assert.deepEqual(await place.groups(), [READING.groupId, 1]);
    assert.deepEqual(place.log.texts('journal_torn'), []);
  });

  test('keeps the whole lines after a power cut at any byte, and accepts the rest again', async () => {
    const all = [FIRST, SECOND];
    const text = await linesOf(...all);
    const firstEnd = text.indexOf('\n') + 1;
    for (const length of [
      0,
      1,
      5,
      97,
      firstEnd - 2,
      firstEnd - 1,
      firstEnd,
      firstEnd + 1,
      text.length - 2,
      text.length - 1,
    ]) {
      await using place = await setUp(text.slice(0, length));
      const journal = await place.open();
      await journal.append(all);
      assert.equal(await place.text(), text, `cut at ${length}`);
    }
  });

  test('leaves an unreadable line, and reports its position', async () => {
    const [first, second] = [await linesOf(FIRST), await linesOf(SECOND)];
    await using place = await setUp(`${first}a note by hand\n\n{"userid":"x"}\n${second}`);
    const journal = await place.open();
    assert.deepEqual(await added(journal, FIRST, SECOND, THIRD), [3]);
    assert.equal(await place.text(), `${first}a note by hand\n\n{"userid":"x"}\n${second}${await linesOf(THIRD)}`);
    const reported = place.log.entries.filter(({ event }) => event === 'journal_unreadable');
    assert.deepEqual(
      reported.map(({ level, offset }) => [level, offset]),
      [
        ['warn', first.length],
        ['warn', first.length + 'a note by hand\n\n'.length],
      ],
    );
  });

  test('fails with a trouble if the directory is missing', async () => {
    await assert.rejects(openJournal('/nowhere/measures.jsonl', createRecordingLog()), Trouble);
  });
});

describe('a file that changes under a running journal', async () => {
  const changes: Record<string, (path: string) => Promise<void>> = {
    deleted: (path) => rm(path),
    emptied: (path) => truncate(path),
    'cut in the middle of its first line': (path) => truncate(path, 20),
  };
  for (const [what, change] of Object.entries(changes)) {
    test(`and is ${what} stores lost groups that are passed again`, async () => {
      await using place = await setUp();
      const journal = await place.open();
      await journal.append([FIRST, SECOND]);
      await change(place.path);
      await journal.append([FIRST, SECOND]);
      assert.deepEqual(await place.groups(), [1, 2]);
    });

    test(`and is ${what} continues with new groups, without the lost ones`, async () => {
      await using place = await setUp();
      const journal = await place.open();
      await journal.append([FIRST]);
      await change(place.path);
      assert.deepEqual(await added(journal, SECOND), [2]);
      assert.deepEqual(await added(journal, FIRST), [], 'it was told before');
      assert.match(
        await place.text(),
        /"weight":81\}\}\n.*"weight":80\},"history":true\}\n$/,
        'nor does a publisher get it',
      );
      const changed = { ...FIRST, modifiedAt: new Date(FIRST.modifiedAt.getTime() + 1_000) };
      assert.deepEqual(await added(journal, changed), [1], 'what is new of it is told');
      assert.deepEqual(await place.groups(), [2, 1, 1]);
      assert.equal((await stat(place.path)).mode & 0o777, 0o600);
    });
  }

  const [first, second, third] = [await linesOf(FIRST), await linesOf(SECOND), await linesOf(THIRD)];
  for (const [what, before, after] of [
    ['is longer', first + second, third + first + second],
    ['is as long as it was', first + second, first + third],
    ['is longer and ends in an empty line as it did', `${first}\n`, `${third}${first}\n`],
  ] as const) {
    // nano, `cp` and `cat … > measures.jsonl` keep the file.
    test(`and is overwritten, and ${what}, has its current content`, async () => {
      await using place = await setUp(before);
      const journal = await place.open();
      await writeFile(place.path, after);
      assert.deepEqual(await added(journal, THIRD), []);
      assert.equal(await place.text(), after);
      const wasTold = (before + after).includes(second);
      assert.deepEqual(await added(journal, SECOND), wasTold ? [] : [2]);
      assert.match(await place.text(), /"grpid":2,/);
    });

    test(`and is overwritten, and ${what}, is noticed at the next check, which wakes publishers`, async () => {
      await using place = await setUp(before);
      const journal = await place.open();
      let woken = 0;
      using _growth = journal.feed.onGrowth(() => {
        woken += 1;
      });
      await writeFile(place.path, after);
      await journal.look();
      assert.deepEqual(journal.lastWeighIn(ANNA), { kilograms: 82, takenAt: THIRD.takenAt });
      assert.equal(woken, 1);
      await journal.look();
      assert.equal(woken, 1, 'and no publisher without a change');
    });
  }

  test('and is started over by another process is read from its start', async () => {
    await using place = await setUp();
    // ext4 gives the number of a deleted inode to the next file.
    const sameInode = watchFiles(async (_operation, run) => {
      const result = await run();
      return result instanceof Stats ? Object.assign(result, { ino: 1 }) : result;
    });
    const [one, two] = [await place.open(sameInode), await place.open()];
    await one.append([FIRST]);
    await rm(place.path);
    await two.append([SECOND, THIRD]);
    assert.deepEqual(await added(one, THIRD, FIRST), [], 'it was told before');
    assert.deepEqual(await place.groups(), [2, 3, 1]);
    assert.deepEqual(place.log.entries, []);
  });
});

describe('two processes with one journal', () => {
  test('see the lines of the other process, and never write a group twice', async () => {
    await using place = await setUp();
    const [one, two] = [await place.open(), await place.open()];
    await one.append([FIRST]);
    assert.deepEqual(await added(two, FIRST, SECOND), [2]);
    const [entry] = await one.append([SECOND, THIRD]);
    assert.equal(entry?.reading.groupId, 3);
    assert.equal(entry?.previousWeight, 81, 'which only the other one has written');
    assert.deepEqual(await place.groups(), [1, 2, 3]);
  });

  test('write each group once if both get all groups at the same time', async () => {
    await using place = await setUp();
    const journals = [await place.open(), await place.open()];
    const groups = Array.from({ length: 10 }, (_, index) => weighIn(index + 1, index, 80));
    const entries = await Promise.all(groups.flatMap((group) => journals.map((journal) => journal.append([group]))));
    assert.deepEqual(
      (await place.groups()).sort((a, b) => a - b),
      groups.map(({ groupId }) => groupId),
    );
    assert.equal(entries.flat().length, groups.length, 'and only one of them tells of it');
  });

  test('repair a line that the other process left incomplete after a kill', async () => {
    await using place = await setUp();
    const journal = await place.open();
    await journal.append([FIRST]);
    await appendFile(place.path, (await linesOf(SECOND)).slice(0, 40));
    assert.deepEqual(await added(journal, THIRD), [3]);
    assert.deepEqual(await place.groups(), [1, 3]);
  });

  test('make 20 simultaneous appends 20 lines, each announced once', async () => {
    await using place = await setUp();
    const journal = await place.open();
    const groups = Array.from({ length: 20 }, (_, index) => weighIn(index + 1, index, 80));
    const entries = await Promise.all([...groups, ...groups].map((group) => journal.append([group])));
    assert.equal(entries.flat().length, 20);
    assert.deepEqual(
      (await place.groups()).sort((a, b) => a - b),
      groups.map(({ groupId }) => groupId),
    );
  });
});

describe('10,000 readings in one append', () => {
  const many = Array.from({ length: 10_000 }, (_, index) => weighIn(index + 1, index, 80 + (index % 10)));

  test('yield the event loop some hundred times, and become visible together', async (t) => {
    await using place = await setUp();
    const journal = await place.open();
    const { bytes: before } = journal.feed.end();
    let yields = 0;
    using _counting = onYield(() => {
      yields += 1;
      const isVisible = journal.feed.end().bytes > before;
      if (isVisible) assert.deepEqual(journal.lastWeighIn(ANNA)?.takenAt, many.at(-1)?.takenAt);
    });
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const entries = await journal.append(many);
    delay.disable();
    assert.equal(entries.length, many.length);
    assert.equal(entries.at(-1)?.previousWeight, many.at(-2)?.measures['weight']);
    // Each turn processes 100 readings in one of four steps: choose, encode, learn, describe.
    assert.ok(yields >= 4 * 99, `${yields} times`);
    t.diagnostic(`gave way ${yields} times, at most ${Math.round(delay.max / 1e6)} ms apart`);
  });

  test('of as many groups, each passed twice, are written once in the newest version', async () => {
    await using place = await setUp();
    const newer = many.map((each) => ({ ...each, modifiedAt: new Date(each.modifiedAt.getTime() + 1_000) }));
    const journal = await place.open();
    const entries = await journal.append([...many, ...newer.toReversed()]);
    assert.deepEqual(
      entries.map(({ reading }) => reading),
      newer.toReversed(),
    );
  });
});

describe('a disk that fails', () => {
  test('with half a line written removes it, and the next append is whole', async () => {
    await using place = await setUp();
    await (await place.open()).append([FIRST]);
    let isFull = true;
    const files = watchFiles(async ({ name, handle, args }, run) => {
      if (!isFull || name !== 'appendFile') return await run();
      await handle?.appendFile(String(args[0]).slice(0, 50));
      throw diskError('ENOSPC');
    });
    const journal = await place.open(files);
    await assert.rejects(journal.append([SECOND, THIRD]), { code: 'disk_full', recovery: 'retry' });
    assert.deepEqual(await place.groups(), [1]);
    isFull = false;
    assert.deepEqual(await added(journal, SECOND, THIRD), [2, 3]);
    assert.deepEqual(await place.groups(), [1, 2, 3]);
  });

  for (const code of ['ENOSPC', 'EIO']) {
    test(`with ${code} at any step adds and announces all lines or none, and a retry succeeds`, async () => {
      for await (const { files, failed } of failOneByOne(code)) {
        await using place = await setUp(await linesOf(FIRST));
        const appending = place.open(files).then((journal) => added(journal, SECOND));
        const failure = await failureOf(appending);
        const step = `${failed()?.name} ${failed()?.path}`;
        assert.equal(failure === undefined || failure instanceof Trouble, true, `${step}: ${failure}`);
        const journal = await place.open();
        assert.deepEqual(await added(journal, SECOND), failure === undefined ? [] : [2], step);
        assert.deepEqual(await place.groups(), [1, 2], step);
      }
    });

    test(`with ${code} at any step of an append does not stop the same journal`, async () => {
      for await (const { files, failed } of failOneByOne(code)) {
        await using place = await setUp(await linesOf(FIRST));
        let isReady = false;
        const gate = await place.open(switchFiles(() => (isReady ? files : nodeFiles)));
        isReady = true;
        const first = await gate.append([SECOND]).catch(() => []);
        isReady = false;
        const second = await gate.append([SECOND]);
        const step = `${failed()?.name} ${failed()?.path}`;
        assert.equal(first.length + second.length, 1, `told once: ${step}`);
        assert.deepEqual(await place.groups(), [1, 2], step);
      }
    });
  }

  for (const [step, look] of [
    ['sync', false],
    ['sync', true],
    ['appendFile', false],
  ] as const) {
    const when = look ? ' and a look at the file' : '';
    test(`with EIO at the ${step} and at the truncate after it announces each line once${when}`, async () => {
      await using place = await setUp();
      let isBroken = false;
      const files = watchFiles(async ({ name, path, handle, args }, run) => {
        if (!isBroken || path !== place.path || (name !== step && name !== 'truncate')) return await run();
        // One and a half lines reach the disk.
        const text = String(args[0]);
        if (name === 'appendFile') await handle?.appendFile(text.slice(0, text.indexOf('\n') + 40));
        throw diskError('EIO');
      });
      const journal = await place.open(files);
      await journal.append([FIRST]);
      isBroken = true;
      await assert.rejects(journal.append([SECOND, THIRD]), { recovery: 'retry' });
      isBroken = false;
      if (look) await journal.look();
      const entries = await journal.append([SECOND, THIRD]);
      assert.deepEqual(
        entries.map(({ reading, previousWeight }) => [reading.groupId, previousWeight]),
        [
          [2, 80],
          [3, 81],
        ],
      );
      assert.deepEqual(await added(journal, FIRST, SECOND, THIRD), [], 'once');
      assert.deepEqual(await place.groups(), [1, 2, 3]);
    });
  }

  test('with EIO does not announce lines of another process again', async () => {
    await using place = await setUp();
    let isBroken = false;
    const files = watchFiles(async ({ name, path }, run) => {
      if (isBroken && path === place.path && (name === 'appendFile' || name === 'truncate')) throw diskError('EIO');
      return await run();
    });
    const journal = await place.open(files);
    await journal.append([FIRST]);
    isBroken = true;
    await assert.rejects(journal.append([SECOND]), { recovery: 'retry' });
    isBroken = false;
    assert.deepEqual(await added(await place.open(), THIRD), [3]);
    assert.deepEqual(await added(journal, SECOND, THIRD), [2]);
  });

  test('and is really full accepts whole lines or none, and continues with free room', async (t) => {
    await using disk = await mountSmallDisk();
    if (disk === undefined) return t.skip(NO_MOUNT);
    const path = `${disk.path}/measures.jsonl`;
    const journal = await openJournal(path, createRecordingLog());
    await journal.append([FIRST]);
    const before = await readFile(path, 'utf8');
    await disk.fill();
    const many = Array.from({ length: 40 }, (_, index) => weighIn(index + 10, index, 80));
    await assert.rejects(journal.append(many), { code: 'disk_full' });
    assert.equal(await readFile(path, 'utf8'), before);
    await disk.makeRoom();
    assert.equal((await journal.append(many)).length, many.length);
    assert.equal(await readFile(path, 'utf8'), before + (await linesOf(...many)));
  });
});

describe('before an append returns', () => {
  test('the lines are on the disk, and so is the name of a new file', async () => {
    await using place = await setUp();
    const steps: string[] = [];
    const files = watchFiles(async ({ name, path }, run) => {
      const result = await run();
      steps.push(`${name} ${path === place.path ? 'journal' : 'directory'}`);
      return result;
    });
    const journal = await place.open(files);
    assert.ok(steps.includes('sync directory'));
    steps.length = 0;
    await journal.append([FIRST]);
    assert.ok(steps.lastIndexOf('sync journal') > steps.lastIndexOf('appendFile journal'), `${steps}`);
  });

  test('the lines that a killed process did not sync are synced', async () => {
    await using place = await setUp(await linesOf(FIRST));
    let isSynced = false;
    const files = watchFiles(async ({ name, path }, run) => {
      if (name === 'sync' && path === place.path) isSynced = true;
      return await run();
    });
    assert.deepEqual(await added(await place.open(files), FIRST), []);
    assert.equal(isSynced, true);
  });
});

/** Runs `look` whenever a loop yields, however long a turn takes on this machine. */
function onYield(look: () => void): Disposable {
  const hook = createHook({
    init(_id, type) {
      if (type === 'Immediate') look();
    },
  }).enable();
  return { [Symbol.dispose]: () => void hook.disable() };
}

/** Uses the file system that `choose` returns at the moment. */
function switchFiles(choose: () => FileSystem): FileSystem {
  return {
    open: (...args) => choose().open(...args),
    readFile: (path) => choose().readFile(path),
    readdir: (path) => choose().readdir(path),
    rename: (...args) => choose().rename(...args),
    rm: (...args) => choose().rm(...args),
    get stat() {
      return choose().stat;
    },
  };
}
