import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Trouble } from '../../src/domain/trouble.ts';
import { createCursorFiles } from '../../src/storage/progress-files.ts';
import { createRecordingLog } from '../support/recording-log.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { ANNA, BO } from '../support/token-store.contract.ts';
import { failAt, failOneByOne, failureOf } from '../support/watched-files.ts';

const MORNING = new Date('2026-11-20T06:01:02Z');
const NOON = new Date('2026-11-20T11:00:00Z');

async function open() {
  const directory = await temporaryDirectory();
  const log = createRecordingLog();
  const cursors = createCursorFiles(directory.path, log);
  return { path: directory.path, log, cursors, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}

test('a user without a cursor has none, without a warning', async () => {
  await using opened = await open();
  assert.equal(await opened.cursors.load(ANNA), undefined);
  assert.deepEqual(opened.log.entries, []);
});

test('a cursor is found by another process, to the second, for the same user only', async () => {
  await using opened = await open();
  await opened.cursors.save(ANNA, NOON);
  await opened.cursors.save(ANNA, new Date(MORNING.getTime() + 999));
  await opened.cursors.save(BO, NOON);
  const other = createCursorFiles(opened.path, opened.log);
  assert.deepEqual(await other.load(ANNA), MORNING, 'rounded down: asking twice is harmless, a gap is not');
  assert.deepEqual(await other.load(BO), NOON);
});

test('a cursor is one small private file of its user', async () => {
  await using opened = await open();
  await opened.cursors.save(ANNA, MORNING);
  assert.deepEqual(await readdir(opened.path), ['1234']);
  assert.equal(await readFile(`${opened.path}/1234`, 'utf8'), `${MORNING.getTime() / 1000}\n`);
  assert.equal((await stat(`${opened.path}/1234`)).mode & 0o777, 0o600);
});

for (const text of ['', '\0\0\0\0', '-5\n', '0\n', '1e9\n', '1795154462000\n', '999999999999\n', 'NaN\n', '{}\n']) {
  test(`a cursor of ${JSON.stringify(text)} is replaced by the time of its file with one line, and the file stays`, async () => {
    await using opened = await open();
    await writeFile(`${opened.path}/1234`, text);
    await utimes(`${opened.path}/1234`, NOON, NOON);
    assert.deepEqual(await opened.cursors.load(ANNA), new Date(NOON.getTime() - 7 * 24 * 3_600_000));
    assert.equal(await readFile(`${opened.path}/1234`, 'utf8'), text);
    assert.deepEqual(
      opened.log.entries.map(({ level, event, userid }) => [level, event, userid]),
      [['warn', 'cursor_unreadable', ANNA]],
    );
    await opened.cursors.save(ANNA, NOON);
    assert.deepEqual(await opened.cursors.load(ANNA), NOON);
  });
}

for (const code of ['EIO', 'EACCES']) {
  test(`a cursor that the disk cannot read (${code}) is a temporary trouble, not a lost cursor`, async () => {
    await using opened = await open();
    await opened.cursors.save(ANNA, NOON);
    const cursors = createCursorFiles(opened.path, opened.log, failAt(0, code).files);
    await assert.rejects(cursors.load(ANNA), { recovery: 'retry' });
  });
}

test('a cursor edited by hand is valid, also with line ends of Windows', async () => {
  await using opened = await open();
  await writeFile(`${opened.path}/1234`, ` ${MORNING.getTime() / 1000}\r\n\r\n`);
  assert.deepEqual(await opened.cursors.load(ANNA), MORNING);
});

test('a failed save at any step leaves a whole cursor, and the trouble names the file', async () => {
  for await (const { files, failed } of failOneByOne('ENOSPC')) {
    await using opened = await open();
    await opened.cursors.save(ANNA, MORNING);
    const error = await failureOf(createCursorFiles(opened.path, opened.log, files).save(ANNA, NOON));
    if (failed() === undefined) continue;
    assert.ok(error instanceof Trouble && error.code === 'disk_full' && error.message.includes('/1234'), `${error}`);
    const loaded = await opened.cursors.load(ANNA);
    assert.ok([MORNING.getTime(), NOON.getTime()].includes(loaded?.getTime() ?? 0));
    assert.deepEqual(await readdir(opened.path), ['1234']);
  }
});

test('a missing directory is a trouble on a save', async () => {
  await using opened = await open();
  const cursors = createCursorFiles(`${opened.path}/gone`, opened.log);
  await assert.rejects(cursors.save(ANNA, NOON), Trouble);
  await mkdir(`${opened.path}/gone`);
  await cursors.save(ANNA, NOON);
});
