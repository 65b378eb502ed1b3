import assert from 'node:assert/strict';
import { copyFile, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createPublisherTroubles } from '../../../src/app/status/troubles.ts';
import { GIVEN_UP, type Publisher } from '../../../src/domain/publisher.ts';
import { Trouble } from '../../../src/domain/trouble.ts';
import { formatLine } from '../../../src/storage/journal/line.ts';
import { createMemoryPublisher, createOutboxBench, HOUR_MS, reading, until } from '../../support/outbox-bench.ts';
import { ANNA, BO } from '../../support/people.ts';

const AWAY = () => new Trouble('cannot reach the other side', { code: 'unreachable', recovery: 'retry' });
/** Returns the function that `--expose-gc` provides, without the flag. */
setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');
const LOOK_MS = 30_000;
/** Waits for some real time, because no event marks the absence of a delivery. */
const nothing = () => new Promise((resolve) => setTimeout(resolve, 60));

describe('an outbox', () => {
  test('starts at the end of the journal, and delivers new readings at once and in order', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock } = bench;
    await journal.append([reading(clock, 80)]);
    const publisher = createMemoryPublisher();
    await using _outbox = bench.start(publisher, journal);
    const [first, second, third] = [reading(clock, 81), reading(clock, 82), reading(clock, 83)];
    await journal.append([first, second]);
    await journal.append([third]);
    await until(() => publisher.got.length === 3);
    assert.deepEqual(publisher.groups, [first.groupId, second.groupId, third.groupId]);
    assert.deepEqual(
      publisher.got.map(({ late, correction }) => [late, correction]),
      [
        [false, false],
        [false, false],
        [false, false],
      ],
    );
  });

  test('notes when the other side took a reading', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock, log, saves } = bench;
    const troubles = createPublisherTroubles({ clock, log, publisher: 'mqtt' });
    const publisher = createMemoryPublisher('mqtt');
    await using _outbox = bench.start(publisher, journal, { troubles });
    await clock.advance(5_000);
    await journal.append([reading(clock, 81)]);
    await until(() => publisher.got.length === 1 && saves.length > 0);
    assert.deepEqual(troubles.contact, { sinceMs: 5_000, lastMs: 5_000 });
  });

  test('continues at its offset, also with readings from the downtime', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock } = bench;
    const publisher = createMemoryPublisher();
    const readings = [reading(clock, 81), reading(clock, 82), reading(clock, 83)];
    {
      await using _outbox = bench.start(publisher, journal);
      await journal.append(readings.slice(0, 1));
      await until(() => publisher.got.length === 1);
    }
    await journal.append(readings.slice(1));
    await using _again = bench.start(publisher, await bench.open());
    await until(() => publisher.got.length === 3);
    assert.deepEqual(
      publisher.groups,
      readings.map(({ groupId }) => groupId),
    );
  });

  test('does not take the end of the journal for its offset after a kill before the first delivery', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock } = bench;
    const publisher = createMemoryPublisher();
    publisher.fail = AWAY;
    // The outbox is not disposed, as after a kill.
    bench.start(publisher, journal);
    await until(() => bench.saves.length === 1);
    await journal.append([reading(clock, 81)]);
    const next = createMemoryPublisher();
    await using _outbox = bench.start(next, await bench.open());
    await until(() => next.got.length === 1);
  });

  test('has one small private file, and writes it after each delivery', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock } = bench;
    const publisher = createMemoryPublisher();
    await using _outbox = bench.start(publisher, journal);
    await until(() => bench.saves.length === 1);
    await journal.append([reading(clock, 81)]);
    await until(() => bench.saves.length === 2);
    const { size, ino, birthtimeMs } = await stat(bench.path);
    const [place, mark, ...rest] = (await readFile(`${bench.directory}/test`, 'utf8')).split('\n');
    assert.equal(place, `${size} ${ino} ${birthtimeMs}`);
    assert.match(mark ?? '', new RegExp(`^${size} ${size} [0-9a-f]{16}$`));
    assert.deepEqual(rest, ['']);
    assert.equal((await stat(`${bench.directory}/test`)).mode & 0o777, 0o600);
    await journal.append([reading(clock, 82), reading(clock, 83)], { history: true });
    await clock.advance(10 * LOOK_MS);
    await nothing();
    assert.equal(bench.saves.length, 2, 'not for history, and not for a look');
  });

  test('skips readings of a backfill', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock } = bench;
    const publisher = createMemoryPublisher();
    await using _outbox = bench.start(publisher, journal);
    const fresh = reading(clock, 81);
    await journal.append([reading(clock, 79), reading(clock, 80)], { history: true });
    await journal.append([fresh]);
    await until(() => publisher.got.length > 0);
    assert.deepEqual(publisher.groups, [fresh.groupId]);
  });

  test('finds readings that another process appended within 30 s', async () => {
    await using bench = await createOutboxBench();
    const publisher = createMemoryPublisher();
    await using _outbox = bench.start(publisher, bench.journal);
    await until(() => bench.clock.sleepers === 1);
    await (await bench.open()).append([reading(bench.clock, 81)]);
    await nothing();
    assert.equal(publisher.got.length, 0);
    await bench.clock.advance(LOOK_MS);
    await until(() => publisher.got.length === 1);
  });

  test('never reads half a line, whether it is being written or torn', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock } = bench;
    const publisher = createMemoryPublisher();
    await using _outbox = bench.start(publisher, journal);
    const line = formatLine(reading(clock, 81));
    await writeFile(bench.path, line.slice(0, 40));
    await clock.advance(LOOK_MS);
    await nothing();
    const whole = reading(clock, 82);
    await journal.append([whole]);
    await until(() => publisher.got.length === 1);
    assert.deepEqual(publisher.groups, [whole.groupId]);
    assert.equal(bench.log.texts('journal_replaced').length, 0);
  });

  test('reads a line that is longer than a page', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock } = bench;
    const publisher = createMemoryPublisher();
    await using _outbox = bench.start(publisher, journal);
    const measures = Object.fromEntries(Array.from({ length: 20_000 }, (_, at) => [`type_${at}`, at]));
    await journal.append([reading(clock, 81), reading(clock, 82, 2, { measures }), reading(clock, 83)]);
    await until(() => publisher.got.length === 3);
    assert.equal(Object.keys(publisher.got[1]?.reading.measures ?? {}).length, 20_000);
  });
});

