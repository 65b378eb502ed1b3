import { strict as assert } from 'node:assert';
import { appendFile, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Trouble } from '../../src/domain/trouble.ts';
import { createBedOffsetFiles } from '../../src/storage/bed-file.ts';
import { nodeFiles } from '../../src/storage/files.ts';
import { bedEvent, bedPlace } from '../support/beds.ts';
import { ANNA, BO, userId } from '../support/people.ts';

const at = (minute: number) => new Date(Date.UTC(2026, 10, 20, 21, minute));

test('an event survives a restart, in a private file', async () => {
  await using place = await bedPlace();
  const event = bedEvent('in_bed', at(41));
  await (await place.open()).append(event);
  const after = await place.open();
  assert.deepEqual(after.newest(ANNA), { ...event, number: 1 });
  assert.deepEqual([after.has(event), after.last], [true, 1]);
  assert.equal((await stat(place.path)).mode & 0o777, 0o600);
  const { number, userid, kind, timestamp, deviceid } = JSON.parse(await readFile(place.path, 'utf8'));
  const expected = [1, '1234', 'in_bed', at(41).getTime() / 1000, 'mat'];
  assert.deepEqual([number, userid, kind, timestamp, deviceid], expected);
});

test('the newest event is the one with the latest date, before and after a restart', async () => {
  await using place = await bedPlace();
  const beds = await place.open();
  for (const [kind, minute] of [
    ['in_bed', 1],
    ['out_of_bed', 9],
    ['in_bed', 5],
  ] as const)
    await beds.append(bedEvent(kind, at(minute)));
  await beds.append(bedEvent('in_bed', at(3), { userId: BO }));
  for (const each of [beds, await place.open()]) {
    assert.deepEqual([each.newest(ANNA)?.kind, each.newest(ANNA)?.number], ['out_of_bed', 2]);
    assert.equal(each.newest(BO)?.number, 4);
    assert.deepEqual(
      each.after(2).map(({ number }) => number),
      [3, 4],
    );
  }
});

test('an event is a duplicate by person, kind and date, whatever the device is', async () => {
  await using place = await bedPlace();
  const event = bedEvent('in_bed', at(1));
  await (await place.open()).append(event);
  const beds = await place.open();
  assert.equal(beds.has({ ...event, deviceId: 'another' }), true);
  for (const change of [{ userId: BO }, { kind: 'out_of_bed' as const }, { at: at(2) }])
    assert.equal(beds.has({ ...event, ...change }), false, JSON.stringify(change));
});

test('a torn last line is cut, and the next event gets a line of its own', async () => {
  await using place = await bedPlace();
  await (await place.open()).append(bedEvent('in_bed', at(1)));
  await appendFile(place.path, '{"number":2,"userid":"1234","kind":"out');
  const beds = await place.open();
  assert.equal(place.log.texts('bed_torn').length, 1);
  await beds.append(bedEvent('out_of_bed', at(2)));
  const lines = (await readFile(place.path, 'utf8')).trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).kind),
    ['in_bed', 'out_of_bed'],
  );
});

test('a partial line of an append is cut by the next append', async () => {
  await using place = await bedPlace();
  await (await place.open()).append(bedEvent('in_bed', at(1)));
  let isFull = true;
  const open: typeof nodeFiles.open = async (path, flags, mode) => {
    const handle = await nodeFiles.open(path, flags, mode);
    if (!isFull) return handle;
    handle.appendFile = async (data) => {
      await appendFile(place.path, String(data).slice(0, 20));
      throw Object.assign(new Error('full'), { code: 'ENOSPC' });
    };
    return handle;
  };
  const beds = await place.open({ ...nodeFiles, open });
  const event = bedEvent('out_of_bed', at(2));
  await assert.rejects(beds.append(event), { code: 'disk_full' });
  assert.deepEqual([beds.newest(ANNA)?.kind, beds.has(event), beds.last], ['in_bed', false, 1]);
  isFull = false;
  await beds.append(event);
  assert.equal((await readFile(place.path, 'utf8')).trimEnd().split('\n').length, 2);
  assert.equal((await place.open()).newest(ANNA)?.kind, 'out_of_bed');
});

