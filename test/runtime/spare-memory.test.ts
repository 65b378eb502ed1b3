import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const MODULE = fileURLToPath(new URL('../../src/runtime/spare-memory.js', import.meta.url));

/** Allocates short-lived objects, as requests do, and prints the size of V8's space for them in bytes. */
const ALLOCATE = `
  const { getHeapSpaceStatistics } = await import('node:v8');
  let kept = [];
  for (let count = 0; count < 3e6; count += 1) {
    kept.push({ count, text: [count] });
    if (kept.length > 50_000) kept = [];
  }
  const space = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
  console.log(space.space_size);
`;

async function run(script: string): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
  return Number(stdout);
}

test('V8 still accepts its flags after the start: the space for new objects does not grow', async () => {
  const spared = await run(`(await import(${JSON.stringify(MODULE)})).spareMemory();${ALLOCATE}`);
  const grown = await run(ALLOCATE);
  assert.ok(spared > 0 && spared <= 4 * 2 ** 20, `${spared} bytes`);
  assert.ok(grown >= 4 * spared, `${grown} bytes without the flags, ${spared} with them`);
});
