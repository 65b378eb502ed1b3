import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addMark, markOf } from '../../../src/storage/journal/mark.ts';

test('the gaps between marks are at most as long as the rest, and the marks stay few', () => {
  let marks: readonly ReturnType<typeof markOf>[] = [];
  for (let line = 1; line <= 100_000; line += 1) {
    marks = addMark(marks, { bytes: line * 300, length: 300, hash: '0' });
    if (line % 997 !== 0) continue;
    for (const [at, { bytes }] of marks.entries()) {
      const back = line * 300 - bytes;
      const toOlder = bytes - (marks[at + 1]?.bytes ?? 0);
      assert.ok(toOlder <= Math.max(back, 300), `line ${line}: ${toOlder} bytes between marks, ${back} bytes back`);
    }
  }
  assert.equal(marks[0]?.bytes, 100_000 * 300);
  assert.ok(marks.length <= 40, `${marks.length} marks`);
});

test('a mark covers the last half KB before an offset, or all bytes there', () => {
  const long = Buffer.from('x'.repeat(600));
  assert.equal(markOf(long, 600).length, 512);
  assert.equal(markOf(long, 600).hash, markOf(long.subarray(88), 512).hash);
  assert.equal(markOf(Buffer.from('{}\n'), 3).length, 3);
});
