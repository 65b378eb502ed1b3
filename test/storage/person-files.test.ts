import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { NOTHING_KNOWN } from '../../src/domain/status.ts';
import { createPersonFiles } from '../../src/storage/person-files.ts';
import { ANNA } from '../support/people.ts';
import { temporaryDirectory } from '../support/temporary.ts';

test('the reason of a missing subscription is stored with its code, so that a restart continues to poll', async () => {
  await using directory = await temporaryDirectory();
  const people = createPersonFiles(directory.path);
  const since = new Date('2026-11-20T06:00:00Z');
  for (const hitch of [
    { since, reason: 'no head', code: 'callback_unreachable' },
    { since, reason: 'of before' },
  ]) {
    const state = { ...NOTHING_KNOWN, subscription: { applis: [1], hitch }, scope: 'user.info,user.metrics' };
    await people.save(ANNA, state);
    assert.deepEqual(await people.load(ANNA), state);
  }
});

test('a height is stored, and an impossible one counts as none', async () => {
  await using directory = await temporaryDirectory();
  const people = createPersonFiles(directory.path);
  const at = new Date('2026-11-20T06:00:00Z');
  const of = (metres: number) => ({ ...NOTHING_KNOWN, height: { metres, takenAt: at }, heightAskedAt: at });
  await people.save(ANNA, of(1.81));
  assert.deepEqual(await people.load(ANNA), of(1.81));
  await people.save(ANNA, of(181));
  assert.deepEqual(await people.load(ANNA), { ...of(181), height: undefined });
});

test('scales are stored, and entries broken by hand count as none', async () => {
  await using directory = await temporaryDirectory();
  const people = createPersonFiles(directory.path);
  const at = new Date('2026-11-20T06:00:00Z');
  const scale = { id: 'b0d7', model: 'Body+', battery: 'low', lastContact: at, seenAt: at } as const;
  const bare = { id: 'c', model: undefined, battery: undefined, lastContact: undefined, seenAt: at };
  const state = { ...NOTHING_KNOWN, scales: [scale, bare], scalesAskedAt: at };
  await people.save(ANNA, state);
  assert.deepEqual(await people.load(ANNA), state);
  const seen_at = '2026-11-20T06:00:00Z';
  const scales = ['x', null, { deviceid: '../x', seen_at }, { deviceid: 'y' }, { deviceid: 'c', battery: 3, seen_at }];
  await writeFile(`${directory.path}/${ANNA}`, JSON.stringify({ scales, scales_asked_at: 'x' }));
  assert.deepEqual(await people.load(ANNA), { ...NOTHING_KNOWN, scales: [bare] });
});