describe('a delivery', () => {
  test('contains the weight before, and the offset of the reading', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock } = bench;
    await journal.append([reading(clock, 80, 60 * 24)], { history: true });
    const publisher = createMemoryPublisher();
    await using _outbox = bench.start(publisher, journal);
    await journal.append([reading(clock, 81)]);
    await until(() => publisher.got.length === 1);
    assert.equal(publisher.got[0]?.previousWeight, 80);
    assert.equal(publisher.got[0]?.reading.timeZone, '+01:00');
  });

  test('is late by its age at the delivery, however long the retries took', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock } = bench;
    const publisher = createMemoryPublisher();
    await using _outbox = bench.start(publisher, journal);
    await journal.append([reading(clock, 80, 61), reading(clock, 81, 59), reading(clock, 82, 0)]);
    await until(() => publisher.got.length === 3);
    assert.deepEqual(
      publisher.got.map(({ late }) => late),
      [true, false, false],
    );
    publisher.fail = AWAY;
    await journal.append([reading(clock, 83)]);
    await until(() => clock.sleepers === 1 && publisher.tries === 4);
    await clock.advance(HOUR_MS);
    publisher.fail = undefined;
    await clock.advance(HOUR_MS);
    await until(() => publisher.got.length === 4);
    assert.equal(publisher.got[3]?.late, true);
  });

  test('is late if the clock has not been set yet', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock } = bench;
    const publisher = createMemoryPublisher();
    const yesterday = reading(clock, 81, 24 * 60);
    clock.jumpTo(new Date(0));
    await using _outbox = bench.start(publisher, journal);
    await journal.append([yesterday]);
    await until(() => publisher.got.length === 1);
    assert.equal(publisher.got[0]?.late, true);
  });

  test('of a changed group is a correction, and late if an earlier delivery was possible', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock } = bench;
    const publisher = createMemoryPublisher();
    await using _outbox = bench.start(publisher, journal);
    const told = reading(clock, 81);
    const held = reading(clock, 82, 2, { attribution: 1, ambiguous: true });
    const later = { modifiedAt: clock.now() };
    await journal.append([told, held]);
    await until(() => publisher.got.length === 2);
    await journal.append([{ ...told, ...later, measures: { weight: 80.9 } }]);
    await journal.append([{ ...held, ...later, attribution: 0, ambiguous: false }]);
    await until(() => publisher.got.length === 4);
    assert.deepEqual(
      publisher.got.map(({ reading, correction, late }) => [reading.measures['weight'], correction, late]),
      [
        [81, false, false],
        [82, false, true],
        [80.9, true, true],
        [82, true, false],
      ],
      'an ambiguous group is news once it has a person',
    );
  });

  test('of a group from before a restart is a correction as well', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock } = bench;
    const told = reading(clock, 81);
    await journal.append([told]);
    const publisher = createMemoryPublisher();
    await using _outbox = bench.start(publisher, await bench.open());
    await until(() => clock.sleepers === 1);
    await journal.append([{ ...told, modifiedAt: clock.now() }]);
    await clock.advance(LOOK_MS);
    await until(() => publisher.got.length === 1);
    assert.deepEqual([publisher.got[0]?.correction, publisher.got[0]?.late], [true, true]);
  });
});

