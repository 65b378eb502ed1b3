import type { Clock } from './clock.ts';
import { roundWeight } from './format.ts';
import { believableOf, createSeries, type Histories, type Series } from './history.ts';
import type { People } from './household.ts';
import { decimal } from './measure.ts';
import type { Value } from './publisher.ts';
import type { UserId } from './token.ts';
import { trendNow } from './trend.ts';

/**
 * What follows from a person's weights, height and goal. It is never journalled: what takes a weight back takes this
 * back. Weights are kilograms, as exact as the household reads them, so that every place has the same digits.
 */
export interface Derived {
  /** When the newest weight was taken; undefined where nothing is derived. */
  readonly takenAt: Date | undefined;
  /** In metres. */
  readonly height: number | undefined;
  readonly bmi: number | undefined;
  readonly trend: number | undefined;
  /** How much the trend rises in a week. There is one where there is a trend. */
  readonly perWeek: number | undefined;
  readonly goal: number | undefined;
  /** By how much the newest weight must change. */
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

/** Of anyone who stands: what lies beyond is an error, and no body mass index comes of it. */
export function isHeight(metres: number): boolean {
  return metres >= 0.5 && metres <= 2.8;
}

/** Of a person, as things stand now. */
export type Derive = (userId: UserId, person: { readonly height: Height | undefined }) => Derived;

export function createDerive(ports: {
  readonly histories: Histories;
  readonly people: Pick<People, 'unit'>;
  /** Kilograms. */
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
    // Of the weight as it is shown: the reader may check it.
    toGoal:
      goal === undefined ? undefined : roundWeight(roundWeight(goal, unit) - roundWeight(newest.value, unit), unit),
  };
}

/** What a scale shows is more exact than what a trend knows. */
const TREND_DIGITS = 1;

function bmiOf(kilograms: number, metres: number): number {
  return decimal(Math.round(decimal(kilograms / metres ** 2, 1)), -1);
}

/** The body mass index as a quantity: each weight by the height that is known now. */
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

/** How it looks from outside: on MQTT, to a hook, in `users`. */
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

/** Those that there are, with the moment of the newest weight. */
export function derivedValues(derived: Derived): ReadonlyMap<string, Value> {
  const { takenAt } = derived;
  if (takenAt === undefined) return new Map();
  const known = Object.entries(derivedFields(derived)).flatMap(([key, value]) =>
    value === null ? [] : [[key, { value, takenAt }] as const],
  );
  return new Map(known);
}
