import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import type { Delivery } from '../../../src/domain/publisher.ts';
import { createMissed } from '../../../src/publishers/mqtt/missed.ts';
import { READING } from '../../support/sample-reading.ts';

const delivery = (groupId: number, kind: Delivery['kind'] = 'weigh_in'): Delivery => ({
  kind,
  reading: { ...READING, groupId },
  groupIds: [groupId],
  previousWeight: undefined,
  correction: false,
  late: false,
});
const missedBy = (...deliveries: readonly Delivery[]) => {
  const missed = createMissed();
  missed.left();
  for (const each of deliveries) missed.keep(each);
  return missed;
};

test('what Home Assistant hears is not kept', () => {
  const missed = createMissed();
  missed.keep(delivery(1));
  assert.deepEqual(missed.list(), []);
});

test('a weigh-in is kept from the moment it leaves until it is told, also before the discovery messages', () => {
  const missed = missedBy(delivery(1));
  missed.born();
  assert.deepEqual([missed.isWaiting, missed.isHearing], [true, false]);
  missed.keep(delivery(2));
  missed.introduced();
  assert.deepEqual([missed.isWaiting, missed.isHearing], [false, true]);
  const [first, second] = missed.list();
  assert.deepEqual([first?.reading.groupId, second?.reading.groupId], [1, 2]);
  assert.ok(first !== undefined && missed.has(first));
  missed.over(first);
  assert.deepEqual(missed.list(), [second]);
});

test('discovery messages that are published while it is away are not read', () => {
  const missed = missedBy();
  missed.introduced();
  assert.deepEqual([missed.isWaiting, missed.isHearing], [false, false]);
});

test('of many the newest twenty are kept', () => {
  const groupIds = Array.from({ length: 23 }, (_, at) => at + 1);
  const kept = missedBy(...groupIds.map((groupId) => delivery(groupId))).list();
  assert.deepEqual(
    kept.map(({ reading }) => reading.groupId),
    groupIds.slice(3),
  );
});

for (const kind of ['withdrawn', 'held'] as const) {
  test(`one that is ${kind} meanwhile is not told, and the others are`, () => {
    const missed = missedBy(delivery(1), delivery(2));
    missed.change(delivery(1, kind));
    assert.deepEqual(
      missed.list().map(({ reading }) => reading.groupId),
      [2],
    );
  });
}

test('one that is corrected meanwhile is told as corrected, and a correction of another is no weigh-in', () => {
  const missed = missedBy(delivery(1));
  const correction = delivery(1, 'correction');
  missed.change(correction);
  missed.change(delivery(2, 'correction'));
  assert.deepEqual(missed.list(), [correction]);
});
