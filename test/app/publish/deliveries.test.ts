import { strict as assert } from 'node:assert';
import { describe, test } from 'node:test';
import { describeRun, runsOf } from '../../../src/app/publish/deliveries.ts';
import type { Delivery, FeedLine } from '../../../src/domain/publisher.ts';
import { type Reading, toReading } from '../../../src/domain/reading.ts';
import { createHistories } from '../../../src/storage/journal/histories.ts';
import { createJournalIndex } from '../../../src/storage/journal/index.ts';
import { ANNA, BO, weighIn } from '../../support/people.ts';

const NOON = new Date('2026-11-26T12:00:00Z');
const seconds = (count: number) => new Date(NOON.getTime() + count * 1000);

/** A journal line with Anna's group of one weight at noon by default. */
function group(groupId: number, changes: Partial<Reading> = {}): Reading {
  return { ...toReading(ANNA, weighIn(80, NOON, { groupId })), timeZone: '+01:00', ...changes };
}
const WEIGHT = group(1);
const HEART = group(2, { measures: { heart_rate: 61 } });
const LATER = { modifiedAt: seconds(600) };

/** A journal in memory. */
function createLines() {
  const index = createJournalIndex(createHistories());
  const lines: FeedLine[] = [];
  return {
    index,
    append(...readings: readonly (Reading & { readonly history?: boolean })[]) {
      for (const { history = false, ...reading } of readings) {
        const at = lines.length * 100;
        index.learn({ reading, at });
        lines.push({ reading, history, at, next: { bytes: at + 100, file: 'f', marks: [] } });
      }
    },
    /** Returns the current deliveries of the lines from this one on. */
    deliver(from = 0, isOld = (_reading: Reading) => false): readonly Delivery[] {
      const { contextOf } = index;
      return runsOf(lines.slice(from)).flatMap((run) => describeRun(run, { contextOf, isOld }) ?? []);
    },
  };
}

/** Returns kind, groups and weight of the deliveries if all lines exist before the first delivery. */
function told(...readings: readonly Reading[]) {
  const lines = createLines();
  lines.append(...readings);
  return short(lines.deliver());
}
const short = (deliveries: readonly Delivery[]) =>
  deliveries.map(({ kind, groupIds, reading }) => [kind, groupIds.join(' '), reading.measures['weight']]);

describe('the kind of a delivery', () => {
  test('a new weight is a weigh-in', () => {
    assert.deepEqual(told(WEIGHT), [['weigh_in', '1', 80]]);
  });

  test('measures without a weight are a reading', () => {
    assert.deepEqual(told(HEART), [['reading', '2', undefined]]);
  });

  test('a held or ambiguous group is of kind held and late', () => {
    const lines = createLines();
    lines.append({ ...WEIGHT, held: 'jump' }, group(3, { attribution: 1, ambiguous: true }));
    assert.deepEqual(
      lines.deliver().map(({ kind, late }) => [kind, late]),
      [
        ['held', true],
        ['held', true],
      ],
    );
  });

  test('a withdrawn group is late, and has the measures of its last version', () => {
    const lines = createLines();
    lines.append(WEIGHT);
    lines.append({ ...WEIGHT, withdrawn: 'deleted' });
    assert.deepEqual(short(lines.deliver(1)), [['withdrawn', '1', 80]]);
    assert.equal(lines.deliver(1)[0]?.late, true);
  });

  test('a group that never counted is withdrawn silently', () => {
    const lines = createLines();
    lines.append({ ...WEIGHT, held: 'jump' }, { ...WEIGHT, withdrawn: 'deleted' });
    assert.deepEqual(short(lines.deliver(1)), []);
  });

  test('a group that no longer counts is delivered once, whatever withdraws it again', () => {
    const unsure = { attribution: 1, ambiguous: true };
    const versions = [
      WEIGHT,
      { ...WEIGHT, ...unsure, withdrawn: 'ambiguous' as const },
      { ...WEIGHT, ...unsure },
      { ...WEIGHT, held: 'jump' as const },
      { ...WEIGHT, withdrawn: 'emptied' as const, measures: {} },
      { ...WEIGHT, withdrawn: 'forgotten' as const },
    ];
    const lines = createLines();
    lines.append(...versions);
    assert.deepEqual(short(lines.deliver(1)), [['withdrawn', '1', 80]]);
    lines.append(WEIGHT, { ...WEIGHT, withdrawn: 'deleted' });
    assert.deepEqual(short(lines.deliver(6)), [['withdrawn', '1', 80]], 'it counted again');
  });

  test('a newer version of a counted group is a correction, and late', () => {
    const lines = createLines();
    lines.append(WEIGHT);
    lines.append({ ...WEIGHT, ...LATER, measures: { weight: 79.5 } });
    const [delivery] = lines.deliver(1);
    assert.deepEqual([delivery?.kind, delivery?.correction, delivery?.late], ['correction', true, true]);
  });

  test('a group of history is not delivered', () => {
    const lines = createLines();
    lines.append({ ...WEIGHT, history: true });
    assert.deepEqual(lines.deliver(), []);
  });

  test('an old group is late, whatever its kind', () => {
    const lines = createLines();
    lines.append(WEIGHT);
    assert.deepEqual([lines.deliver(0, () => true)[0]?.late, lines.deliver()[0]?.late], [true, false]);
  });
});

