import { strict as assert } from 'node:assert';
import { describe, test } from 'node:test';
import { createAnnouncer } from '../../../src/app/collect/announce.ts';
import { createCollect } from '../../../src/app/collect/collect.ts';
import { createPersonStates } from '../../../src/app/status/person-states.ts';
import { createWithAccess } from '../../../src/app/tokens/access-tokens.ts';
import type { MeasureAnswer } from '../../../src/domain/measure.ts';
import { weightOf } from '../../../src/domain/reading.ts';
import { createReview } from '../../../src/domain/review.ts';
import { NOTHING_KNOWN } from '../../../src/domain/status.ts';
import type { UserId } from '../../../src/domain/token.ts';
import { parseMeasurePage } from '../../../src/withings/wire.ts';
import { answerWith, readCase } from '../../support/cases.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createMemoryCursors, createMemoryJournal, createMemoryUnreadable } from '../../support/memory-journal.ts';
import { ANNA, accessToken, BO, weighIn } from '../../support/people.ts';
import { createRecordingLog } from '../../support/recording-log.ts';

const TAKEN = new Date(1_795_154_462_000);
const NOW = new Date(TAKEN.getTime() + 20 * 60_000);
const HOUR = 3_600_000;

/** Fetches the given answers in turn into a journal that reviews new groups. */
function setUp() {
  const clock = createFakeClock(NOW);
  const log = createRecordingLog();
  const people = { names: new Map([[ANNA, 'Anna']]), unit: 'kg' } as const;
  const journal = createMemoryJournal({ review: createReview({ jumpShare: 0.2 }), now: clock.now });
  const { cursors, ...cursorStore } = createMemoryCursors();
  const unreadable = createMemoryUnreadable();
  const store = { load: async () => NOTHING_KNOWN, save: async () => undefined };
  let answer: MeasureAnswer = answerWith([], NOW);
  const accessTokens = {
    get: async () => accessToken('access'),
    forget: () => undefined,
    accept: () => undefined,
    isFresh: () => false,
  };
  const others = {
    refuse: async () => undefined,
    hasOtherLogin: async () => false,
    scopeOf: () => undefined,
    adopt: async () => undefined,
  };
  const collect = createCollect({
    accessTokens,
    withAccess: createWithAccess({ ...accessTokens, ...others }),
    measures: { getMeas: async () => answer },
    heights: { learn: async () => undefined, isDue: () => false, ask: async () => undefined },
    cursors: cursorStore,
    personStates: createPersonStates({ people: store, log }),
    announce: createAnnouncer({ log, clock, people, maxAgeMs: () => HOUR }),
    ...{ journal, unreadable, people, clock, log },
  });
  const take = async (next: MeasureAnswer, userId: UserId = ANNA) => {
    answer = next;
    await collect.since(userId, { urgent: false });
  };
  return {
    log,
    journal,
    cursors,
    unreadable,
    take,
    /** Decodes groups from the wire format. */
    fetch: (groups: readonly unknown[], userId?: UserId) => take(answerWith(groups, NOW), userId),
    last: (userId = ANNA) => journal.lastWeighIn(userId)?.kilograms,
    told: () => log.entries.filter(({ level }) => level !== 'debug').map(({ event, text }) => `${event}: ${text}`),
  };
}

