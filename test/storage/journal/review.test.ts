import { strict as assert } from 'node:assert';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import type { MeasureGroup } from '../../../src/domain/measure.ts';
import { type Reading, toReading, weightOf } from '../../../src/domain/reading.ts';
import { createReview } from '../../../src/domain/review.ts';
import { openJournal } from '../../../src/storage/journal/journal.ts';
import { ANNA, BO, weighIn } from '../../support/people.ts';
import { createRecordingLog } from '../../support/recording-log.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const NOW = new Date('2026-11-26T07:00:00Z');
const daysAgo = (days: number) => new Date(NOW.getTime() - days * 24 * 3_600_000);
const REVIEW = createReview({ jumpShare: 0.2 });

/** A group of one weight, in the version of so many minutes later. */
function group(groupId: number, kilograms: number, days = 0, changes: Partial<MeasureGroup> = {}, version = 0) {
  const takenAt = daysAgo(days);
  const modifiedAt = new Date(takenAt.getTime() + version * 60_000);
  return weighIn(kilograms, takenAt, { groupId, modifiedAt, ...changes });
}

/** A group of one fat ratio. */
const fat = (groupId: number, value: number, days = 0, version = 0) =>
  group(groupId, 0, days, { measures: [{ type: 6, value, position: undefined }] }, version);
const heldIds = ({ heldOf }: Awaited<ReturnType<typeof openJournal>>) => heldOf(ANNA).map(({ groupId }) => groupId);

