import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { describe, it, test } from 'node:test';
import { Trouble } from '../../src/domain/trouble.ts';
import { createOffsetFiles, createParkedFile, createRetainedFile } from '../../src/storage/publisher-files.ts';
import { ANNA } from '../support/people.ts';
import { createRecordingLog } from '../support/recording-log.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { failOneByOne, failureOf, watchFiles } from '../support/watched-files.ts';

const HERE = { bytes: 4711, file: '12 1795154462000.25', marks: [] };
const THERE = {
  bytes: 5000,
  file: '13 1795154463000',
  marks: [
    { bytes: 5000, length: 512, hash: '0123456789abcdef' },
    { bytes: 289, length: 289, hash: 'fedcba9876543210' },
  ],
};

test('a publisher without an offset has none, without a warning', async () => {
  await using directory = await temporaryDirectory();
  const log = createRecordingLog();
  assert.equal(await createOffsetFiles(directory.path, log).load('hook'), undefined);
  assert.deepEqual(log.entries, []);
});

test('an offset is found by another process, for the same publisher only', async () => {
  await using directory = await temporaryDirectory();
  const offsets = createOffsetFiles(directory.path, createRecordingLog());
  await offsets.save('hook', HERE);
  await offsets.save('mqtt', THERE);
  const others = createOffsetFiles(directory.path, createRecordingLog());
  assert.deepEqual([await others.load('hook'), await others.load('mqtt')], [HERE, THERE]);
  assert.deepEqual((await readdir(directory.path)).sort(), ['hook', 'mqtt']);
});

for (const [what, lines] of [
  ['is not a mark', ['', 'a b c', '5000 512 xyz', '5000 0 0123456789abcdef', '12 13 0123456789abcdef']],
  ['lies after the offset', ['4712 300 0123456789abcdef']],
] as const) {
  test(`the marks of an offset are kept without any that ${what}, and the offset is valid`, async () => {
    await using directory = await temporaryDirectory();
    const log = createRecordingLog();
    const good = '289 289 fedcba9876543210';
    await writeFile(`${directory.path}/hook`, [`${HERE.bytes} ${HERE.file}`, ...lines, good, ''].join('\n'));
    const marks = THERE.marks.slice(1);
    assert.deepEqual(await createOffsetFiles(directory.path, log).load('hook'), { ...HERE, marks });
    assert.deepEqual(log.entries, []);
  });
}

for (const code of ['ENOSPC', 'EIO']) {
  test(`a failed save with ${code} at any step is a trouble, and leaves the old offset or the new one`, async () => {
    for await (const { files, failed } of failOneByOne(code)) {
      await using directory = await temporaryDirectory();
      const sound = createOffsetFiles(directory.path, createRecordingLog());
      await sound.save('hook', HERE);
      const error = await failureOf(createOffsetFiles(directory.path, createRecordingLog(), files).save('hook', THERE));
      const { bytes } = (await sound.load('hook')) ?? { bytes: 0 };
      if (error === undefined) assert.equal(bytes, THERE.bytes, failed()?.name);
      else assert.ok(error instanceof Trouble && [HERE.bytes, THERE.bytes].includes(bytes), failed()?.name);
    }
  });

  test(`failed parking with ${code} at any step is a trouble, and removes no parked reading`, async () => {
    for await (const { files, failed } of failOneByOne(code)) {
      await using directory = await temporaryDirectory();
      const path = `${directory.path}/hook.parked.jsonl`;
      await createParkedFile(path).park('{"grpid":1}');
      const error = await failureOf(createParkedFile(path, files).park('{"grpid":2}'));
      if (error !== undefined) assert.ok(error instanceof Trouble, failed()?.name);
      const lines = (await readFile(path, 'utf8')).split('\n').slice(0, -1);
      assert.equal(lines[0], '{"grpid":1}');
      if (error === undefined) assert.deepEqual(lines.slice(1), ['{"grpid":2}'], failed()?.name);
    }
  });
}

test('a parked reading is on the disk before the call returns, and so is the name of a new file', async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/hook.parked.jsonl`;
  const steps: string[] = [];
  const files = watchFiles(async (operation, run) => {
    const result = await run();
    if (operation.name !== 'stat') steps.push(`${operation.name} ${operation.path === path ? 'file' : 'directory'}`);
    return result;
  });
  const parked = createParkedFile(path, files);
  const order = (name: string) => steps.lastIndexOf(name);
  await parked.park('{"grpid":1}');
  assert.ok(order('sync file') > order('appendFile file'), `${steps}`);
  assert.ok(order('sync directory') > order('appendFile file'), `${steps}`);
  steps.length = 0;
  await parked.park('{"grpid":2}');
  assert.ok(order('sync file') > order('appendFile file'), `${steps}`);
});

describe('the file of retained topics', () => {
  it('returns the written topics, none if the file is missing, and none with a warning if broken', async () => {
    await using directory = await temporaryDirectory();
    const log = createRecordingLog();
    const file = createRetainedFile(`${directory.path}/mqtt.retained`, log);
    assert.deepEqual(await file.load(), { topics: new Set(), values: new Map() });
    const value = { value: 81.25, takenAt: new Date('2026-11-20T06:00:00Z') };
    const retained = { topics: new Set(['a/b']), values: new Map([[ANNA, new Map([['weight', value]])]]) };
    await file.save(retained);
    assert.deepEqual(await file.load(), retained);
    assert.deepEqual(log.entries, []);
    for (const broken of ['{', 'null', '{"topics":3,"values":{"x":1,"1234":{"weight":{"value":"a"}}}}']) {
      await writeFile(`${directory.path}/mqtt.retained`, broken);
      const warnings = log.texts('retained_unreadable').length;
      assert.equal((await file.load()).topics.size, 0);
      assert.equal((await file.load()).values.get(ANNA)?.size ?? 0, 0);
      assert.equal(log.texts('retained_unreadable').length, warnings + 2);
    }
    assert.match(log.texts('retained_unreadable').join(), /cannot read \S+mqtt\.retained \(.+\)/);
  });

  it('warns too if the disk cannot read the file', async () => {
    await using directory = await temporaryDirectory();
    const log = createRecordingLog();
    const file = createRetainedFile(directory.path, log);
    assert.equal((await file.load()).topics.size, 0);
    assert.match(log.texts('retained_unreadable').join(), /EISDIR/);
  });
});
