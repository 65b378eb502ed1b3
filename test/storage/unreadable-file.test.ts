import { strict as assert } from 'node:assert';
import { readFile, stat } from 'node:fs/promises';
import { test } from 'node:test';
import { openUnreadableFile } from '../../src/storage/unreadable-file.ts';
import { ANNA, BO } from '../support/people.ts';
import { createRecordingLog } from '../support/recording-log.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const one = { raw: '{"grpid":1,"value":null}', what: 'measuregrps[0].measures[0].value is not a number' };
const other = { raw: '{"grpid":2}', what: 'measuregrps[1].date is not a time' };

test('each content is stored once a person, also across a restart', async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/unreadable.jsonl`;
  const file = await openUnreadableFile(path, createRecordingLog());
  assert.deepEqual(await file.keep(ANNA, [one, one, other]), [one, other]);
  assert.deepEqual(await file.keep(BO, [one]), [one]);
  const again = await openUnreadableFile(path, createRecordingLog());
  assert.deepEqual(await again.keep(ANNA, [{ ...one, what: 'measuregrps[7] is elsewhere now' }]), []);
  assert.deepEqual([again.countOf(ANNA), again.countOf(BO)], [2, 1]);
  const lines = (await readFile(path, 'utf8')).trim().split('\n');
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)),
    [
      { userid: ANNA, ...one },
      { userid: ANNA, ...other },
      { userid: BO, ...one },
    ],
  );
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});

test('the file stays below 1 MB, and further groups are reported and counted all the same', async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/unreadable.jsonl`;
  const file = await openUnreadableFile(path, createRecordingLog());
  const many = Array.from({ length: 20 }, (_, at) => ({ raw: `${at}${'x'.repeat(100_000)}`, what: 'too long' }));
  assert.equal((await file.keep(ANNA, many)).length, 20);
  assert.equal(file.countOf(ANNA), 20);
  assert.ok((await stat(path)).size <= 1024 * 1024);
});

test('a file that cannot be used is logged, and stops nothing', async () => {
  await using directory = await temporaryDirectory();
  const log = createRecordingLog();
  const file = await openUnreadableFile(directory.path, log);
  assert.deepEqual(await file.keep(ANNA, [one]), [one]);
  assert.equal(log.texts('trouble').length, 2);
  assert.match(log.texts('trouble')[0] ?? '', /EISDIR/);
});
