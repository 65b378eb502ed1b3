import type { WeighIn } from '../scale.ts';
import { bodyOf, type Life } from './history.ts';

/** The people of the demo. */
export const PEOPLE = [
  {
    userId: '1234',
    name: 'Anna',
    kilograms: 81.25,
    metres: 1.74,
    goal: 78,
    model: 'Body+',
    course: [
      { daysAgo: 730, kilograms: 88.4 },
      { daysAgo: 690, kilograms: 89.3 },
      { daysAgo: 560, kilograms: 86.9 },
      { daysAgo: 430, kilograms: 82.6 },
      { daysAgo: 330, kilograms: 82.9 },
      { daysAgo: 210, kilograms: 80.2 },
      { daysAgo: 0, kilograms: 81.2 },
    ],
    diligence: 78,
    holidays: [
      { from: 474, to: 455 },
      { from: 118, to: 104 },
    ],
    rises: 6 * 60 + 55,
    fat: { from: 22.6, to: 17.6 },
  },
  {
    userId: '5678',
    name: 'Bo',
    kilograms: 92.4,
    metres: 1.85,
    goal: 90,
    model: 'WS-50',
    course: [
      { daysAgo: 730, kilograms: 90.1 },
      { daysAgo: 400, kilograms: 94.8 },
      { daysAgo: 150, kilograms: 93.1 },
      { daysAgo: 0, kilograms: 92.4 },
    ],
    diligence: 30,
    holidays: [{ from: 300, to: 262 }],
    rises: 7 * 60 + 40,
  },
] as const;
/** The order of people on the scale. Anna weighs herself more often. */
export const TURNS = [PEOPLE[0], PEOPLE[0], PEOPLE[1]] as const;

/** A weigh-in that continues a person's history. */
export function weighInOf(
  { model, fat, kilograms: usual }: Pick<Life, 'model' | 'fat'> & Pick<WeighIn, 'kilograms'>,
  { kilograms, date }: Pick<WeighIn, 'kilograms' | 'date'>,
): WeighIn {
  const noise = kilograms - usual;
  const body = fat === undefined ? 'unknown' : bodyOf(fat.to, noise);
  // The scale is next to this computer, so that a log line has one time zone.
  const { timeZone: timezone } = new Intl.DateTimeFormat().resolvedOptions();
  return { kilograms, date, model, body, timezone };
}
