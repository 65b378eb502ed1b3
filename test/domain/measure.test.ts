import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decimal, MEASURE_TYPES, measureKey, readMeasureKey } from '../../src/domain/measure.ts';

describe('a value', () => {
  const table: readonly (readonly [value: number, exponent: number, real: number])[] = [
    [74215, -3, 74.215],
    [7235, -2, 72.35],
    [803250, -4, 80.325],
    [410, -1, 41],
    [64, 0, 64],
    [12, 1, 120],
    [0, -3, 0],
    [-25, -1, -2.5],
    [9007199254740991, 0, 9007199254740991],
  ];
  for (const [value, exponent, real] of table) {
    test(`of ${value} and ${exponent} is ${real}`, () => assert.equal(decimal(value, exponent), real));
  }

  test('never has more digits than the device sent', () => {
    for (let tens = 0; tens <= 20_000; tens += 1) {
      const text = String(decimal(tens, -2));
      const digits = `${Math.floor(tens / 100)}.${String(tens % 100).padStart(2, '0')}`;
      assert.equal(text, digits.replace(/\.?0+$/, ''));
    }
  });
});

describe('the name of a measure', () => {
  const table: readonly (readonly [type: number, position: number | undefined, key: string])[] = [
    [1, undefined, 'weight'],
    [5, 7, 'fat_free_mass'],
    [168, 6, 'extracellular_water'],
    [173, 12, 'segment_fat_free_mass_12'],
    [173, 10, 'segment_fat_free_mass_10'],
    [11, 0, 'heart_rate_0'],
    [12, 1, 'temperature_1'],
    [999, undefined, 'type_999'],
    [999, 7, 'type_999'],
    [999, 3, 'type_999_3'],
    [0, undefined, 'type_0'],
  ];
  for (const [type, position, key] of table) {
    test(`of type ${type} at ${position ?? 'no position'} is ${key}`, () => {
      assert.equal(measureKey({ type, position }), key);
    });
  }

  test('is correct where other programs are known to be wrong', () => {
    const keys = [9, 10, 54, 71, 73, 76, 155].map((type) => measureKey({ type, position: undefined }));
    assert.deepEqual(keys, [
      'diastolic_bp',
      'systolic_bp',
      'spo2',
      'body_temperature',
      'skin_temperature',
      'muscle_mass',
      'vascular_age',
    ]);
  });

  test('belongs to one type only, and differs from unknown types and positions', () => {
    const keys = Object.values(MEASURE_TYPES).map(({ key }) => key);
    assert.equal(new Set(keys).size, keys.length);
    for (const key of keys) {
      assert.match(key, /^[a-z0-9_]+$/);
      assert.doesNotMatch(key, /^type_|_\d+$/);
    }
  });

  test('is parsed into quantity, unit and body part, left and right as Withings numbers them', () => {
    assert.deepEqual(readMeasureKey('weight'), { name: 'weight', unit: 'kg', part: undefined });
    const leg = { name: 'segment_muscle_mass', unit: 'kg', part: 'left leg' };
    assert.deepEqual(readMeasureKey('segment_muscle_mass_10'), leg);
    assert.equal(readMeasureKey('segment_muscle_mass_11').part, 'right leg');
    assert.equal(readMeasureKey('segment_fat_mass_20').part, 'position 20');
    assert.deepEqual(readMeasureKey('type_999'), { name: 'type_999', unit: '', part: undefined });
    assert.deepEqual(readMeasureKey('type_999_12'), { name: 'type_999', unit: '', part: 'torso' });
    assert.deepEqual(readMeasureKey('constructor'), { name: 'constructor', unit: '', part: undefined });
  });
});
