import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { toReading } from '../../../src/domain/reading.ts';
import { Trouble } from '../../../src/domain/trouble.ts';
import { answerOf, createCollectorBench } from '../../support/collector-bench.ts';
import { ANNA, weighIn } from '../../support/people.ts';

const TAKEN = new Date('2026-11-20T05:58:00Z');
const UPDATED = new Date('2026-11-20T05:59:59Z');
const HOUR = 3_600_000;

const since = ({ query }: { readonly query: object }) =>
  'since' in query && query.since instanceof Date ? query.since : undefined;

test('a person without a cursor is fetched for one day, not for years', async () => {
  const bench = createCollectorBench(() => answerOf([], UPDATED));
  await bench.collector.reconcile(ANNA);
  const hours = (bench.clock.now().getTime() - (since(bench.calls[0] ?? { query: {} })?.getTime() ?? 0)) / HOUR;
  assert(hours >= 24 && hours < 27, `${hours} h`);
});

test('the cursor is the time of Withings in its answer', async () => {
  const bench = createCollectorBench(() => answerOf([weighIn(81, TAKEN)], UPDATED));
  await bench.collector.reconcile(ANNA);
  assert.deepEqual(bench.cursors.get(ANNA), UPDATED);
});

test('the next query starts at least two hours before the cursor', async () => {
  const bench = createCollectorBench(() => answerOf([], UPDATED));
  bench.cursors.set(ANNA, new Date('2026-11-10T00:00:00Z'));
  await bench.collector.reconcile(ANNA);
  assert((since(bench.calls[0] ?? { query: {} })?.getTime() ?? 0) <= Date.parse('2026-11-09T22:00:00Z'));
});

test('the cursor stays if the journal cannot be written', async () => {
  const bench = createCollectorBench(() => answerOf([weighIn(81, TAKEN)], UPDATED));
  bench.journal.append = () => Promise.reject(new Error('disk full'));
  await bench.collector.reconcile(ANNA);
  assert.equal(bench.cursors.has(ANNA), false);
});

test('an unreadable group delays neither other groups nor the cursor, and is reported once', async () => {
  const bench = createCollectorBench(() => ({
    ...answerOf([weighIn(81, TAKEN)], UPDATED),
    unreadable: [{ raw: '{"date":"today"}', what: 'measuregrps[3].date is not a time' }],
  }));
  await bench.collector.reconcile(ANNA);
  assert.deepEqual(bench.cursors.get(ANNA), UPDATED);
  assert.equal(bench.journal.lines.length, 1);
  await bench.clock.advance(HOUR);
  await bench.collector.reconcile(ANNA);
  assert.equal(bench.calls.length, 2);
  assert.equal(bench.log.texts('unreadable').length, 1);
  assert.match(
    bench.log.texts('unreadable')[0] ?? '',
    /^User 1234: cannot read a measure group from Withings: measuregrps\[3\]\.date/,
  );
  assert.deepEqual(bench.log.texts('trouble'), []);
});

const READ = new Date('2026-11-20T05:59:00Z');
const brokenOff = (ascends: boolean) => ({
  ...answerOf([weighIn(81, TAKEN, { modifiedAt: READ })], UPDATED),
  complete: false,
  ascends,
});

test('an answer that breaks off moves the cursor as far as it was read', async () => {
  const bench = createCollectorBench(() => brokenOff(true));
  await bench.collector.reconcile(ANNA);
  assert.deepEqual(bench.cursors.get(ANNA), READ);
});

test('an answer that breaks off with the newest changes first leaves the cursor, and the log reports it', async () => {
  const bench = createCollectorBench(() => brokenOff(false));
  bench.cursors.set(ANNA, TAKEN);
  await bench.collector.reconcile(ANNA);
  assert.deepEqual(bench.cursors.get(ANNA), TAKEN);
  assert.equal(bench.journal.lines.length, 1);
  assert.match(bench.log.texts('trouble').join(), /does not show how to ask for them/);
});

test('an answer that breaks off for a window leads to a request for all changes since the cursor', async () => {
  const bench = createCollectorBench(({ query }) => ('window' in query ? brokenOff(false) : answerOf([], UPDATED)));
  bench.collector.notify(ANNA, { start: TAKEN, end: TAKEN });
  await bench.clock.advance(HOUR);
  assert.deepEqual(bench.cursors.get(ANNA), UPDATED);
});

/** Each part is dated a minute later. */
const changedAt = (part: number) => new Date(TAKEN.getTime() - 60_000 * (100 - part));
const partOf = (part: number, next: number | undefined, modifiedAt = changedAt(part)) => ({
  ...answerOf(
    [weighIn(80, changedAt(part), { groupId: part + 1, modifiedAt })],
    new Date(UPDATED.getTime() + part * 1_000),
  ),
  complete: next === undefined,
  ascends: true,
  next,
});