describe('a publisher that fails', () => {
  test('is retried in order after 1 s to 10 min, and reported once, reminded of and resolved', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock, log } = bench;
    const publisher = createMemoryPublisher('mqtt');
    publisher.fail = AWAY;
    await using _outbox = bench.start(publisher, journal);
    const readings = [reading(clock, 81), reading(clock, 82)];
    await journal.append(readings);
    await until(() => clock.sleepers === 1 && publisher.tries === 1);
    await clock.advance(999);
    assert.equal(publisher.tries, 1);
    for (let tries = 2, ms = 1; tries < 15; tries += 1, ms = Math.min(2 ** (tries - 2) * 1000, 600_000)) {
      await clock.advance(ms);
      assert.equal(publisher.tries, tries, `${tries} tries after another ${ms} ms`);
    }
    assert.equal(log.texts('trouble').length, 14);
    const told = () => log.entries.filter(({ event, level }) => event === 'trouble' && level === 'warn');
    assert.deepEqual(
      told().map(({ text, publisher: name }) => [text, name]),
      [['mqtt: cannot reach the other side', 'mqtt']],
    );
    await clock.advance(6 * HOUR_MS);
    assert.equal(told().length, 2, 'a reminder after six hours');
    publisher.fail = undefined;
    await clock.advance(600_000);
    await until(() => publisher.got.length === 2);
    assert.deepEqual(
      publisher.groups,
      readings.map(({ groupId }) => groupId),
    );
    assert.match(
      log.texts('recovered').join(),
      /^mqtt: the MQTT broker works again \(was: cannot reach the other side, for \d+ min\)$/,
    );
  });

  test('is retried after the time that the publisher requests', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock } = bench;
    const publisher = createMemoryPublisher();
    publisher.fail = () => new Trouble('later', { code: 'later', recovery: 'retry', waitMs: 45_000 });
    await using _outbox = bench.start(publisher, journal);
    await journal.append([reading(clock, 81)]);
    await until(() => clock.sleepers === 1 && publisher.tries === 1);
    await clock.advance(44_999);
    assert.equal(publisher.tries, 1);
    await clock.advance(1);
    assert.equal(publisher.tries, 2);
  });

  test('delays neither the journal nor another publisher, and each keeps its own offset', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock } = bench;
    const [one, two] = [createMemoryPublisher('one'), createMemoryPublisher('two')];
    one.fail = AWAY;
    two.wait = () => new Promise(() => undefined);
    const three = createMemoryPublisher('three');
    const readings = Array.from({ length: 20 }, (_, at) => reading(clock, 80 + at / 10));
    {
      await using _outbox = bench.start(one, journal);
      bench.start(two, journal);
      await using _other = bench.start(three, journal);
      for (const each of readings) await journal.append([each]);
      await until(() => three.got.length === 20);
    }
    const places = await Promise.all(['one', 'two', 'three'].map((name) => bench.offsets.load(name)));
    assert.deepEqual(
      places.map((place) => place?.bytes),
      [0, 0, (await stat(bench.path)).size],
    );
    one.fail = undefined;
    await using _again = bench.start(one, await bench.open());
    await until(() => one.got.length === 20);
    assert.deepEqual(one.groups, three.groups);
  });

  test('reports a dropped delivery, and continues with the next one', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock, log } = bench;
    const publisher = createMemoryPublisher();
    const readings = [reading(clock, 81), reading(clock, 82)];
    publisher.fail = AWAY;
    await using _outbox = bench.start(publisher, journal);
    await journal.append(readings);
    await until(() => clock.sleepers === 1 && publisher.tries === 1);
    publisher.fail = () =>
      publisher.tries === 2 ? new Trouble('enough', { code: GIVEN_UP, recovery: 'defect', hint: 'look' }) : undefined;
    await clock.advance(1_000);
    await until(() => publisher.got.length === 1);
    assert.deepEqual(publisher.groups, [readings[1]?.groupId]);
    assert.deepEqual(
      log.entries.filter(({ level }) => level !== 'debug').map(({ level, event }) => [level, event]),
      [
        ['warn', 'trouble'],
        ['error', 'given_up'],
        ['info', 'recovered'],
      ],
    );
    assert.match(log.texts('given_up').join(), /^test: skipped weigh-in \d+ after repeated errors: enough\. look$/);
  });

  test('because of a bug reports it, retries, and drops the delivery after a day', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock, log } = bench;
    const publisher = createMemoryPublisher();
    const [poison, good] = [reading(clock, 81), reading(clock, 82)];
    publisher.fail = () => (publisher.tries > 100_000 ? undefined : new TypeError('undefined is not a function'));
    await using _outbox = bench.start(publisher, journal);
    await journal.append([poison]);
    await until(() => clock.sleepers === 1 && publisher.tries === 1);
    assert.match(
      String(log.entries.find(({ event, level }) => event === 'trouble' && level === 'error')?.text),
      /^test: bug in weighbridge: TypeError/,
    );
    await clock.advance(23 * HOUR_MS);
    assert.equal(log.texts('given_up').length, 0);
    await clock.advance(2 * HOUR_MS);
    await until(() => log.texts('given_up').length === 1);
    assert.match(log.texts('given_up').join(), /^test: skipped weigh-in/);
    publisher.fail = undefined;
    await journal.append([good]);
    await until(() => publisher.got.length === 1);
    assert.deepEqual(publisher.groups, [good.groupId]);
  });
});

