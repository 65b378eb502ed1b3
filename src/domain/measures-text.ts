import { formatWeight, type WeightUnit } from './format.ts';
import { readMeasureKey } from './measure.ts';
import type { Reading } from './reading.ts';

/** `81.25 kg, fat_ratio 17.3 %`: everything a reading holds, for people. */
export function listMeasures(reading: Reading, unit: WeightUnit): string {
  return Object.entries(reading.measures)
    .map(([key, value]) => (key === 'weight' ? formatWeight(value, unit) : `${key} ${value}${unitSuffix(key)}`))
    .join(', ');
}

function unitSuffix(key: string): string {
  const { unit } = readMeasureKey(key);
  return unit === '' ? '' : ` ${unit}`;
}
