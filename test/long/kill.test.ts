import { test } from 'node:test';
import { killRounds } from '../support/kill-rounds.ts';

test('killed twelve times while people step on the scale, it loses no weigh-in and no login, and tells nothing twice', async () => {
  await killRounds({ rounds: 12, seed: 20_261_120 });
});