describe('a journal', () => {
  for (const [how, change] of [
    ['is another file', async (path: string) => rename(`${path}.new`, path)],
    [
      'was started over in the same file',
      async (path: string) => {
        const text = await readFile(`${path}.new`);
        await truncate(path, 0);
        await writeFile(path, text);
      },
    ],
  ] as const) {
    test(`that ${how} is delivered from the start, old readings as late, and the log reports it once`, async () => {
      await using bench = await createOutboxBench();
      const { journal, clock, log } = bench;
      const publisher = createMemoryPublisher();
      await using _outbox = bench.start(publisher, journal);
      await journal.append(Array.from({ length: 9 }, (_, at) => reading(clock, 80 + at)));
      await until(() => publisher.got.length === 9);
      const lines = [reading(clock, 70, 48 * 60), reading(clock, 71, 5)].map((each) => `${formatLine(each)}\n`);
      await writeFile(`${bench.path}.new`, lines.join(''));
      await until(() => clock.sleepers === 1);
      await change(bench.path);
      await clock.advance(LOOK_MS);
      await until(() => publisher.got.length === 11);
      await clock.advance(LOOK_MS * 3);
      assert.deepEqual(
        publisher.got.slice(9).map(({ reading, late }) => [reading.measures['weight'], late]),
        [
          [70, true],
          [71, false],
        ],
      );
      assert.equal(log.texts('journal_replaced').length, 1);
    });
  }

  for (const [which, more] of [
    ['a copy', 0],
    ['a continued copy', 1],
  ] as const) {
    test(`that is ${which} of its former content is continued at the same offset`, async () => {
      await using bench = await createOutboxBench();
      const { journal, clock, log } = bench;
      const publisher = createMemoryPublisher();
      {
        await using _outbox = bench.start(publisher, journal);
        await journal.append(Array.from({ length: 9 }, (_, at) => reading(clock, 80 + at)));
        await until(() => publisher.got.length === 9);
      }
      const missed = reading(clock, 70);
      if (more > 0) await journal.append([missed]);
      await copyFile(bench.path, `${bench.path}.new`);
      await rename(`${bench.path}.new`, bench.path);
      const again = await bench.open();
      await using _again = bench.start(publisher, again);
      const next = reading(clock, 71);
      await again.append([next]);
      await until(() => publisher.got.length === 10 + more);
      const came = more > 0 ? [missed, next] : [next];
      assert.deepEqual(
        publisher.groups.slice(9),
        came.map(({ groupId }) => groupId),
      );
      await until(async () => (await bench.offsets.load('test'))?.bytes === (await stat(bench.path)).size);
      assert.equal((await bench.offsets.load('test'))?.file, again.feed.end().file);
      assert.deepEqual(log.texts('journal_replaced'), [
        'test: the journal is a copy. Continuing where the old journal was.',
      ]);
    });
  }

  for (const [how, restore] of [
    ['as another file', rename],
    ['into the same file', copyFile],
  ] as const) {
    test(`that was restored from an older backup, ${how}, is delivered again from the possible age of the backup`, async () => {
      await using bench = await createOutboxBench();
      const { journal, clock, log } = bench;
      const publisher = createMemoryPublisher();
      const readings = Array.from({ length: 40 }, (_, at) => reading(clock, 80 + at));
      {
        await using _outbox = bench.start(publisher, journal);
        await journal.append(readings.slice(0, 30));
        await copyFile(bench.path, `${bench.path}.backup`);
        await journal.append(readings.slice(30));
        await until(() => publisher.got.length === 40);
      }
      await restore(`${bench.path}.backup`, bench.path);
      const again = await bench.open();
      await using _again = bench.start(publisher, again);
      await until(() => log.texts('journal_replaced').length === 1);
      const fetchedAgain = readings.slice(30);
      await again.append(fetchedAgain);
      await until(() => publisher.groups.at(-1) === readings.at(-1)?.groupId && publisher.got.length > 40);
      const redelivered = publisher.groups.slice(40);
      const all = readings.map(({ groupId }) => groupId);
      assert.deepEqual(redelivered, all.slice(-redelivered.length), 'in order, and without a gap');
      assert.ok(redelivered.length >= 10 && redelivered.length <= 25, `${redelivered.length} of 40`);
      assert.match(
        log.texts('journal_replaced').join(),
        /the journal was replaced\. Sending the newest readings again/,
      );
    });
  }

  test('whose last line was edited is delivered again from that line', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock } = bench;
    const publisher = createMemoryPublisher();
    const readings = [reading(clock, 80), reading(clock, 81), reading(clock, 82)];
    {
      await using _outbox = bench.start(publisher, journal);
      await journal.append(readings);
      await until(() => publisher.got.length === 3);
    }
    await writeFile(bench.path, (await readFile(bench.path, 'utf8')).replace('"weight":82', '"weight":83'));
    await using _again = bench.start(publisher, await bench.open());
    await until(() => publisher.got.length === 4);
    assert.equal(publisher.got[3]?.reading.measures['weight'], 83);
  });

  test('of another household with equal length is delivered from the start', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock } = bench;
    const publisher = createMemoryPublisher();
    {
      await using _outbox = bench.start(publisher, journal);
      await journal.append([reading(clock, 80), reading(clock, 81)]);
      await until(() => publisher.got.length === 2);
    }
    const other = (await readFile(bench.path, 'utf8')).replaceAll(`"userid":"${ANNA}"`, `"userid":"${BO}"`);
    await writeFile(`${bench.path}.new`, other);
    await rename(`${bench.path}.new`, bench.path);
    await using _again = bench.start(publisher, await bench.open());
    await until(() => publisher.got.length === 4);
    assert.deepEqual(
      publisher.got.slice(2).map(({ reading: { userId, measures } }) => [userId, measures['weight']]),
      [
        [BO, 80],
        [BO, 81],
      ],
    );
  });

  test('that is missing is waited for silently', async () => {
    await using bench = await createOutboxBench();
    const publisher = createMemoryPublisher();
    await using _outbox = bench.start(publisher, bench.journal);
    await until(() => bench.clock.sleepers === 1);
    await rm(bench.path);
    await bench.clock.advance(LOOK_MS * 2);
    await bench.journal.append([reading(bench.clock, 81)]);
    await until(() => publisher.got.length === 1);
    assert.deepEqual(bench.log.texts('trouble'), []);
  });
});

