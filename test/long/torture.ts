import { parseArgs } from 'node:util';
import { torture } from '../support/torture.ts';

/** The long run: `npm run torture -- --seed 1 --minutes 20`. The same seed plans the same lives. */
const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '1' }, seed: { type: 'string', default: `${Date.now() % 1e9}` } },
});
const seed = Number(values.seed);
process.stdout.write(`seed ${seed}\n`);
const endsAt = performance.now() + Number(values.minutes) * 60_000;
const report = await torture({ seed, isOver: () => performance.now() >= endsAt });

const kinds = [...report.faults].sort(([one], [other]) => one.localeCompare(other));
for (const [kind, count] of kinds) process.stdout.write(`${String(count).padStart(6)}  ${kind}\n`);
const {
  rounds,
  weighIns,
  changes,
  takenBack,
  rotations,
  calls,
  busiestMinute,
  groups,
  told,
  worstStopMs,
  worstHeardMs,
  worstFoundMs,
} = report;
process.stdout.write(
  `${rounds} rounds in ${Math.round(report.hours)} hours, ${kinds.length} kinds of faults, ${weighIns} weigh-ins, ` +
    `${changes} changes, ${takenBack} taken back, ${groups} lines in the journal, ${told} told, ` +
    `${rotations} rotations, ${calls} calls (${busiestMinute} in the busiest minute), ` +
    `worst stop ${Math.round(worstStopMs)} ms, told of and logged within ${Math.round(worstHeardMs)} ms, ` +
    `deletions found within ${Math.round(worstFoundMs)} ms, losses 0, doubles 0\n`,
);
