import assert from 'node:assert/strict';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Trouble } from '../../src/domain/trouble.ts';
import { createBackfillFiles } from '../../src/storage/progress-files.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { ANNA, BO } from '../support/token-store.contract.ts';
import { failOneByOne, failureOf } from '../support/watched-files.ts';

const since = new Date('2009-01-01T00:00:00Z');
const next = new Date('2014-03-11T00:00:00Z');
const OPEN = { since, until: undefined, next };
const CLOSED = { since, until: new Date('2020-01-01T00:00:00Z'), next };

async function open() {
  const directory = await temporaryDirectory();
  const { path } = directory;
  return { path, store: createBackfillFiles(path), [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}

test('a person without a stopped backfill has no progress', async () => {
  await using opened = await open();
  assert.equal(await opened.store.load(ANNA), undefined);
  await opened.store.remove(ANNA);
});

for (const [what, progress] of [
  ['with an open end', OPEN],
  ['with an end', CLOSED],
] as const) {
  test(`another process finds the progress, ${what}, for the same user only`, async () => {
    await using opened = await open();
    await opened.store.save(ANNA, { ...progress, next: since });
    await opened.store.save(ANNA, progress);
    const other = createBackfillFiles(opened.path);
    assert.deepEqual(await other.load(ANNA), progress);
    assert.equal(await other.load(BO), undefined);
  });
}

test('the progress is one small private file, and is removed at the end', async () => {
  await using opened = await open();
  await opened.store.save(ANNA, OPEN);
  await opened.store.save(BO, OPEN);
  assert.equal((await stat(`${opened.path}/1234`)).mode & 0o777, 0o600);
  assert.ok((await readFile(`${opened.path}/1234`)).length < 200);
  await opened.store.remove(ANNA);
  assert.deepEqual(await readdir(opened.path), [BO]);
});

test('an incomplete file of a killed process is removed with it, and no other file', async () => {
  await using opened = await open();
  await writeFile(`${opened.path}/1234.0a1b2c3d.tmp`, '');
  await writeFile(`${opened.path}/12345.0a1b2c3d.tmp`, '');
  await opened.store.remove(ANNA);
  assert.deepEqual(await readdir(opened.path), ['12345.0a1b2c3d.tmp']);
});

test('only one backfill runs at a time in all processes, and the next one follows', async () => {
  await using opened = await open();
  const held = await opened.store.lock();
  const failure = await failureOf(createBackfillFiles(opened.path).lock());
  assert.ok(failure instanceof Trouble && failure.code === 'backfill_running', String(failure));
  await held[Symbol.asyncDispose]();
  await using _next = await createBackfillFiles(opened.path).lock();
  await opened.store.remove(ANNA);
  assert.deepEqual(await readdir(opened.path), ['.lock']);
});

for (const text of [
  '',
  '\0\0\0\0',
  'null',
  '[]',
  '{"since":"2009-01-01T00:00:00.000Z"}',
  '{"since":"yesterday","next":"2014-03-11T00:00:00.000Z"}',
  '{"since":"2009-01-01T00:00:00.000Z","next":12}',
  '{"since":"2009-01-01T00:00:00.000Z","until":"never","next":"2014-03-11T00:00:00.000Z"}',
  '{"since":"2009-01-01T00:00:00.000Z","next":"2014-03-',
]) {
  test(`a file with ${JSON.stringify(text)} counts as none, and is replaced`, async () => {
    await using opened = await open();
    await writeFile(`${opened.path}/1234`, text);
    assert.equal(await opened.store.load(ANNA), undefined);
    await opened.store.save(ANNA, OPEN);
    assert.deepEqual(await opened.store.load(ANNA), OPEN);
  });
}

test('a disk failure at any operation leaves the old progress or the new one, and is reported', async () => {
  for await (const { files, failed } of failOneByOne('ENOSPC')) {
    await using opened = await open();
    await opened.store.save(ANNA, CLOSED);
    const failing = createBackfillFiles(opened.path, files);
    const failure = await failureOf(failing.save(ANNA, OPEN));
    if (failed() !== undefined) assert.ok(failure instanceof Trouble && failure.code === 'disk_full', String(failure));
    const { until } = (await opened.store.load(ANNA)) ?? {};
    assert.ok([OPEN.until, CLOSED.until].some((each) => each?.getTime() === until?.getTime()));
    if (failure === undefined) assert.equal(until, undefined);
  }
});
