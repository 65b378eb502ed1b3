import { strict as assert } from 'node:assert';
import { describe, test } from 'node:test';
import { createAnnouncer } from '../../../src/app/collect/announce.ts';
import { reconcileForever } from '../../../src/app/collect/reconcile.ts';
import { createSchedule } from '../../../src/app/collect/schedule.ts';
import { createLiveStatus } from '../../../src/app/status/live-status.ts';
import { createLinkedUsers } from '../../../src/app/tokens/linked-users.ts';
import { NOTHING_DERIVED } from '../../../src/domain/derived.ts';
import type { MeasureGroup } from '../../../src/domain/measure.ts';
import { NOTHING_KNOWN, type PersonState } from '../../../src/domain/status.ts';
import type { UserId } from '../../../src/domain/token.ts';
import { encodeHealthz } from '../../../src/http/private/healthz.ts';
import { answerOf, createCollectorBench, type RecordedCall } from '../../support/collector-bench.ts';
import { createMemoryTokens } from '../../support/memory-tokens.ts';
import { ANNA, BO, refreshToken, weighIn } from '../../support/people.ts';
import { createRandom } from '../../support/random.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const PEOPLE = [ANNA, BO];
/** The maximum time from the scale to the answer of Withings. */
const WITHINGS_MS = 2 * MINUTE;

/** Withings returns its current groups by the time of change, or by the time of the weigh-in. */
function answers(groupsOf: (userId: UserId) => readonly MeasureGroup[], now: () => Date) {
  return ({ userId, query }: RecordedCall) => {
    const isAskedFor = ({ modifiedAt, takenAt }: MeasureGroup) =>
      modifiedAt < now() &&
      ('since' in query ? modifiedAt >= query.since : takenAt >= query.window.start && takenAt <= query.window.end);
    return answerOf(groupsOf(userId).filter(isAskedFor), now());
  };
}

/** Runs a week in a household without notifications. */
function startWeek(seed: number) {
  const random = createRandom(seed);
  const groups = new Map<UserId, MeasureGroup[]>(PEOPLE.map((userId) => [userId, []]));
  const told: { readonly groupId: number; readonly at: Date }[] = [];
  const bench = createCollectorBench((call) => answers((userId) => groups.get(userId) ?? [], bench.clock.now)(call), {
    announce(entries) {
      announce(entries);
      for (const { reading } of entries) told.push({ groupId: reading.groupId, at: bench.clock.now() });
    },
    onContact: (userId) => liveStatus.contacted(userId),
  });
  const { clock, log, calls, personStates, accessTokens, collector, troubles } = bench;
  const people = { names: new Map(), unit: 'kg' as const };
  const schedule = createSchedule({
    hasCallback: false,
    pollMs: 10 * MINUTE,
    reconcileMs: 6 * HOUR,
    // The age limit is shorter than the poll interval.
    maxAgeMs: MINUTE,
    remembered: personStates.remembered,
  });
  const announce = createAnnouncer({ log, clock, people, maxAgeMs: schedule.maxAgeMs });
  const tokens = createMemoryTokens(new Map(PEOPLE.map((userId) => [userId, refreshToken(`of-${userId}`)])));
  const linkedUsers = createLinkedUsers({ tokens, clock });
  const liveStatus = createLiveStatus({
    linkedUsers,
    readStoredStatus: async (userId) => ({
      person: await personStates.of(userId),
      login: { state: 'works' },
      lastContact: undefined,
    }),
    remembered: personStates.remembered,
    troubles: [troubles],
    publishers: () => [],
    journal: bench.journal,
    unreadable: { countOf: () => 0 },
    derive: () => NOTHING_DERIVED,
    people,
    schedule,
    clock,
  });
  // The weekly check is due in the middle of the week.
  const checkedAt = new Date(clock.now().getTime() - 4 * DAY);
  for (const userId of PEOPLE) bench.states.set(userId, { ...NOTHING_KNOWN, checkedAt });
  for (const [userId, taken] of groups) {
    const weighIns = 10 + Math.floor(random() * 30);
    for (let count = 0; count < weighIns; count += 1) {
      // The times are random, but two weigh-ins of a person in one minute would count as one.
      const slotMs = (7 * DAY - HOUR) / weighIns;
      const takenMs = clock.now().getTime() + count * slotMs + MINUTE + random() * (slotMs - 2 * MINUTE);
      const modifiedAt = new Date(takenMs + random() * WITHINGS_MS);
      taken.push(weighIn(userId === ANNA ? 60 + random() : 80 + random(), new Date(takenMs), { modifiedAt }));
    }
  }
  const stop = new AbortController();
  const { signal } = stop;
  const onRound = () => undefined;
  void reconcileForever({ linkedUsers, accessTokens, collector, onRound, schedule, people, clock, log, signal });
  return { clock, log, calls, groups, told, liveStatus };
}

