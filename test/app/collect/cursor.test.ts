import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { answerOf, createCollectorBench } from '../../support/collector-bench.ts';
import { ANNA, weighIn } from '../../support/people.ts';

const TAKEN = new Date('2026-11-20T05:58:00Z');
const UPDATED = new Date('2026-11-20T05:59:59Z');
const HOUR = 3_600_000;

const since = ({ query }: { readonly query: object }) =>
  'since' in query && query.since instanceof Date ? query.since : undefined;

test('somebody without a cursor is looked at for one day, so that years of history do not pour out', async () => {
  const bench = createCollectorBench(() => answerOf([], UPDATED));
  await bench.collector.reconcile(ANNA);
  const hours = (bench.clock.now().getTime() - (since(bench.calls[0] ?? { query: {} })?.getTime() ?? 0)) / HOUR;
  assert(hours >= 24 && hours < 27, `${hours} h`);
});

test('the cursor is the time at Withings when it answered', async () => {
  const bench = createCollectorBench(() => answerOf([weighIn(81, TAKEN)], UPDATED));
  await bench.collector.reconcile(ANNA);
  assert.deepEqual(bench.cursors.get(ANNA), UPDATED);
});

test('the next query begins at least two hours before the cursor', async () => {
  const bench = createCollectorBench(() => answerOf([], UPDATED));
  bench.cursors.set(ANNA, new Date('2026-11-10T00:00:00Z'));
  await bench.collector.reconcile(ANNA);
  assert((since(bench.calls[0] ?? { query: {} })?.getTime() ?? 0) <= Date.parse('2026-11-09T22:00:00Z'));
});

test('the cursor does not move when the journal cannot be written', async () => {
  const bench = createCollectorBench(() => answerOf([weighIn(81, TAKEN)], UPDATED));
  bench.journal.append = () => Promise.reject(new Error('disk full'));
  await bench.collector.reconcile(ANNA);
  assert.equal(bench.cursors.has(ANNA), false);
});

test('a group that cannot be read holds back neither the others nor the cursor, and is told once', async () => {
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
  assert.match(bench.log.texts('unreadable')[0] ?? '', /1234 that Withings sent: measuregrps\[3\]\.date/);
  assert.deepEqual(bench.log.texts('trouble'), []);
});

test('where an answer breaks off, the cursor moves as far as it was read', async () => {
  const read = new Date('2026-11-20T05:59:00Z');
  const bench = createCollectorBench(() => ({
    ...answerOf([weighIn(81, TAKEN, { modifiedAt: read })], UPDATED),
    complete: false,
  }));
  await bench.collector.reconcile(ANNA);
  assert.deepEqual(bench.cursors.get(ANNA), read);
});

test('the cursor stays when something was changed while the answer was read, which may have hidden something else', async () => {
  const bench = createCollectorBench(() => answerOf([weighIn(81, TAKEN, { modifiedAt: UPDATED })], UPDATED));
  await bench.collector.reconcile(ANNA);
  assert.equal(bench.cursors.has(ANNA), false);
  assert.equal(bench.journal.lines.length, 1);
});

test('the cursor never runs ahead of our clock, whatever Withings says its time is', async () => {
  const bench = createCollectorBench(() => answerOf([], new Date('2099-01-01T00:00:00Z')));
  await bench.collector.reconcile(ANNA);
  assert((bench.cursors.get(ANNA) ?? 0) <= bench.clock.now());
});

test('a lost cursor goes on from the newest change in the journal', async () => {
  const old = new Date('2026-11-01T06:00:00Z');
  const bench = createCollectorBench(({ query }) => answerOf('window' in query ? [weighIn(81, old)] : [], UPDATED));
  bench.collector.notify(ANNA, { start: old, end: old });
  await bench.clock.advance(HOUR);
  await bench.collector.reconcile(ANNA);
  const asked = since(bench.calls.at(-1) ?? { query: {} });
  assert(asked !== undefined && asked < old && asked.getTime() > old.getTime() - 3 * HOUR);
});

test('with our clock a year ahead, the question is asked again by the time at Withings', async () => {
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

test('a cursor in the future is mended by the time at Withings', async () => {
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

test('a window does not move the cursor: it says nothing about what else has changed', async () => {
  const bench = createCollectorBench(() => answerOf([weighIn(81, TAKEN)], UPDATED));
  bench.collector.notify(ANNA, { start: TAKEN, end: TAKEN });
  await bench.clock.advance(HOUR);
  assert.equal(bench.journal.lines.length, 1);
  assert.equal(bench.cursors.has(ANNA), false);
});

test('a window that was fetched first does not hide what happened the day before', async () => {
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

test('a time before this program existed is no time at Withings', async () => {
  const bench = createCollectorBench(() => answerOf([], new Date(1000)));
  await bench.collector.reconcile(ANNA);
  assert.equal(bench.cursors.has(ANNA), false);
  assert.equal(bench.calls.length, 1);
});
