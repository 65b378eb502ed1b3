import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createFileWatch } from '../../src/storage/file-watch.ts';

/** Creates a file operation that the test ends. */
function operation() {
  let end = () => {};
  let count = 0;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const run = async () => {
    count += 1;
    await ended;
    return 'content';
  };
  return { run, end: () => end(), count: () => count };
}

const HANGS = { code: 'file_hangs', recovery: 'retry' };
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('a read that does not end', () => {
  test('is given up, and blocks other reads of the same file until its end', async () => {
    const watch = createFileWatch({ limitMs: 1 });
    const frozen = operation();
    await assert.rejects(watch.read('read a', frozen.run), HANGS);
    await assert.rejects(watch.read('read a', frozen.run), HANGS);
    assert.equal(frozen.count(), 1);
    assert.equal(await watch.read('read b', async () => 'b'), 'b', 'another file is read');
    frozen.end();
    await turn();
    assert.equal(await watch.read('read a', frozen.run), 'content');
  });

  test('that fails late is not an unhandled rejection', async () => {
    const watch = createFileWatch({ limitMs: 1 });
    let fail = () => {};
    const late = new Promise<never>((_, reject) => {
      fail = () => reject(new Error('EIO'));
    });
    await assert.rejects(
      watch.read('read a', () => late),
      HANGS,
    );
    fail();
    await turn();
    assert.equal(await watch.read('read a', async () => 'a'), 'a');
  });
});

test('a write is waited for, because it would continue later', async () => {
  const watch = createFileWatch({ limitMs: 1 });
  const frozen = operation();
  let isDone = false;
  const writing = watch.track('write a', frozen.run).then(() => {
    isDone = true;
  });
  await assert.rejects(watch.read('read a', frozen.run), HANGS);
  assert.equal(isDone, false);
  frozen.end();
  await writing;
});

test('the watch reports the longest operation, and any end since its start', async () => {
  let ms = 0;
  const watch = createFileWatch({ nowMs: () => ms });
  assert.deepEqual([watch.longest(), watch.silent()], [undefined, undefined]);
  await watch.track('write 0', async () => undefined);
  ms = 1_000;
  const [first, second] = [operation(), operation()];
  const writing = [watch.track('write 1', first.run), watch.track('write 2', second.run)];
  ms = 61_000;
  assert.deepEqual(watch.longest(), { doing: 'write 1', ms: 60_000 });
  assert.deepEqual(watch.silent(), { doing: 'write 1', ms: 60_000 });
  second.end();
  await writing[1];
  assert.deepEqual(watch.longest(), { doing: 'write 1', ms: 60_000 });
  assert.equal(watch.silent(), undefined, 'the disk answers others');
  first.end();
  await writing[0];
  assert.equal(watch.longest(), undefined);
});
