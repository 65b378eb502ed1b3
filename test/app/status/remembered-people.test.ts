import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { rememberPeople } from '../../../src/app/status/remembered-people.ts';
import { NOTHING_KNOWN, type PersonState } from '../../../src/domain/status.ts';
import { ANNA } from '../../support/people.ts';

const LINKED: PersonState = { ...NOTHING_KNOWN, linkedAt: new Date(0) };

test('a record is remembered as it was read or saved last', async () => {
  const people = rememberPeople({ load: async () => LINKED, save: async () => undefined });
  assert.equal(people.remembered(ANNA), undefined);
  await people.load(ANNA);
  assert.equal(people.remembered(ANNA), LINKED);
  await people.save(ANNA, NOTHING_KNOWN);
  assert.equal(people.remembered(ANNA), NOTHING_KNOWN);
});

test('a record that the disk does not take is remembered all the same', async () => {
  const people = rememberPeople({ load: async () => NOTHING_KNOWN, save: () => Promise.reject(new Error('full')) });
  await assert.rejects(people.save(ANNA, LINKED), /full/);
  assert.equal(people.remembered(ANNA), LINKED);
});

test('who reads while another saves does not bring back what was there before', async () => {
  let stored = NOTHING_KNOWN;
  const people = rememberPeople({
    load: async () => {
      const found = stored;
      await setImmediate();
      return found;
    },
    save: async (_user, state) => {
      await setImmediate();
      stored = state;
    },
  });
  await Promise.all([people.load(ANNA), people.save(ANNA, LINKED), people.load(ANNA)]);
  assert.equal(people.remembered(ANNA), LINKED);
});