async function setUp() {
  const directory = await temporaryDirectory();
  const path = `${directory.path}/measures.jsonl`;
  const time = { now: NOW };
  const open = () => openJournal(path, createRecordingLog(), { review: REVIEW, clock: { now: () => time.now } });
  return {
    path,
    open,
    time,
    lines: async (): Promise<Record<string, unknown>[]> =>
      (await readFile(path, 'utf8'))
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

const of = (userId: Reading['userId'], ...groups: readonly MeasureGroup[]) =>
  groups.map((each) => toReading(userId, each));
const weights = (journal: Awaited<ReturnType<typeof openJournal>>, userId = ANNA) =>
  [...journal.histories.valuesOf(userId, 'weight')].map(({ value }) => value);

describe('a group is withdrawn', () => {
  const FIRST = group(1, 80, 3);
  const SECOND = group(2, 80.5, 1);

  for (const [what, version, reason] of [
    ['when its new version is empty', { ...SECOND, modifiedAt: NOW, measures: [] }, 'emptied'],
    ['when it becomes ambiguous', { ...SECOND, modifiedAt: NOW, attribution: 1 }, 'ambiguous'],
    ['when it may be inaccurate', { ...SECOND, modifiedAt: NOW, attribution: 4 }, 'ambiguous'],
  ] as const) {
    test(what, async () => {
      await using home = await setUp();
      const journal = await home.open();
      await journal.append(of(ANNA, FIRST, SECOND));
      const [entry] = await journal.append(of(ANNA, version));
      assert.deepEqual(entry?.replaces, { weight: 80.5, counted: true });
      const line = (await home.lines()).at(-1);
      assert.deepEqual([line?.['grpid'], line?.['withdrawn'], line?.['reason']], [2, true, reason]);
      for (const each of [journal, await home.open()]) {
        assert.equal(each.lastWeighIn(ANNA)?.kilograms, 80);
        assert.deepEqual(weights(each), [80]);
        assert.equal(each.latest.of(ANNA).get('weight')?.value, 80);
      }
    });
  }

  test('if another person has it, in the same write', async () => {
    await using home = await setUp();
    const journal = await home.open();
    await journal.append(of(ANNA, FIRST, SECOND));
    const entries = await journal.append(of(BO, { ...SECOND, attribution: 7, modifiedAt: NOW }));
    assert.deepEqual(
      entries.map(({ reading }) => [reading.userId, reading.withdrawn]),
      [
        [ANNA, 'moved'],
        [BO, undefined],
      ],
    );
    for (const each of [journal, await home.open()]) {
      assert.deepEqual([weights(each), weights(each, BO)], [[80], [80.5]]);
    }
    assert.deepEqual(await journal.append(of(ANNA, SECOND)), [], 'the old version does not bring it back');
  });

  test('and a late older version does not withdraw it from the other person', async () => {
    await using home = await setUp();
    const journal = await home.open();
    await journal.append(of(BO, { ...SECOND, attribution: 7, modifiedAt: NOW }));
    await journal.append(of(ANNA, FIRST, SECOND));
    assert.deepEqual([weights(journal), weights(journal, BO)], [[80], [80.5]]);
  });

  test('and returns to the first person if Withings reassigns it', async () => {
    await using home = await setUp();
    const journal = await home.open();
    await journal.append(of(ANNA, FIRST, SECOND));
    await journal.append(of(BO, { ...SECOND, modifiedAt: daysAgo(0.5) }));
    await journal.append(of(ANNA, { ...SECOND, modifiedAt: NOW }));
    assert.deepEqual([weights(journal), weights(journal, BO)], [[80, 80.5], []]);
  });

  test('if Withings deletes it, and counts again if Withings restores it', async () => {
    await using home = await setUp();
    const journal = await home.open();
    await journal.append(of(ANNA, FIRST, SECOND));
    const [entry] = await journal.withdraw(ANNA, [2], 'deleted');
    assert.equal(entry && weightOf(entry.reading), 80.5, 'the line says what was taken back');
    assert.deepEqual(await journal.withdraw(ANNA, [2, 99], 'deleted'), [], 'once');
    assert.deepEqual(weights(await home.open()), [80]);
    await journal.append(of(ANNA, SECOND));
    assert.deepEqual(weights(journal), [80, 80.5]);
  });

  test('by hand permanently, also after an earlier deletion', async () => {
    await using home = await setUp();
    const journal = await home.open();
    await journal.append(of(ANNA, FIRST, SECOND));
    await journal.withdraw(ANNA, [2], 'deleted');
    await journal.withdraw(ANNA, [2], 'forgotten');
    assert.deepEqual(await journal.append(of(ANNA, SECOND)), []);
  });

  test('if it moved away, and counts again if no other person has it', async () => {
    await using home = await setUp();
    const journal = await home.open();
    await journal.append(of(ANNA, FIRST, SECOND));
    await journal.append(of(BO, { ...SECOND, modifiedAt: NOW }));
    await journal.withdraw(BO, [2], 'deleted');
    await journal.append(of(ANNA, SECOND));
    assert.deepEqual([weights(journal), weights(journal, BO)], [[80, 80.5], []]);
  });

  test('by hand permanently', async () => {
    await using home = await setUp();
    const journal = await home.open();
    await journal.append(of(ANNA, FIRST, SECOND));
    await journal.withdraw(ANNA, [2], 'forgotten');
    const again = await home.open();
    assert.deepEqual(await again.append(of(ANNA, { ...SECOND, modifiedAt: NOW })), []);
    assert.deepEqual(weights(again), [80]);
  });

  test('entirely or not at all, wherever a power cut tears the write', async () => {
    const moved = { ...SECOND, attribution: 7, modifiedAt: NOW };
    await using home = await setUp();
    const journal = await home.open();
    await journal.append(of(ANNA, FIRST, SECOND));
    const before = (await readFile(home.path)).length;
    await journal.append(of(BO, moved));
    const after = (await readFile(home.path)).length;
    for (const size of [before + 10, before + Math.floor((after - before) * 0.75)]) {
      await truncate(home.path, size);
      const next = await home.open();
      await next.append(of(BO, moved));
      assert.deepEqual([weights(next), weights(next, BO)], [[80], [80.5]]);
    }
  });
});

describe('a weight of a possibly different person is held', () => {
  const USUAL = [group(1, 81.2, 3), group(2, 81.4, 2)];

  test('and a similar second one releases both, across a restart', async () => {
    await using home = await setUp();
    const journal = await home.open();
    await journal.append(of(ANNA, ...USUAL, group(3, 62, 1)));
    assert.equal((await home.lines()).at(-1)?.['held'], 'jump');
    assert.deepEqual(weights(journal), [81.2, 81.4]);
    assert.deepEqual(
      journal.heldOf(ANNA).map(({ groupId, held }) => [groupId, held]),
      [[3, 'jump']],
    );
    const again = await home.open();
    const entries = await again.append(of(ANNA, group(4, 62.5)));
    assert.deepEqual(
      entries.map(({ reading }) => [reading.groupId, reading.held]),
      [
        [3, undefined],
        [4, undefined],
      ],
    );
    assert.deepEqual(weights(await home.open()), [81.2, 81.4, 62, 62.5]);
    assert.deepEqual(again.heldOf(ANNA), []);
  });

  test('also if both arrive at once', async () => {
    await using home = await setUp();
    const journal = await home.open();
    await journal.append(of(ANNA, ...USUAL, group(3, 62, 1), group(4, 62.4)));
    assert.deepEqual(weights(journal), [81.2, 81.4, 62, 62.4]);
    assert.equal((await home.lines()).length, 4);
  });

  test('and stays held in a new version of its group', async () => {
    await using home = await setUp();
    const journal = await home.open();
    await journal.append(of(ANNA, ...USUAL, group(3, 116, 1)));
    await journal.append(of(ANNA, group(3, 116.1, 1, {}, 5)));
    assert.deepEqual(weights(journal), [81.2, 81.4]);
    assert.equal(journal.heldOf(ANNA)[0]?.weight, 116.1);
  });

  test('by the later of two clocks', async () => {
    await using home = await setUp();
    const journal = await home.open();
    const early = group(3, 81.3, -1);
    await journal.append(of(ANNA, ...USUAL, early), { updatedAt: daysAgo(-1.1) });
    assert.deepEqual(journal.heldOf(ANNA), []);
    await journal.append(of(ANNA, group(4, 81.3, -400)));
    assert.equal(journal.heldOf(ANNA)[0]?.held, 'future');
    assert.equal(journal.lastWeighIn(ANNA)?.takenAt.getTime(), early.takenAt.getTime());
  });

  test('together with the heart rate of the same weigh-in, even a late one', async () => {
    await using home = await setUp();
    const journal = await home.open();
    const heart = (groupId: number) =>
      group(groupId, 0, 1, { measures: [{ type: 11, value: 60, position: undefined }] });
    await journal.append(of(ANNA, ...USUAL, group(3, 62, 1), heart(4)));
    await journal.append(of(ANNA, heart(5)));
    assert.deepEqual(
      journal.heldOf(ANNA).map(({ groupId }) => groupId),
      [3, 4, 5],
    );
    assert.deepEqual([...journal.histories.valuesOf(ANNA, 'heart_rate')], []);
    await journal.append(of(ANNA, group(6, 62.5)));
    const again = await home.open();
    assert.deepEqual(again.heldOf(ANNA), []);
    assert.equal(again.histories.valuesOf(ANNA, 'heart_rate').length, 2);
  });

  test('also with the composition of the previous fetch, and both count after a correction', async () => {
    await using home = await setUp();
    const journal = await home.open();
    await journal.append(of(ANNA, ...USUAL, fat(4, 5, 1)));
    await journal.append(of(ANNA, group(3, 4, 1)));
    assert.equal(journal.latest.of(ANNA).get('fat_ratio'), undefined);
    await journal.append(of(ANNA, group(3, 81, 1, {}, 5)));
    assert.deepEqual((await home.open()).heldOf(ANNA), []);
    assert.equal(journal.latest.of(ANNA).get('fat_ratio')?.value, 5);
  });

  test('and a new version of the composition that arrives with the weight is kept', async () => {
    await using home = await setUp();
    const journal = await home.open();
    await journal.append(of(ANNA, ...USUAL, fat(3, 20, 1)));
    await journal.append(of(ANNA, fat(3, 21, 1, 5), group(4, 116, 1)));
    await journal.append(of(ANNA, fat(3, 22, 1, 6), group(4, 81, 1, {}, 6)));
    assert.equal((await home.open()).latest.of(ANNA).get('fat_ratio')?.value, 22);
    const versions = (await home.lines()).filter(({ grpid }) => grpid === 3).map(({ measures }) => measures);
    assert.deepEqual(versions, [{ fat_ratio: 20 }, { fat_ratio: 21 }, { fat_ratio: 22 }]);
  });

  test('and released in its newest version', async () => {
    await using home = await setUp();
    const journal = await home.open();
    await journal.append(of(ANNA, ...USUAL, group(3, 116, 1), group(4, 116, 1)));
    await journal.append(of(ANNA, group(3, 116.5, 1, {}, 5), group(5, 117)));
    assert.deepEqual(weights(await home.open()), [81.2, 81.4, 116.5, 116, 117]);
  });

  test('if two groups of one weigh-in report the same', async () => {
    await using home = await setUp();
    const journal = await home.open();
    await journal.append(of(ANNA, ...USUAL, group(3, 116, 1), group(4, 116, 1)));
    assert.deepEqual(weights(journal), [81.2, 81.4]);
  });

  test('and released by one of the day before that arrives later', async () => {
    await using home = await setUp();
    const journal = await home.open();
    await journal.append(of(ANNA, ...USUAL, group(3, 62)));
    await journal.append(of(ANNA, group(4, 62.4, 1)));
    assert.deepEqual(weights(journal), [81.2, 81.4, 62.4, 62]);
  });

  test('until its date is past, if the clock of the scale is some minutes ahead', async () => {
    await using home = await setUp();
    const journal = await home.open();
    const early = { ...group(3, 81.3), takenAt: new Date(NOW.getTime() + 10 * 60_000) };
    await journal.append(of(ANNA, ...USUAL, early, group(4, 81, -400)));
    assert.deepEqual(heldIds(journal), [3, 4]);
    home.time.now = new Date(NOW.getTime() + 11 * 60_000);
    await journal.append(of(ANNA, early));
    assert.deepEqual(heldIds(journal), [4]);
    assert.equal(journal.lastWeighIn(ANNA)?.kilograms, 81.3);
  });

  test('until its date is past, also without new groups', async () => {
    await using home = await setUp();
    const journal = await home.open();
    const early = { ...group(3, 81.3), takenAt: new Date(NOW.getTime() + 3 * 3_600_000) };
    await journal.append(of(ANNA, ...USUAL, early));
    home.time.now = new Date(NOW.getTime() + 4 * 3_600_000);
    const entries = await journal.append([]);
    assert.deepEqual(
      entries.map(({ reading }) => [reading.groupId, reading.held]),
      [[3, undefined]],
    );
  });

  test('until its date is past, and then releases a similar one', async () => {
    await using home = await setUp();
    const journal = await home.open();
    const early = { ...group(4, 62.3), takenAt: new Date(NOW.getTime() + 10 * 60_000) };
    await journal.append(of(ANNA, ...USUAL, group(3, 62, 1), early));
    home.time.now = new Date(NOW.getTime() + 11 * 60_000);
    await journal.append(of(ANNA, early));
    assert.deepEqual(weights(journal), [81.2, 81.4, 62, 62.3]);
  });

  for (const [what, first, second, counted] of [
    ['of a weight that no scale can weigh', [group(3, 62, 1), group(4, 500, 1)], group(5, 62.5), [62, 62.5]],
    ['of a cat', [group(3, 116, 1), group(4, 4, 1)], group(3, 81.3, 1, {}, 5), [81.3]],
  ] as const) {
    test(`if another weight of the same second is released: one ${what}`, async () => {
      await using home = await setUp();
      const journal = await home.open();
      await journal.append(of(ANNA, ...USUAL, ...first));
      await journal.append(of(ANNA, second));
      assert.deepEqual(weights(journal), [81.2, 81.4, ...counted]);
      assert.deepEqual(heldIds(journal), [4]);
    });
  }

  test('and its composition is released with a new version of the weight', async () => {
    await using home = await setUp();
    const journal = await home.open();
    await journal.append(of(ANNA, ...USUAL, group(3, 62, 1), fat(4, 20, 1)));
    await journal.append(of(ANNA, group(3, 62.1, 1, {}, 5), group(5, 62.5)));
    assert.deepEqual(heldIds(journal), []);
  });

  for (const [what, first, second] of [
    ['releases', [group(3, 62, 1), fat(4, 20, 1)], group(5, 62.5)],
    ['corrects', [group(3, 62, 1), fat(4, 20, 1)], group(3, 81.3, 1, {}, 5)],
    ['holds', [fat(4, 20, 1)], group(3, 62, 1)],
  ] as const) {
    test(`together with its composition, wherever a power cut tears the write that ${what} them`, async () => {
      await using home = await setUp();
      const journal = await home.open();
      await journal.append(of(ANNA, ...USUAL, ...first));
      const before = (await readFile(home.path)).length;
      await journal.append(of(ANNA, second));
      const right = [weights(journal), heldIds(journal)];
      const whole = await readFile(home.path);
      const ends = [...whole.keys()].filter((at) => at >= before && whole[at] === 0x0a);
      for (const end of ends) {
        await writeFile(home.path, whole.subarray(0, end - 3));
        const next = await home.open();
        await next.append(of(ANNA, second));
        assert.deepEqual([weights(next), heldIds(next)], right);
      }
    });
  }

  test('and can be withdrawn during the hold, together with its composition', async () => {
    await using home = await setUp();
    const journal = await home.open();
    await journal.append(of(ANNA, ...USUAL, group(3, 116, 1), fat(4, 40, 1)));
    const entries = await journal.withdraw(ANNA, [3], 'forgotten');
    assert.deepEqual(
      entries.map(({ reading }) => [reading.groupId, reading.held, reading.withdrawn]),
      [
        [4, undefined, 'forgotten'],
        [3, undefined, 'forgotten'],
      ],
    );
    assert.deepEqual((await home.open()).heldOf(ANNA), []);
  });

  test('and its composition stays held while another weight of the same second is', async () => {
    await using home = await setUp();
    const journal = await home.open();
    await journal.append(of(ANNA, ...USUAL, group(3, 116, 1), group(4, 500, 1), fat(5, 40, 1)));
    await journal.withdraw(ANNA, [3], 'forgotten');
    assert.deepEqual(heldIds(journal), [4, 5]);
  });

  test('also for a reason that this version does not know', async () => {
    await using home = await setUp();
    await (await home.open()).append(of(ANNA, ...USUAL, group(3, 62, 1)));
    const text = await readFile(home.path, 'utf8');
    await writeFile(home.path, text.replace('"held":"jump"', '"held":"later-reason"'));
    const journal = await home.open();
    assert.deepEqual([weights(journal), heldIds(journal)], [[81.2, 81.4], [3]]);
  });
});

describe('while a backfill appends', () => {
  const USUAL = [group(1, 81.2, 3), group(2, 81.4, 2)];
  const early = { ...group(3, 81.3), takenAt: new Date(NOW.getTime() + 10 * 60_000) };
  const old = of(ANNA, group(50, 85, 900));
  const history = async ({ lines }: Awaited<ReturnType<typeof setUp>>, groupId: number) =>
    (await lines()).filter(({ grpid }) => grpid === groupId).at(-1)?.['history'];

  test('the fetched groups are history, and groups that they release stay news', async () => {
    await using home = await setUp();
    const journal = await home.open();
    await journal.append(of(ANNA, ...USUAL, early));
    home.time.now = new Date(NOW.getTime() + 11 * 60_000);
    await journal.append(old, { history: true });
    assert.deepEqual(weights(journal), [85, 81.2, 81.4, 81.3]);
    assert.deepEqual([await history(home, 50), await history(home, 3)], [true, undefined]);
  });

  test('its groups stay history if a weigh-in releases them', async () => {
    await using home = await setUp();
    const journal = await home.open();
    await journal.append(of(ANNA, ...USUAL, group(3, 62, 1)), { history: true });
    await journal.append(of(ANNA, group(4, 62.5)));
    assert.deepEqual([await history(home, 3), await history(home, 4)], [true, undefined]);
  });

  test('a counted group that is held now is news', async () => {
    await using home = await setUp();
    const journal = await home.open();
    await journal.append(of(ANNA, ...USUAL));
    await journal.append(of(ANNA, group(2, 500, 2, {}, 5)), { history: true });
    assert.deepEqual([heldIds(journal), await history(home, 2)], [[2], undefined]);
  });
});

test('a group that is deleted and restored is news, also after an edit of the journal by hand', async () => {
  await using home = await setUp();
  const journal = await home.open();
  await journal.append(of(ANNA, group(1, 81.2, 3), group(2, 81.4, 2)));
  await writeFile(home.path, (await readFile(home.path, 'utf8')).replace('81.2', '81.3'));
  await journal.withdraw(ANNA, [2], 'deleted');
  const entries = await journal.append(of(ANNA, group(2, 81.4, 2)));
  assert.deepEqual([entries.length, (await home.lines()).at(-1)?.['history']], [1, undefined]);
});
