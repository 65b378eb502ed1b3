import { strict as assert } from 'node:assert';
import { describe, test } from 'node:test';
import { decimal, measureKey } from '../../../src/domain/measure.ts';
import { imagine } from '../../../src/sandbox/demo/history.ts';
import { PEOPLE, weighInOf } from '../../../src/sandbox/demo/people.ts';
import { weighInGroups } from '../../../src/sandbox/scale.ts';
import { userId } from '../../support/people.ts';

const NOW = new Date('2026-11-21T07:00:00Z');

/** The largest distance of a weigh-in from the mean of the last month. */
const NEAR: Readonly<Record<string, number>> = {
  weight: 1.5,
  fat_ratio: 1,
  muscle_mass: 2,
  bone_mass: 0.1,
  heart_rate: 8,
};

describe('a weigh-in of the demo', () => {
  for (const person of PEOPLE) {
    test(`continues the history of ${person.name}`, () => {
      const month = imagine({ ...person, userId: userId(person.userId) }, NOW).slice(-20);
      const date = NOW.getTime() / 1000;
      for (const difference of [-0.4, 0, 0.4]) {
        const groups = weighInGroups(1, date, weighInOf(person, { kilograms: person.kilograms + difference, date }));
        const sent = new Map(
          groups.flatMap(({ measures }) =>
            measures.map(
              (each) => [measureKey({ position: undefined, ...each }), decimal(each.value, each.unit)] as const,
            ),
          ),
        );
        for (const [key, most] of Object.entries(NEAR)) {
          const known = month.map(({ measures }) => measures[key]).filter((value) => value !== undefined);
          const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
          const value = sent.get(key);
          assert.equal(value === undefined, known.length === 0, key);
          if (value !== undefined) assert.ok(Math.abs(value - mean) < most, `${key}: ${value} after ${mean}`);
        }
        assert.deepEqual([...new Set(groups.map(({ model }) => model))], [person.model]);
      }
    });
  }
});