describe('a recorded input', () => {
  test('body-scan-four-groups.json is one complete weigh-in, announced once', async () => {
    const bench = setUp();
    await bench.fetch(readCase('body-scan-four-groups.json'));
    assert.equal(bench.told().length, 1);
    const [entry] = bench.log.entries.filter(({ event }) => event === 'reading');
    assert.match(entry?.text ?? '', /^Anna \(1234\): 81\.25 kg, measured .*, Body Scan$/);
    assert.deepEqual(entry?.['groups'], [9000000001, 9000000002, 9000000003, 9000000004]);
    const measures = Object.keys(Object(entry?.['measures']));
    for (const key of ['weight', 'fat_ratio', 'heart_rate', 'afib_ecg', 'vascular_age', 'nerve_response_score'])
      assert.ok(measures.includes(key), key);
    assert.equal(bench.journal.lines.length, 4, 'one line a group');
  });

  test('the late last group of body-scan-four-groups.json is an addition, not another weigh-in', async () => {
    const bench = setUp();
    const groups = readCase('body-scan-four-groups.json');
    await bench.fetch(groups.slice(0, 3));
    await bench.fetch(groups);
    assert.equal(bench.told().length, 1);
    assert.match(
      bench.log.texts('addition').join(),
      /^Anna \(1234\): addition pulse wave velocity 7\.2 m\/s, vascular age 41 years/,
    );
  });

  for (const [name, why] of [
    ['group-emptied.json', 'Withings emptied it'],
    ['group-becomes-ambiguous.json', "Withings changed it to ambiguous: may be another household member's"],
  ] as const) {
    test(`${name} is withdrawn, and the log reports it in one line`, async () => {
      const bench = setUp();
      const [first, second] = readCase(name);
      await bench.take({ ...answerWith([], NOW), groups: [weighIn(80, new Date(TAKEN.getTime() - 24 * HOUR))] });
      await bench.fetch([first]);
      assert.equal(bench.last(), 80.5);
      await bench.fetch([second]);
      assert.equal(bench.last(), 80);
      const lines = bench.log.texts('withdrawn');
      assert.equal(lines.length, 1);
      assert.match(lines[0] ?? '', /^Anna \(1234\): withdrawn 80\.50 kg, measured 2026-/);
      assert.ok(lines[0]?.endsWith(`(${why})`), lines[0]);
    });
  }

  test('group-moved.json is withdrawn from the first person, whose next change is correct', async () => {
    const bench = setUp();
    const { '1234': annas, '5678': bos } = readCase('group-moved.json');
    await bench.take({ ...answerWith([], NOW), groups: [weighIn(61.8, new Date(TAKEN.getTime() - 24 * HOUR))] });
    await bench.fetch(annas);
    await bench.fetch(bos, BO);
    assert.deepEqual([bench.last(), bench.last(BO)], [61.8, 62]);
    assert.match(
      bench.told()[2] ?? '',
      /^withdrawn: Anna \(1234\): withdrawn 62\.00 kg, .*assigned it to another person\)$/,
    );
    assert.match(bench.told()[3] ?? '', /^reading: User 5678: 62\.00 kg, /);
    await bench.take({ ...answerWith([], NOW), groups: [weighIn(61.9, NOW)] });
    assert.match(bench.told()[4] ?? '', /^reading: Anna \(1234\): 61\.90 kg \(\+0\.10\)/);
  });

  test('group-future.json is stored, marked and announced once, and is never the newest', async () => {
    const bench = setUp();
    const groups = readCase('group-future.json');
    await bench.fetch(groups);
    await bench.fetch(groups);
    assert.equal(bench.last(), undefined);
    assert.equal(bench.journal.heldOf(ANNA)[0]?.held, 'future');
    assert.equal(bench.told().length, 1);
    const [entry] = bench.log.entries.filter(({ event }) => event === 'held');
    assert.equal(entry?.['reason'], 'future');
    assert.match(entry?.text ?? '', /^Anna \(1234\): held 90\.00 kg, .*\(dated ahead of this computer's clock\)$/);
  });

  test('group-odd-values.json loses only its unreadable values, and an impossible weight is held', async () => {
    const bench = setUp();
    const groups = readCase('group-odd-values.json');
    await bench.fetch(groups);
    await bench.fetch(groups);
    assert.equal(bench.last(), 81.25);
    assert.deepEqual(bench.cursors.get(ANNA), NOW);
    assert.deepEqual(
      bench.journal.heldOf(ANNA).map(({ groupId, held, weight }) => [groupId, held, weight]),
      [
        [9000000053, 'impossible', 0],
        [9000000054, 'impossible', -1],
        [9000000055, 'impossible', 1e300],
      ],
    );
    assert.equal(bench.log.texts('held').length, 1, 'groups of one moment are one line');
    const unreadable = bench.log.texts('unreadable');
    assert.equal(unreadable.length, 1);
    assert.match(
      unreadable[0] ?? '',
      /^Anna \(1234\): cannot read .*measures\[0\]\.value is not a number.*unreadable\.jsonl/,
    );
    assert.equal(bench.unreadable.countOf(ANNA), 1);
    assert.equal(
      bench.journal.lines.some(({ groupId }) => groupId === 9000000051),
      false,
    );
  });

  test('group-numeric-device.json has its device and model stored as text', async () => {
    const bench = setUp();
    await bench.fetch(readCase('group-numeric-device.json'));
    const [line] = bench.journal.lines;
    assert.deepEqual([line?.deviceId, line?.model, line && weightOf(line)], ['4711', '6', 81.25]);
  });

  test('page-more-text.json ends a list where "more" is "0", and stays valid without an offset', async () => {
    const [whole, cutOff] = readCase('page-more-text.json').map(({ body }: { body: unknown }) =>
      parseMeasurePage(body),
    );
    assert.deepEqual([whole.groups.length, whole.nextOffset, whole.isCutOff], [1, undefined, false]);
    assert.deepEqual([cutOff.groups.length, cutOff.nextOffset, cutOff.isCutOff], [1, undefined, true]);
  });
});

describe('a held weigh-in', () => {
  const day = (days: number) => new Date(TAKEN.getTime() - days * 24 * HOUR);

  test('is logged with its jump and the release condition, and is announced as a weigh-in on release', async () => {
    const bench = setUp();
    const take = (...groups: readonly ReturnType<typeof weighIn>[]) => bench.take({ ...answerWith([], NOW), groups });
    await take(weighIn(81.2, day(2)));
    await take(weighIn(116.2, day(1)));
    assert.match(
      bench.told()[1] ?? '',
      /^held: Anna \(1234\): held 116\.20 kg \(\+35\.00\), .*\(43 % above the previous weight: a second similar weigh-in within a week releases both\)$/,
    );
    await take(weighIn(116.5, TAKEN));
    assert.deepEqual(
      bench
        .told()
        .slice(2)
        .map((text) => text.slice(0, text.indexOf(', measured'))),
      ['reading: Anna (1234): 116.20 kg (+35.00)', 'reading: Anna (1234): 116.50 kg (+0.30)'],
    );
  });

  test('is logged with the weight that no longer counts, if it is a new version', async () => {
    const bench = setUp();
    const group = weighIn(81, TAKEN);
    const measures = [{ type: 1, value: 0, position: undefined }];
    await bench.take({ ...answerWith([], NOW), groups: [group] });
    await bench.take({ ...answerWith([], NOW), groups: [{ ...group, modifiedAt: NOW, measures }] });
    assert.match(bench.told()[1] ?? '', /\(no scale can measure that; the earlier value 81\.00 kg no longer counts\)$/);
  });
});

test('a new version without the weight withdraws the weight, and the log reports it', async () => {
  const bench = setUp();
  const group = weighIn(81, TAKEN);
  const measures = [{ type: 6, value: 17.3, position: undefined }];
  await bench.take({ ...answerWith([], NOW), groups: [group] });
  await bench.take({ ...answerWith([], NOW), groups: [{ ...group, modifiedAt: NOW, measures }] });
  assert.match(bench.told()[1] ?? '', /^withdrawn: Anna \(1234\): withdrawn 81\.00 kg, .*removed the weight/);
  assert.equal(bench.last(), undefined);
});
