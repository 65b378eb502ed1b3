import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Trouble } from '../../../src/domain/trouble.ts';
import type { Call, Fault } from '../../../src/sandbox/calls.ts';
import type { Answer } from '../../../src/sandbox/limits.ts';
import type { RawGroup } from '../../../src/sandbox/measures.ts';
import { isGetMeas, isRefresh } from '../../support/api-faults.ts';
import { ALL, createBackfillBench, history, NOW, rawGroup, SINCE } from '../../support/backfill-bench.ts';
import { watchCalls } from '../../support/checker.ts';
import { ANNA } from '../../support/people.ts';
import { failureOf } from '../../support/watched-files.ts';

type Bench = Awaited<ReturnType<typeof createBackfillBench>>;

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const YEARS = history(2_000, new Date('2012-03-04T05:06:07Z'), new Date(NOW.getTime() - 2 * DAY));
const ago = (ms: number) => new Date(NOW.getTime() - ms);

/** Returns the groups of the journal in the order of their arrival. */
const journalled = ({ journal }: Bench) => journal.lines.map(({ groupId }) => groupId);
const ids = (groups: readonly RawGroup[]) => groups.map(({ grpid }) => grpid);
const refusal = (status: number, error: string, body: object = {}): Fault => ({
  text: JSON.stringify({ status, body, error }),
});
/** A hook that runs before each request is processed. */
const first = (meet: (call: Call) => Fault | undefined) => (call: Call, answer: Answer | undefined) =>
  answer === undefined ? meet(call) : undefined;
const days = (...texts: readonly string[]) => texts.map((text) => new Date(`${text}T00:00:00Z`));

describe('a backfill', () => {
  test('appends every group to the journal once, oldest first, page by page', async () => {
    const groups = history(5_000, new Date('2012-03-04T05:06:07Z'), ago(2 * DAY));
    const rules = watchCalls();
    const fault = first((call) => {
      rules.arrived(call);
      return undefined;
    });
    await using bench = await createBackfillBench({ groups, pageSize: 50, fault });
    const state = await bench.run();
    assert.deepEqual(journalled(bench), ids(groups));
    assert.deepEqual([state.groups, state.added, state.fresh, state.unreadable], [5_000, 5_000, 0, 0]);
    assert.deepEqual(state.first, bench.journal.lines[0]?.takenAt);
    assert.deepEqual(state.last, bench.journal.lines.at(-1)?.takenAt);
    rules.assertRules();
    assert.ok(rules.busiestMinute() <= 91, 'background work leaves room for a new weigh-in');
    assert.deepEqual([...new Set(bench.calls.map(({ status }) => status))], [0]);
    assert.equal(bench.store.held, undefined);
  });

  test('fetches a window of many thousand groups in parts', async () => {
    const groups = history(7_000, ago(32 * DAY), ago(2 * DAY));
    await using bench = await createBackfillBench({ groups, pageSize: 500 });
    const sizes: number[] = [];
    const append: Bench['journal']['append'] = (readings, options) => {
      sizes.push(readings.length);
      return bench.journal.append(readings, options);
    };
    const state = await bench.run({ ...ALL, since: ago(40 * DAY) }, { journal: { ...bench.journal, append } });
    assert.deepEqual([state.groups, state.added], [7_000, 7_000]);
    assert.equal(new Set(journalled(bench)).size, 7_000);
    assert.deepEqual(sizes, [3_000, 3_000, 1_000]);
    const [first, last] = [groups[0]?.date ?? 0, groups.at(-1)?.date ?? 0];
    assert.deepEqual([state.first, state.last], [new Date(first * 1000), new Date(last * 1000)]);
  });

  test('adds no duplicates to the journal, and adds groups that Withings changed since', async () => {
    await using bench = await createBackfillBench({ groups: YEARS });
    await bench.run();
    const [old] = YEARS;
    assert.ok(old !== undefined);
    bench.sandbox.measures.put(ANNA, { ...old, modified: old.modified + 5, attrib: 7 });
    const state = await bench.run();
    assert.deepEqual([state.groups, state.added], [YEARS.length, 1]);
    assert.equal(bench.journal.lines.length, YEARS.length + 1);
    assert.equal(bench.journal.lines.at(-1)?.attribution, 7);
  });

  test('fetches only the requested range, with its start and without its end', async () => {
    const [since = NOW, until = NOW] = days('2020-01-01', '2021-01-01');
    const at = (moment: Date, seconds: number) => new Date(moment.getTime() + seconds * 1000);
    const moments = [at(since, -1), since, at(since, 1), at(until, -1), until, at(until, 1)];
    await using bench = await createBackfillBench({ groups: moments.map((moment, index) => rawGroup(index, moment)) });
    await bench.run({ since, until });
    assert.deepEqual(journalled(bench), [1, 2, 3]);
  });

  test('adds a group at the boundary of two windows once', async () => {
    const edge = new Date(SINCE.getTime() + 90 * DAY);
    await using bench = await createBackfillBench({ groups: [rawGroup(1, edge)] });
    const state = await bench.run();
    assert.deepEqual([state.groups, state.added], [1, 1]);
  });

  test('makes one request for each three months, and finds nothing in an empty history', async () => {
    await using bench = await createBackfillBench();
    const state = await bench.run();
    assert.deepEqual([state.groups, state.first, state.last], [0, undefined, undefined]);
    assert.equal(bench.asked.length, Math.ceil((NOW.getTime() - DAY - SINCE.getTime()) / (90 * DAY)));
  });

  test('reports its progress after each window', async () => {
    await using bench = await createBackfillBench({ groups: YEARS });
    await bench.run();
    const { states } = bench.told;
    assert.deepEqual(states[0]?.next, SINCE);
    assert.deepEqual(states.at(-1)?.next, ago(DAY));
    assert.ok(states.every(({ next }, index) => index === 0 || next > (states[index - 1]?.next ?? NOW)));
  });
});

