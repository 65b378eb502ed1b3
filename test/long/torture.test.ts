import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { torture } from '../support/torture.ts';
import { PEOPLE, planRound } from '../support/torture-plan.ts';

const ROUNDS = 12;

test('a dozen rounds of failures lose no login and no weigh-in, and announce none twice', async () => {
  const seed = 7;
  const report = await torture({ seed, isOver: (rounds) => rounds >= ROUNDS });
  const steps = Array.from({ length: ROUNDS }, (_, round) => planRound(seed, round)).flatMap((plan) => [
    ...plan.missed,
    ...plan.steps,
  ]);
  const planned = steps.filter(({ what }) => what === 'weigh-in').length;
  const asWell = 6 * PEOPLE.length;
  assert.equal(report.weighIns, planned + asWell);
  assert.ok(report.takenBack > 0);
});

test('the plan of a round depends on round and seed only', () => {
  assert.deepEqual(planRound(7, 3), planRound(7, 3));
  const plans = [planRound(7, 3), planRound(7, 4), planRound(8, 3)].map((plan) => JSON.stringify(plan));
  assert.equal(new Set(plans).size, plans.length);
});
