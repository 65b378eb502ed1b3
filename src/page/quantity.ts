import { formatTrend, formatWeight, POUND, POUNDS_PER_STONE, tellChange, type WeightUnit } from '../domain/format.ts';
import { nameQuantity, readMeasureKey } from '../domain/measure.ts';

/** How a quantity is written and drawn in the household's unit. */
export interface Quantity {
  readonly key: string;
  readonly title: string;
  /** The factor from a measured value to the scale of a picture. */
  readonly scale: number;
  /** How the steps of that scale are divided. Stones have fourteen pounds. */
  readonly steps: 'decimal' | 'stones';
  /** The least height of a picture, on that scale: noise must not look large. */
  readonly leastSpan: number;
  /** `81.25`, `12 st 11.1 lb`: as in a table whose head has the unit if the value does not. */
  readonly format: (value: number) => string;
  /** A trend is less exact than a scale's value. */
  readonly formatTrend: (value: number) => string;
  /** The change of a trend, with sign and unit. Percentages change by points. */
  readonly formatChange: (difference: number) => string;
  /** The text after each value: ` kg`, ` %`, or nothing. */
  readonly suffix: string;
  /** The text above an axis: `kg`, `%`, or nothing if each value has the unit. */
  readonly axisUnit: string;
}

const facts = (digits: number, leastSpan: number) => ({ digits, leastSpan });
type Facts = ReturnType<typeof facts>;

/** A household's quantities, the most important first. The page shows the first ones at once, the others on demand. */
const COMPOSITION: Readonly<Record<string, Facts>> = {
  fat_ratio: facts(1, 2),
  muscle_mass: facts(1, 2),
  hydration: facts(1, 2),
  bone_mass: facts(2, 0.4),
  visceral_fat: facts(1, 1),
  bmi: facts(1, 1),
  heart_rate: facts(0, 10),
};
const OTHERS: Readonly<Record<string, Facts>> = {
  pulse_wave_velocity: facts(2, 1),
  vascular_age: facts(0, 4),
  fat_mass: facts(1, 2),
  fat_free_mass: facts(1, 2),
  systolic_bp: facts(0, 20),
  diastolic_bp: facts(0, 20),
  basal_metabolic_rate: facts(0, 50),
  metabolic_age: facts(0, 4),
  spo2: facts(0, 4),
  vo2_max: facts(1, 2),
  afib_ecg: facts(0, 4),
  afib_ppg: facts(0, 4),
};
const KNOWN: Readonly<Record<string, Facts>> = { ...COMPOSITION, ...OTHERS };
const ORDER = Object.keys(KNOWN);

export function isComposition(key: string): boolean {
  return Object.hasOwn(COMPOSITION, key);
}

/** The quantities next to the weight that have pictures, the most important first. Adults do not watch their height. */
export function sortQuantities(keys: readonly string[]): string[] {
  const rank = (key: string) => (ORDER.includes(key) ? ORDER.indexOf(key) : ORDER.length);
  return keys
    .filter((key) => key !== 'weight' && key !== 'height')
    .sort((one, other) => rank(one) - rank(other) || (one < other ? -1 : 1));
}

export function quantityOf(key: string, unit: WeightUnit): Quantity {
  if (key === 'weight') return weightIn(unit);
  const { unit: measured } = readMeasureKey(key);
  const known = (Object.hasOwn(KNOWN, key) ? KNOWN[key] : undefined) ?? facts(1, 0);
  const inPounds = measured === 'kg' && unit !== 'kg';
  const scale = inPounds ? 1 / POUND : 1;
  const format = (value: number) => (value * scale).toFixed(known.digits);
  const suffix = inPounds ? 'lb' : measured;
  const inUnit = suffix ? ` ${suffix}` : '';
  return {
    key,
    title: nameQuantity(key),
    scale,
    steps: 'decimal',
    leastSpan: known.leastSpan * scale,
    format,
    formatTrend: format,
    formatChange: (difference) => signed(difference * scale, known.digits) + (suffix === '%' ? ' pts' : inUnit),
    suffix: inUnit,
    axisUnit: suffix,
  };
}

function weightIn(unit: WeightUnit): Quantity {
  const scale = unit === 'kg' ? 1 : 1 / POUND;
  const isStones = unit === 'st';
  const suffix = isStones ? '' : ` ${unit}`;
  const withoutSuffix = (text: string) => text.slice(0, -suffix.length || undefined);
  const format = (kilograms: number) => withoutSuffix(formatWeight(kilograms, unit));
  return {
    key: 'weight',
    title: nameQuantity('weight'),
    scale,
    steps: isStones ? 'stones' : 'decimal',
    leastSpan: 2 * scale,
    format,
    formatTrend: (kilograms) => withoutSuffix(formatTrend(kilograms, unit)),
    formatChange: (difference) => `${signed(difference * scale, 1)} ${isStones ? 'lb' : unit}`,
    suffix,
    axisUnit: isStones ? 'st lb' : unit,
  };
}

/** `12 st 7`, the label of a tick of so many pounds. */
export function formatStones(pounds: number): string {
  const stones = Math.floor(pounds / POUNDS_PER_STONE);
  const rest = pounds - stones * POUNDS_PER_STONE;
  return rest === 0 ? `${stones} st` : `${stones} st ${rest}`;
}

/** `−0.40 kg`, `+0.9 lb`, with a real minus. */
export function sayChange(kilograms: number, unit: WeightUnit): string {
  return tellChange(kilograms, unit).replace('-', '−');
}

function signed(value: number, digits: number): string {
  const rounded = value.toFixed(digits);
  if (Number(rounded) === 0) return `±${Math.abs(Number(rounded)).toFixed(digits)}`;
  return rounded.startsWith('-') ? rounded.replace('-', '−') : `+${rounded}`;
}
