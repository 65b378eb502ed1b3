import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createLiveness,
  describe as describeStatus,
  reportHangs,
  reportToSystemd,
} from '../../../src/app/status/watchdog.ts';
import { NOTHING_DERIVED } from '../../../src/domain/derived.ts';
import type { PersonStatus, Status } from '../../../src/domain/status.ts';
import { parseUserId } from '../../../src/domain/token.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createRecordingLog } from '../../support/recording-log.ts';

const ANNA = parseUserId('1234') ?? assert.fail();
const MINUTE = 60_000;

function person(changes: Partial<PersonStatus> = {}): PersonStatus {
  return {
    userId: ANNA,
    name: 'Anna',
    login: { state: 'works' },
    lastNotification: undefined,
    lastContact: undefined,
    lastWeighIn: { kilograms: 81.25, takenAt: new Date('2026-11-20T06:01:02Z'), agoMs: 0 },
    derived: NOTHING_DERIVED,
    held: [],
    unreadable: 0,
    subscription: { state: 'works', applis: [1], since: undefined, reason: undefined },
    scales: [],
    ...changes,
  };
}

function status(people: readonly PersonStatus[], troubles: Status['troubles'] = []): Status {
  return { startedAt: new Date(0), uptimeMs: 0, people, publishers: [], troubles };
}

function start({
  isWatched = true,
  notify = () => Promise.resolve(),
}: {
  readonly isWatched?: boolean;
  readonly notify?: () => Promise<void>;
} = {}) {
  const clock = createFakeClock();
  const log = createRecordingLog();
  const stop = new AbortController();
  const sent: { atMs: number; lines: readonly string[] }[] = [];
  const state = { stuck: undefined as string | undefined, people: [person()] };
  const ended = reportToSystemd({
    notify: async (lines) => {
      sent.push({ atMs: clock.elapsedMs(), lines });
      await notify();
    },
    watchdogMs: isWatched ? 10_000 : undefined,
    liveness: { stuck: () => state.stuck },
    look: async () => status(state.people),
    timeZone: 'UTC',
    clock,
    log,
    signal: stop.signal,
  });
  const all = () => sent.flatMap(({ lines }) => lines);
  const pings = () => sent.filter(({ lines }) => lines.includes('WATCHDOG=1')).map(({ atMs }) => atMs);
  return { clock, log, stop, state, ended, all, pings };
}

test('the watchdog reports ready first, alive twice per interval, and stopping at the end', async () => {
  const { clock, stop, ended, all, pings } = start();
  await clock.advance(20_000);
  assert.equal(all()[0], 'READY=1');
  assert.deepEqual(pings(), [0, 5_000, 10_000, 15_000, 20_000]);
  stop.abort();
  await ended;
  assert.ok(all().includes('STOPPING=1'));
  assert.equal(pings().length, 5);
});

test('the watchdog sends no sign of life during a standstill, and logs why', async () => {
  const { clock, log, state, pings } = start();
  await clock.advance(5_000);
  state.stuck = 'no person was checked for 11 min';
  await clock.advance(20_000);
  assert.deepEqual(pings(), [0, 5_000]);
  assert.ok(
    log.entries.some(({ level, text }) => level === 'error' && text.startsWith('no person was checked for 11 min')),
  );
});

test('without a watchdog interval the daemon only reports its status', async () => {
  const { clock, state, all, pings } = start({ isWatched: false });
  await clock.advance(5 * MINUTE);
  assert.deepEqual(pings(), []);
  const told = () => all().filter((line) => line.startsWith('STATUS='));
  assert.equal(told().length, 1, 'what has not changed is not repeated');
  state.people = [];
  await clock.advance(2 * MINUTE);
  assert.equal(told().length, 2);
});

test('an unreachable supervisor is reported once and retried', async () => {
  let isDeaf = true;
  const notify = async () => {
    if (isDeaf) throw new Error('ECONNREFUSED');
  };
  const { clock, log, pings } = start({ notify });
  await clock.advance(20_000);
  const complaints = () => log.entries.filter(({ text }) => text.includes('ECONNREFUSED')).length;
  assert.equal(complaints(), 1);
  isDeaf = false;
  await clock.advance(5_000);
  isDeaf = true;
  await clock.advance(5_000);
  assert.equal(complaints(), 2);
  assert.equal(pings().length, 7);
});

test('the status contains no names and no weights', () => {
  const say = (...people: readonly PersonStatus[]) => describeStatus(status(people), 'Europe/Berlin');
  assert.equal(say(), 'no person is linked yet (run "weighbridge login")');
  const older = { kilograms: 92, takenAt: new Date('2026-10-01T06:00:00Z'), agoMs: 0 };
  assert.equal(
    say(person(), person({ lastWeighIn: older })),
    '2 people linked, last weigh-in 2026-11-20T07:01:02+01:00',
  );
  assert.equal(say(person({ lastWeighIn: undefined })), '1 person linked');
  const lost = person({ login: { state: 'needs_login', since: undefined, reason: 'refused' } });
  assert.match(say(person(), lost), /, 1 with a problem \(run "weighbridge users"\)$/);
  const trouble = { userId: undefined, code: 'disk_full', text: '', since: new Date(0), isLasting: true };
  assert.match(describeStatus(status([person()], [trouble]), 'UTC'), /a problem \(run "weighbridge doctor"\)$/);
});

test('the work stands still after ten minutes without a round, or an hour of one fetch', async () => {
  const clock = createFakeClock();
  let busyMs = 0;
  const liveness = createLiveness(clock, () => busyMs);
  for (let minute = 0; minute < 30; minute += 1) {
    liveness.beat();
    await clock.advance(MINUTE);
    assert.equal(liveness.stuck(), undefined);
  }
  await clock.advance(10 * MINUTE);
  assert.match(liveness.stuck() ?? '', /no person was checked for 11 min/);
  liveness.beat();
  busyMs = 59 * MINUTE;
  assert.equal(liveness.stuck(), undefined);
  busyMs = 61 * MINUTE;
  assert.match(liveness.stuck() ?? '', /a fetch has not ended for 61 min/);
});

test('the work stands still after three minutes without a finished file operation', () => {
  const files = { wait: undefined as { doing: string; ms: number } | undefined };
  const liveness = createLiveness(
    createFakeClock(),
    () => 0,
    () => files.wait,
  );
  for (const [ms, stuck] of [
    [3 * MINUTE, undefined],
    [4 * MINUTE, 'the file system has not answered for 4 min (read tokens)'],
  ] as const) {
    files.wait = { doing: 'read tokens', ms };
    assert.equal(liveness.stuck(), stuck);
  }
});

test('a hanging file operation is logged once, and so is its end', async () => {
  const clock = createFakeClock();
  const log = createRecordingLog();
  const stop = new AbortController();
  const { signal } = stop;
  const files = { sinceMs: undefined as number | undefined };
  const longest = () =>
    files.sinceMs === undefined ? undefined : { doing: 'write tokens/1234', ms: clock.elapsedMs() - files.sinceMs };
  const reporting = reportHangs({ longest, clock, log, signal });
  files.sinceMs = 0;
  await clock.advance(20_000);
  assert.deepEqual(log.entries, [], 'a slow card is no hang');
  await clock.advance(5 * MINUTE);
  assert.equal(log.texts('file_hangs').length, 1);
  assert.match(log.texts('file_hangs')[0] ?? '', /write tokens\/1234/);
  files.sinceMs = undefined;
  await clock.advance(MINUTE);
  assert.equal(log.texts('recovered').length, 1);
  stop.abort();
  await reporting;
});
