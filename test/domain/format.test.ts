import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatChange, formatWeight, type WeightUnit } from '../../src/domain/format.ts';

type Row = readonly [kilograms: number, unit: WeightUnit, text: string];

describe('a weight', () => {
  const table: readonly Row[] = [
    [81.25, 'kg', '81.25 kg'],
    [80, 'kg', '80.00 kg'],
    [72.3, 'kg', '72.30 kg'],
    [74.2149, 'kg', '74.21 kg'],
    [81.25, 'lb', '179.1 lb'],
    [45.359237, 'lb', '100.0 lb'],
    [81.25, 'st', '12 st 11.1 lb'],
    [6.35029318, 'st', '1 st 0.0 lb'],
    [6.2, 'st', '0 st 13.7 lb'],
  ];
  for (const [kilograms, unit, text] of table) {
    test(`of ${kilograms} kg reads ${text}`, () => assert.equal(formatWeight(kilograms, unit), text));
  }

  test('just under a whole stone never shows 14 pounds', () => {
    assert.equal(formatWeight(76.2, 'st'), '12 st 0.0 lb');
    for (let grams = 0; grams < 200_000; grams += 1) {
      assert.doesNotMatch(formatWeight(grams / 1000, 'st'), /14\.\d lb/);
    }
  });

  test('in grams is rounded in decimal, whatever its binary form', () => {
    assert.deepEqual(
      [74.215, 72.345, 81.255].map((kilograms) => formatWeight(kilograms, 'kg')),
      ['74.22 kg', '72.35 kg', '81.26 kg'],
    );
  });
});

describe('a change', () => {
  const table: readonly Row[] = [
    [0.4, 'kg', '+0.40'],
    [-0.4, 'kg', '−0.40'],
    [-12.346, 'kg', '−12.35'],
    [81.25 - 80.85, 'kg', '+0.40'],
    [-0.4, 'lb', '−0.9'],
    [0.4, 'lb', '+0.9'],
    [0.4, 'st', '+0.9 lb'],
    [-10, 'st', '−22.0 lb'],
  ];
  for (const [kilograms, unit, text] of table) {
    test(`of ${kilograms} kg reads ${text} in ${unit}`, () => assert.equal(formatChange(kilograms, unit), text));
  }

  test('too small to show is never negative', () => {
    assert.equal(formatChange(0, 'kg'), '+0.00');
    assert.equal(formatChange(-0, 'kg'), '+0.00');
    assert.equal(formatChange(-0.004, 'kg'), '+0.00');
    assert.equal(formatChange(-0.02, 'lb'), '+0.0');
    assert.equal(formatChange(-0.02, 'st'), '+0.0 lb');
  });
});
