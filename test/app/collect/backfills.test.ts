import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { BackfillState, BackfillWatch } from '../../../src/app/collect/backfill.ts';
import { createBackfills } from '../../../src/app/collect/backfills.ts';
import type { BackfillRange } from '../../../src/domain/backfill.ts';
import type { UserId } from '../../../src/domain/token.ts';
import { Trouble } from '../../../src/domain/trouble.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { ANNA, BO } from '../../support/people.ts';
import { createRecordingLog } from '../../support/recording-log.ts';

const [since, middle, end] = ['2009-01-01', '2018-01-01', '2027-01-01'].map((day) => new Date(`${day}T12:00:00`)) as [
  Date,
  Date,
  Date,
];
const HALF: BackfillState = {
  since,
  begin: since,
  end,
  next: middle,
  groups: 812,
  added: 700,
  first: middle,
  last: middle,
  fresh: 0,
  unreadable: 0,
};
const DOWN = new Trouble('cannot reach Withings', {
  code: 'unreachable',
  recovery: 'retry',
  hint: 'Check the network.',
});

/** A fetch under the control of the test. */
function open() {
  const clock = createFakeClock();
  const log = createRecordingLog();
  const stop = new AbortController();
  const begun: [UserId, BackfillRange][] = [];
  let [watch, end, fail]: [BackfillWatch | undefined, (state: BackfillState) => void, (error: unknown) => void] = [
    undefined,
    () => undefined,
    () => undefined,
  ];
  const backfills = createBackfills({
    backfill(given, userId, range) {
      begun.push([userId, range]);
      watch = given;
      return new Promise((resolve, reject) => {
        [end, fail] = [resolve, reject];
      });
    },
    people: { names: new Map([[ANNA, 'Anna']]), unit: 'kg' },
    clock,
    log,
    signal: stop.signal,
  });
  return {
    backfills,
    clock,
    log,
    stop,
    begun,
    watch: () => watch ?? assert.fail('nothing runs'),
    finish: (state: BackfillState) => setImmediate(end(state)),
    fail: (error: unknown) => setImmediate(fail(error)),
    lines: () => log.entries.map(({ level, text }) => `${level} ${text}`),
  };
}

describe('a backfill from the page', () => {
  test('fetches all measurements, one person at a time, and reports its progress', async () => {
    const { backfills, begun, watch, finish, lines } = open();
    assert.equal(backfills.newest(), undefined);
    backfills.begin(ANNA);
    backfills.begin(ANNA);
    backfills.begin(BO);
    assert.deepEqual(begun, [[ANNA, { since: new Date('2009-01-01T00:00:00Z'), until: undefined }]]);
    assert.equal(backfills.newest()?.state, 'running');
    watch().progress(HALF);
    const { share, ...half } = backfills.newest() ?? assert.fail();
    assert.deepEqual(half, { userId: ANNA, state: 'running', text: 'up to 2018-01-01: 812 measure groups, 700 new' });
    assert.ok(Math.abs(share - 0.5) < 0.01);
    watch().waiting(DOWN, 30_000);
    assert.match(backfills.newest()?.text ?? '', /^cannot reach Withings\. Check the network\. Next try in 30 s\.$/);
    watch().unreadable({ start: since, end: middle }, 'no date');
    await finish({ ...HALF, groups: 900 });
    assert.deepEqual(backfills.newest(), {
      userId: ANNA,
      state: 'done',
      share: 1,
      text: '900 measure groups from 2018-01-01 to 2018-01-01, 700 new',
    });
    assert.deepEqual(
      lines().map((line) => line.slice(0, 60)),
      [
        'info Anna (1234): fetching past years, as the status page asked'.slice(0, 60),
        'warn Anna (1234): past years: cannot reach Withings. Check the network.'.slice(0, 60),
        'warn Anna (1234): cannot read a measure group from Withings between'.slice(0, 60),
        'info Anna (1234): past years: 900 measure groups from 2018-01-01'.slice(0, 60),
      ],
    );
    backfills.begin(BO);
    assert.equal(begun.length, 2, 'the next one may begin');
  });

  test('that is done starts again only after ten minutes, and another person at once', async () => {
    const { backfills, clock, begun, finish } = open();
    const started = () => begun.map(([userId]) => userId);
    backfills.begin(ANNA);
    await finish(HALF);
    await clock.advance(599_999);
    backfills.begin(ANNA);
    assert.deepEqual(started(), [ANNA]);
    assert.equal(backfills.newest()?.state, 'done');
    backfills.begin(BO);
    assert.deepEqual(started(), [ANNA, BO]);
    await finish(HALF);
    await clock.advance(1);
    backfills.begin(ANNA);
    assert.deepEqual(started(), [ANNA, BO, ANNA]);
  });

  test('reports why it failed, and can be started again', async () => {
    const { backfills, begun, fail, lines } = open();
    backfills.begin(ANNA);
    await fail(DOWN);
    const { state, text } = backfills.newest() ?? assert.fail();
    assert.deepEqual([state, text], ['failed', 'cannot reach Withings. Check the network.']);
    assert.match(lines().at(-1) ?? '', /^error Anna \(1234\): cannot fetch past years: cannot reach Withings/);
    backfills.begin(ANNA);
    assert.deepEqual([begun.length, backfills.newest()?.state], [2, 'running']);
  });

  test('ends with the daemon, which waits for the backfill and logs no error', async () => {
    const { backfills, begun, stop, fail, lines } = open();
    backfills.begin(ANNA);
    stop.abort();
    let hasEnded = false;
    const ended = backfills[Symbol.asyncDispose]().then(() => {
      hasEnded = true;
    });
    await setImmediate();
    assert.equal(hasEnded, false);
    await fail(stop.signal.reason);
    await ended;
    assert.equal(lines().length, 1);
    backfills.begin(ANNA);
    assert.equal(begun.length, 1);
  });
});
