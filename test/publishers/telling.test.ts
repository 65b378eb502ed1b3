import { strict as assert } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import { NOTHING_DERIVED } from '../../src/domain/derived.ts';
import type { MeasureGroup } from '../../src/domain/measure.ts';
import { type Reading, toReading } from '../../src/domain/reading.ts';
import { createReview } from '../../src/domain/review.ts';
import { createHook } from '../../src/publishers/hook/publisher.ts';
import { realClock } from '../../src/runtime/real-clock.ts';
import { openJournal } from '../../src/storage/journal/journal.ts';
import { type AedesBroker, listenTo, retainedOn, startAedes } from '../support/broker.ts';
import { signalGroup } from '../support/hook-bench.ts';
import { createMqttHome, startMqttBench } from '../support/mqtt-bench.ts';
import { createOutboxBench, until } from '../support/outbox-bench.ts';
import { ANNA, weighIn } from '../support/people.ts';
import { checkAsync } from '../support/property.ts';

const EVENT = 'weighbridge/1234/event';
const CHANNEL = 'home/weight';
const MINUTE_MS = 60_000;

/** Creates a journal with review, and behind it a broker and a hook that stores its input. */
async function setUp(broker: AedesBroker, { hearsHeld }: { readonly hearsHeld: boolean }) {
  const bench = await createOutboxBench();
  const { clock, log, path, directory } = bench;
  const review = createReview({ jumpShare: 0.2 });
  const journal = await openJournal(path, log, { review, clock });
  const mqtt = startMqttBench(broker.url, createMqttHome(ANNA), { latest: journal.latest, channel: CHANNEL, clock });
  const hook = createHook({
    command: ['sh', '-c', `cat >> ${directory}/runs`],
    environment: { PATH: process.env['PATH'] ?? '' },
    hearsHeld,
    derived: async () => NOTHING_DERIVED,
    hearsBed: false,
    people: { names: new Map(), unit: 'kg' },
    parking: { path: '', park: async () => undefined },
    signalGroup,
    clock: realClock,
    log,
  });
  const outboxes = [bench.start(mqtt.publisher, journal), bench.start(hook, journal)];
  await until(() => bench.saves.length === 2);
  const read = (name: string) => readFile(name, 'utf8').catch(() => '');
  return {
    clock,
    journal,
    delivered: () => until(() => outboxes.every(({ behindBytes }) => behindBytes === 0)),
    runs: async (): Promise<readonly Record<string, unknown>[]> =>
      (await read(`${directory}/runs`))
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
    async [Symbol.asyncDispose]() {
      for (const outbox of outboxes) await outbox[Symbol.asyncDispose]();
      await mqtt[Symbol.asyncDispose]();
      await bench[Symbol.asyncDispose]();
    },
  };
}

test('the four groups of a Body Scan are one event and one run, with all values', async () => {
  await using broker = await startAedes();
  await using listener = await listenTo(broker.url);
  await using home = await setUp(broker, { hearsHeld: false });
  const takenAt = new Date(home.clock.now().getTime() - 2 * MINUTE_MS);
  const measures: readonly (readonly (readonly [number, number, number?])[])[] = [
    [
      [1, 81.25],
      [6, 17.3],
      [8, 14.06, 7],
      [76, 63.1],
    ],
    [
      [196, 88],
      [197, 79, 5],
      [197, 81, 4],
    ],
    [
      [11, 61],
      [130, 0],
    ],
    [
      [91, 7.2],
      [155, 41],
    ],
  ];
  const groups = measures.map((each, at): MeasureGroup => {
    const found = each.map(([type, value, position]) => ({ type, value, position }));
    return weighIn(0, takenAt, { groupId: 9_000_000_001 + at, attribution: at === 3 ? 8 : 0, measures: found });
  });
  const readings = groups.map((group) => toReading(ANNA, group));
  await home.journal.append(readings);
  await home.delivered();
  await listener.caughtUp();
  const all = Object.assign({}, ...readings.map((each) => each.measures));
  const events = listener.on(EVENT).map((payload) => JSON.parse(payload));
  assert.equal(Object.keys(all).length, 11);
  assert.deepEqual(
    events.map((event) => [event.grpid, event.measures]),
    [[9_000_000_001, all]],
  );
  assert.deepEqual(listener.on(CHANNEL), ['81.3']);
  const runs = await home.runs();
  assert.deepEqual(
    runs.map(({ kind, groups: ids, measures: got }) => [kind, ids, got]),
    [['weigh_in', groups.map(({ groupId }) => groupId), all]],
  );
});

const KILOGRAMS = { ordinary: 80, ambiguous: 82, future: 81, jump: 116, child: 21, impossible: 500, negative: -1 };
const step = fc.record({
  kind: fc.constantFrom(...(Object.keys(KILOGRAMS) as (keyof typeof KILOGRAMS)[])),
  minutesAgo: fc.nat(600),
  /** The group changes or withdraws an earlier one. */
  of: fc.option(fc.nat(9), { freq: 2 }),
  takesBack: fc.boolean(),
});

test('a held weigh-in is published only as held, and is not the newest weight', async () => {
  await using broker = await startAedes();
  const property = fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.boolean(), async (steps, hearsHeld) => {
    await using listener = await listenTo(broker.url);
    await using home = await setUp(broker, { hearsHeld });
    const { clock, journal } = home;
    const now = clock.now().getTime();
    const known: Reading[] = [];
    await journal.append([toReading(ANNA, weighIn(80, new Date(now - 48 * 60 * MINUTE_MS)))]);
    for (const [at, { kind, minutesAgo, of, takesBack }] of steps.entries()) {
      const takenMs = now - minutesAgo * MINUTE_MS + at * 5_000 + (kind === 'future' ? 48 * 60 * MINUTE_MS : 0);
      const earlier = of === null ? undefined : known[of % Math.max(1, known.length)];
      const fresh = toReading(ANNA, {
        ...weighIn(KILOGRAMS[kind] + at / 1000, new Date(takenMs), { attribution: kind === 'ambiguous' ? 1 : 0 }),
        modifiedAt: new Date(now + at * 1000),
      });
      const version = earlier === undefined ? fresh : { ...fresh, groupId: earlier.groupId };
      if (earlier !== undefined && takesBack) await journal.withdraw(ANNA, [earlier.groupId], 'deleted');
      else await journal.append([version]);
      known.push(version);
    }
    await home.delivered();
    await listener.caughtUp();
    const held = journal.heldOf(ANNA).map(({ weight }) => weight ?? Number.NaN);
    const runs = await home.runs();
    for (const kilograms of held) {
      const isIn = (value: unknown) => JSON.stringify(value).includes(`${kilograms},`);
      const heard = listener.heard.filter(({ retain }) => !retain);
      assert.ok(!heard.some(({ payload }) => payload.includes(`:${kilograms},`)), `${kilograms} on a topic`);
      assert.ok(!runs.some((run) => run['kind'] !== 'held' && isIn(run)), `${kilograms} in a hook`);
      assert.notEqual(journal.lastWeighIn(ANNA)?.kilograms, kilograms);
    }
    if (!hearsHeld) assert.ok(runs.every(({ kind }) => kind !== 'held'));
    const kept = (await retainedOn(broker.url)).get('weighbridge/1234/weight');
    const newest = journal.latest.of(ANNA).get('weight');
    assert.equal(kept === undefined ? undefined : JSON.parse(kept).value, newest?.value);
  });
  await checkAsync(property, 0.05);
});
