import { strict as assert } from 'node:assert';
import { describe, it } from 'node:test';
import {
  createDerive,
  derive,
  derivedFields,
  derivedValues,
  NOTHING_DERIVED,
  withBmi,
} from '../../src/domain/derived.ts';
import { roundWeight } from '../../src/domain/format.ts';
import type { TimedValue } from '../../src/domain/history.ts';
import { historiesOf } from '../support/page-views.ts';
import { ANNA, BO } from '../support/people.ts';

const DAY_MS = 24 * 3_600_000;
const NOON = new Date(2026, 2, 20, 12);
/** One weight per day, the newest at noon. */
const daily = (count: number, value: (daysAgo: number) => number): TimedValue[] =>
  Array.from({ length: count }, (_, at) => {
    const daysAgo = count - 1 - at;
    return { takenMs: NOON.getTime() - daysAgo * DAY_MS, value: value(daysAgo) };
  });
const KG = { height: undefined, goal: undefined, unit: 'kg' } as const;

describe('derived values', () => {
  it('are the body mass index, the trend, its weekly change, and the distance to the goal', () => {
    const weights = daily(40, (daysAgo) => 81.25 + daysAgo * 0.05);
    assert.deepEqual(derivedFields(derive(weights, { height: 1.8, goal: 78, unit: 'kg' })), {
      bmi: 25.1,
      weight_trend: 81.3,
      weight_per_week: -0.35,
      weight_goal: 78,
      weight_to_goal: -3.25,
    });
  });

  it('are missing without a weight', () => {
    assert.deepEqual(derive([], { height: 1.8, goal: 78, unit: 'kg' }), NOTHING_DERIVED);
    assert.deepEqual(derivedValues(NOTHING_DERIVED), new Map());
  });

  it('are missing only if their inputs are missing', () => {
    const { bmi, trend, perWeek, goal, toGoal } = derive(
      daily(2, () => 80),
      KG,
    );
    assert.deepEqual([bmi, trend, perWeek, goal, toGoal], Array(5).fill(undefined));
  });

  it('have the date of the newest weight', () => {
    const values = derivedValues(
      derive(
        daily(10, () => 80),
        { ...KG, goal: 78 },
      ),
    );
    assert.deepEqual([...values.keys()], ['weight_trend', 'weight_per_week', 'weight_goal', 'weight_to_goal']);
    for (const { takenAt } of values.values()) assert.deepEqual(takenAt, NOON);
  });

  it('include a distance to the goal from the displayed weight', () => {
    const toGoal = (weight: number, unit: 'kg' | 'lb') =>
      derive(
        daily(1, () => weight),
        { ...KG, goal: 78, unit },
      ).toGoal;
    assert.equal(toGoal(81.254, 'kg'), -3.25);
    assert.equal(toGoal(77.9, 'kg'), 0.1);
    // The change is from 179.1 lb to 172.0 lb.
    assert.equal(toGoal(81.25, 'lb'), -3.221);
    assert.ok(Object.is(toGoal(78.001, 'kg'), 0), 'no minus zero');
  });

  it('ignore a weight that is dated far ahead, as the page does', () => {
    const weights = [...daily(10, () => 80), { takenMs: new Date(2100, 0, 1).getTime(), value: 99 }];
    const histories = historiesOf(new Map([[ANNA, { weight: weights }]]));
    const now = () => new Date(NOON.getTime() + 60_000);
    const of = createDerive({ histories, people: { unit: 'kg' }, goals: new Map([[ANNA, 78]]), clock: { now } });
    const { trend, toGoal, takenAt } = of(ANNA, { height: undefined });
    assert.deepEqual([trend, toGoal, takenAt], [80, -2, NOON]);
    assert.equal(of(BO, { height: undefined }), NOTHING_DERIVED);
  });
});

describe('the body mass index', () => {
  const histories = historiesOf(new Map([[ANNA, { weight: daily(3, (daysAgo) => 80 + daysAgo), fat_ratio: [] }]]));

  it('is a quantity like the others, with a value for each weight', () => {
    const { quantitiesOf, valuesOf } = withBmi(histories, 2);
    assert.deepEqual(quantitiesOf(ANNA), ['weight', 'fat_ratio', 'bmi']);
    assert.deepEqual(
      [...valuesOf(ANNA, 'bmi')].map(({ value }) => value),
      [20.5, 20.3, 20],
    );
    assert.equal(valuesOf(ANNA, 'bmi').at(-1)?.takenMs, NOON.getTime());
    assert.equal(valuesOf(ANNA, 'weight').length, 3);
  });

  it('is missing without a height or a weight', () => {
    assert.equal(withBmi(histories, undefined), histories);
    assert.deepEqual(withBmi(histories, 2).quantitiesOf(BO), []);
  });
});

describe('the precision of a weight', () => {
  it('follows the unit of the household, or is the nearest tenth of a pound', () => {
    assert.deepEqual(
      [81.255, 81.25, -0.001].map((each) => roundWeight(each, 'kg')),
      [81.26, 81.25, 0],
    );
    assert.equal(roundWeight(81.26, 'kg', 1), 81.3);
    assert.deepEqual([roundWeight(81.25, 'lb'), roundWeight(81.25, 'st')], [81.238, 81.238]);
  });
});