test('the file stays below 128 KiB, and keeps the newest event of every person', async () => {
  await using place = await bedPlace();
  const beds = await place.open();
  await beds.append(bedEvent('in_bed', at(0), { userId: BO, deviceId: 'm'.repeat(32) }));
  const old = Array.from({ length: 3_000 }, (_, index) => {
    const seconds = at(1).getTime() / 1000 + index;
    return `{"number":${index + 2},"userid":"1234","kind":"in_bed","date":"","timestamp":${seconds},"deviceid":"mat"}\n`;
  });
  await appendFile(place.path, old.join(''));
  const large = await place.open();
  const wake: number[] = [];
  using _growth = large.onGrowth(() => wake.push(large.last));
  await large.append(bedEvent('out_of_bed', at(59)));
  await large.append(bedEvent('in_bed', new Date(at(59).getTime() + 1_000)));
  assert.ok((await stat(place.path)).size < 2 * 128 * 1024);
  for (const each of [large, await place.open()]) {
    assert.deepEqual([each.newest(BO)?.number, each.newest(ANNA)?.number, each.last], [1, 3_003, 3_003]);
    assert.deepEqual(
      each.after(3_001).map(({ number }) => number),
      [3_002, 3_003],
    );
  }
  assert.deepEqual(wake, [3_002, 3_003]);
});

test('a file that is removed at run time is written again completely', async () => {
  await using place = await bedPlace();
  const beds = await place.open();
  await beds.append(bedEvent('in_bed', at(1), { userId: BO }));
  await rm(place.path);
  await beds.append(bedEvent('in_bed', at(2)));
  const after = await place.open();
  assert.deepEqual([after.newest(BO)?.number, after.newest(ANNA)?.number], [1, 2]);
});

test('invalid lines are skipped, and a directory in place of the file stops nothing', async () => {
  await using place = await bedPlace();
  const good = '{"number":7,"userid":"1234","kind":"in_bed","timestamp":1795154462}';
  const bad = ['nonsense', '{}', good.replace('in_bed', 'asleep'), good.replace('"1234"', '"../x"')];
  await writeFile(place.path, [...bad, good, ''].join('\n'));
  const beds = await place.open();
  assert.deepEqual([beds.last, beds.after(0).length], [7, 1]);
  assert.equal(beds.newest(userId('1234'))?.deviceId, undefined);
});

test('the offset of a publisher is a number, and anything else counts as none', async () => {
  await using place = await bedPlace();
  const offsets = createBedOffsetFiles(place.directory);
  assert.equal(await offsets.load('hook'), undefined);
  await offsets.save('hook', 12);
  assert.equal(await offsets.load('hook'), 12);
  await writeFile(`${place.directory}/hook.bed`, 'x');
  assert.equal(await offsets.load('hook'), undefined);
});

test('a file that is unreadable at start loses nothing, and accepts no event until it is read', async () => {
  await using place = await bedPlace();
  await (await place.open()).append(bedEvent('in_bed', at(1)));
  let fails = true;
  const readFile: typeof nodeFiles.readFile = async (path) => {
    if (fails) throw Object.assign(new Error('too many'), { code: 'EMFILE' });
    return await nodeFiles.readFile(path);
  };
  const beds = await place.open({ ...nodeFiles, readFile });
  assert.equal(place.log.texts('trouble').length, 1);
  const event = bedEvent('out_of_bed', at(2));
  await assert.rejects(beds.append(event), Trouble);
  await assert.rejects(beds.load(), Trouble);
  fails = false;
  await beds.append(bedEvent('in_bed', at(1)));
  assert.deepEqual([await beds.load(), beds.newest(ANNA)?.kind], [1, 'in_bed'], 'it was kept already');
  await beds.append(event);
  const kinds = (await place.open()).after(0).map(({ number, kind }) => `${number} ${kind}`);
  assert.deepEqual(kinds, ['1 in_bed', '2 out_of_bed']);
});
