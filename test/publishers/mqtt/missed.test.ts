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

test('weigh-ins that Home Assistant received are not kept', () => {
  const missed = createMissed();
  missed.keep(delivery(1));
  assert.deepEqual(missed.list(), []);
});

test('a weigh-in is kept from its departure until its delivery, also before the discovery messages', () => {
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

test('discovery messages during an absence do not count as received', () => {
  const missed = missedBy();
  missed.introduced();
  assert.deepEqual([missed.isWaiting, missed.isHearing], [false, false]);
});

test('the newest twenty of many are kept', () => {
  const groupIds = Array.from({ length: 23 }, (_, at) => at + 1);
  const kept = missedBy(...groupIds.map((groupId) => delivery(groupId))).list();
  assert.deepEqual(
    kept.map(({ reading }) => reading.groupId),
    groupIds.slice(3),
  );
});

for (const kind of ['withdrawn', 'held'] as const) {
  test(`a weigh-in that is ${kind} meanwhile is not announced, and the others are`, () => {
    const missed = missedBy(delivery(1), delivery(2));
    missed.change(delivery(1, kind));
    assert.deepEqual(
      missed.list().map(({ reading }) => reading.groupId),
      [2],
    );
  });
}

test('a weigh-in that is corrected meanwhile is announced as corrected, and a correction is not a weigh-in', () => {
  const missed = missedBy(delivery(1));
  const correction = delivery(1, 'correction');
  missed.change(correction);
  missed.change(delivery(2, 'correction'));
  assert.deepEqual(missed.list(), [correction]);
});
