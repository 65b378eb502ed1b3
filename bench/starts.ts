import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { startHome } from '../test/support/home.ts';
import { type Program, runProgram, startProgram } from '../test/support/program.ts';
import { temporaryDirectory } from '../test/support/temporary.ts';
import type { Bench } from './bench.ts';
import { inTurn, type Samples, show } from './samples.ts';
import { atMostTimes, type Row } from './table.ts';

/** Measures the time of a start with a full and with an empty file cache. */
export async function measureStarts({ program, floors, rounds }: Bench): Promise<readonly Row[]> {
  await using place = await temporaryDirectory();
  await using home = await startHome({ script: program });
  const toEnd = (script: string, args: readonly string[]) => () =>
    timed(async () => {
      await runProgram(args, { cwd: place.path, script });
    });
  const toListening = (start: () => Program) => () =>
    timed(async () => {
      const started = start();
      await started.line(({ event }) => event === 'listening');
      return started;
    });
  const takers = {
    node: toEnd(floors.node, []),
    help: toEnd(program, ['--help']),
    express: toListening(() => startProgram([], { cwd: place.path, script: floors.express })),
    onePort: toListening(() => home.start()),
    twoPorts: toListening(() => home.start({ STATUS_PORT: '13001' })),
  };
  await inTurn(1, takers);
  const rows = report('warm', await inTurn(rounds, takers));
  if (!dropCaches()) return rows;
  const cold = (take: () => Promise<number>) => () => {
    dropCaches();
    return take();
  };
  const coldTakers = {
    node: cold(takers.node),
    help: cold(takers.help),
    express: cold(takers.express),
    onePort: cold(takers.onePort),
    twoPorts: cold(takers.twoPorts),
  };
  return [...rows, ...report('cold', await inTurn(rounds, coldTakers))];
}

function report(
  how: 'warm' | 'cold',
  samples: Readonly<Record<'node' | 'help' | 'express' | 'onePort' | 'twoPorts', Samples>>,
): readonly Row[] {
  const { node, help, express, onePort, twoPorts } = samples;
  const row = (what: string, ours: Samples, floor: Samples, name: string, most?: number): Row => {
    // Noise only adds time, so the smallest of many samples is the most accurate.
    const ratio = ours.least / floor.least;
    const line = { what: `${what}, ${how}`, ours: show(ours, 'ms'), floor: `${show(floor, 'ms')} ${name}`, ratio };
    return most === undefined ? line : { ...line, aim: atMostTimes(ratio, most) };
  };
  return [
    row('`--help`', help, node, 'node', 1.3),
    row('until it listens, one port', onePort, express, 'Express', 1.25),
    row('until it listens, both ports', twoPorts, express, 'Express'),
  ];
}

/** @param run returns what must be ended before the next, and is not measured */
async function timed(run: () => Promise<AsyncDisposable | undefined> | Promise<void>): Promise<number> {
  const startedAt = performance.now();
  const started = await run();
  const tookMs = performance.now() - startedAt;
  await started?.[Symbol.asyncDispose]();
  return tookMs;
}

/** Empties the file cache, so that the next read comes from the disk. Returns false without the right to do so. */
function dropCaches(): boolean {
  try {
    execFileSync('sync');
    writeFileSync('/proc/sys/vm/drop_caches', '3');
    return true;
  } catch {
    return false;
  }
}
