import type { RawGroup } from './measures.ts';

/** One measurement of a person. */
export interface WeighIn {
  readonly kilograms: number;
  /** Seconds since 1970. */
  readonly date: number;
  readonly attrib?: number;
  readonly model?: string;
  /** IANA name of the zone that the scale is in. */
  readonly timezone?: string;
  /** The further values of a scale with electrodes and a pulse sensor; `unknown` on a scale without them. */
  readonly body?: Body | 'unknown';
}

export interface Body {
  /** The fat ratio in percent. */
  readonly fatRatio: number;
  /** The pulse in beats per minute. */
  readonly pulse: number;
}

/**
 * One weigh-in in two groups, as a Body+ with a pulse sensor sends them: the same moment, another `grpid`, and each
 * value with its own power of ten. A scale that measures the weight alone sends one group.
 *
 * @param grpid the first group's; the second has the next one
 * @param stored when the data reached Withings, in seconds since 1970
 */
export function weighInGroups(grpid: number, stored: number, weighIn: WeighIn): RawGroup[] {
  const { kilograms, date, attrib = 0, model = 'Body+', timezone = 'Europe/Vienna' } = weighIn;
  const grams = Math.round(kilograms * 1000);
  const { body = { fatRatio: 17.3 + (grams % 700) / 1000, pulse: 58 + (grams % 9) } } = weighIn;
  const weight = { value: grams, type: 1, unit: -3 };
  const common = {
    attrib,
    date,
    created: stored,
    modified: stored,
    category: 1,
    deviceid: 'b7f0c2c4b1d94e0c8a4f00000000000000000001',
    model,
    modelid: 5,
    timezone,
  };
  if (body === 'unknown') return [{ ...common, grpid, measures: [weight] }];
  const fatRatio = Math.round(body.fatRatio * 1000);
  const fatGrams = Math.round((grams * fatRatio) / 100_000);
  const composition = [
    weight,
    { value: fatRatio, type: 6, unit: -3 },
    { value: Math.round(fatGrams / 10), type: 8, unit: -2, position: 7 },
    { value: Math.round((grams - fatGrams) / 10), type: 5, unit: -2, position: 7 },
    { value: Math.round((grams - fatGrams) * 0.095), type: 76, unit: -2, position: 7 },
    { value: 301, type: 88, unit: -2, position: 7 },
  ];
  const pulse = [{ value: body.pulse, type: 11, unit: 0 }];
  return [
    { ...common, grpid, measures: composition },
    { ...common, grpid: grpid + 1, measures: pulse },
  ];
}
