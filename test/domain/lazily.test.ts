import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { lazily } from '../../src/domain/lazily.ts';

test('a module on demand is loaded once, and again after a failure', async () => {
  let loads = 0;
  const load = lazily(async () => {
    loads += 1;
    if (loads === 1) throw new Error('no descriptors left');
    return loads;
  });
  assert.equal(loads, 0);
  const first = [load(), load()];
  for (const each of first) await assert.rejects(each, /no descriptors left/);
  assert.equal(loads, 1);
  assert.deepEqual(await Promise.all([load(), load()]), [2, 2]);
  assert.equal(await load(), 2);
});
