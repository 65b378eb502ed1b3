import { parseArgs } from 'node:util';
import { killRounds } from '../support/kill-rounds.ts';

/**
 * The long run of test/long/kill.test.ts: `npm run kill -- --rounds 200 --seed 1`. With `--root DIR --life MS` of the
 * weighbridge that is installed in another root directory, which lives that long at most.
 */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '200' },
    seed: { type: 'string', default: `${Date.now() % 1e9}` },
    root: { type: 'string' },
    life: { type: 'string' },
  },
});
const seed = Number(values.seed);
process.stdout.write(`seed ${seed}\n`);
const report = await killRounds({
  rounds: Number(values.rounds),
  seed,
  root: values.root,
  ...(values.life !== undefined && { longestLifeMs: Number(values.life) }),
});
const figures = Object.entries(report).map(([name, figure]) => `${figure} ${name}`);
process.stdout.write(`${figures.join(', ')}; 0 lost, 0 doubled, 0 told twice\n`);
