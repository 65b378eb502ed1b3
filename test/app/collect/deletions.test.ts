import { strict as assert } from 'node:assert';
import { describe, test } from 'node:test';
import type { MeasureAnswer, MeasureGroup } from '../../../src/domain/measure.ts';
import { toReading } from '../../../src/domain/reading.ts';
import { NOTHING_KNOWN } from '../../../src/domain/status.ts';
import { Trouble } from '../../../src/domain/trouble.ts';
import { answerOf, createCollectorBench, type RecordedCall } from '../../support/collector-bench.ts';
import { ANNA, weighIn } from '../../support/people.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const TAKEN = new Date('2026-11-20T05:50:00Z');
const WINDOW = { start: TAKEN, end: new Date(TAKEN.getTime() + SECOND) };
const UPDATED = new Date('2026-11-20T06:30:00Z');

/** Creates a Withings and a journal with these groups. */
async function setUp(
  groups: readonly MeasureGroup[],
  change: (answer: MeasureAnswer, call: RecordedCall) => MeasureAnswer = (answer) => answer,
) {
  const there = new Set(groups);
  const bench = createCollectorBench((call) => {
    const { query } = call;
    const isAsked = ({ takenAt, modifiedAt }: MeasureGroup) =>
      'since' in query ? modifiedAt > query.since : takenAt > query.window.start && takenAt < query.window.end;
    return change(answerOf([...there].filter(isAsked), UPDATED), call);
  });
  await bench.journal.append(groups.map((group) => toReading(ANNA, group)));
  const withdrawn = () => bench.journal.lines.filter((line) => line.withdrawn !== undefined);
  const days = () => bench.calls.filter(({ query }) => 'window' in query);
  return Object.assign(bench, { there, withdrawn, days });
}

const one = weighIn(81, TAKEN);
const other = weighIn(80, new Date(TAKEN.getTime() - DAY));

describe('a window that a notification names', () => {
  test('withdraws groups after two complete answers without them, a minute apart', async () => {
    const bench = await setUp([one, other]);
    bench.there.delete(one);
    bench.collector.notify(ANNA, WINDOW);
    await bench.clock.advance(MINUTE);
    assert.deepEqual(bench.withdrawn(), [], 'two answers 15 s apart are not enough');
    await bench.clock.advance(HOUR);
    assert.deepEqual(
      bench.withdrawn().map(({ groupId, withdrawn }) => [groupId, withdrawn]),
      [[one.groupId, 'deleted']],
    );
    assert.equal(bench.journal.lastWeighIn(ANNA)?.kilograms, 80);
    assert.deepEqual(
      bench.calls.map(({ atMs }) => atMs),
      [0, 15 * SECOND, 75 * SECOND],
      'then it is clear why the window is empty',
    );
    assert.equal(bench.announced.at(-1)?.reading.withdrawn, 'deleted');
  });

  test('withdraws nothing if the answers come in parts', async () => {
    const bench = await setUp([one, other], (answer, { offset }) =>
      offset === undefined ? { ...answer, complete: false, next: 1 } : answerOf([], UPDATED),
    );
    bench.there.delete(one);
    bench.collector.notify(ANNA, WINDOW);
    await bench.clock.advance(HOUR);
    assert.deepEqual(bench.withdrawn(), []);
  });

  test('withdraws a missing group also if other groups remain in the window', async () => {
    const beside = weighIn(60, TAKEN);
    const bench = await setUp([one, beside]);
    bench.there.delete(one);
    bench.collector.notify(ANNA, WINDOW);
    await bench.clock.advance(HOUR);
    assert.deepEqual(
      bench.withdrawn().map(({ groupId }) => groupId),
      [one.groupId],
    );
  });

  test('withdraws nothing that is back in the second answer', async () => {
    const bench = await setUp([one], (answer, { atMs }) => (atMs < 20 * SECOND ? { ...answer, groups: [] } : answer));
    bench.collector.notify(ANNA, WINDOW);
    await bench.clock.advance(2 * HOUR);
    bench.there.delete(one);
    bench.collector.notify(ANNA, WINDOW);
    await bench.clock.advance(SECOND);
    assert.deepEqual(bench.withdrawn(), [], 'the count begins anew');
  });

  const unreadable = [{ raw: '{}', what: 'measuregrps[0].date is not a time' }];
  for (const [what, change] of [
    ['that breaks off', (answer) => ({ ...answer, complete: false })],
    ['with an unreadable group', (answer) => ({ ...answer, unreadable })],
    ['that was changed meanwhile', (answer) => ({ ...answer, groups: [weighIn(70, TAKEN, { modifiedAt: UPDATED })] })],
    [
      'that fails',
      () => {
        throw new Trouble('no', { code: 'no', recovery: 'retry' });
      },
    ],
  ] as readonly (readonly [string, (answer: MeasureAnswer) => MeasureAnswer])[]) {
    test(`withdraws nothing after an answer ${what}`, async () => {
      const bench = await setUp([one], change);
      bench.there.delete(one);
      bench.collector.notify(ANNA, WINDOW);
      await bench.clock.advance(2 * HOUR);
      assert.deepEqual(bench.withdrawn(), []);
    });
  }

  test('costs one request for a weigh-in, as before', async () => {
    const bench = await setUp([other]);
    bench.there.add(one);
    bench.collector.notify(ANNA, WINDOW);
    await bench.clock.advance(2 * HOUR);
    assert.equal(bench.calls.length, 1);
  });
});

