import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatInfluxLine } from '../../../src/storage/journal/influx.ts';
import { text as anyText, check } from '../../support/property.ts';
import { READING } from '../../support/sample-reading.ts';

/** Splits at a character without a backslash before it, as InfluxDB does. */
const split = (text: string, sign: string) => text.split(new RegExp(`(?<!\\\\)${sign}`, 'u'));
const unquote = (text: string) => text.replace(/\\([,= ])/g, '$1');

test('a point has the values of the reading at its time, and the person as its tags', () => {
  const line = formatInfluxLine(READING, 'Anna');
  assert.equal(
    line,
    'weighbridge,userid=1234,name=Anna weight=81.25,fat_ratio=17.3,muscle_mass=63.1 1795154462000000000\n',
  );
});

test('a reading without values is not a point', () => {
  assert.equal(formatInfluxLine({ ...READING, measures: {} }), '');
});

test('every name is read back complete, except line breaks and backslashes at its end', () => {
  check(
    fc.property(fc.oneof(anyText, fc.string({ unit: fc.constantFrom(',', '=', ' ', '\\', '\n', 'a') })), (name) => {
      const line = formatInfluxLine(READING, name);
      assert.equal(line.indexOf('\n'), line.length - 1, 'one line');
      const [series = '', fields, time, ...more] = split(line.trimEnd(), ' ');
      assert.deepEqual(
        [fields, time, more],
        ['weight=81.25,fat_ratio=17.3,muscle_mass=63.1', '1795154462000000000', []],
      );
      const [measurement, ...tags] = split(series, ',');
      assert.equal(measurement, 'weighbridge');
      const kept = name.replaceAll(/[\r\n]/g, ' ').replace(/\\+$/, '');
      const read = tags.map((tag) => split(tag, '=').map(unquote));
      assert.deepEqual(read, [['userid', '1234'], ...(kept === '' ? [] : [['name', kept]])]);
    }),
  );
});