describe('an offset', () => {
  test('that cannot be read is reported once, and the outbox starts with the first line', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock, log } = bench;
    await writeFile(`${bench.directory}/test`, '\0\0\0\0');
    await journal.append([reading(clock, 81)]);
    const publisher = createMemoryPublisher();
    await using _outbox = bench.start(publisher, journal);
    await until(() => publisher.got.length === 1);
    assert.equal(log.texts('offset_unreadable').length, 1);
    assert.equal(log.texts('journal_replaced').length, 0);
  });

  test('without marks counts in its own file, gets marks at the first read, and does not match a copy', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock } = bench;
    await journal.append([reading(clock, 80), reading(clock, 81)]);
    const { bytes, file } = journal.feed.end();
    const old = async () => {
      await writeFile(`${bench.directory}/test`, `${bytes} ${file}\n`);
      return bench.saves.length;
    };
    const publisher = createMemoryPublisher();
    {
      const saves = await old();
      await using _outbox = bench.start(publisher, journal);
      await until(() => bench.saves.length > saves);
    }
    assert.deepEqual(publisher.got, []);
    assert.deepEqual(
      (await bench.offsets.load('test'))?.marks.map((mark) => mark.bytes),
      [bytes],
    );
    await copyFile(bench.path, `${bench.path}.new`);
    await rename(`${bench.path}.new`, bench.path);
    await old();
    await using _again = bench.start(publisher, await bench.open());
    await until(() => publisher.got.length === 2);
  });

  test('that cannot be saved is reported, and no reading is delivered twice meanwhile', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock, log } = bench;
    const disk = { isFull: false };
    const full = new Trouble('cannot write', { code: 'disk_full', recovery: 'retry' });
    const save: typeof bench.offsets.save = (...args) =>
      disk.isFull ? Promise.reject(full) : bench.offsets.save(...args);
    const publisher = createMemoryPublisher();
    await using _outbox = bench.start(publisher, journal, { offsets: { ...bench.offsets, save } });
    await until(() => bench.saves.length === 1);
    disk.isFull = true;
    await journal.append([reading(clock, 81), reading(clock, 82)]);
    await until(() => clock.sleepers === 1 && publisher.tries === 1);
    await clock.advance(HOUR_MS);
    assert.equal(publisher.tries, 1);
    disk.isFull = false;
    await clock.advance(600_000);
    await until(() => publisher.got.length === 2);
    assert.equal(log.texts('recovered').length, 1);
  });

  test('is saved once a second during a long queue, and at its end', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock } = bench;
    const publisher = createMemoryPublisher();
    await using _outbox = bench.start(publisher, journal);
    await until(() => bench.saves.length === 1);
    await journal.append(Array.from({ length: 2_000 }, (_, at) => reading(clock, 80 + at / 100)));
    await until(() => publisher.got.length === 2_000 && clock.sleepers === 1);
    assert.ok(bench.saves.length < 400, `${bench.saves.length} saves`);
    assert.equal((await bench.offsets.load('test'))?.bytes, (await stat(bench.path)).size);
  });
});

