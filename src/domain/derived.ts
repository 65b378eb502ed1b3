import type { Clock } from './clock.ts';
import { roundWeight } from './format.ts';
import { believableOf, createSeries, type Histories, type Series } from './history.ts';
import type { People } from './household.ts';
import { decimal } from './measure.ts';
import type { Value } from './publisher.ts';
import type { UserId } from './token.ts';
import { trendNow } from './trend.ts';

/**
 * The values derived from a person's weights, height and goal. They are never journalled, so a withdrawn weight
 * withdraws them too. Weights are kilograms, as exact as the household reads them, so that every output has the same
 * digits.
 */
export interface Derived {
  /** When the newest weight was taken. Undefined if nothing is derived. */
  readonly takenAt: Date | undefined;
  /** The height in metres. */
  readonly height: number | undefined;
  readonly bmi: number | undefined;
  readonly trend: number | undefined;
  /** The rise of the trend in a week. It exists whenever there is a trend. */
  readonly perWeek: number | undefined;
  readonly goal: number | undefined;
  /** The difference from the newest weight to the goal. */
  readonly toGoal: number | undefined;
}

export const NOTHING_DERIVED: Derived = {
  takenAt: undefined,
  height: undefined,
  bmi: undefined,
  trend: undefined,
  perWeek: undefined,
  goal: undefined,
  toGoal: undefined,
};

export interface Height {
  readonly metres: number;
  readonly takenAt: Date;
}

/** Whether a standing person can have this height. Any other is an error, and gives no body mass index. */
export function isHeight(metres: number): boolean {
  return metres >= 0.5 && metres <= 2.8;
}

/** Derives a person's current values. */
export type Derive = (userId: UserId, person: { readonly height: Height | undefined }) => Derived;

export function createDerive(ports: {
  readonly histories: Histories;
  readonly people: Pick<People, 'unit'>;
  /** The goals in kilograms. */
  readonly goals: ReadonlyMap<UserId, number>;
  readonly clock: Pick<Clock, 'now'>;
}): Derive {
  const { histories, people, goals, clock } = ports;
  return (userId, { height }) => {
    const weights = believableOf(histories, clock.now()).valuesOf(userId, 'weight');
    return derive(weights, { height: height?.metres, goal: goals.get(userId), unit: people.unit });
  };
}

export function derive(
  weights: Series,
  { height, goal, unit }: Pick<Derived, 'height' | 'goal'> & Pick<People, 'unit'>,
): Derived {
  const newest = weights.at(-1);
  if (newest === undefined) return NOTHING_DERIVED;
  const trend = trendNow(weights);
  return {
    takenAt: new Date(newest.takenMs),
    height,
    bmi: height === undefined ? undefined : bmiOf(newest.value, height),
    trend: trend && roundWeight(trend.value, unit, TREND_DIGITS),
    perWeek: trend && roundWeight(trend.perWeek, unit),
    goal,
    // The displayed weight counts, so that the reader can check the difference.
    toGoal:
      goal === undefined ? undefined : roundWeight(roundWeight(goal, unit) - roundWeight(newest.value, unit), unit),
  };
}

/** A trend is less exact than a scale's value. */
const TREND_DIGITS = 1;

function bmiOf(kilograms: number, metres: number): number {
  return decimal(Math.round(decimal(kilograms / metres ** 2, 1)), -1);
}

/** The body mass index as a quantity: each weight with the current height. */
export function withBmi(histories: Histories, height: number | undefined): Histories {
  const { quantitiesOf, valuesOf } = histories;
  if (height === undefined) return histories;
  return {
    quantitiesOf(userId) {
      const keys = quantitiesOf(userId);
      return keys.includes('weight') ? [...keys, BMI] : keys;
    },
    valuesOf(userId, quantity) {
      if (quantity !== BMI) return valuesOf(userId, quantity);
      const weights = valuesOf(userId, 'weight');
      return createSeries(weights.length, (index) => {
        const { takenMs = 0, value = 0 } = weights.at(index) ?? {};
        return { takenMs, value: bmiOf(value, height) };
      });
    },
  };
}

const BMI = 'bmi';

/** The public form: on MQTT, for a hook, in `users`. */
export function derivedFields({ bmi, trend, perWeek, goal, toGoal }: Derived) {
  return {
    [BMI]: bmi ?? null,
    weight_trend: trend ?? null,
    weight_per_week: perWeek ?? null,
    weight_goal: goal ?? null,
    weight_to_goal: toGoal ?? null,
  };
}

const KEYS: ReadonlySet<string> = new Set(Object.keys(derivedFields(NOTHING_DERIVED)));

export function isDerived(key: string): boolean {
  return KEYS.has(key);
}

/** The defined values, with the moment of the newest weight. */
export function derivedValues(derived: Derived): ReadonlyMap<string, Value> {
  const { takenAt } = derived;
  if (takenAt === undefined) return new Map();
  const known = Object.entries(derivedFields(derived)).flatMap(([key, value]) =>
    value === null ? [] : [[key, { value, takenAt }] as const],
  );
  return new Map(known);
}
