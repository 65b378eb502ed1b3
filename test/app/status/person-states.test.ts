import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { createPersonStates } from '../../../src/app/status/person-states.ts';
import { NOTHING_KNOWN, type PersonState, type PersonStore } from '../../../src/domain/status.ts';
import { ANNA } from '../../support/people.ts';
import { createRecordingLog } from '../../support/recording-log.ts';

const LINKED: PersonState = { ...NOTHING_KNOWN, linkedAt: new Date(0) };

function start(people: PersonStore) {
  const log = createRecordingLog();
  return { log, states: createPersonStates({ people, log }) };
}

test('the store returns a status as it was read or changed last', async () => {
  const { states } = start({ load: async () => LINKED, save: async () => undefined });
  assert.equal(states.remembered(ANNA), undefined);
  await states.of(ANNA);
  assert.equal(states.remembered(ANNA), LINKED);
  await states.change(ANNA, () => NOTHING_KNOWN);
  assert.equal(states.remembered(ANNA), NOTHING_KNOWN);
});

test('a status that the disk rejects is remembered and reported', async () => {
  const { states, log } = start({
    load: async () => NOTHING_KNOWN,
    save: () => Promise.reject(new Error('full')),
  });
  await states.change(ANNA, () => LINKED);
  assert.match(log.texts('trouble').join(), /^cannot store .*: full$/);
  assert.equal(states.remembered(ANNA), LINKED);
});

test('a status that the disk rejects counts until it is saved or the file has another', async () => {
  let stored = NOTHING_KNOWN;
  let isFull = true;
  const save = async (_user: unknown, state: PersonState) => {
    if (isFull) throw new Error('full');
    stored = state;
  };
  const { states, log } = start({ load: async () => structuredClone(stored), save });
  const note = (at: number) => states.change(ANNA, (before) => ({ ...before, scalesAskedAt: new Date(at) }));
  await states.change(ANNA, () => LINKED);
  await note(1);
  const both = { ...LINKED, scalesAskedAt: new Date(1) };
  assert.deepEqual(await states.of(ANNA), both);
  assert.equal(log.texts('trouble').length, 1, 'told of once');
  isFull = false;
  await states.change(ANNA, (before) => before);
  assert.deepEqual(stored, both);
  isFull = true;
  await note(2);
  assert.equal(log.texts('trouble').length, 2);
  stored = { ...LINKED, linkedAt: new Date(5) };
  assert.deepEqual(await states.of(ANNA), stored, 'another process has linked the person again');
});

test('an unchanged status is not written', async () => {
  const { states, log } = start({
    load: async () => LINKED,
    save: () => Promise.reject(new Error('full')),
  });
  await states.change(ANNA, (before) => ({ ...before }));
  assert.deepEqual(log.texts('trouble'), []);
});

test('a concurrent read does not restore an older status', async () => {
  let stored = NOTHING_KNOWN;
  const { states } = start({
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
  await Promise.all([states.of(ANNA), states.change(ANNA, () => LINKED), states.of(ANNA)]);
  assert.equal(states.remembered(ANNA), LINKED);
});
