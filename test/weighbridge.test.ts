import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'acorn';
import { temporaryDirectory } from './support/temporary.ts';

const START = fileURLToPath(new URL('../src/weighbridge.cjs', import.meta.url));

/** Starts `weighbridge --version` on a Node that reports this version. */
async function startOn(version: string) {
  await using directory = await temporaryDirectory();
  const pretend = join(directory.path, 'pretend.cjs');
  await writeFile(
    pretend,
    `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } });`,
  );
  return spawnSync(process.execPath, ['--require', pretend, START, '--version'], { encoding: 'utf8' });
}

describe('the start file of weighbridge', () => {
  it('can be parsed by Node 12', () => {
    // Node 12 supports `import()`, but no other syntax of 2020.
    const text = readFileSync(START, 'utf8').replace('import(', 'load(');
    parse(text, { ecmaVersion: 2019, sourceType: 'script', allowHashBang: true });
  });

  for (const version of ['12.22.12', '18.20.4', '20.18.3', '0.10.48']) {
    it(`reports on Node ${version} the required Node, and how to install it`, async () => {
      const { status, stdout, stderr } = await startOn(version);
      assert.deepEqual([status, stdout], [1, '']);
      assert.match(
        stderr,
        new RegExp(`^error: weighbridge needs Node 20\\.19\\.0 or later, and this is Node ${version}\\.\n`),
      );
      assert.match(stderr, /Debian 13 .*sudo apt install --no-install-recommends nodejs npm\n/);
      assert.match(stderr, /Debian 12 .*sudo npm install --global node@24\n/);
    });
  }

  for (const version of ['20.19.0', '20.20.2', '22.0.0', '26.1.0']) {
    it(`starts on Node ${version}`, async () => {
      const { status, stdout, stderr } = await startOn(version);
      assert.deepEqual([status, stderr], [0, '']);
      assert.match(stdout, /^[0-9]+\.[0-9]+\.[0-9]+/);
    });
  }
});
