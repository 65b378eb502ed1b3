import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from '../support/temporary.ts';

const REPORTER = fileURLToPath(new URL('../../tools/test-reporter.js', import.meta.url));

/** Returns the output of the runner with the reporter for test files with these texts. */
async function reportOf(sources: Readonly<Record<string, string>>, { leaves = [] as readonly string[] } = {}) {
  await using directory = await temporaryDirectory();
  const cwd = directory.path;
  const TMPDIR = join(cwd, 'temporary');
  await mkdir(TMPDIR);
  for (const name of leaves) await mkdir(join(TMPDIR, name));
  for (const [name, source] of Object.entries(sources)) await writeFile(join(cwd, name), source);
  const args = ['--test', `--test-reporter=${REPORTER}`, ...Object.keys(sources)];
  const { PATH } = process.env;
  const child = spawn(process.execPath, args, { cwd, env: { PATH, TMPDIR }, stdio: ['ignore', 'pipe', 'inherit'] });
  return await text(child.stdout);
}

const IMPORTS = "import { describe, test } from 'node:test'; import assert from 'node:assert/strict';\n";

test('the reporter prints each failure in full, all in short, and the summary of the runner last', async () => {
  const output = await reportOf(
    {
      'a.test.mjs': `${IMPORTS}
        describe('outer', () => {
          describe('inner', () => {
            test('fails', () => { throw new Error('on top', { cause: new Error('below') }); });
            test('is late', { timeout: 1 }, () => new Promise((resolve) => setTimeout(resolve, 50)));
            test.skip('is skipped', () => undefined);
          });
          test('passes', () => undefined);
        });
        test('waits', () => new Promise(() => undefined));`,
      'b.test.mjs': `${IMPORTS} test('never runs', () => undefined); throw new Error('while it loads');`,
      'c.test.mjs': `${IMPORTS} test('passes too', (t) => t.diagnostic('seed 7'));`,
    },
    { leaves: ['weighbridge-test-1'] },
  );
  const [full = '', end = ''] = output.split('\nThe slowest of 3 files:\n');
  assert.match(full, /^failed: a\.test\.mjs > outer > inner > fails\n {2}Error: on top\n {6}at .*a\.test\.mjs:\d/m);
  assert.match(full, /^ {2}caused by Error: below\n {6}at /m);
  assert.match(full, /^timed out: a\.test\.mjs > outer > inner > is late\n {2}test timed out after 1ms$/m);
  assert.match(full, /^cancelled: a\.test\.mjs > waits\n {2}.*pending/m);
  assert.match(full, /^failed: b\.test\.mjs\n(?: {2}.*\n|\n)* {2}Error: while it loads\n {6}at /m);
  assert.match(full, /^# seed 7$/m);
  assert.doesNotMatch(full, /> outer\n|> inner\n/);
  assert.match(
    end,
    new RegExp(
      [
        '^(?: +\\d+\\.\\d s {2}[abc]\\.test\\.mjs\n){3}\nNot passed:',
        'failed: a.test.mjs > outer > inner > fails',
        'timed out: a.test.mjs > outer > inner > is late',
        'cancelled: a.test.mjs > waits',
        'failed: b.test.mjs',
        '',
        'left in the directory for temporary files: weighbridge-test-1',
        '',
        '# tests 7\n# suites 2\n# pass 2\n# fail 2\n# cancelled 2\n# skipped 1\n# todo 0\n# duration_ms [\\d.]+\n$',
      ].join('\n'),
    ),
  );
});

test('the reporter shows the progress, and failures only if there are any', async () => {
  const source = `${IMPORTS} for (let number = 0; number < 250; number += 1) test(String(number), () => undefined);`;
  const output = await reportOf({ 'many.test.mjs': source });
  assert.match(
    output,
    /^100 tests, 0 not passed, \d+ s, at many\.test\.mjs\n200 tests, .*\n\nThe slowest of 1 files:\n.*\n\n# tests 250\n/,
  );
});