describe('the parts of a weigh-in', () => {
  test('are one delivery with the measures of all, the group with the weight first', () => {
    const lines = createLines();
    lines.append(HEART, WEIGHT, group(3, { takenAt: seconds(2), measures: { visceral_fat: 3 } }));
    const [delivery, ...others] = lines.deliver();
    assert.deepEqual(others, []);
    assert.deepEqual([delivery?.kind, delivery?.groupIds, delivery?.reading.groupId], ['weigh_in', [1, 2, 3], 1]);
    assert.deepEqual(delivery?.reading.measures, { weight: 80, heart_rate: 61, visceral_fat: 3 });
  });

  test('are separate for each person and for each moment', () => {
    const bo = { userId: BO };
    assert.deepEqual(told(WEIGHT, { ...HEART, groupId: 4, ...bo }, HEART, group(5, { takenAt: seconds(3) })), [
      ['weigh_in', '1', 80],
      ['reading', '4', undefined],
      ['addition', '2', undefined],
      ['weigh_in', '5', 80],
    ]);
  });

  test('are an addition if a later fetch brings them', () => {
    const lines = createLines();
    lines.append(WEIGHT);
    lines.append(HEART);
    assert.deepEqual(short(lines.deliver(1)), [['addition', '2', undefined]]);
  });

  test('are a reading before the weight, and the weight is a weigh-in', () => {
    const lines = createLines();
    lines.append(HEART);
    lines.append(WEIGHT);
    assert.deepEqual(short(lines.deliver(1)), [['weigh_in', '1', 80]]);
  });

  test('do not hold back each other: a held part is a separate delivery', () => {
    assert.deepEqual(told({ ...WEIGHT, held: 'impossible' }, HEART), [
      ['held', '1', 80],
      ['reading', '2', undefined],
    ]);
  });

  test('are an addition if they contain a new version of the weight', () => {
    const lines = createLines();
    lines.append(WEIGHT);
    lines.append({ ...WEIGHT, ...LATER, measures: { weight: 79.5 } }, HEART);
    assert.deepEqual(short(lines.deliver(1)), [['addition', '1 2', 79.5]]);
  });
});

describe('a group that changed before its delivery', () => {
  test('is delivered once in its current version, and as new', () => {
    assert.deepEqual(told(WEIGHT, { ...WEIGHT, ...LATER, measures: { weight: 79.5 } }), [['weigh_in', '1', 79.5]]);
  });

  test('is skipped if it was withdrawn, and so is its part of a weigh-in', () => {
    assert.deepEqual(told(WEIGHT, HEART, { ...WEIGHT, withdrawn: 'deleted' }), [
      ['reading', '2', undefined],
      ['withdrawn', '1', 80],
    ]);
  });

  test('is skipped if it was held, and delivered if it was released', () => {
    const next = group(3, { takenAt: seconds(3600), measures: { weight: 81 } });
    const lines = createLines();
    lines.append({ ...WEIGHT, held: 'jump' });
    lines.append(WEIGHT, next);
    assert.deepEqual(short(lines.deliver()), [
      ['weigh_in', '1', 80],
      ['weigh_in', '3', 81],
    ]);
    assert.equal(lines.deliver()[1]?.previousWeight, 80);
  });

  test('is not withdrawn if it exists again', () => {
    assert.deepEqual(told(WEIGHT, { ...WEIGHT, withdrawn: 'deleted' }, WEIGHT), [
      ['weigh_in', '1', 80],
      ['correction', '1', 80],
    ]);
  });

  test('is withdrawn from one person and delivered for the other', () => {
    assert.deepEqual(told(WEIGHT, { ...WEIGHT, withdrawn: 'moved' }, { ...WEIGHT, userId: BO }), [
      ['withdrawn', '1', 80],
      ['weigh_in', '1', 80],
    ]);
  });
});

test('a repeated delivery after a kill has the same kind, whatever followed', () => {
  const lines = createLines();
  const versions = [WEIGHT, HEART, group(3, { takenAt: seconds(60) }), { ...HEART, ...LATER }];
  const before = versions.map((reading, at) => {
    lines.append(reading);
    return lines.deliver(at)[0]?.kind;
  });
  assert.deepEqual(before, ['weigh_in', 'addition', 'weigh_in', 'correction']);
  const apart = versions.map((_reading, at) => lines.deliver(at)[0]?.kind);
  assert.deepEqual(apart, before);
});