describe('a stop', () => {
  test('lets the current delivery finish, saves the offset, and starts no other', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock } = bench;
    let finish = () => {};
    const publisher = createMemoryPublisher();
    publisher.wait = () => new Promise((resolve) => (finish = resolve));
    const outbox = bench.start(publisher, journal);
    const readings = [reading(clock, 81), reading(clock, 82)];
    await journal.append(readings);
    await until(() => publisher.tries === 1);
    const stopped = outbox[Symbol.asyncDispose]();
    await clock.advance(4_000);
    finish();
    await stopped;
    assert.deepEqual(publisher.groups, [readings[0]?.groupId]);
    publisher.wait = undefined;
    await using _again = bench.start(publisher, await bench.open());
    await until(() => publisher.got.length === 2);
    assert.deepEqual(
      publisher.groups,
      readings.map(({ groupId }) => groupId),
    );
  });

  test('cancels the current delivery silently at its time limit, and the next start delivers it', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock, log } = bench;
    const publisher = { ...createMemoryPublisher(), stopMs: 3_000 };
    let isCut = false;
    publisher.wait = (signal) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => {
          isCut = true;
          reject(signal.reason);
        }),
      );
    const outbox = bench.start(publisher, journal);
    await journal.append([reading(clock, 81)]);
    await until(() => publisher.tries === 1);
    const stopped = outbox[Symbol.asyncDispose]();
    await clock.advance(2_999);
    assert.equal(isCut, false);
    await clock.advance(1);
    await stopped;
    assert.deepEqual(log.texts('trouble'), []);
    publisher.wait = undefined;
    await using _again = bench.start(publisher, await bench.open());
    await until(() => publisher.got.length === 1);
  });

  test('does not wait for an unavailable publisher', async () => {
    await using bench = await createOutboxBench();
    const { journal, clock } = bench;
    const publisher = createMemoryPublisher();
    publisher.fail = AWAY;
    const outbox = bench.start(publisher, journal);
    await journal.append([reading(clock, 81)]);
    await until(() => publisher.tries === 1 && clock.sleepers === 1);
    await outbox[Symbol.asyncDispose]();
    assert.equal(clock.sleepers, 0);
    assert.deepEqual(await readdir(bench.directory), ['.journal.lock', 'measures.jsonl', 'test']);
  });
});

