import { strict as assert } from 'node:assert';
import { describe, test } from 'node:test';
import { assess, type GroupWeight, type Neighbours } from '../../src/domain/plausibility.ts';
import type { Reading } from '../../src/domain/reading.ts';
import { READING } from '../support/sample-reading.ts';

const DAY_MS = 24 * 3_600_000;
const NOW = new Date('2026-11-26T07:00:00Z');
const RULES = { jumpShare: 0.2 };

/** Creates a journal of counted and held weights from days ago and kilograms. */
function neighbours(
  weights: readonly (readonly [number, number])[],
  held: readonly (readonly [number, number])[] = [],
) {
  const takenMs = (days: number) => NOW.getTime() - days * DAY_MS;
  const within = (from: number, to: number) => (each: { takenMs: number }) => each.takenMs >= from && each.takenMs < to;
  const jumps: GroupWeight[] = held.map(([days, value], groupId) => ({ takenMs: takenMs(days), value, groupId }));
  const found: Neighbours = {
    weights: (from, to) =>
      weights.map(([days, value]) => ({ takenMs: takenMs(days), value, groupId: 0 })).filter(within(from, to)),
    heldJumps: (from, to) => jumps.filter(within(from, to)),
  };
  return found;
}

const weighing = (kilograms: number, changes: Partial<Reading> = {}): Reading => ({
  ...READING,
  takenAt: NOW,
  measures: { weight: kilograms },
  ...changes,
});

const USUAL = neighbours([
  [1, 81.2],
  [3, 81.4],
]);

describe('a weight is held', () => {
  for (const [what, reading, around, held] of [
    ['of a person with a parcel of 35 kg', weighing(116.25), USUAL, 'jump'],
    ['of a cat', weighing(4), USUAL, 'jump'],
    ['of a child on the scale of the father', weighing(24.3), USUAL, 'jump'],
    ['of nothing', weighing(0), USUAL, 'impossible'],
    ['below nothing', weighing(-1), USUAL, 'impossible'],
    ['of more than any scale can weigh', weighing(400.1), USUAL, 'impossible'],
    ['that is no number', weighing(Number.NaN), USUAL, 'impossible'],
    ['of more than any scale can weigh, without other weights', weighing(1e300), neighbours([]), 'impossible'],
    ['of tomorrow', weighing(81.2, { takenAt: new Date(NOW.getTime() + DAY_MS) }), USUAL, 'future'],
    ['of a jump after a jump of another size', weighing(24.3), neighbours([[1, 81.2]], [[0.5, 116]]), 'jump'],
    ['of a jump like one of eight days ago', weighing(116), neighbours([[1, 81.2]], [[8, 116.2]]), 'jump'],
  ] as const) {
    test(what, () => {
      assert.equal(assess(reading, { neighbours: around, rules: RULES, now: NOW }).held, held);
    });
  }
});

describe('a weight counts', () => {
  for (const [what, reading, around] of [
    ['of a person as usual', weighing(81.9), USUAL],
    ['after a holiday with a loss of 12 %', weighing(71.6), neighbours([[45, 81.4]])],
    ['at exactly the limit', weighing(97.44), neighbours([[1, 81.2]])],
    ['without another one in 60 days', weighing(50), neighbours([[61, 81.2]])],
    ['entered by hand for another year', weighing(60, { takenAt: new Date('2019-03-01T08:00:00Z') }), USUAL],
    ['a few minutes ahead of the clock', weighing(81.2, { takenAt: new Date(NOW.getTime() + 4 * 60_000) }), USUAL],
    [
      'that is near one of several',
      weighing(60),
      neighbours([
        [1, 81.2],
        [40, 65],
      ]),
    ],
  ] as const) {
    test(what, () => {
      assert.deepEqual(assess(reading, { neighbours: around, rules: RULES, now: NOW }), {
        held: undefined,
        released: [],
      });
    });
  }

  test('without HOLD_JUMPS, after a jump of any size', () => {
    assert.equal(
      assess(weighing(116), { neighbours: USUAL, rules: { jumpShare: undefined }, now: NOW }).held,
      undefined,
    );
  });

  test('if the measure is not a weight', () => {
    const pressure = { ...READING, takenAt: NOW, measures: { systolic_bp: 121 } };
    assert.equal(assess(pressure, { neighbours: USUAL, rules: RULES, now: NOW }).held, undefined);
  });
});

test('a similar second weight within a week releases both', () => {
  const around = neighbours(
    [[10, 81.2]],
    [
      [6, 62.3],
      [5, 116],
    ],
  );
  assert.deepEqual(assess(weighing(62), { neighbours: around, rules: RULES, now: NOW }), {
    held: undefined,
    released: [0],
  });
});

for (const [what, around] of [
  ['is near another weight that counts', neighbours([[40, 80]], [[1, 63.9]])],
  ['has no other weight in 60 days', neighbours([], [[1, 63.9]])],
] as const) {
  test(`a second weight releases the first also if it ${what}`, () => {
    const found = assess(weighing(64.1), { neighbours: around, rules: RULES, now: NOW });
    assert.deepEqual(found, { held: undefined, released: [0] });
  });
}

test('a group that Withings marks as ambiguous is not assessed', () => {
  const reading = weighing(116, { attribution: 1, ambiguous: true });
  assert.equal(assess(reading, { neighbours: USUAL, rules: RULES, now: NOW }).held, undefined);
});
