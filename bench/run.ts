import { readFile, writeFile } from 'node:fs/promises';
import { arch, cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { installGlobally, pack, ROOT } from '../test/support/packed.ts';
import { temporaryDirectory } from '../test/support/temporary.ts';
import type { Bench } from './bench.ts';
import { measureDisk } from './disk.ts';
import { measureJournal } from './journal.ts';
import { measureMany } from './many.ts';
import { measureMemory } from './memory.ts';
import { measureRunning } from './running.ts';
import { measureSize } from './size.ts';
import { measureStarts } from './starts.ts';
import { formatTable, type Row } from './table.ts';
import { measureWork } from './work.ts';

/**
 * `npm run bench` prints one table, which README.md next to this file explains. `--quick` is a smoke test,
 * `--only PART` measures one part, and `--save` stores the table in the README.
 */
const PARTS: Readonly<Record<string, (bench: Bench) => Promise<readonly Row[]>>> = {
  starts: measureStarts,
  running: measureRunning,
  memory: measureMemory,
  work: measureWork,
  disk: measureDisk,
  size: measureSize,
  many: measureMany,
  journal: measureJournal,
};

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
});
await using place = await temporaryDirectory();
const prefix = join(place.path, 'prefix');
const { program } = await installGlobally(await pack(ROOT, place.path), prefix);
const floor = (name: string) => fileURLToPath(new URL(`./floors/${name}.js`, import.meta.url));
const bench: Bench = {
  program,
  installed: prefix,
  floors: { node: floor('node'), express: floor('express') },
  rounds: values.quick ? 2 : 15,
  quick: values.quick,
};

const rows: Row[] = [];
for (const [name, measure] of Object.entries(PARTS)) {
  if (values.only !== undefined && values.only !== name) continue;
  process.stderr.write(`${name}…\n`);
  rows.push(...(await measure(bench)));
}
const text = `${describeMachine()}\n\n${formatTable(rows)}\n`;
process.stdout.write(text);
if (values.save) await save(text);

function describeMachine(): string {
  const [cpu] = cpus();
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  const date = new Date().toISOString().slice(0, 10);
  const load = loadavg()[0]?.toFixed(1);
  return `${date}, Node ${process.versions.node}, ${cpus().length} × ${cpu?.model.trim()} (${arch()}), ${memory}; load at the end ${load}`;
}

/** The table is between these two marks. */
async function save(table: string): Promise<void> {
  const path = join(ROOT, 'bench/README.md');
  const readme = await readFile(path, 'utf8');
  const mark = /(<!-- figures -->\n).*(<!-- end of figures -->)/s;
  await writeFile(
    path,
    readme.replace(mark, (_all, start, end) => `${start}${table}${end}`),
  );
}