describe('news', () => {
  test('is left to the daemon: groups measured or changed in the last 24 hours', async () => {
    const [yesterday, old] = [ago(25 * HOUR), ago(300 * DAY)];
    const changed = Math.floor(ago(HOUR).getTime() / 1000);
    await using bench = await createBackfillBench({
      groups: [
        rawGroup(1, ago(HOUR)),
        rawGroup(2, ago(23 * HOUR)),
        rawGroup(3, yesterday),
        rawGroup(4, old, { modified: changed }),
        rawGroup(5, old),
      ],
    });
    const state = await bench.run();
    assert.deepEqual(journalled(bench), [5, 3]);
    assert.deepEqual([state.groups, state.fresh], [2, 1]);
    assert.deepEqual(state.end, ago(DAY));
  });

  test('follows the clock of Withings when the local clock is ahead', async () => {
    await using bench = await createBackfillBench({ groups: [rawGroup(1, ago(HOUR)), rawGroup(2, ago(2 * DAY))] });
    const ahead = { ...bench.clock, now: () => new Date(bench.clock.now().getTime() + 400 * DAY) };
    await bench.run(ALL, { clock: ahead });
    assert.deepEqual(journalled(bench), [2]);
  });

  test('is the whole of a range that covers only today', async () => {
    await using bench = await createBackfillBench({ groups: [rawGroup(1, ago(HOUR))] });
    const state = await bench.run({ since: ago(2 * HOUR), until: undefined });
    assert.deepEqual([state.groups, bench.asked.length, bench.store.held], [0, 0, undefined]);
  });
});

describe('a temporary failure', () => {
  test('is reported, and the backfill waits longer after each one', async () => {
    let failures = 0;
    const fault = first(() => (++failures > 10 && failures <= 18 ? 'cut' : undefined));
    await using bench = await createBackfillBench({ groups: YEARS, fault });
    await bench.run();
    assert.deepEqual(journalled(bench), ids(YEARS));
    const waits = bench.told.waits.map(([, waitMs]) => waitMs / 1000);
    assert.deepEqual(waits, [15, 30, 60, 120, 240, 480, 960, 1920]);
    assert.ok(bench.told.waits.every(([{ code }]) => code === 'unreachable'));
  });

  test('of a page makes the backfill request the whole window again', async () => {
    let pages = 0;
    const fault = first(({ form }) =>
      form.get('offset') === '20' && ++pages === 3 ? { httpStatus: 502, text: '<html>' } : undefined,
    );
    await using bench = await createBackfillBench({ groups: YEARS, pageSize: 10, fault });
    await bench.run();
    assert.equal(bench.told.waits.length, 1);
    assert.deepEqual(journalled(bench), ids(YEARS));
  });

  test('with a retry time makes the backfill wait exactly that time', async () => {
    let calls = 0;
    const fault = first(() => (++calls === 10 ? refusal(601, 'Too Many Requests', { wait_seconds: 300 }) : undefined));
    await using bench = await createBackfillBench({ groups: YEARS, fault });
    await bench.run();
    assert.deepEqual(bench.journal.history, bench.journal.lines, 'every line is marked as history');
    assert.deepEqual(
      bench.told.waits.map(([{ code }, waitMs]) => [code, waitMs]),
      [['throttled', 300_000]],
    );
    assert.deepEqual(journalled(bench), ids(YEARS));
  });

  test('of the disk causes no loss and no double count', async () => {
    await using bench = await createBackfillBench({ groups: YEARS });
    const full = new Trouble('cannot write', { code: 'disk_full', recovery: 'retry' });
    let [appends, saves] = [0, 0];
    const state = await bench.run(ALL, {
      journal: {
        ...bench.journal,
        append: (...args) => (++appends % 5 === 0 ? Promise.reject(full) : bench.journal.append(...args)),
      },
      store: {
        load: () => bench.store.load(ANNA),
        save: (...args) => (++saves % 5 === 0 ? Promise.reject(full) : bench.store.save(...args)),
        remove: () => bench.store.remove(ANNA),
        lock: bench.store.lock,
      },
    });
    assert.deepEqual(journalled(bench), ids(YEARS));
    assert.deepEqual([state.groups, state.added], [YEARS.length, YEARS.length]);
  });

  test('of the clock makes the backfill wait, and the end of the range stays', async () => {
    await using bench = await createBackfillBench({ groups: YEARS });
    let looks = 0;
    const { now } = bench.clock;
    const wrong = { ...bench.clock, now: () => (++looks > 5 ? now() : new Date(looks * 1000)) };
    const state = await bench.run(ALL, { clock: wrong });
    assert.equal(bench.told.waits[0]?.[0].code, 'clock_wrong');
    assert.ok(state.end > ago(2 * DAY));
    assert.deepEqual(journalled(bench), ids(YEARS));
  });
});

