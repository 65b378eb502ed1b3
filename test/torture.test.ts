import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { torture } from './support/torture.ts';

test('a dozen lives full of trouble cost no login and no weigh-in, and nothing is told twice', async () => {
  const rounds = 12;
  const report = await torture({ seed: 7, isOver: (round) => round >= rounds });
  assert(report.rounds === rounds && report.weighIns > 0 && report.faults.size > 1);
});
