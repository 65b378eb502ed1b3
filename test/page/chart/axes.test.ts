import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Tick, timeTicks, valueAxis } from '../../../src/page/chart/axes.ts';
import { isComposition, quantityOf, sortQuantities } from '../../../src/page/quantity.ts';
import { inZone } from '../../support/in-zone.ts';

const span = (from: string, to: string) => ({ fromMs: new Date(from).getTime(), toMs: new Date(to).getTime() });
const labels = (ticks: readonly Tick[]) =>
  ticks.map(({ label, below }) => (below === undefined ? label : `${label} ${below}`));
const weight = (unit: 'kg' | 'lb' | 'st') => quantityOf('weight', unit);

describe('the scale of values', () => {
  it('has familiar steps in the unit of the household', () => {
    assert.deepEqual(labels(valueAxis(weight('kg'), 80.2, 83.9, { about: 5, least: 4 }).ticks), [
      '80',
      '81',
      '82',
      '83',
      '84',
    ]);
    assert.deepEqual(labels(valueAxis(weight('kg'), 80.9, 81.3, { about: 5, least: 4 }).ticks), [
      '80.0',
      '80.5',
      '81.0',
      '81.5',
      '82.0',
    ]);
    assert.deepEqual(labels(valueAxis(weight('lb'), 80.2, 83.9, { about: 5, least: 4 }).ticks), [
      '178',
      '180',
      '182',
      '184',
    ]);
    assert.deepEqual(labels(valueAxis(weight('st'), 80.2, 83.9, { about: 5, least: 4 }).ticks), [
      '12 st 10',
      '12 st 12',
      '13 st',
      '13 st 2',
    ]);
    assert.deepEqual(labels(valueAxis(weight('st'), 60, 90, { about: 5, least: 4 }).ticks), [
      '8 st',
      '10 st',
      '12 st',
      '14 st',
    ]);
  });

  it('divides stones into pounds, quarters, halves and wholes only', () => {
    const steps = [1, 2, 7, 14, 28, 70, 140, 280];
    for (let kilograms = 1; kilograms < 400; kilograms *= 1.1) {
      const { low, high, ticks } = valueAxis(weight('st'), 60, 60 + kilograms, { about: 5, least: 4 });
      const pounds = ticks.map(({ position }) => Math.round(low + position * (high - low)));
      const step = (pounds[1] ?? 0) - (pounds[0] ?? 0);
      assert.ok(steps.includes(step), `${kilograms} kg: ${labels(ticks)}`);
      assert.ok(ticks.length >= 4 && ticks.length <= 10, `${kilograms} kg: ${labels(ticks)}`);
    }
  });

  it('has ticks within the values', () => {
    const { low, high, ticks } = valueAxis(weight('kg'), 80, 84, { about: 5, least: 4 });
    for (const { position, label } of ticks) assert.ok(Math.abs(low + position * (high - low) - Number(label)) < 1e-9);
    assert.ok(low < 80 && high > 84);
  });

  it('does not magnify noise for any quantity', () => {
    for (const [key, least] of [
      ['weight', 2],
      ['fat_ratio', 2],
      ['bone_mass', 0.4],
      ['type_999', 4],
    ] as const) {
      const { low, high } = valueAxis(quantityOf(key, 'kg'), 80, 80, { about: 5, least: 4 });
      assert.ok(high - low >= least, `${key}: ${high - low}`);
      if (key === 'fat_ratio' || key === 'type_999') continue;
      const inPounds = valueAxis(quantityOf(key, 'lb'), 80, 80, { about: 5, least: 4 });
      assert.ok(Math.abs((inPounds.high - inPounds.low) / (high - low) - 2.2046) < 0.001, `${key} in pounds`);
    }
    const { ticks } = valueAxis(quantityOf('afib_ecg', 'kg'), 0, 0, { about: 3, least: 2 });
    assert.ok(labels(ticks).includes('0'));
  });

  it('has at least four ticks and few more, for any quantity', () => {
    for (let highest = 0.001; highest < 1e6; highest *= 1.7) {
      const { ticks } = valueAxis(quantityOf('type_999', 'kg'), 0, highest, { about: 5, least: 4 });
      assert.ok(ticks.length >= 4 && ticks.length <= 6, `${highest}: ${labels(ticks)}`);
      assert.equal(new Set(labels(ticks)).size, ticks.length);
    }
  });
});

