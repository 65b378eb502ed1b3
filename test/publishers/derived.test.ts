import { strict as assert } from 'node:assert';
import { mkdir, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import { listUsers } from '../../src/cli/users.ts';
import { createDerive, type Derived, derivedFields, derivedValues } from '../../src/domain/derived.ts';
import { POUND, type WeightUnit } from '../../src/domain/format.ts';
import type { Delivery, Publisher } from '../../src/domain/publisher.ts';
import { type Reading, toReading } from '../../src/domain/reading.ts';
import { createReview } from '../../src/domain/review.ts';
import { NOTHING_KNOWN } from '../../src/domain/status.ts';
import { renderPage } from '../../src/page/status-page.ts';
import { RANGES, type Range } from '../../src/page/view.ts';
import { toJson, toVariables } from '../../src/publishers/hook/payload.ts';
import { openJournal } from '../../src/storage/journal/journal.ts';
import { createPersonFiles } from '../../src/storage/person-files.ts';
import { retainedOn, startAedes } from '../support/broker.ts';
import { createMqttHome, startMqttBench } from '../support/mqtt-bench.ts';
import { createOutboxBench, until } from '../support/outbox-bench.ts';
import { textOf } from '../support/page-text.ts';
import { person, status, view } from '../support/page-views.ts';
import { ANNA, weighIn } from '../support/people.ts';
import { checkAsync } from '../support/property.ts';
import { createShell } from '../support/shell.ts';

const DAY_MS = 24 * 3_600_000;
/** The date is in the past for any clock of this machine. */
const FIRST_MS = new Date('2026-02-01T05:00:00Z').getTime();
const LAST = new Date(FIRST_MS + 41 * DAY_MS);

interface Household {
  readonly unit: WeightUnit;
  readonly metres: number | undefined;
  readonly goal: number | undefined;
}

/** A journal with a broker, a hook, the page and the commands behind it, as the daemon sets them up. */
async function setUp({ unit, metres, goal }: Household) {
  const bench = await createOutboxBench();
  const { clock, log, path, directory } = bench;
  const broker = await startAedes();
  const journal = await openJournal(path, log, { review: createReview({ jumpShare: 0.2 }), clock });
  const people = { names: new Map([[ANNA, 'Anna']]), unit };
  const goals = new Map(goal === undefined ? [] : [[ANNA, goal]]);
  const height = metres === undefined ? undefined : { metres, takenAt: new Date(0) };
  const derive = createDerive({ histories: journal.histories, people, goals, clock });
  const derived = () => derive(ANNA, { height });

  await mkdir(`${directory}/tokens`);
  await writeFile(`${directory}/tokens/1234`, 'a-token\n');
  await mkdir(`${directory}/people`);
  await createPersonFiles(`${directory}/people`).save(ANNA, { ...NOTHING_KNOWN, height });

  const mqtt = startMqttBench(broker.url, createMqttHome(ANNA), {
    latest: journal.latest,
    derived: async () => derivedValues(derived()),
    unit,
    clock,
  });
  let run: { readonly input: Fields; readonly variables: Readonly<Record<string, string>> } | undefined;
  const hook: Publisher = {
    name: 'hook',
    stopMs: 0,
    deliver: async (delivery: Delivery) => {
      const known = derived();
      run = { input: JSON.parse(toJson(delivery, people, known)), variables: toVariables(delivery, people, known) };
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  const outboxes = [bench.start(mqtt.publisher, journal), bench.start(hook, journal)];
  await until(() => bench.saves.length === 2);

  const users = async (json: boolean) => {
    const env = {
      TOKENS_DIR: `${directory}/tokens`,
      DATA_DIR: directory,
      WEIGHT_UNIT: unit,
      ...(goal !== undefined && { GOALS: `1234:${goal}` }),
    };
    const lines: string[] = [];
    await listUsers(createShell({ env, print: (line) => void lines.push(line) }), { json });
    return lines.join('\n');
  };

  return {
    journal,
    derived,
    delivered: () => until(() => outboxes.every(({ behindBytes }) => behindBytes === 0)),
    retained: () => retainedOn(broker.url),
    run: () => run,
    users,
    page: (range: Range) => {
      const people = [person(ANNA, 'Anna', { derived: derived() })];
      const { histories } = journal;
      const shown = view({ now: LAST, range, unit, status: status({ people }), histories });
      return textOf(renderPage(shown, (name) => name));
    },
    async [Symbol.asyncDispose]() {
      for (const outbox of outboxes) await outbox[Symbol.asyncDispose]();
      await mqtt[Symbol.asyncDispose]();
      await broker[Symbol.asyncDispose]();
      await bench[Symbol.asyncDispose]();
    },
  };
}

type Fields = Readonly<Record<string, unknown>>;
type Home = Awaited<ReturnType<typeof setUp>>;

const KEYS = ['bmi', 'weight_trend', 'weight_per_week', 'weight_goal', 'weight_to_goal'] as const;
const pick = (fields: Fields) => Object.fromEntries(KEYS.map((key) => [key, fields[key]]));

async function assertAgreement(home: Home, { unit }: Household, ranges: readonly Range[] = ['quarter']) {
  await home.delivered();
  const derived = home.derived();
  const expected = derivedFields(derived);

  const kept = await home.retained();
  const onTopics = KEYS.map((key) => {
    const payload = kept.get(`weighbridge/1234/${key}`);
    return [key, payload === undefined ? null : JSON.parse(payload).value];
  });
  assert.deepEqual(Object.fromEntries(onTopics), expected, 'MQTT');

  const run = home.run();
  if (run !== undefined) {
    assert.deepEqual(pick(run.input), expected, 'the hook');
    for (const key of KEYS) {
      const variable: string | undefined = run.variables[`WEIGHBRIDGE_${key.toUpperCase()}`];
      assert.equal(variable, expected[key] === null ? undefined : String(expected[key]));
    }
  }
  assert.deepEqual(pick(JSON.parse(await home.users(true))), expected, 'users --json');
  assertTexts(await home.users(false), derived, unit, false);
  for (const range of ranges) assertTexts(home.page(range), derived, unit, true);
}

/** Calculates the texts from the published numbers, as a reader of MQTT would. */
function assertTexts(text: string, { bmi, trend, perWeek, goal, toGoal }: Derived, unit: WeightUnit, isPage: boolean) {
  const tell = (kilograms: number, digits: number) =>
    unit === 'kg' ? kilograms.toFixed(digits) : (kilograms / POUND).toFixed(1);
  const sign = (kilograms: number) => {
    const told = tell(kilograms, 2);
    return `${told.startsWith('-') && Number(told) !== 0 ? '−' : '+'}${told.replace('-', '')} ${unit === 'kg' ? 'kg' : 'lb'}`;
  };
  const weigh = (kilograms: number, digits: number) => {
    if (unit !== 'st') return `${tell(kilograms, digits)} ${unit}`;
    const pounds = Number(tell(kilograms, digits));
    return `${Math.floor(pounds / 14)} st ${(pounds % 14).toFixed(1)} lb`;
  };
  // A range without a weigh-in has no pictures.
  const isShown = !text.includes('No weigh-ins in this period') && !text.includes('No weigh-ins yet');
  if (bmi === undefined) assert.ok(!text.includes('BMI'));
  else if (isShown)
    assert.match(text, isPage ? new RegExp(`BMI ${bmi.toFixed(1)} `) : new RegExp(` ${bmi.toFixed(1)} `));
  if (trend === undefined || perWeek === undefined) assert.doesNotMatch(text, /[Tt]rend [0-9]|per week/);
  else if (isShown) {
    const [value, rate] = [weigh(trend, 1), `${sign(perWeek)} per week`];
    assert.ok(text.includes(isPage ? `Trend ${value} ${rate}` : `${value}, ${rate}`), `${value} ${rate} in ${text}`);
  }
  if (goal === undefined || toGoal === undefined) assert.doesNotMatch(text, / goal|GOAL/);
  else {
    const [what, left] = [weigh(goal, 2), sign(toGoal)];
    const onPage = toGoal === 0 ? `the goal of ${what} is reached` : `${left} to the goal of ${what}`;
    const inTable = toGoal === 0 ? `${what}, reached` : `${what}, ${left} to go`;
    assert.ok(text.includes(isPage ? onPage : inTable), `${what} ${left} in ${text}`);
  }
}

const household = fc.record({
  unit: fc.constantFrom<WeightUnit>('kg', 'lb', 'st'),
  metres: fc.option(
    fc.integer({ min: 150, max: 200 }).map((each) => each / 100),
    { nil: undefined, freq: 4 },
  ),
  goal: fc.option(
    fc.integer({ min: 600, max: 900 }).map((each) => each / 10),
    { nil: undefined, freq: 4 },
  ),
});
const step = fc.record({
  kind: fc.constantFrom('weight', 'weight', 'weight', 'weight', 'parcel', 'change', 'take back'),
  day: fc.nat(40),
  minute: fc.nat(3),
  kilograms: fc.integer({ min: 75_000, max: 85_000 }).map((grams) => grams / 1000),
  of: fc.nat(30),
});

type Step = typeof step extends fc.Arbitrary<infer Made> ? Made : never;

test('the derived values are equal on the page, on MQTT, in a hook and in users, after any change', async () => {
  const seen = { trend: 0, noTrend: 0 };
  const property = fc.asyncProperty(
    household,
    fc.array(fc.array(step, { minLength: 1, maxLength: 8 }), { minLength: 2, maxLength: 4 }),
    async (members, rounds) => {
      await using home = await setUp(members);
      const known: Reading[] = [];
      for (const [round, steps] of rounds.entries()) {
        const earlier = ({ of }: Step) => known[of % Math.max(1, known.length)]?.groupId;
        const taken = steps.filter(({ kind }) => kind === 'take back').map(earlier);
        const come = steps.filter(({ kind }) => kind !== 'take back');
        const readings = come.map((each): Reading => {
          const { kind, day, minute, kilograms } = each;
          const takenAt = new Date(FIRST_MS + day * DAY_MS + minute * 60_000);
          const modifiedAt = new Date(LAST.getTime() + round * 1000);
          const reading = toReading(ANNA, weighIn(kind === 'parcel' ? 140 : kilograms, takenAt, { modifiedAt }));
          return { ...reading, groupId: (kind === 'change' ? earlier(each) : undefined) ?? reading.groupId };
        });
        const groupIds = taken.filter((each) => each !== undefined);
        if (groupIds.length > 0) await home.journal.withdraw(ANNA, groupIds, 'deleted');
        await home.journal.append(readings);
        known.push(...readings);
        if (round === 1) await assertAgreement(home, members);
      }
      await assertAgreement(home, members, RANGES);
      seen[home.derived().trend === undefined ? 'noTrend' : 'trend'] += 1;
      // No value may remain after the withdrawal.
      await home.journal.withdraw(ANNA, [...new Set(known.map(({ groupId }) => groupId))], 'deleted');
      await assertAgreement(home, members);
      assert.ok(Object.values(derivedFields(home.derived())).every((each) => each === null));
    },
  );
  await checkAsync(property, 0.04);
  assert.ok(seen.trend > 0 && seen.noTrend > 0, JSON.stringify(seen));
});

test('a trend ends at a pause, and the last line counts for two weights of one moment', async () => {
  const members = { unit: 'kg', metres: 1.8, goal: 78 } as const;
  await using home = await setUp(members);
  const at = (day: number, kilograms: number) =>
    toReading(ANNA, weighIn(kilograms, new Date(FIRST_MS + day * DAY_MS), { modifiedAt: LAST }));
  await home.journal.append([0, 1, 2, 3, 4, 5, 6, 7].map((day) => at(day, 80 + day / 10)));
  await assertAgreement(home, members);
  assert.notEqual(home.derived().trend, undefined);
  const [one, other] = [at(35, 79), at(35, 79.5)];
  await home.journal.append([other]);
  await assertAgreement(home, members);
  assert.equal(home.derived().trend, undefined);
  await home.journal.append([one]);
  await assertAgreement(home, members);
  assert.equal(home.derived().toGoal, -1);
});