test('an answer in parts is stored part by part, and the cursor is the time of the first part', async () => {
  const known: number[] = [];
  const bench = createCollectorBench(({ offset = 0 }) => {
    known.push(bench.journal.lines.length);
    return partOf(offset, offset === 2 ? undefined : offset + 1);
  });
  for (let turn = 0; turn < 2; turn += 1) {
    await bench.collector.reconcile(ANNA);
    await bench.clock.advance(HOUR);
  }
  assert.deepEqual(known, [0, 1, 2, 3, 3, 3], 'in the journal before the next is asked for');
  assert.deepEqual(
    bench.calls.map(({ offset }) => offset),
    [undefined, 1, 2, undefined, 1, 2],
  );
  assert.equal(new Set(bench.calls.map(({ query }) => query)).size, 2, 'each time by the same query');
  assert.deepEqual(bench.cursors.get(ANNA), UPDATED);
});

test('a group that slips between two pages comes with the second answer, before the cursor moves', async () => {
  const groups = [1, 2, 3, 4, 5].map((groupId) => weighIn(80, changedAt(groupId), { groupId }));
  const bench = createCollectorBench(() => {
    const first = groups.slice(0, 2);
    // Withings removes the first group now, so that the third moves to the second position.
    if (bench.calls.length === 1) groups.shift();
    return { ...answerOf([...first, ...groups.slice(2)], UPDATED), isPaged: true };
  });
  bench.cursors.set(ANNA, changedAt(0));
  await bench.collector.reconcile(ANNA);
  assert.deepEqual(bench.journal.lines.length, 4, 'the group 3 has slipped through');
  for (const turn of [2, 3]) {
    assert.deepEqual(bench.cursors.get(ANNA), changedAt(0), 'the answer brought something new');
    await bench.clock.advance(HOUR);
    await bench.collector.reconcile(ANNA);
    assert.equal(bench.journal.lines.length, 5);
    assert.equal(bench.calls.length, turn);
  }
  assert.deepEqual(bench.cursors.get(ANNA), UPDATED);
});

test('the cursor stays if one of several parts fails, and the earlier parts are in the journal', async () => {
  const bench = createCollectorBench(({ offset = 0 }) => {
    if (offset === 2) throw new Error('the network is down');
    return partOf(offset, offset + 1);
  });
  await bench.collector.reconcile(ANNA);
  assert.equal(bench.cursors.has(ANNA), false);
  assert.equal(bench.journal.lines.length, 2);
});

test('an endless answer is read up to a limit, and the next fetch continues from there', async () => {
  const bench = createCollectorBench(({ offset = 0, query }) => {
    if (bench.calls.length > 41) return answerOf([], UPDATED);
    assert(bench.calls.length <= 40 || (since({ query })?.getTime() ?? 0) < changedAt(39).getTime());
    return partOf(offset, offset + 1);
  });
  bench.cursors.set(ANNA, changedAt(0));
  await bench.collector.reconcile(ANNA);
  assert.equal(bench.calls.length, 40);
  assert.equal(bench.journal.lines.length, 40);
  assert.deepEqual(bench.cursors.get(ANNA), changedAt(39));
  await bench.clock.advance(HOUR);
  assert.equal(bench.calls.length, 42, 'continues soon and automatically');
  assert.deepEqual(bench.log.texts('trouble'), []);
});

for (const [what, modifiedAt] of [
  ['makes no progress', () => changedAt(0)],
  ['is not in the order of its changes', (part: number) => changedAt(99 - part)],
] as const) {
  test(`the cursor stays if an endless answer ${what}, and the log reports it`, async () => {
    const bench = createCollectorBench(({ offset = 0 }) => partOf(offset, offset + 1, modifiedAt(offset)));
    bench.cursors.set(ANNA, changedAt(0));
    await bench.collector.reconcile(ANNA);
    assert.deepEqual(bench.cursors.get(ANNA), changedAt(0));
    assert.equal(bench.calls.length, 40);
    assert.match(bench.log.texts('trouble').join(), /more measurements/);
  });
}

test('a change dated ahead of the time of Withings delays the cursor no more than others', async () => {
  const modifiedAt = new Date(UPDATED.getTime() + 24 * HOUR);
  const bench = createCollectorBench(() => answerOf([weighIn(81, TAKEN, { modifiedAt })], UPDATED));
  await bench.collector.reconcile(ANNA);
  assert.deepEqual(bench.cursors.get(ANNA), UPDATED);
  assert.equal(bench.journal.lines.length, 1);
});

