import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatStones, quantityOf, sayChange } from '../../src/page/quantity.ts';

describe('a change', () => {
  it('that rounds to zero has both signs for either direction', () => {
    const { formatChange } = quantityOf('weight', 'kg');
    assert.deepEqual([0, 0.04, -0.04].map(formatChange), ['±0.0 kg', '±0.0 kg', '±0.0 kg']);
    assert.equal(quantityOf('heart_rate', 'kg').formatChange(-0.4), '±0 bpm');
  });

  it('has a sign, a real minus, and the digits of its quantity', () => {
    assert.deepEqual([0.05, -0.06, 1.25].map(quantityOf('weight', 'kg').formatChange), [
      '+0.1 kg',
      '−0.1 kg',
      '+1.3 kg',
    ]);
    assert.equal(quantityOf('bone_mass', 'kg').formatChange(-0.12), '−0.12 kg');
    assert.equal(quantityOf('fat_ratio', 'kg').formatChange(-0.7), '−0.7 pts', 'per cent change by points');
    assert.equal(quantityOf('visceral_fat', 'kg').formatChange(-0.7), '−0.7');
    assert.equal(sayChange(-0.4, 'kg'), '−0.40 kg');
  });

  it('is in pounds for households with stones', () => {
    assert.equal(quantityOf('weight', 'st').formatChange(-1), '−2.2 lb');
    assert.equal(quantityOf('weight', 'lb').formatChange(1), '+2.2 lb');
  });
});

describe('a quantity in pounds', () => {
  it('has a chart of at least two kilograms, in pounds', () => {
    for (const key of ['weight', 'muscle_mass']) {
      const [kilograms, pounds] = [quantityOf(key, 'kg'), quantityOf(key, 'lb')];
      assert.equal(kilograms.leastSpan, 2);
      assert.ok(Math.abs(pounds.leastSpan - 4.409) < 0.001, `${key}: ${pounds.leastSpan}`);
      assert.ok(Math.abs(pounds.scale - 2.2046) < 0.001);
    }
    assert.equal(quantityOf('fat_ratio', 'lb').leastSpan, 2, 'per cent stay per cent');
    assert.equal(quantityOf('fat_ratio', 'lb').suffix, ' %');
  });

  it('is shown in stones and pounds at a tick', () => {
    assert.deepEqual([168, 175, 182].map(formatStones), ['12 st', '12 st 7', '13 st']);
  });
});
