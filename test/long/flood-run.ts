import { parseArgs } from 'node:util';
import { floodDaemon } from '../support/flood-run.ts';
import { STRANGERS, type Stranger } from '../support/stranger.ts';

/**
 * The long run of test/long/flood.test.ts: `node dist/test/long/flood-run.js --seconds 60`, with all strangers at once.
 * `--only TEXT` selects strangers by name, and `--each` runs them one after the other. `--pipelined N` is the number of
 * requests in flight on a connection. `--others N` is the number of other linked people. `--debug` logs at debug.
 */
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    others: { type: 'string', default: '0' },
    pipelined: { type: 'string', default: '10' },
    only: { type: 'string' },
    each: { type: 'boolean', default: false },
    debug: { type: 'boolean', default: false },
  },
});
const all = (Object.keys(STRANGERS) as Stranger[]).filter((name) => name.includes(values.only ?? ''));
const print = (line: string) => process.stdout.write(`${line}\n`);

for (const strangers of values.each ? all.map((name) => [name]) : [all]) {
  const report = await floodDaemon({
    strangers,
    seconds: Number(values.seconds),
    others: Number(values.others),
    pipelined: Number(values.pipelined),
    logLevel: values.debug ? 'debug' : 'info',
  });
  const { calls, mostCalls, probed, memory, answers } = report;
  print(strangers.join(' + '));
  print(`  ${report.perSecond} requests a second, answered ${[...answers].map((pair) => pair.join(': ')).join(', ')}`);
  print(`  Withings calls: ${calls.getmeas} getmeas (at most ${mostCalls.getmeas}), ${calls.requesttoken} refreshes`);
  print(`  ${report.logLines} log lines`);
  print(`  ${probed.count} real notifications, worst answer ${probed.worstMs} ms, not 200: ${probed.others.length}`);
  print(`  a real weigh-in in the log after ${report.weighInMs} ms; ${flooded(report.floodedWeighInMs)}`);
  print(
    `  memory ${memory.before} MB before, ${memory.peak} at most, ${memory.after} after; on the way ${memory.course.join(', ')}`,
  );
}

function flooded(ms: number | undefined): string {
  return ms === undefined ? "the flooded person's not before the end" : `the flooded person's after ${ms} ms`;
}