test('a queue of a hundred thousand lines is delivered in order, page by page', async (t) => {
  await using bench = await createOutboxBench();
  const { clock } = bench;
  const users = [undefined, { userId: BO }];
  const lines = Array.from({ length: 100_000 }, (_, at) => {
    const each = reading(clock, 80 + (at % 100) / 10, 200_000 - at, users[at % 2]);
    return `${formatLine({ ...each, groupId: at }, at % 4 === 3)}\n`;
  });
  const journal = await bench.open();
  let [count, last, most] = [0, -1, 0];
  const publisher: Publisher = {
    ...createMemoryPublisher(),
    async deliver({ reading: { groupId } }) {
      assert.ok(groupId > last);
      last = groupId;
      count += 1;
      if (count % 5_000 === 0) {
        // Only reachable memory counts, and not the garbage.
        collectGarbage();
        most = Math.max(most, process.memoryUsage().heapUsed);
      }
    },
  };
  await using _outbox = bench.start(publisher, journal);
  await until(() => clock.sleepers === 1);
  await writeFile(bench.path, lines.join(''), { flag: 'a' });
  lines.length = 0;
  await clock.advance(LOOK_MS);
  await until(() => count > 0);
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  await until(() => count === 75_000);
  t.diagnostic(`${Math.round((most - before) / 1e5) / 10} MB held at most`);
  assert.equal(last, 99_998);
  assert.deepEqual(bench.log.entries, []);
  assert.ok(most - before < 2e6, `${most - before} bytes`);
});