describe('a week without a callback URL', () => {
  for (const seed of [1, 2, 3])
    test(`each weigh-in is announced once, about ten minutes later at most, without trouble; seed ${seed}`, async () => {
      const { clock, log, calls, groups, told, liveStatus } = startWeek(seed);
      for (let hours = 0; hours < 7 * 24; hours += 1) {
        await clock.advance(HOUR);
        const looking = liveStatus.look();
        await clock.advance(1_000);
        const health = encodeHealthz(await looking, '1');
        assert.deepEqual([health.status, health.troubles], ['ok', []]);
        for (const { subscription } of health.users)
          assert.deepEqual([subscription.state, subscription.mode], ['polling', 'polling every 10 min']);
      }
      const all = [...groups.values()].flat();
      const announced = log.entries.filter(({ event }) => event === 'reading');
      assert.deepEqual(announced.map(({ grpid }) => grpid).sort(), all.map(({ groupId }) => groupId).sort());
      assert.ok(announced.every((entry) => !('late' in entry)));
      for (const { groupId, at } of told) {
        const { takenAt } = all.find((group) => group.groupId === groupId) ?? {};
        const afterMs = at.getTime() - (takenAt?.getTime() ?? 0);
        assert.ok(afterMs <= 11.5 * MINUTE + WITHINGS_MS, `${groupId} after ${afterMs} ms`);
      }
      for (const userId of PEOPLE) {
        const theirs = calls.filter((call) => call.userId === userId);
        const checks = theirs.filter(({ query }) => 'window' in query);
        assert.equal(checks.length, 1, 'the weekly check');
        const polls = theirs.filter(({ query }) => 'since' in query).map(({ atMs }) => atMs);
        for (const [index, atMs] of polls.entries())
          assert.ok(index === 0 || atMs - (polls[index - 1] ?? 0) >= 10 * MINUTE);
        // The count includes 8 token refreshes.
        for (let day = 0; day < 7; day += 1) {
          const ofDay = theirs.filter(({ atMs }) => atMs >= day * DAY && atMs < (day + 1) * DAY).length;
          assert.ok(ofDay >= 135 && ofDay + 8 <= 150, `${ofDay} calls on day ${day}`);
        }
      }
    });
});

describe('a fresh weigh-in', () => {
  const maxAgeMs = (changes: Partial<Parameters<typeof createSchedule>[0]>, person?: PersonState) =>
    createSchedule({
      hasCallback: false,
      pollMs: 10 * MINUTE,
      reconcileMs: 6 * HOUR,
      maxAgeMs: HOUR,
      remembered: () => person,
      ...changes,
    }).maxAgeMs(ANNA);

  test('is at most as old as ANNOUNCE_MAX_AGE after a downtime, also if weighbridge polls', () => {
    assert.equal(maxAgeMs({}), HOUR);
  });

  test('was measured since the last poll, if that is longer', () => {
    for (const pollMs of [10 * MINUTE, 2 * HOUR]) {
      const age = maxAgeMs({ pollMs, maxAgeMs: MINUTE });
      assert.ok(age > pollMs + WITHINGS_MS && age < pollMs * 1.1 + 6 * MINUTE, `${age}`);
    }
  });

  test('follows the same rule only while Withings cannot reach the callback URL', () => {
    const hitch = { since: new Date(), reason: 'no head', code: 'callback_unreachable' };
    const unreachable = { ...NOTHING_KNOWN, subscription: { applis: [], hitch } };
    assert.ok(maxAgeMs({ hasCallback: true, maxAgeMs: MINUTE }, unreachable) > 10 * MINUTE);
    assert.equal(maxAgeMs({ hasCallback: true, maxAgeMs: MINUTE }, NOTHING_KNOWN), MINUTE);
  });
});