describe('the weekly check', () => {
  const groups = [0, 1, 2, 3].map((days) => weighIn(80 + days, new Date(TAKEN.getTime() - days * DAY)));
  const old = weighIn(90, new Date(TAKEN.getTime() - 100 * DAY));
  /** Reconciles every hour, and at every due second fetch, as the daemon does. */
  async function pass(bench: Awaited<ReturnType<typeof setUp>>, ms: number) {
    for (let atMs = 0; atMs < ms; atMs += MINUTE) {
      if (atMs % HOUR === 0 || bench.collector.awaitCheck().length > 0) void bench.collector.reconcile(ANNA);
      await bench.clock.advance(MINUTE);
    }
  }

  test('withdraws the groups that two answers lack, with two requests of its own', async () => {
    const bench = await setUp([...groups, old]);
    bench.states.set(ANNA, NOTHING_KNOWN);
    bench.there.delete(groups[1] as MeasureGroup);
    bench.there.delete(old);
    await pass(bench, 3 * HOUR);
    assert.deepEqual(
      bench.withdrawn().map(({ groupId }) => groupId),
      [groups[1]?.groupId],
      'what is older than 90 days is not asked for',
    );
    const [first, second] = bench.days();
    assert.equal(bench.days().length, 2);
    assert.ok((second?.atMs ?? 0) - (first?.atMs ?? 0) >= MINUTE);
    assert.equal(bench.announced.at(-1)?.reading.withdrawn, 'deleted');
    assert.ok(bench.states.get(ANNA)?.checkedAt !== undefined);
  });

  test('costs one request a week if no group is missing', async () => {
    const bench = await setUp(groups);
    for (let day = 0; day < 21; day += 1) {
      await bench.collector.reconcile(ANNA);
      await bench.clock.advance(DAY);
    }
    assert.deepEqual(
      bench.days().map(({ atMs }) => atMs / DAY),
      [7, 14],
    );
  });

  test('ignores an answer that lacks most groups, and logs it once', async () => {
    const bench = await setUp(groups);
    bench.states.set(ANNA, NOTHING_KNOWN);
    for (const group of groups.slice(0, 3)) bench.there.delete(group);
    await pass(bench, DAY);
    assert.deepEqual(bench.withdrawn(), []);
    assert.equal(bench.days().length, 1);
    assert.equal(bench.log.texts('missing').length, 1);
    assert.match(bench.log.texts('missing')[0] ?? '', /^User 1234: .*fewer than half .*sharing is paused/);
  });

  test('does not lose a weigh-in if it fails, and is repeated a day later', async () => {
    const bench = await setUp(groups, (answer, { query, atMs }) => {
      if ('window' in query && atMs < HOUR) throw new Trouble('no', { code: 'no', recovery: 'retry' });
      return answer;
    });
    bench.states.set(ANNA, NOTHING_KNOWN);
    await pass(bench, DAY + 3 * HOUR);
    assert.equal(bench.days().length, 2);
    assert.deepEqual(bench.log.texts('trouble'), []);
  });

  test('follows soon after a notification of many days, which fetches only changes', async () => {
    const bench = await setUp(groups);
    await pass(bench, HOUR);
    bench.there.delete(groups[2] as MeasureGroup);
    bench.there.add(weighIn(79, new Date(TAKEN.getTime() - HOUR), { modifiedAt: new Date(UPDATED.getTime() - 1) }));
    bench.collector.notify(ANNA, { start: new Date(TAKEN.getTime() - 5 * DAY), end: TAKEN });
    await pass(bench, 3 * HOUR);
    assert.deepEqual(
      bench.withdrawn().map(({ groupId }) => groupId),
      [groups[2]?.groupId],
    );
    assert.equal(bench.days().length, 2, 'the check alone');
  });

  test('is skipped for a person with an empty journal, and while a notification waits', async () => {
    const bench = await setUp([]);
    bench.states.set(ANNA, NOTHING_KNOWN);
    bench.there.add(one);
    await bench.collector.reconcile(ANNA);
    await bench.clock.advance(DAY);
    await bench.collector.reconcile(ANNA, { urgent: true });
    assert.deepEqual(bench.days(), []);
  });
});
