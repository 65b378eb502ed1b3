import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeLeft } from './test-reporter.ts';

/**
 * `npm test` runs the long tests one at a time, because they measure time, and then all others. The tests get an empty
 * directory for temporary files. The run fails if a test leaves a file in it.
 */
const TESTS = fileURLToPath(new URL('../test/', import.meta.url));
const REPORTER = fileURLToPath(new URL('./test-reporter.js', import.meta.url));
const given = process.argv.slice(2);
const isConcise = !process.stdout.isTTY && !given.some((option) => option.startsWith('--test-reporter'));
const names = (await readdir(TESTS, { recursive: true })).filter((name) => name.endsWith('.test.js')).sort();
const temporary = await mkdtemp(join(tmpdir(), 'weighbridge-tests-'));
// Some tests run the program as another user, who needs this directory.
await chmod(temporary, 0o1777);
// The tests get Ctrl-C as well. This process ends after them.
process.on('SIGINT', () => undefined);
try {
  await run(1, (name) => name.startsWith('long/'));
  await run(4, (name) => !name.startsWith('long/'));
  const left = await readdir(temporary);
  if (left.length > 0) process.exitCode = 1;
  // The concise report has it, before its summary.
  if (left.length > 0 && !isConcise) process.stderr.write(`${describeLeft(left)}\n`);
} finally {
  await rm(temporary, { recursive: true, force: true });
}

async function run(atOnce: number, isMeant: (name: string) => boolean): Promise<void> {
  if (process.exitCode !== undefined) return;
  const files = names.filter(isMeant).map((name) => join(TESTS, name));
  const reporter = isConcise ? [`--test-reporter=${REPORTER}`] : [];
  const options = ['--test', '--test-timeout=900000', `--test-concurrency=${atOnce}`, ...reporter, ...given];
  const child = spawn(process.execPath, [...options, ...files], {
    stdio: 'inherit',
    env: { ...process.env, TMPDIR: temporary },
  });
  const [code] = await once(child, 'close');
  if (code !== 0) process.exitCode = 1;
}
