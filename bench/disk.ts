import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { weighIn } from '../test/support/flood-run.ts';
import { startHome } from '../test/support/home.ts';
import { mountCountingDisk } from '../test/support/small-disk.ts';
import type { Bench } from './bench.ts';
import type { Row } from './table.ts';

const PEOPLE = 4;
/** The day has `RECONCILE_INTERVAL` at 6 h, and an access token that lives for 3 h. */
const RECONCILES_A_DAY = 4;

/** The writes that reach a disk of its own, including the file system's journal: they wear out an SD card. */
export async function measureDisk({ program, quick }: Bench): Promise<readonly Row[]> {
  const disk = await mountCountingDisk();
  if (disk === undefined) return [];
  // The home unmounts the disk at its end.
  await using home = await startHome({ script: program, place: disk });
  const people = Array.from({ length: PEOPLE }, (_, index) => `${1000 + index}`);
  for (const person of people) await home.link(person);

  const serve = async () => {
    const daemon = await home.serve();
    for (let looks = 0; daemon.lines.filter(({ event }) => event === 'fetched').length < PEOPLE; looks += 1) {
      if (looks > 600) throw new Error('the people are not fetched');
      await sleep(50);
    }
    return daemon;
  };
  // The first start writes the permanent files. The next one finds expired access tokens, as after six hours.
  await (await serve())[Symbol.asyncDispose]();
  const tokens = join(home.directory, 'tokens');
  for (const name of await readdir(tokens)) if (name.endsWith('.access')) await rm(join(tokens, name));

  const atFirst = await disk.written();
  for (const _ of people) await appendLine(join(home.directory, 'floor'));
  const beforeReconcile = await disk.written();
  await using daemon = await serve();
  // The daemon saves the cursor after the log line of the fetch.
  await sleep(2_000);
  const beforeIdle = await disk.written();
  const seconds = quick ? 5 : 70;
  await sleep(seconds * 1000);
  const afterIdle = await disk.written();
  for (const person of people) await weighIn(home, daemon, person);
  const atLast = await disk.written();

  const append = beforeReconcile - atFirst;
  const reconcile = beforeIdle - beforeReconcile;
  const idle = afterIdle - beforeIdle;
  const weighIns = atLast - afterIdle;
  return [
    {
      what: 'written to disk per weigh-in',
      ours: kilobytes(weighIns / PEOPLE),
      floor: `${kilobytes(append / PEOPLE)} a line appended and synced`,
    },
    {
      what: `written to disk in ${seconds} idle seconds`,
      ours: kilobytes(idle),
      floor: '0 KB',
      aim: { text: '0', met: idle === 0 },
    },
    {
      what: `written to disk per person and idle day (${RECONCILES_A_DAY} reconciles, each with a rotated login)`,
      ours: kilobytes((reconcile / PEOPLE) * RECONCILES_A_DAY),
      floor: `${kilobytes((append / PEOPLE) * RECONCILES_A_DAY)} a line appended and synced, each time`,
    },
  ];
}

async function appendLine(path: string): Promise<void> {
  await using file = await open(path, 'a');
  await file.appendFile(`${'x'.repeat(300)}\n`);
  await file.sync();
}

function kilobytes(bytes: number): string {
  return `${Math.round(bytes / 1024)} KB`;
}
