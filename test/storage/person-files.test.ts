import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NOTHING_KNOWN } from '../../src/domain/status.ts';
import { createPersonFiles } from '../../src/storage/person-files.ts';
import { ANNA } from '../support/people.ts';
import { temporaryDirectory } from '../support/temporary.ts';

test('why there is no subscription is kept with its code, so that a restart goes on polling', async () => {
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

test('a height is kept, and one that no person has counts as none', async () => {
  await using directory = await temporaryDirectory();
  const people = createPersonFiles(directory.path);
  const at = new Date('2026-11-20T06:00:00Z');
  const of = (metres: number) => ({ ...NOTHING_KNOWN, height: { metres, takenAt: at }, heightAskedAt: at });
  await people.save(ANNA, of(1.81));
  assert.deepEqual(await people.load(ANNA), of(1.81));
  await people.save(ANNA, of(181));
  assert.deepEqual(await people.load(ANNA), { ...of(181), height: undefined });
});