test('the cursor never passes the local clock, whatever the time of Withings is', async () => {
  const bench = createCollectorBench(() => answerOf([], new Date('2099-01-01T00:00:00Z')));
  await bench.collector.reconcile(ANNA);
  assert((bench.cursors.get(ANNA) ?? 0) <= bench.clock.now());
});

test('a lost cursor is replaced by the newest change in the journal', async () => {
  const old = new Date('2026-11-01T06:00:00Z');
  const bench = createCollectorBench(({ query }) => answerOf('window' in query ? [weighIn(81, old)] : [], UPDATED));
  bench.collector.notify(ANNA, { start: old, end: old });
  await bench.clock.advance(HOUR);
  await bench.collector.reconcile(ANNA);
  const asked = since(bench.calls.at(-1) ?? { query: {} });
  assert(asked !== undefined && asked < old && asked.getTime() > old.getTime() - 3 * HOUR);
});

test('with the local clock a year ahead, the query is repeated with the time of Withings', async () => {
  const group = weighIn(81, TAKEN);
  const bench = createCollectorBench(({ query }) => {
    const from = 'since' in query ? query.since : new Date(0);
    return answerOf(from < TAKEN ? [group] : [], UPDATED);
  });
  bench.clock.jumpTo(new Date('2027-11-20T06:00:00Z'));
  await bench.collector.reconcile(ANNA);
  assert.equal(bench.calls.length, 2);
  assert.equal(bench.journal.lines.length, 1);
  assert.deepEqual(bench.cursors.get(ANNA), UPDATED);
});

test('a cursor in the future is replaced by the time of Withings', async () => {
  const bench = createCollectorBench(() => answerOf([], UPDATED));
  bench.cursors.set(ANNA, new Date('2030-01-01T00:00:00Z'));
  await bench.collector.reconcile(ANNA);
  assert.deepEqual(bench.cursors.get(ANNA), UPDATED);
});

test('an answer without a time does not move the cursor', async () => {
  const bench = createCollectorBench(() => ({
    groups: [weighIn(81, TAKEN)],
    updatedAt: undefined,
    unreadable: [],
    complete: true,
  }));
  await bench.collector.reconcile(ANNA);
  assert.equal(bench.journal.lines.length, 1);
  assert.equal(bench.cursors.has(ANNA), false);
});

test('a window does not move the cursor, because other changes may be missing from it', async () => {
  const bench = createCollectorBench(() => answerOf([weighIn(81, TAKEN)], UPDATED));
  bench.collector.notify(ANNA, { start: TAKEN, end: TAKEN });
  await bench.clock.advance(HOUR);
  assert.equal(bench.journal.lines.length, 1);
  assert.equal(bench.cursors.has(ANNA), false);
});

test('a window that was fetched first does not hide weigh-ins of the day before', async () => {
  const yesterday = new Date('2026-11-19T20:00:00Z');
  const before = weighIn(80, yesterday);
  const bench = createCollectorBench(({ query }) => {
    if ('window' in query) return answerOf([weighIn(81, TAKEN)], UPDATED);
    return answerOf(query.since < yesterday ? [before] : [], UPDATED);
  });
  bench.collector.notify(ANNA, { start: TAKEN, end: TAKEN });
  await bench.clock.advance(HOUR);
  await bench.collector.reconcile(ANNA);
  assert.equal(bench.journal.lines.length, 2);
});

test('a window that was fetched first does not hide changes missed without a cursor', async () => {
  const daysAgo = (days: number) => new Date(TAKEN.getTime() - days * 24 * HOUR);
  const [old, missed, fresh] = [10, 5, 0].map((days, at) => weighIn(80 + at, daysAgo(days), { groupId: at + 1 }));
  assert(old !== undefined && missed !== undefined && fresh !== undefined);
  let isDown = true;
  const bench = createCollectorBench(({ query }) => {
    if (isDown) throw new Trouble('no network', { code: 'network', recovery: 'retry' });
    if ('window' in query) return answerOf([fresh], UPDATED);
    return answerOf(
      [old, missed, fresh].filter(({ modifiedAt }) => modifiedAt >= query.since),
      UPDATED,
    );
  });
  await bench.journal.append([toReading(ANNA, old)]);
  bench.collector.notify(ANNA, { start: TAKEN, end: TAKEN });
  await bench.clock.advance(1_000);
  isDown = false;
  await bench.clock.advance(HOUR);
  await bench.collector.reconcile(ANNA);
  assert.deepEqual(bench.journal.lines.map(({ groupId }) => groupId).sort(), [1, 2, 3]);
});

test('a time before this program existed is not a valid time of Withings', async () => {
  const bench = createCollectorBench(() => answerOf([], new Date(1000)));
  await bench.collector.reconcile(ANNA);
  assert.equal(bench.cursors.has(ANNA), false);
  assert.equal(bench.calls.length, 1);
});
