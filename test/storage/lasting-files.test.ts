import { strict as assert } from 'node:assert';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { test } from 'node:test';
import { NOTHING_KNOWN } from '../../src/domain/status.ts';
import { openJournal } from '../../src/storage/journal/journal.ts';
import { createLastingFiles } from '../../src/storage/lasting-files.ts';
import { createPersonFiles } from '../../src/storage/person-files.ts';
import { createCursorFiles } from '../../src/storage/progress-files.ts';
import { createOffsetFiles, createParkedFile, createRetainedFile } from '../../src/storage/publisher-files.ts';
import { openUnreadableFile } from '../../src/storage/unreadable-file.ts';
import { ANNA } from '../support/people.ts';
import { createRecordingLog } from '../support/recording-log.ts';
import { READING } from '../support/sample-reading.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const NOW = new Date('2026-11-20T06:10:00Z');

test('a write fails if the working directory was removed, and does not wait without end', async () => {
  const before = process.cwd();
  await using place = await temporaryDirectory();
  process.chdir(place.path);
  try {
    assert.equal(process.cwd(), place.path);
    await rm(place.path, { recursive: true });
    const files = createLastingFiles(createRecordingLog());
    await assert.rejects(files.open('./data/measures.jsonl', 'a'), { code: 'ENOENT' });
  } finally {
    process.chdir(before);
  }
});

test('all written files are written again after rm -rf data, with a line for each directory', async () => {
  await using place = await temporaryDirectory();
  const data = `${place.path}/data`;
  const log = createRecordingLog();
  const files = createLastingFiles(log);
  for (const name of ['cursors', 'people', 'publishers']) await mkdir(`${data}/${name}`, { recursive: true });
  const journal = await openJournal(`${data}/measures.jsonl`, log, { files, clock: { now: () => NOW } });
  const cursors = createCursorFiles(`${data}/cursors`, log, files);
  const people = createPersonFiles(`${data}/people`, files);
  const offsets = createOffsetFiles(`${data}/publishers`, log, files);
  const retained = createRetainedFile(`${data}/publishers/mqtt.retained`, log, files);
  const parked = createParkedFile(`${data}/publishers/hook.parked.jsonl`, files);
  const unreadable = await openUnreadableFile(`${data}/unreadable.jsonl`, log, files);
  const write: Record<string, () => Promise<unknown>> = {
    'measures.jsonl': () => journal.append([READING]),
    'cursors/1234': () => cursors.save(ANNA, NOW),
    'people/1234': () => people.save(ANNA, { ...NOTHING_KNOWN, checkedAt: NOW }),
    'publishers/hook': () => offsets.save('hook', { bytes: 0, file: '1', marks: [] }),
    'publishers/mqtt.retained': () => retained.save({ topics: new Set(), values: new Map() }),
    'publishers/hook.parked.jsonl': () => parked.park('{}'),
    'unreadable.jsonl': () => unreadable.keep(ANNA, [{ raw: `${Math.random()}`, what: 'odd' }]),
  };
  for (const [name, run] of Object.entries(write)) {
    await rm(data, { recursive: true, force: true });
    const logged = log.entries.length;
    await run();
    assert.ok((await stat(`${data}/${name}`)).isFile(), name);
    assert.equal((await stat(data)).mode & 0o777, 0o700);
    assert.deepEqual(
      log.entries
        .slice(logged)
        .filter(({ event }) => event === 'directory_remade')
        .map(({ level, path }) => [level, path]),
      [['warn', data]],
      name,
    );
  }
});

test('no reading is announced twice after rm -rf data', async () => {
  await using place = await temporaryDirectory();
  const data = `${place.path}/data`;
  await mkdir(data);
  const log = createRecordingLog();
  const options = { files: createLastingFiles(log), clock: { now: () => NOW } };
  const journal = await openJournal(`${data}/measures.jsonl`, log, options);
  assert.equal((await journal.append([READING])).length, 1);
  await rm(data, { recursive: true });
  const next = { ...READING, groupId: 7, takenAt: NOW, modifiedAt: NOW };
  const entries = await journal.append([READING, next]);
  assert.deepEqual(
    entries.map(({ reading }) => reading.groupId),
    [7],
  );
  const { lines } = await journal.feed.read({ bytes: 0, file: '', marks: [] });
  assert.deepEqual(
    lines.map(({ reading, history }) => [reading.groupId, history]),
    [
      [READING.groupId, true],
      [7, false],
    ],
  );
});

test('a file that is only read does not create its directory', async () => {
  await using place = await temporaryDirectory();
  const log = createRecordingLog();
  const cursors = createCursorFiles(`${place.path}/data/cursors`, log, createLastingFiles(log));
  assert.equal(await cursors.load(ANNA), undefined);
  assert.deepEqual(await readdir(place.path), []);
  assert.deepEqual(log.entries, []);
});
