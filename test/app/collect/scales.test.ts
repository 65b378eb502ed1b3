import { strict as assert } from 'node:assert';
import { describe, test } from 'node:test';
import type { Scale } from '../../../src/domain/scale.ts';
import type { UserId } from '../../../src/domain/token.ts';
import { Trouble } from '../../../src/domain/trouble.ts';
import { answerOf, createCollectorBench } from '../../support/collector-bench.ts';
import { ANNA, BO } from '../../support/people.ts';

const HOUR = 3_600_000;
const BODY: Omit<Scale, 'seenAt'> = { id: 'b0d7', model: 'Body+', battery: 'high', lastContact: undefined };

/** Creates a household without a request for its scales yet. */
function setUp(...users: readonly UserId[]) {
  const bench = createCollectorBench(() => answerOf([], bench.clock.now()));
  const describeScale = (battery: Scale['battery'], ...whose: readonly UserId[]) => {
    for (const userId of whose) bench.scales.of.set(userId, [{ ...BODY, battery }]);
  };
  /** Runs so many hours with a reconcile of every person each. */
  const live = async (hours: number) => {
    for (let hour = 0; hour < hours; hour += 1) {
      await Promise.all(users.map((userId) => bench.collector.reconcile(userId)));
      await bench.clock.advance(HOUR);
    }
  };
  const warnings = () => bench.log.entries.filter(({ level }) => level === 'warn' || level === 'error');
  return { ...bench, describeScale, live, warnings };
}

/** Removes the record of the last request, as before the first start. */
async function forget({ personStates }: ReturnType<typeof setUp>, ...users: readonly UserId[]) {
  for (const userId of users) await personStates.change(userId, (state) => ({ ...state, scalesAskedAt: undefined }));
}

describe('the scales of a person', () => {
  test('are requested once a day with a reconcile', async () => {
    const bench = setUp(ANNA);
    await forget(bench, ANNA);
    bench.describeScale('medium', ANNA);
    await bench.live(24);
    assert.equal(bench.scales.calls.length, 1);
    assert.deepEqual(bench.states.get(ANNA)?.scales, [
      { ...BODY, battery: 'medium', seenAt: new Date(bench.clock.now().getTime() - 24 * HOUR) },
    ]);
    await bench.live(48);
    assert.equal(bench.scales.calls.length, 3);
    assert.deepEqual(bench.warnings(), []);
  });

  test('are not requested by a notification, nor after a failed fetch', async () => {
    const bench = setUp(ANNA);
    await forget(bench, ANNA);
    bench.collector.notify(ANNA, undefined);
    await bench.clock.advance(HOUR);
    assert.equal(bench.scales.calls.length, 0);
    bench.tokens.failure = new Trouble('away', { code: 'unreachable', recovery: 'retry' });
    await bench.live(1);
    assert.equal(bench.scales.calls.length, 0);
  });

  for (const recovery of ['access', 'login', 'settings', 'retry', 'defect'] as const) {
    test(`stay unchanged after a rejection (${recovery}): one debug line a day, one request, the same login`, async () => {
      const bench = setUp(ANNA);
      await forget(bench, ANNA);
      bench.describeScale('high', ANNA);
      await bench.live(24);
      const { issued } = bench.tokens;
      bench.scales.failure = new Trouble('no scope user.info', { code: 'no', recovery });
      await bench.live(24);
      assert.equal(bench.scales.calls.length, 2);
      const lines = bench.log.entries.filter(({ event }) => event === 'scales_unknown');
      assert.deepEqual(
        lines.map(({ level, text, userid }) => [level, text, userid]),
        [['debug', 'cannot fetch the scales of user 1234: no scope user.info', ANNA]],
      );
      assert.deepEqual([bench.warnings(), bench.troubles.current()], [[], []]);
      assert.equal(bench.tokens.issued, issued, 'the login was not rotated for it');
      assert.equal(bench.states.get(ANNA)?.scales[0]?.battery, 'high');
    });
  }

  test('keep a battery and a last contact that Withings once omits', async () => {
    const bench = setUp(ANNA);
    await forget(bench, ANNA);
    const lastContact = new Date('2026-11-19T06:00:00Z');
    bench.scales.of.set(ANNA, [{ ...BODY, lastContact }]);
    await bench.live(24);
    bench.scales.of.set(ANNA, [{ ...BODY, battery: undefined }]);
    await bench.live(24);
    const [scale] = bench.states.get(ANNA)?.scales ?? [];
    assert.deepEqual([scale?.battery, scale?.lastContact], ['high', lastContact]);
  });

  test('are removed when Withings no longer has them', async () => {
    const bench = setUp(ANNA);
    await forget(bench, ANNA);
    bench.describeScale('high', ANNA);
    await bench.live(24);
    bench.scales.of.clear();
    await bench.live(24);
    assert.deepEqual(bench.states.get(ANNA)?.scales, []);
  });
});

describe('a low battery', () => {
  const told = ({ log }: ReturnType<typeof setUp>) =>
    log.entries.filter(({ event }) => event === 'battery_low').map(({ level, text }) => [level, text]);

  test('is reported once, and again only after the battery was not low', async () => {
    const bench = setUp(ANNA);
    await forget(bench, ANNA);
    bench.describeScale('medium', ANNA);
    await bench.live(24);
    bench.describeScale('low', ANNA);
    await bench.live(72);
    const line = ['warn', 'User 1234: The battery of the Body+ is low. Replace or charge it.'];
    assert.deepEqual(told(bench), [line]);
    bench.describeScale('high', ANNA);
    await bench.live(24);
    bench.describeScale('low', ANNA);
    await bench.live(24);
    assert.deepEqual(told(bench), [line, line]);
  });

  test('is reported once for a scale of two people, even with simultaneous requests', async () => {
    const bench = setUp(ANNA, BO);
    await forget(bench, ANNA, BO);
    bench.describeScale('low', ANNA, BO);
    await bench.live(48);
    assert.deepEqual(bench.scales.calls.sort(), [ANNA, ANNA, BO, BO].sort());
    assert.equal(told(bench).length, 1);
  });
});