describe('the scale of time', () => {
  it('has weeks in a month, months in a year and years in a longer span', () => {
    inZone('Europe/Vienna', () => {
      assert.deepEqual(labels(timeTicks(span('2026-10-21T00:00+02:00', '2026-11-21T07:04+01:00'))), [
        '26 Oct',
        '2 Nov',
        '9 Nov',
        '16 Nov',
      ]);
      assert.deepEqual(labels(timeTicks(span('2026-08-21T00:00+02:00', '2026-11-21T07:04+01:00'))), [
        'Sep 2026',
        'Oct',
        'Nov',
      ]);
      assert.deepEqual(labels(timeTicks(span('2025-11-21T00:00+01:00', '2026-11-21T07:04+01:00'))), [
        'Jan 2026',
        'Mar',
        'May',
        'Jul',
        'Sep',
        'Nov',
      ]);
      assert.deepEqual(labels(timeTicks(span('2009-03-21T00:00+01:00', '2026-11-21T07:04+01:00'))), [
        '2010',
        '2015',
        '2020',
        '2025',
      ]);
    });
  });

  it('starts months at local midnight, also across a clock change', () => {
    for (const zone of ['Europe/Vienna', 'America/New_York', 'Australia/Lord_Howe', 'Pacific/Apia', 'UTC']) {
      inZone(zone, () => {
        const { fromMs, toMs } = span('2026-01-10T12:00Z', '2026-12-30T12:00Z');
        for (const { position } of timeTicks({ fromMs, toMs })) {
          const date = new Date(Math.round(fromMs + position * (toMs - fromMs)));
          assert.deepEqual([date.getDate(), date.getHours(), date.getMinutes()], [1, 0, 0], `${zone} ${date}`);
        }
      });
    }
  });

  it('has room for its labels on a phone in any range', () => {
    for (let length = 28; length < 40_000; length = Math.ceil(length * 1.07)) {
      const toMs = new Date(2026, 10, 21, 7).getTime();
      const ticks = timeTicks({ fromMs: toMs - length * 86_400_000, toMs });
      assert.ok(ticks.length >= 2 && ticks.length <= 7, `${length} days: ${labels(ticks)}`);
      for (const { position } of ticks) assert.ok(position >= 0 && position <= 1);
    }
  });
});

describe('a quantity', () => {
  it('is shown in the unit of the household', () => {
    const tell = (key: string, unit: 'kg' | 'lb' | 'st', value: number) => {
      const { format, suffix } = quantityOf(key, unit);
      return format(value) + suffix;
    };
    assert.equal(tell('weight', 'kg', 81.25), '81.25 kg');
    assert.equal(tell('weight', 'lb', 81.25), '179.1 lb');
    assert.equal(tell('weight', 'st', 81.25), '12 st 11.1 lb');
    assert.equal(tell('muscle_mass', 'kg', 60.32), '60.3 kg');
    assert.equal(tell('muscle_mass', 'st', 60.32), '133.0 lb');
    assert.equal(tell('fat_ratio', 'lb', 17.34), '17.3 %');
    assert.equal(tell('visceral_fat', 'lb', 2.1), '2.1');
    assert.equal(tell('type_999', 'lb', 2), '2.0');
  });

  it('has a readable name for any body part', () => {
    assert.equal(quantityOf('segment_muscle_mass_10', 'kg').title, 'Segment muscle mass, left leg');
    assert.equal(quantityOf('segment_fat_mass_27', 'kg').title, 'Segment fat mass, position 27');
    assert.equal(quantityOf('pulse_wave_velocity', 'kg').title, 'Pulse wave velocity');
    assert.equal(quantityOf('type_999', 'kg').title, 'Type 999');
  });

  it('can have the name of a property of every JavaScript object', () => {
    for (const key of ['constructor', 'toString', '__proto__', 'valueOf']) {
      const { title, format } = quantityOf(key, 'kg');
      assert.equal(title.toLowerCase(), key.toLowerCase().replaceAll('_', ' '));
      assert.equal(format(1), '1.0');
      assert.ok(!isComposition(key));
    }
  });

  it('follows the more important ones', () => {
    assert.deepEqual(sortQuantities(['height', 'zeta', 'bone_mass', 'weight', 'alpha', 'fat_ratio', 'fat_mass']), [
      'fat_ratio',
      'bone_mass',
      'fat_mass',
      'alpha',
      'zeta',
    ]);
  });
});
