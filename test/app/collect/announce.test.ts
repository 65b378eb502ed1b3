import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { createAnnouncer } from '../../../src/app/collect/announce.ts';
import type { People } from '../../../src/domain/household.ts';
import type { MeasureGroup } from '../../../src/domain/measure.ts';
import { toReading } from '../../../src/domain/reading.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createMemoryJournal } from '../../support/memory-journal.ts';
import { ANNA, BO, weighIn } from '../../support/people.ts';
import { createRecordingLog } from '../../support/recording-log.ts';

const MONDAY = new Date('2026-11-16T06:01:02Z');
const TUESDAY = new Date('2026-11-17T06:01:02Z');
const PEOPLE: People = { names: new Map([[ANNA, 'Anna']]), unit: 'kg' };

/** Stores groups, one fetch after another, and returns the log lines at info and above. */
async function told(
  fetches: readonly (readonly MeasureGroup[])[],
  { people = PEOPLE, who = ANNA, now = TUESDAY } = {},
) {
  const log = createRecordingLog();
  const journal = createMemoryJournal();
  const announce = createAnnouncer({ log, clock: createFakeClock(now), people, maxAgeMs: () => 3_600_000 });
  for (const groups of fetches) announce(await journal.append(groups.map((group) => toReading(who, group))));
  return log.entries.filter(({ level }) => level !== 'debug');
}

const texts = async (...args: Parameters<typeof told>) => (await told(...args)).map(({ text }) => text);
const pulse = { measures: [{ type: 11, value: 64, position: undefined }] };

test('the log line of a weigh-in has the change, the person, the local time and the device', async () => {
  assert.deepEqual(await texts([[weighIn(80.85, MONDAY)], [weighIn(81.25, TUESDAY)]]), [
    'Anna (1234): 80.85 kg, measured 2026-11-16T07:01:02+01:00, Body+',
    'Anna (1234): 81.25 kg (+0.40), measured 2026-11-17T07:01:02+01:00, Body+',
  ]);
});

test('the log line names a person without a name by number', async () => {
  assert.deepEqual(await texts([[weighIn(81.25, TUESDAY)]], { who: BO }), [
    'User 5678: 81.25 kg, measured 2026-11-17T07:01:02+01:00, Body+',
  ]);
});

test('the log line has pounds or stones, and its fields have kilograms', async () => {
  const fetches = [[weighIn(80.85, MONDAY)], [weighIn(81.25, TUESDAY)]];
  const inPounds = await told(fetches, { people: { ...PEOPLE, unit: 'lb' } });
  assert.match(inPounds[1]?.text ?? '', /^Anna \(1234\): 179\.1 lb \(\+0\.9\), /);
  assert.equal(inPounds[1]?.['weight'], 81.25);
  assert.match(
    (await texts(fetches, { people: { ...PEOPLE, unit: 'st' } }))[1] ?? '',
    /^Anna \(1234\): 12 st 11\.1 lb \(\+0\.9 lb\), /,
  );
});

test('several groups of one weigh-in are one line, in any order and from any fetch', async () => {
  const weight = weighIn(81.25, TUESDAY);
  const heart = weighIn(0, TUESDAY, pulse);
  assert.equal((await texts([[weight, heart]])).length, 1);
  assert.equal((await texts([[heart, weight]])).length, 1);
  assert.equal((await texts([[weight], [heart]])).length, 1);
});

test('a measurement without a weight is announced with the values it has', async () => {
  assert.deepEqual(await texts([[weighIn(0, TUESDAY, { ...pulse, model: 'BPM Connect' })]]), [
    'Anna (1234): heart rate 64 bpm, measured 2026-11-17T07:01:02+01:00, BPM Connect',
  ]);
});

test('two weigh-ins within a minute are two lines', async () => {
  const again = new Date(TUESDAY.getTime() + 56_000);
  assert.equal((await texts([[weighIn(81.25, TUESDAY), weighIn(81.25, again)]])).length, 2);
});

test('an ambiguous group is not announced as a reading and does not affect the next change', async () => {
  const held = await told([[weighIn(80, MONDAY)], [weighIn(30, TUESDAY, { attribution: 1 })]]);
  assert.deepEqual(
    held.map(({ event }) => event),
    ['reading', 'held'],
  );
  const later = new Date(TUESDAY.getTime() + 60_000);
  const after = await texts([
    [weighIn(80, MONDAY)],
    [weighIn(30, TUESDAY, { attribution: 1 })],
    [weighIn(80.5, later)],
  ]);
  assert.match(after[2] ?? '', /\(\+0\.50\)/);
});

test('an ambiguous group is announced after Withings assigns it to the person', async () => {
  const group = weighIn(81.25, TUESDAY, { attribution: 1 });
  const settled = { ...group, attribution: 7, modifiedAt: new Date(TUESDAY.getTime() + 60_000) };
  assert.deepEqual(
    (await told([[group], [settled]])).map(({ event }) => event),
    ['held', 'reading'],
  );
});

test('a changed group is announced again only if the weight changed', async () => {
  const group = weighIn(81.25, TUESDAY);
  const modifiedAt = new Date(TUESDAY.getTime() + 60_000);
  assert.equal((await texts([[group], [{ ...group, modifiedAt }]])).length, 1);
  const measures = [{ type: 1, value: 80.9, position: undefined }];
  const corrected = await texts([[group], [{ ...group, modifiedAt, measures }]]);
  assert.match(corrected[1] ?? '', /^Anna \(1234\): corrected to 80\.90 kg \(was 81\.25 kg\)/);
});

test('a manual entry is marked as manual', async () => {
  const [text] = await texts([[weighIn(81.25, TUESDAY, { attribution: 2, model: undefined, deviceId: undefined })]]);
  assert.match(text ?? '', / entered by hand$/);
});

test('a weigh-in that arrives late is marked as late', async () => {
  const [entry] = await told([[weighIn(81.25, MONDAY)]]);
  assert.equal(entry?.['late'], true);
  const [fresh] = await told([[weighIn(81.25, TUESDAY)]]);
  assert.equal(fresh?.['late'], undefined);
});

test('an undocumented value is stored unchanged and reported once', async () => {
  const strange = { attribution: 42, model: 'model_99', measures: [{ type: 999, value: 1, position: undefined }] };
  const entries = await told([[weighIn(0, MONDAY, strange)], [weighIn(0, TUESDAY, strange)]]);
  const unknown = entries.filter(({ event }) => event === 'unknown').map(({ text }) => text);
  assert.equal(unknown.length, 1);
  for (const what of [/type_999/, /attribution 42/, /model_99/]) assert.match(unknown.join(' '), what);
  assert.match(entries.find(({ event }) => event === 'reading')?.text ?? '', /type_999 1,/);
});

test('a hundred thousand unknown types in a group are one line, and later unknown types are not reported', async () => {
  const types = (from: number, count: number) =>
    Array.from({ length: count }, (_, index) => ({ type: from + index, value: 1, position: undefined }));
  const many = weighIn(0, MONDAY, { measures: types(1_000, 100_000) });
  const more = weighIn(0, TUESDAY, { measures: types(200_000, 3) });
  const entries = await told([[many], [more]]);
  const unknown = entries.filter(({ event }) => event === 'unknown').map(({ text }) => text);
  assert.equal(unknown.length, 1);
  assert.match(unknown[0] ?? '', /measure type_1000, .*type_1004 and 99995 more\. The journal/);
  assert.ok(entries.every(({ text }) => text.length < 3_000));
});
