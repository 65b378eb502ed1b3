import { strict as assert } from 'node:assert';
import { describe, test } from 'node:test';
import type { MeasureGroup } from '../../../src/domain/measure.ts';
import { NOTHING_KNOWN } from '../../../src/domain/status.ts';
import { Trouble } from '../../../src/domain/trouble.ts';
import { answerOf, createCollectorBench } from '../../support/collector-bench.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { ANNA, weighIn } from '../../support/people.ts';

const DAY = 24 * 3_600_000;

const START = createFakeClock().now();

/** A height that was entered so many days before the start. */
const entered = (metres: number, daysAgo: number, changes: Partial<MeasureGroup> = {}) => {
  const takenAt = new Date(START.getTime() - daysAgo * DAY);
  return weighIn(0, takenAt, {
    measures: [{ type: 4, value: metres, position: undefined }],
    attribution: 2,
    ...changes,
  });
};

/** Creates a person with a weight in the journal. `news` comes with the usual answers. */
function setUp(...heights: readonly MeasureGroup[]) {
  const news: MeasureGroup[] = [];
  const bench = createCollectorBench(() => answerOf([...groups, ...news], bench.clock.now()));
  /**
   * The collector reads the journal before the first answer is stored, so the height is due at the second reconcile.
   */
  const groups = [weighIn(81.25, new Date(bench.clock.now().getTime() - 60_000))];
  bench.heights.groups = heights;
  const checkedAt = bench.clock.now();
  bench.states.set(ANNA, { ...NOTHING_KNOWN, checkedAt });
  /** Runs so many days with a reconcile each. */
  const live = async (days: number) => {
    for (let day = 0; day < days; day += 1) {
      await bench.collector.reconcile(ANNA);
      await bench.clock.advance(DAY);
    }
  };
  const { heights: source, states, journal, log, troubles } = bench;
  return { heights: source, journal, log, troubles, news, live, height: () => states.get(ANNA)?.height?.metres };
}

describe('the height', () => {
  test('is the newest at Withings, requested with the first weight and then weekly', async () => {
    const bench = setUp(entered(1.79, 3000), entered(1.81, 400), entered(1.8, 900));
    await bench.live(2);
    assert.deepEqual([bench.height(), bench.heights.asked], [1.81, 1]);
    await bench.live(19);
    assert.equal(bench.heights.asked, 3);
  });

  test('may come from the creation of the account, but never from another person or an error', async () => {
    const bench = setUp(
      entered(1.78, 3000, { attribution: 4 }),
      entered(1.2, 5, { attribution: 1 }),
      entered(0, 4),
      entered(178, 3),
    );
    await bench.live(2);
    assert.equal(bench.height(), 1.78);
  });

  test('is also taken from a usual answer if it is newer', async () => {
    const bench = setUp(entered(1.81, 400));
    await bench.live(2);
    bench.news.push(entered(1.7, 500), entered(1.82, 1));
    await bench.live(1);
    assert.deepEqual([bench.height(), bench.heights.asked], [1.82, 1]);
    await bench.live(10);
    assert.equal(bench.height(), 1.82, 'the older one that Withings still has does not cover it');
  });

  test('returns to an older one if Withings deleted the newer one and the answer is complete', async () => {
    const bench = setUp(entered(1.8, 400), entered(1.08, 5));
    await bench.live(2);
    assert.equal(bench.height(), 1.08);
    bench.heights.groups = [entered(1.8, 400)];
    bench.heights.complete = false;
    await bench.live(7);
    assert.equal(bench.height(), 1.08);
    bench.heights.complete = true;
    bench.heights.unreadable = [{ raw: '{}', what: 'date' }];
    await bench.live(7);
    assert.equal(bench.height(), 1.08);
    bench.heights.unreadable = [];
    await bench.live(7);
    assert.deepEqual([bench.height(), bench.heights.asked], [1.8, 4]);
  });

  test('is never stored on its own, and stays if Withings has none any longer', async () => {
    const bench = setUp(entered(1.81, 400));
    await bench.live(2);
    bench.heights.groups = [];
    await bench.live(20);
    assert.equal(bench.height(), 1.81);
    assert.deepEqual(
      bench.journal.lines.map(({ measures }) => measures),
      [{ weight: 81.25 }],
    );
  });

  for (const recovery of ['access', 'login', 'settings', 'defect'] as const) {
    test(`causes neither an error, nor a warning, nor a lost login if rejected (${recovery})`, async () => {
      const bench = setUp();
      bench.heights.failure = new Trouble('no', { code: 'no', recovery });
      await bench.live(14);
      assert.equal(bench.height(), undefined);
      assert.deepEqual(
        bench.log.entries.filter(({ level }) => level === 'warn' || level === 'error'),
        [],
      );
      assert.deepEqual(bench.troubles.current(), []);
      // The client retries once with a new access token.
      assert.equal(bench.heights.asked, recovery === 'access' ? 4 : 2);
    });
  }

  test('is requested again a day after a failed request', async () => {
    const bench = setUp(entered(1.81, 400));
    bench.heights.failure = new Trouble('away', { code: 'away', recovery: 'retry' });
    await bench.live(2);
    bench.heights.failure = undefined;
    await bench.live(1);
    assert.deepEqual([bench.height(), bench.heights.asked], [1.81, 2]);
  });

  test('is not requested without a weight', async () => {
    const bench = createCollectorBench(() => answerOf([], new Date('2026-11-20T06:00:00Z')));
    bench.states.set(ANNA, NOTHING_KNOWN);
    await bench.collector.reconcile(ANNA);
    assert.equal(bench.heights.asked, 0);
  });
});
