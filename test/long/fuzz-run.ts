import { parseArgs } from 'node:util';
import { fuzz } from '../support/fuzz.ts';

/** The long run of test/long/fuzz.test.ts: `node dist/test/long/fuzz-run.js --inputs 100000 --seed 1`. */
const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Date.now() % 1e9) },
  },
});
const print = (line: string) => process.stdout.write(`${line}\n`);
const list = (figures: ReadonlyMap<string | number, number>) =>
  [...figures]
    .sort(([, one], [, other]) => other - one)
    .map(([name, figure]) => `${name}: ${figure}`)
    .join(', ');

const seed = Number(values.seed);
print(`seed ${seed}`);
const { kinds, probed, memory, seconds, complaints, defects } = await fuzz({
  inputs: Number(values.inputs),
  seed,
  slowMs: 15_000,
});
for (const [kind, { inputs, unanswered, answers, ends }] of [...kinds].sort(([one], [other]) =>
  one < other ? -1 : 1,
)) {
  print(`${kind.padEnd(24)} ${String(inputs).padStart(6)}  ${list(answers)}; unanswered: ${unanswered}; ${list(ends)}`);
}
print(`${[...kinds.values()].reduce((sum, { inputs }) => sum + inputs, 0)} inputs in ${seconds} s, 0 crashes`);
print(`${probed.count} real notifications, worst answer ${probed.worstMs} ms, not 200: ${probed.others.length}`);
print(
  `memory ${memory.before} MB before, ${memory.peak} at most, ${memory.after} after; on the way ${memory.course.join(', ')}`,
);
print(`${complaints.length} warnings and errors in the log`);
for (const line of defects) print(line);
const broken = [...kinds.values()].some(({ answers }) => [...answers.keys()].some((status) => status >= 500));
process.exitCode = broken || defects.length > 0 || probed.others.length > 0 ? 1 : 0;
