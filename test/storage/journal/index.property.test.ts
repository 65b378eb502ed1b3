import { strict as assert } from 'node:assert';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  counts,
  HELD_REASONS,
  type Reading,
  SAME_MOMENT_MS,
  WITHDRAWN_REASONS,
  weightOf,
} from '../../../src/domain/reading.ts';
import { createHistories } from '../../../src/storage/journal/histories.ts';
import { createJournalIndex, type Placed } from '../../../src/storage/journal/index.ts';
import { openJournal } from '../../../src/storage/journal/journal.ts';
import { formatLine, parseLine } from '../../../src/storage/journal/line.ts';
import { ANNA, BO, userId } from '../../support/people.ts';
import { checkAsync } from '../../support/property.ts';
import { createRecordingLog } from '../../support/recording-log.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const USERS = [ANNA, BO, userId('77')];
const GROUPS = [1, 2, 3, 6_123_456_789, -5];
const START_MS = new Date('2026-11-20T06:00:00Z').getTime();
const QUANTITIES = ['weight', 'heart_rate', 'type_999'];

/**
 * Readings have few people, groups and moments, so that lines meet: corrections, moves, and equal or earlier moments.
 */
const reading: fc.Arbitrary<Reading> = fc.record({
  userId: fc.constantFrom(...USERS),
  groupId: fc.constantFrom(...GROUPS),
  takenAt: fc.nat(8).map((step) => new Date(START_MS + step * 1000)),
  modifiedAt: fc.nat(3).map((step) => new Date(START_MS + step * 60_000)),
  attribution: fc.constantFrom(0, 0, 1, 4),
  ambiguous: fc.constant(false),
  deviceId: fc.constant(undefined),
  model: fc.constant('Body Scan'),
  timeZone: fc.constantFrom('Europe/Vienna', undefined),
  measures: fc.dictionary(fc.constantFrom(...QUANTITIES, '__proto__'), fc.integer({ min: 1, max: 200 })),
  held: fc.option(fc.constantFrom(...HELD_REASONS), { nil: undefined, freq: 3 }),
  withdrawn: fc.option(fc.constantFrom(...WITHDRAWN_REASONS), { nil: undefined, freq: 3 }),
});
const line = fc.oneof(
  { weight: 9, arbitrary: fc.tuple(reading, fc.boolean()).map(([each, history]) => formatLine(each, history)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', 'a note by hand', '{"userid":"x"}', '{"userid":"1234","grpid":1}', '\0'),
  },
);
const journal = fc.record({
  lines: fc.array(line, { maxLength: 40 }),
  torn: fc.constantFrom('', '{"userid":"1234","gr'),
});

/** A model of the journal as a list of lines, which searches every answer from the start. */
function createModel(lines: readonly Placed[]) {
  const of = (user: string) => lines.filter((each) => each.reading.userId === user);
  const linesOf = (user: string, group: number) => of(user).filter((each) => each.reading.groupId === group);
  const lastLines = (user: string) =>
    [...new Set(of(user).map((each) => each.reading.groupId))].flatMap((group) => linesOf(user, group).at(-1) ?? []);
  const stateOf = ({ reading: each }: Placed) => ({
    groupId: each.groupId,
    takenAt: each.takenAt,
    weight: weightOf(each),
    counts: counts(each),
    held: each.held,
    withdrawn: each.withdrawn,
  });
  const valuesOf = (user: string, quantity: string) =>
    lastLines(user)
      .filter((each) => counts(each.reading) && Object.hasOwn(each.reading.measures, quantity))
      .sort((one, other) => +one.reading.takenAt - +other.reading.takenAt || one.at - other.at)
      .map(({ reading: each }) => ({
        groupId: each.groupId,
        takenMs: each.takenAt.getTime(),
        value: each.measures[quantity] ?? Number.NaN,
      }));
  const owners = (user: string, group: number) =>
    USERS.filter((other) => {
      const last = other === user ? undefined : linesOf(other, group).at(-1);
      return last !== undefined && (counts(last.reading) || last.reading.held !== undefined);
    });
  const beforeOf = ({ userId: user, groupId, takenAt }: Reading) =>
    valuesOf(user, 'weight').findLast((each) => each.takenMs < takenAt.getTime() && each.groupId !== groupId)?.value;
  return {
    owners,
    stateOf,
    lastLines,
    linesOf,
    valuesOf,
    held: (user: string) =>
      lastLines(user)
        .filter((each) => each.reading.held !== undefined)
        .map(stateOf),
    within: (user: string, start: Date, end: Date) =>
      lastLines(user)
        .map(stateOf)
        .filter((each) => each.counts || each.held !== undefined || each.withdrawn === 'deleted')
        .filter((each) => each.takenAt >= start && each.takenAt <= end),
    isNew(each: Reading) {
      const last = linesOf(each.userId, each.groupId).at(-1)?.reading;
      if (last === undefined) return true;
      if (last.withdrawn === 'forgotten') return false;
      if (+last.modifiedAt !== +each.modifiedAt) return last.modifiedAt < each.modifiedAt;
      return (
        last.withdrawn === 'deleted' || (last.withdrawn === 'moved' && owners(each.userId, each.groupId).length === 0)
      );
    },
    contextOf({ reading: each, at }: Placed) {
      const { userId: user, groupId, takenAt } = each;
      const older = (group: number) => linesOf(user, group).filter((other) => other.at < at);
      const countedOlder = (group: number) => older(group).some((other) => counts(other.reading));
      const own = linesOf(user, groupId);
      const isCounted = (other: Placed) => counts(other.reading);
      const last = own.at(-1)?.reading;
      return {
        previousWeight: beforeOf(each),
        correction: older(groupId).length > 0,
        countedBefore: countedOlder(groupId),
        stopsCounting: at === (own[own.findLastIndex(isCounted) + 1]?.at ?? -1) && own.some(isCounted),
        stillCounts: last !== undefined && counts(last),
        besideOlderWeight: valuesOf(user, 'weight')
          .filter((other) => Math.abs(other.takenMs - takenAt.getTime()) <= SAME_MOMENT_MS && other.groupId !== groupId)
          .some((other) => countedOlder(other.groupId)),
      };
    },
  };
}

const byTime = <T extends { readonly takenAt: Date; readonly groupId: number }>(states: readonly T[]) =>
  states.toSorted((one, other) => +one.takenAt - +other.takenAt || one.groupId - other.groupId);

test('the index returns the same as a list of the lines, for any content', async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/measures.jsonl`;
  await checkAsync(
    fc.asyncProperty(journal, reading, async ({ lines, torn }, other) => {
      const text = lines.map((each) => `${each}\n`).join('');
      await writeFile(path, text + torn);
      const placed: Placed[] = [];
      let at = 0;
      for (const each of lines) {
        const found = parseLine(each)?.reading;
        if (found !== undefined) placed.push({ reading: found, at });
        at += Buffer.byteLength(each) + 1;
      }
      const model = createModel(placed);
      const index = createJournalIndex(createHistories());
      for (const each of placed) index.learn(each);
      const opened = await openJournal(path, createRecordingLog());
      assert.deepEqual(index.isNew(other), model.isNew(other));
      for (const each of placed) {
        assert.deepEqual(opened.feed.contextOf(each), model.contextOf(each));
        assert.deepEqual(index.isNew(each.reading), model.isNew(each.reading));
      }
      for (const user of USERS) {
        assert.deepEqual(byTime(opened.heldOf(user)), byTime(model.held(user)));
        const window = { start: new Date(START_MS + 2000), end: new Date(START_MS + 6000) };
        assert.deepEqual(opened.groupsWithin(user, window), model.within(user, window.start, window.end));
        const newestMs = Math.max(...model.lastLines(user).map((each) => each.reading.modifiedAt.getTime()));
        assert.deepEqual(opened.newestModification(user)?.getTime() ?? Number.NEGATIVE_INFINITY, newestMs);
        for (const group of GROUPS) {
          const last = model.linesOf(user, group).at(-1);
          assert.deepEqual(index.group(user, group), last && model.stateOf(last));
          assert.deepEqual(index.offsetOf(user, group), last?.at);
          assert.deepEqual([...index.otherOwners(user, group)].sort(), [...model.owners(user, group)].sort());
        }
        const quantities = [...QUANTITIES, '__proto__'].filter((each) => model.valuesOf(user, each).length > 0);
        assert.deepEqual([...opened.histories.quantitiesOf(user)].sort(), quantities.sort());
        for (const quantity of quantities) {
          const values = model.valuesOf(user, quantity);
          const plain = values.map(({ takenMs, value }) => ({ takenMs, value }));
          const series = opened.histories.valuesOf(user, quantity);
          assert.deepEqual([...series], plain);
          assert.deepEqual(
            [series.length, series.at(-1), series.at(plain.length)],
            [plain.length, plain.at(-1), undefined],
          );
          const newest = opened.latest.of(user).get(quantity);
          assert.deepEqual([newest?.value, newest?.takenAt.getTime()], [plain.at(-1)?.value, plain.at(-1)?.takenMs]);
        }
        const [fromMs, toMs] = [START_MS + 1000, START_MS + 5000];
        const between = model.valuesOf(user, 'weight').filter((each) => each.takenMs >= fromMs && each.takenMs < toMs);
        assert.deepEqual(index.weights(user, fromMs, toMs), between);
        const last = model.valuesOf(user, 'weight').at(-1);
        const weighIn = last && { kilograms: last.value, takenAt: new Date(last.takenMs) };
        assert.deepEqual(opened.lastWeighIn(user), weighIn);
      }
    }),
    0.3,
  );
});