describe('a rejected access token', () => {
  test('is refreshed once, and the request is repeated', async () => {
    let calls = 0;
    await using bench = await createBackfillBench({
      groups: YEARS,
      onCall: (call) => {
        if (isGetMeas(call) && ++calls === 10) bench.sandbox.grants.expireAccess();
      },
    });
    await bench.run();
    assert.equal(bench.calls.filter(isRefresh).length, 2);
    assert.deepEqual(journalled(bench), ids(YEARS));
    assert.deepEqual(bench.told.waits, []);
  });

  test('that Withings rejects again means the person must link again, and the backfill ends', async () => {
    const fault = ({ path }: { readonly path: string }) =>
      path === '/measure' ? refusal(401, 'invalid_token') : undefined;
    await using bench = await createBackfillBench({ groups: YEARS, fault });
    const trouble = await failureOf(bench.run());
    assert.ok(trouble instanceof Trouble);
    assert.deepEqual([trouble.code, trouble.recovery], ['access_refused', 'login']);
  });
});

for (const [what, answer, recovery] of [
  ['a rejected login', refusal(503, 'Invalid Params: invalid refresh_token'), 'login'],
  ['a wrong client secret', refusal(503, 'Invalid Params: invalid client id/secret'), 'settings'],
] as const) {
  test(`${what} ends the backfill at once, and the backfill keeps its position`, async () => {
    const life = { refused: false, over: false };
    await using bench = await createBackfillBench({
      groups: YEARS,
      fault: (call) => (life.refused && isRefresh(call) ? answer : undefined),
      onCall: () => {
        if (bench.store.held === undefined || life.refused || life.over) return;
        life.refused = true;
        bench.sandbox.grants.expireAccess();
      },
    });
    const trouble = await failureOf(bench.run());
    assert.ok(trouble instanceof Trouble);
    assert.equal(trouble.recovery, recovery);
    assert.ok(trouble.hint !== undefined);
    const before = bench.store.held?.next;
    assert.ok(before !== undefined);
    Object.assign(life, { refused: false, over: true });
    await bench.run();
    assert.deepEqual(journalled(bench), ids(YEARS));
    assert.deepEqual(bench.told.states.findLast(({ begin, next }) => +begin === +next)?.next, before);
  });
}

