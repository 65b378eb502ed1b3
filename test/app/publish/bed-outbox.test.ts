import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { startBedOutbox } from '../../../src/app/publish/bed-outbox.ts';
import { createPublisherTroubles } from '../../../src/app/status/troubles.ts';
import type { BedDelivery, BedEvents } from '../../../src/domain/bed.ts';
import { GIVEN_UP } from '../../../src/domain/publisher.ts';
import { Trouble } from '../../../src/domain/trouble.ts';
import { createBedOffsetFiles } from '../../../src/storage/bed-file.ts';
import { nodeFiles } from '../../../src/storage/files.ts';
import { bedEvent, bedPlace } from '../../support/beds.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A publisher that accepts every event, unless the test makes it fail. */
async function createBench() {
  const place = await bedPlace();
  const clock = createFakeClock();
  const { log, directory } = place;
  const got: string[] = [];
  const fails: { with?: Trouble | undefined; hangs?: boolean } = {};
  const offsets = createBedOffsetFiles(directory);
  const deliverBed = async ({ event, late }: BedDelivery, signal: AbortSignal) => {
    if (fails.hangs) await clock.sleep(24 * HOUR, signal);
    if (fails.with !== undefined) throw fails.with;
    got.push(`${event.kind}${late ? ' late' : ''}`);
  };
  const start = (beds: BedEvents) =>
    startBedOutbox({
      publisher: { name: 'hook', stopMs: 5_000, deliverBed },
      beds,
      offsets,
      troubles: createPublisherTroubles({ clock, log, publisher: 'hook' }),
      maxAgeMs: HOUR,
      clock,
      random: () => 1,
      log,
    });
  const now = (agoMs = 0) => new Date(clock.now().getTime() - agoMs);
  return { ...place, clock, got, fails, offsets, start, now };
}

/** File operations take real time. */
async function until(clock: FakeClock, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 2_000 && !(await isTrue()); turn += 1) await clock.advance(0);
  assert.ok(await isTrue());
}

test('a publisher gets each event in order, and none from before its first start', async () => {
  await using bench = await createBench();
  const beds = await bench.open();
  await beds.append(bedEvent('in_bed', bench.now(HOUR)));
  await using _outbox = bench.start(beds);
  await until(bench.clock, async () => (await bench.offsets.load('hook')) === 1);
  await beds.append(bedEvent('out_of_bed', bench.now(MINUTE)));
  await until(bench.clock, () => bench.got.length === 1);
  await beds.append(bedEvent('in_bed', bench.now()));
  await until(bench.clock, () => bench.got.length === 2);
  assert.deepEqual(bench.got, ['out_of_bed', 'in_bed']);
  assert.equal(bench.clock.sleepers, 0, 'it sleeps until there is an event');
});

test('events from the downtime are delivered at the next start, marked as late if they are', async () => {
  await using bench = await createBench();
  const beds = await bench.open();
  {
    await using _outbox = bench.start(beds);
    await until(bench.clock, async () => (await bench.offsets.load('hook')) === 0);
  }
  await beds.append(bedEvent('in_bed', bench.now(2 * HOUR)));
  await beds.append(bedEvent('out_of_bed', bench.now(MINUTE)));
  await beds.append(bedEvent('in_bed', bench.now(2 * MINUTE)));
  await using _outbox = bench.start(await bench.open());
  await until(bench.clock, async () => (await bench.offsets.load('hook')) === 3);
  assert.deepEqual(bench.got, ['in_bed late', 'out_of_bed', 'in_bed late']);
});

test('failed events are retried, and count as late after the recovery', async () => {
  await using bench = await createBench();
  const beds = await bench.open();
  await using _outbox = bench.start(beds);
  await until(bench.clock, async () => (await bench.offsets.load('hook')) === 0);
  bench.fails.with = new Trouble('away', { code: 'away', recovery: 'retry' });
  await beds.append(bedEvent('in_bed', bench.now()));
  await bench.clock.advance(2 * HOUR);
  assert.deepEqual([bench.got, bench.log.entries.filter(({ code }) => code === 'away').length > 0], [[], true]);
  bench.fails.with = undefined;
  await bench.clock.advance(10 * MINUTE);
  await until(bench.clock, () => bench.got.length === 1);
  assert.deepEqual(bench.got, ['in_bed late']);
});

test('an event that a publisher drops is logged, and the next one follows', async () => {
  await using bench = await createBench();
  const beds = await bench.open();
  await using _outbox = bench.start(beds);
  await until(bench.clock, async () => (await bench.offsets.load('hook')) === 0);
  bench.fails.with = new Trouble('broken', { code: GIVEN_UP, recovery: 'defect' });
  await beds.append(bedEvent('in_bed', bench.now(MINUTE)));
  await until(bench.clock, async () => (await bench.offsets.load('hook')) === 1);
  bench.fails.with = undefined;
  await beds.append(bedEvent('out_of_bed', bench.now()));
  await until(bench.clock, () => bench.got.length === 1);
  assert.equal(bench.log.texts('given_up').length, 1);
});

test('a stop ends a hanging delivery, and the next start repeats it', async () => {
  await using bench = await createBench();
  const beds = await bench.open();
  const outbox = bench.start(beds);
  await until(bench.clock, async () => (await bench.offsets.load('hook')) === 0);
  bench.fails.hangs = true;
  bench.fails.with = new Trouble('cut off', { code: 'cut', recovery: 'retry' });
  await beds.append(bedEvent('in_bed', bench.now()));
  await until(bench.clock, () => bench.clock.sleepers === 1);
  const stopped = outbox[Symbol.asyncDispose]();
  await bench.clock.advance(5_000);
  await stopped;
  assert.deepEqual([bench.got, await bench.offsets.load('hook')], [[], 0]);
  bench.fails.hangs = false;
  bench.fails.with = undefined;
  await using _again = bench.start(await bench.open());
  await until(bench.clock, () => bench.got.length === 1);
});

test('an event file that was removed between two starts does not stop the outbox', async () => {
  await using bench = await createBench();
  await bench.offsets.save('hook', 500);
  const beds = await bench.open();
  await using _outbox = bench.start(beds);
  await until(bench.clock, async () => (await bench.offsets.load('hook')) === 0);
  await beds.append(bedEvent('in_bed', bench.now()));
  await until(bench.clock, () => bench.got.length === 1);
});

test('events that are unreadable at start are not delivered again once they are readable', async () => {
  await using bench = await createBench();
  await (await bench.open()).append(bedEvent('in_bed', bench.now(MINUTE)));
  await bench.offsets.save('hook', 1);
  let fails = 2;
  const readFile: typeof nodeFiles.readFile = async (path) => {
    if (path === bench.path && fails-- > 0) throw Object.assign(new Error('too many'), { code: 'EMFILE' });
    return await nodeFiles.readFile(path);
  };
  const beds = await bench.open({ ...nodeFiles, readFile });
  await using _outbox = bench.start(beds);
  await until(bench.clock, () => bench.clock.sleepers === 1);
  await bench.clock.advance(1_000);
  await until(bench.clock, () => beds.last === 1);
  await beds.append(bedEvent('out_of_bed', bench.now()));
  await until(bench.clock, () => bench.got.length > 0);
  assert.deepEqual(bench.got, ['out_of_bed']);
});
