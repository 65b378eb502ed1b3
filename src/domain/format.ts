import { decimal, nameQuantity, readMeasureKey } from './measure.ts';
import type { Reading } from './reading.ts';

/** The units of displayed weights. Data is always kilograms. */
export const WEIGHT_UNITS = ['kg', 'lb', 'st'] as const;
export type WeightUnit = (typeof WEIGHT_UNITS)[number];

/** The international pound in kilograms, by definition since 1959. */
export const POUND = 0.45359237;
export const POUNDS_PER_STONE = 14;

/** `81.25 kg`, `179.1 lb`, `12 st 11.1 lb`. */
export function formatWeight(kilograms: number, unit: WeightUnit): string {
  if (unit === 'kg') return `${decimal(Math.round(decimal(kilograms, 2)), -2).toFixed(2)} kg`;
  const tenths = Math.round((kilograms / POUND) * 10);
  if (unit === 'lb') return `${(tenths / 10).toFixed(1)} lb`;
  const tenthsPerStone = POUNDS_PER_STONE * 10;
  const stones = Math.floor(tenths / tenthsPerStone);
  return `${stones} st ${((tenths % tenthsPerStone) / 10).toFixed(1)} lb`;
}

/** `81.2 kg`, `179.0 lb`: the form of a trend. */
export function formatTrend(kilograms: number, unit: WeightUnit): string {
  return unit === 'kg' ? `${kilograms.toFixed(1)} kg` : formatWeight(kilograms, unit);
}

/**
 * Kilograms as exact as the household reads them: with so many decimals, or as the nearest tenth of a pound. So the
 * displayed result has the same digits everywhere, in either unit.
 */
export function roundWeight(kilograms: number, unit: WeightUnit, digits = 2): number {
  const tenths = Math.round((kilograms / POUND) * 10);
  const rounded =
    unit === 'kg'
      ? decimal(Math.round(decimal(kilograms, digits)), -digits)
      : Number(((tenths / 10) * POUND).toFixed(3));
  // This avoids -0.
  return rounded + 0;
}

/** A difference with its sign: `+0.40`, `−0.9`. Stones are too coarse for a difference, so it is in pounds. */
export function formatChange(kilograms: number, unit: WeightUnit): string {
  const digits = unit === 'kg' ? 2 : 1;
  const rounded = (unit === 'kg' ? kilograms : kilograms / POUND).toFixed(digits);
  const unsigned = rounded.replace('-', '');
  return `${Number(rounded) < 0 ? '−' : '+'}${unsigned}${unit === 'st' ? ' lb' : ''}`;
}

/** `−0.40 kg`, `+0.9 lb` */
export function tellChange(kilograms: number, unit: WeightUnit): string {
  const change = formatChange(kilograms, unit);
  return unit === 'st' ? change : `${change} ${unit}`;
}

const INTERVAL_UNITS: readonly (readonly [ms: number, name: string])[] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
];

/** `10 min`, `2 h`, `90 s`: in the largest unit that is exact. */
export function formatInterval(ms: number): string {
  const [unitMs, name] = INTERVAL_UNITS.find(([each]) => ms >= each && ms % each === 0) ?? [1_000, 's'];
  return `${ms / unitMs} ${name}`;
}

/** Twice the measures of a Body Scan. If Withings ever sends more, that must not fill the log. */
const MOST_LISTED = 100;

/** `81.25 kg, body fat 17.3 %`: all measures of a reading, for people. */
export function listMeasures(reading: Reading, unit: WeightUnit): string {
  const all = Object.entries(reading.measures);
  const listed = all
    .slice(0, MOST_LISTED)
    .map(([key, value]) =>
      key === 'weight' ? formatWeight(value, unit) : `${nameInside(key)} ${value}${unitSuffix(key)}`,
    );
  const left = all.length - listed.length;
  return [...listed, ...(left > 0 ? [`and ${left} more`] : [])].join(', ');
}

/** `body fat`, but `BMI`: the name of a quantity inside a sentence. One without a name keeps its key, `type_999`. */
function nameInside(key: string): string {
  if (key.startsWith('type_')) return key;
  return nameQuantity(key).replace(/^[A-Z](?=[a-z])/, (first) => first.toLowerCase());
}

function unitSuffix(key: string): string {
  const { unit } = readMeasureKey(key);
  return unit === '' ? '' : ` ${unit}`;
}
