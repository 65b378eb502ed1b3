import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { writeFamilyJournal } from '../test/support/family-journal.ts';
import { temporaryDirectory } from '../test/support/temporary.ts';
import type { Bench } from './bench.ts';
import { inTurn, round, show } from './samples.ts';
import { atMost, type Row } from './table.ts';

const CHILD = fileURLToPath(new URL('./journal-child.js', import.meta.url));
/** A family of four with ten years of a Body Scan. */
const FAMILY_LINES = 60_000;

interface Figures {
  readonly openMs: number;
  readonly opened: number;
  readonly drawn: number;
}

/** Measures the memory and time of a journal of so many lines in its own process. */
export async function measureJournal({ rounds, quick }: Bench): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const lines of quick ? [1_000] : [20_000, FAMILY_LINES, 100_000, 1_000_000]) {
    rows.push(await measureLines(lines, lines > 100_000 ? 1 : Math.min(rounds, 5)));
  }
  return rows;
}

async function measureLines(lines: number, rounds: number): Promise<Row> {
  await using place = await temporaryDirectory();
  const [path, empty] = [`${place.path}/measures.jsonl`, `${place.path}/empty.jsonl`];
  await writeFamilyJournal(path, lines);
  let [last, least] = [await runChild(path), await runChild(empty)];
  const { full, none } = await inTurn(rounds, {
    full: async () => {
      last = await runChild(path);
      return last.openMs;
    },
    none: async () => {
      least = await runChild(empty);
      return least.openMs;
    },
  });
  const [opened, drawn] = [last.opened - least.opened, last.drawn - least.drawn];
  return {
    what: `a journal of ${lines} lines: opened; memory above an empty one, opened / page drawn`,
    ours: `${show(full, 'ms')}; ${round(opened)} / ${round(drawn)} MB`,
    floor: `${show(none, 'ms')} empty`,
    ...(lines === FAMILY_LINES && { aim: atMost(full.least, 400, 'ms') }),
  };
}

async function runChild(path: string): Promise<Figures> {
  const { stdout } = await promisify(execFile)(process.execPath, [CHILD, path]);
  return JSON.parse(stdout);
}
