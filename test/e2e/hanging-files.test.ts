import { strict as assert } from 'node:assert';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../support/free-port.ts';
import { type Home, startHome } from '../support/home.ts';
import { patient } from '../support/patience.ts';
import type { Program } from '../support/program.ts';

const MOST_MS = 10_000;
const secondsAgo = (seconds: number) => Math.floor(Date.now() / 1000) - seconds;

async function assertStops({ child, exited }: Program): Promise<string> {
  const startedAt = performance.now();
  child.kill('SIGTERM');
  const { stderr } = await exited;
  const tookMs = performance.now() - startedAt;
  assert(tookMs < MOST_MS || tookMs < patient(MOST_MS), `${tookMs} ms`);
  return stderr;
}

describe('a device or a FIFO in place of a file', { concurrency: 2 }, () => {
  test('is reported by name for each of five people, and a sixth is served', async () => {
    await using home = await startHome();
    for (const userId of ['1', '2', '3', '4', '5']) execFileSync('mkfifo', [join(home.directory, 'tokens', userId)]);
    await home.link('5678');
    const [group] = home.sandbox.store('5678', { kilograms: 81.25, date: secondsAgo(600) });
    await using daemon = await home.serve();
    await daemon.reading(group?.grpid ?? 0);
    for (const userId of ['1', '2', '3', '4', '5']) {
      const { text } = await daemon.line(({ event, userid }) => event === 'trouble' && userid === userId);
      assert.match(String(text), new RegExp(`tokens/${userId} is a FIFO, not a file`));
    }
    assert.equal(await assertStops(daemon), '');
  });

  for (const [what, put] of [
    ['a FIFO', (path: string) => void execFileSync('mkfifo', [path])],
    ['a link to a device', (path: string) => symlink('/dev/zero', path)],
  ] as const) {
    for (const path of [
      'tokens/.1234.access',
      'tokens/.1234.lock',
      'tokens/.1234.spare',
      'data/cursors/1234',
      'data/people/1234',
      'data/unreadable.jsonl',
      'data/publishers/hook',
      '.env',
    ]) {
      test(`delays nothing: ${what} at ${path}`, async () => {
        await using home = await startHome();
        await home.link('1234');
        await home.link('5678');
        for (const directory of ['data/cursors', 'data/people', 'data/publishers'])
          await mkdir(join(home.directory, directory), { recursive: true });
        await put(join(home.directory, path));
        const [group] = home.sandbox.store('5678', { kilograms: 81.25, date: secondsAgo(600) });
        await using daemon = await home.serve({ HOOK_COMMAND: '/bin/true' });
        await daemon.reading(group?.grpid ?? 0);
        await assertStops(daemon);
      });
    }
  }
});

/** A daemon all of whose threads for files hang. */
async function hang(home: Home) {
  const fifo = join(home.directory, 'never');
  execFileSync('mkfifo', [fifo]);
  const port = await freePort();
  const preload = new URL('../support/taken-threads.js', import.meta.url);
  const env = { TAKE_THREADS: fifo, NODE_OPTIONS: `--import=${preload.href}`, STATUS_PORT: `${port}` };
  const daemon = await home.serve(env);
  await daemon.line(({ event }) => event === 'fetched');
  const health = async () => await (await fetch(`http://127.0.0.1:${port}/healthz`)).text();
  assert.match(await health(), /"1234"/);
  await writeFile(`${fifo}.go`, '');
  while (!existsSync(`${fifo}.taken`)) await sleep(10);
  return { ...daemon, health };
}

test('while the file system hangs, /healthz answers, the log reports it, and a stop ends in time', async () => {
  await using home = await startHome();
  await home.link('1234');
  await using daemon = await hang(home);
  // The daemon uses a cached state for 5 s.
  await sleep(5_500);
  assert.match(await daemon.health(), /"1234"[\s\S]*file_hangs/);
  const { text } = await daemon.line(({ event }) => event === 'file_hangs');
  assert.match(String(text), /the file system does not answer \(read the directory .*tokens\)/);
  assert.match(await assertStops(daemon), /stopped while the file system did not answer \(read .*tokens/);
});
