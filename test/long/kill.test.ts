import { test } from 'node:test';
import { killRounds } from '../support/kill-rounds.ts';

test('twelve kills during weigh-ins lose no weigh-in and no login, and announce none twice', async () => {
  await killRounds({ rounds: 12, seed: 20_261_120 });
});