describe('a stopped backfill', () => {
  /** Runs the backfill until so many windows are done, and then stops it. */
  async function stopAfter(bench: Bench, windows: number, range = ALL) {
    const stop = new AbortController();
    let saves = 0;
    const failure = await failureOf(
      bench.run(range, {
        signal: stop.signal,
        store: {
          load: () => bench.store.load(ANNA),
          async save(...args) {
            await bench.store.save(...args);
            if (++saves === windows) stop.abort();
          },
          remove: () => bench.store.remove(ANNA),
          lock: bench.store.lock,
        },
      }),
    );
    assert.equal(failure, stop.signal.reason);
  }

  test('finishes the step in hand, and continues with the next one', async () => {
    await using bench = await createBackfillBench({ groups: YEARS });
    await stopAfter(bench, 30);
    const { length: first } = bench.asked;
    assert.equal(first, 30);
    await bench.run();
    assert.equal(bench.asked.length, bench.told.states.length - 2, 'no window was asked for twice');
    assert.deepEqual(journalled(bench), ids(YEARS));
    assert.equal(bench.store.held, undefined);
  });

  test('starts over for another range', async () => {
    await using bench = await createBackfillBench({ groups: YEARS });
    await stopAfter(bench, 60);
    const [since = NOW, until = NOW] = days('2013-01-01', '2014-01-01');
    await bench.run({ since, until });
    assert.deepEqual(bench.told.states.findLast(({ begin, next }) => +begin === +next)?.begin, since);
    const state = await bench.run();
    assert.deepEqual(state.begin, SINCE, 'the other range has taken its place');
    assert.deepEqual(new Set(journalled(bench)), new Set(ids(YEARS)));
    assert.equal(bench.journal.lines.length, YEARS.length);
  });

  test('ends at once during a wait', async () => {
    const stop = new AbortController();
    await using bench = await createBackfillBench({ groups: YEARS, fault: () => 'cut' });
    const { watch } = {
      watch: { waiting: () => stop.abort(), progress: () => undefined, unreadable: () => undefined },
    };
    assert.equal(await failureOf(bench.run(ALL, { signal: stop.signal, watch })), stop.signal.reason);
    assert.equal(bench.clock.sleeps.length, 1);
  });

  test('adds no duplicates after a kill between the journal and its own progress file', async () => {
    await using bench = await createBackfillBench({ groups: YEARS });
    const { load, remove } = { load: () => bench.store.load(ANNA), remove: () => bench.store.remove(ANNA) };
    const { lock } = bench.store;
    const killed = new Error('killed');
    for (const at of [1, 20, 1, 20]) {
      let saves = 0;
      const save: Bench['store']['save'] = (...args) =>
        ++saves === at ? Promise.reject(killed) : bench.store.save(...args);
      assert.equal(await failureOf(bench.run(ALL, { store: { load, remove, save, lock } })), killed);
    }
    await bench.run();
    assert.deepEqual(journalled(bench), ids(YEARS));
  });
});

test('an unreadable group is reported and skipped, and all other groups are stored', async () => {
  const [first, broken, last] = history(3, ago(400 * DAY), ago(300 * DAY));
  assert.ok(first !== undefined && broken !== undefined && last !== undefined);
  const unreadable = { ...broken, date: 'yesterday' };
  await using bench = await createBackfillBench({
    groups: [first, last],
    fault: (_call, answer) => {
      const groups = answer?.body['measuregrps'];
      const withIt = Array.isArray(groups) && groups.length > 0 ? [...groups, unreadable] : undefined;
      return withIt && { text: JSON.stringify({ status: 0, body: { ...answer?.body, measuregrps: withIt } }) };
    },
  });
  const state = await bench.run();
  assert.deepEqual(journalled(bench), [first.grpid, last.grpid]);
  assert.ok(state.unreadable > 0);
  assert.equal(bench.told.unreadable.length, 1, 'once, however often it comes');
  assert.match(bench.told.unreadable[0] ?? '', /date/);
});

test('a newer version that is only partly readable does not replace a complete one', async () => {
  const [whole] = history(1, ago(400 * DAY), ago(300 * DAY));
  assert.ok(whole !== undefined);
  await using bench = await createBackfillBench({ groups: [whole] });
  await bench.run();
  const measures = [
    { value: 'much', type: 1, unit: 0 },
    { value: 20, type: 6, unit: 0 },
  ] as RawGroup['measures'];
  bench.sandbox.measures.put(ANNA, { ...whole, modified: whole.modified + 60, measures });
  const state = await bench.run();
  assert.deepEqual([journalled(bench), state.unreadable], [[whole.grpid], 1]);
});

test('the backfill does not continue past a window that Withings cut off', async () => {
  const [group] = history(1, ago(400 * DAY), ago(300 * DAY));
  assert.ok(group !== undefined);
  let isCut = true;
  await using bench = await createBackfillBench({
    groups: [group],
    fault: (_call, answer) => {
      if (!isCut || answer?.body['measuregrps'] === undefined) return undefined;
      return { text: JSON.stringify({ status: 0, body: { ...answer.body, measuregrps: [], more: 1 } }) };
    },
  });
  assert.equal(((await failureOf(bench.run())) as Trouble).code, 'answer_cut_off');
  isCut = false;
  await bench.run();
  assert.deepEqual(journalled(bench), [group.grpid]);
});
