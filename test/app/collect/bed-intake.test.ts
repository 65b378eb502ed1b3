import { strict as assert } from 'node:assert';
import { describe, test } from 'node:test';
import { createBedIntake } from '../../../src/app/collect/bed-intake.ts';
import type { BedEvents } from '../../../src/domain/bed.ts';
import type { Notification } from '../../../src/domain/notification.ts';
import { Trouble } from '../../../src/domain/trouble.ts';
import { bedPlace } from '../../support/beds.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { ANNA, BO } from '../../support/people.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const CALLER = '203.0.113.9';

async function createBench({ hasSecret = true, wrap = (beds: BedEvents) => beds } = {}) {
  const place = await bedPlace();
  const clock = createFakeClock();
  const beds = await place.open();
  const { log } = place;
  const people = { names: new Map([[ANNA, 'Anna']]), unit: 'kg' } as const;
  const stop = new AbortController();
  const { signal } = stop;
  const intake = createBedIntake({ beds: wrap(beds), hasSecret, people, clock, random: () => 1, log, signal });
  const ago = (ms: number) => new Date(clock.now().getTime() - ms);
  const notification = (appli: number, at: Date | undefined, changes: Partial<Notification> = {}) =>
    ({ userId: ANNA, appli, at, deviceId: 'mat', window: undefined, action: undefined, ...changes }) as const;
  return {
    beds,
    clock,
    log,
    stop,
    ago,
    notification,
    send: (appli: number, at: Date | undefined, changes?: Partial<Notification>) =>
      intake(notification(appli, at, changes), CALLER),
    refused: () => log.texts('bed_refused'),
    [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
  };
}

describe('a bed notification', () => {
  test('with a current date is stored, and logged in one line', async () => {
    await using bench = await createBench();
    await bench.send(50, bench.ago(MINUTE));
    assert.equal(bench.beds.newest(ANNA)?.kind, 'in_bed');
    assert.match(bench.log.texts('in_bed')[0] ?? '', /^Anna \(1234\): in bed since /);
    await bench.send(51, bench.ago(0));
    assert.equal(bench.beds.newest(ANNA)?.kind, 'out_of_bed');
  });

  test('does not count without a secret in the callback URL', async () => {
    await using bench = await createBench({ hasSecret: false });
    await bench.send(50, bench.ago(0));
    await bench.send(50, bench.ago(1_000));
    assert.equal(bench.beds.last, 0);
    assert.equal(bench.refused().length, 1);
    assert.match(bench.refused()[0] ?? '', /Anna \(1234\).*no secret.*203\.0\.113\.9/);
  });

  const dates: readonly (readonly [what: string, agoMs: number | undefined, counts: boolean])[] = [
    ['without a date', undefined, false],
    ['10 minutes ago', 10 * MINUTE, true],
    ['longer ago', 10 * MINUTE + 1_000, false],
    ['2 minutes ahead', -2 * MINUTE, true],
    ['further ahead', -2 * MINUTE - 1_000, false],
    ['of 1970', Date.UTC(2026, 10, 20, 6), false],
  ];
  for (const [what, agoMs, counts] of dates) {
    test(`${what} ${counts ? 'counts' : 'does not count'}`, async () => {
      await using bench = await createBench();
      await bench.send(50, agoMs === undefined ? undefined : bench.ago(agoMs));
      assert.equal(bench.beds.last, counts ? 1 : 0);
      assert.equal(bench.refused().length, counts ? 0 : 1);
    });
  }

  test('that arrives twice counts once, at once and later', async () => {
    await using bench = await createBench();
    const at = bench.ago(MINUTE);
    await Promise.all(Array.from({ length: 7 }, () => bench.send(50, at)));
    await bench.send(51, bench.ago(0));
    await bench.send(50, at);
    await bench.send(50, at, { deviceId: 'another' });
    assert.deepEqual([bench.beds.last, bench.beds.newest(ANNA)?.kind], [2, 'out_of_bed']);
    assert.deepEqual(bench.refused(), []);
  });

  test('with an older date that arrives late does not change the state back', async () => {
    await using bench = await createBench();
    await bench.send(51, bench.ago(MINUTE));
    await bench.send(50, bench.ago(2 * MINUTE));
    assert.deepEqual([bench.beds.last, bench.beds.newest(ANNA)?.kind], [2, 'out_of_bed']);
  });
});

test('a flood is limited to twenty events an hour and one line for one person, and spares the other', async () => {
  await using bench = await createBench();
  for (let each = 0; each < 500; each += 1) await bench.send(50 + (each % 2), bench.ago(each * 1_000));
  assert.equal(bench.beds.last, 20);
  assert.equal(bench.refused().filter((text) => /more than 20/.test(text)).length, 1);
  await bench.send(50, bench.ago(0), { userId: BO });
  assert.equal(bench.beds.newest(BO)?.kind, 'in_bed');
  await bench.clock.advance(HOUR);
  await bench.send(51, bench.ago(0));
  assert.equal(bench.beds.last, 22);
});

test('repeated events do not use up the hourly limit of a person', async () => {
  await using bench = await createBench();
  const at = bench.ago(0);
  for (let each = 0; each < 100; each += 1) await bench.send(50, at);
  await bench.send(51, bench.ago(-1_000));
  assert.equal(bench.beds.newest(ANNA)?.kind, 'out_of_bed');
});

test('the newest event waits for room on a full disk, and is announced once it is stored', async () => {
  const disk = { isFull: true, tries: 0 };
  const full = new Trouble('no room', { code: 'disk_full', recovery: 'retry' });
  await using bench = await createBench({
    wrap: (beds) => ({
      ...beds,
      append: async (event) => {
        disk.tries += 1;
        if (disk.isFull) throw full;
        await beds.append(event);
      },
    }),
  });
  const sent = [bench.send(50, bench.ago(2 * MINUTE)), bench.send(51, bench.ago(MINUTE))];
  sent.push(bench.send(50, bench.ago(3 * MINUTE)));
  await bench.clock.advance(HOUR);
  assert.equal(bench.beds.last, 0);
  assert.deepEqual(bench.log.texts('out_of_bed'), []);
  assert.ok(disk.tries < 30, `${disk.tries}`);
  disk.isFull = false;
  await bench.clock.advance(10 * MINUTE);
  assert.deepEqual(await Promise.all(sent), [false, true, true]);
  assert.equal(bench.beds.newest(ANNA)?.kind, 'out_of_bed');
  assert.equal(bench.log.texts('out_of_bed').length, 1);
});

test('an event that Withings resends during a wait for room is done once it is stored', async () => {
  let isFull = true;
  const full = new Trouble('no room', { code: 'disk_full', recovery: 'retry' });
  await using bench = await createBench({
    wrap: (beds) => ({
      ...beds,
      append: async (event) => {
        if (isFull) throw full;
        await beds.append(event);
      },
    }),
  });
  const at = bench.ago(0);
  const sent = [bench.send(50, at), bench.send(50, at)];
  isFull = false;
  await bench.clock.advance(MINUTE);
  assert.deepEqual(await Promise.all(sent), [true, true]);
  assert.equal(bench.beds.last, 1);
});

test('a stop ends the wait for room, and Withings must send the event again', async () => {
  const full = new Trouble('no room', { code: 'disk_full', recovery: 'retry' });
  await using bench = await createBench({ wrap: (beds) => ({ ...beds, append: () => Promise.reject(full) }) });
  const sent = bench.send(50, bench.ago(0));
  await bench.clock.advance(MINUTE);
  bench.stop.abort();
  assert.equal(await sent, false);
  assert.equal(bench.clock.sleepers, 0);
});
