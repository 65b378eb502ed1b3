import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decimal, type MeasureGroup, measureKey } from '../../src/domain/measure.ts';
import {
  parseEnvelope,
  parseMeasurePage,
  parseTokenSet,
  parseWaitSeconds,
  WireError,
} from '../../src/withings/wire.ts';
import { GROUP as WEIGH_IN } from '../support/fixture.ts';
import { altered, anything, check, jsonText } from '../support/property.ts';

const LAST_SECOND = 4_102_444_800;
const TOKEN = /^[A-Za-z0-9._~+/=-]{1,1024}$/;
const TOKENS = { userid: 1234, access_token: 'acc', refresh_token: 'xxyyzz', expires_in: 10_800 };
const MEASURE = { value: 72180, type: 1, unit: -3, position: 7 };
const GROUP = { ...WEIGH_IN, measures: [MEASURE] };
const PAGE = { updatetime: 1793780000, timezone: 'Europe/Vienna', more: 0, offset: 0, measuregrps: [GROUP] };

const someMeasures = fc.array(altered(MEASURE), { maxLength: 2 }).map((measures) => ({ ...GROUP, measures }));
const someGroup = fc.oneof(altered(GROUP), someMeasures, anything);

/** Returns the result, or undefined for the documented rejection. */
function accepted<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    assert.ok(error instanceof WireError, String(error));
    assert.match(error.message, /^[\x20-\x7e]{1,100}$/, 'it names a field and repeats nothing');
    return undefined;
  }
}

function assertTime(date: Date): void {
  assert.ok(date.getTime() > 0 && date.getTime() <= LAST_SECOND * 1000, String(date.getTime()));
}

function assertGroup(group: MeasureGroup): void {
  assertTime(group.takenAt);
  assertTime(group.modifiedAt);
  assert.ok(Number.isSafeInteger(group.groupId) && Number.isSafeInteger(group.attribution));
  for (const foreign of [group.deviceId, group.model, group.timeZone]) {
    assert.match(foreign ?? '', /^[^\p{Cc}\u2028\u2029]{0,200}$/u);
  }
  for (const { type, value, position } of group.measures) {
    assert.ok(Number.isSafeInteger(type) && Number.isFinite(value) && Number.isSafeInteger(position ?? 0));
  }
}

describe('for any answer of Withings', () => {
  test('an envelope has a whole number for a status and one line for an error, or is rejected', () => {
    const envelopes = altered({ status: 0, error: 'no', body: {} }).map((fields) => printed(fields));
    check(
      fc.property(fc.oneof(jsonText, envelopes), (answer) => {
        const envelope = accepted(() => parseEnvelope(answer));
        if (envelope === undefined) return;
        assert.ok(Number.isSafeInteger(envelope.status));
        assert.doesNotMatch(envelope.error, /[\p{Cc}\u2028\u2029]/u);
      }),
    );
  });

  test('a pair of tokens is fit for a header and a file, or is rejected', () => {
    check(
      fc.property(fc.oneof(altered(TOKENS), anything), (body) => {
        const tokens = accepted(() => parseTokenSet(body));
        if (tokens === undefined) return;
        assert.match(tokens.accessToken, TOKEN);
        assert.match(tokens.refreshToken, TOKEN);
        assert.match(tokens.userId ?? '0', /^[0-9]{1,20}$/);
        assert.ok(tokens.expiresInMs > 0);
      }),
    );
  });

  test('a throttle time is positive or missing', () => {
    const bodies = fc.oneof(altered({ wait_seconds: 30 }), anything);
    check(fc.property(bodies, (body) => (parseWaitSeconds(body) ?? 1) > 0));
  });

  test('a page contains only times, whole numbers and short lines, or is rejected', () => {
    const groups = fc.array(someGroup, { maxLength: 4 }).map((measuregrps) => ({ ...PAGE, measuregrps }));
    check(
      fc.property(fc.oneof(altered(PAGE), groups, anything), (body) => {
        const page = accepted(() => parseMeasurePage(body));
        if (page === undefined) return;
        page.groups.forEach(assertGroup);
        if (page.updatedAt !== undefined) assertTime(page.updatedAt);
        assert.ok(Number.isSafeInteger(page.nextOffset ?? 0));
      }),
    );
  });

  test('every readable group is kept in its position, and each unreadable one is named', () => {
    check(
      fc.property(fc.array(someGroup, { maxLength: 8 }), (measuregrps) => {
        const alone = measuregrps.map((group) => parseMeasurePage({ ...PAGE, measuregrps: [group] }));
        const page = parseMeasurePage({ ...PAGE, measuregrps });
        assert.deepEqual(
          page.groups,
          alone.flatMap(({ groups }) => groups),
        );
        const named = alone.flatMap(({ unreadable }, at) =>
          unreadable.map(({ raw, what }) => ({ raw, what: what.replace('measuregrps[0]', `measuregrps[${at}]`) })),
        );
        assert.deepEqual(page.unreadable, named);
      }),
    );
  });
});

describe('a value and its power of ten', () => {
  test('become the decimal that a person would write, to the last digit', () => {
    check(
      fc.property(fc.maxSafeInteger(), fc.integer({ min: -30, max: 30 }), (value, exponent) => {
        const [group] = parseMeasurePage({
          measuregrps: [{ ...GROUP, measures: [{ type: 1, value, unit: exponent }] }],
        }).groups;
        assert.equal(group?.measures[0]?.value, Number(written(BigInt(value), exponent)));
      }),
    );
  });

  test('become a number for any size', () => {
    const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
    check(
      fc.property(
        finite,
        fc.integer({ min: -3, max: 3 }),
        (value, exponent) => !Number.isNaN(decimal(value, exponent)),
      ),
    );
  });
});

test('every measure has a unique name of letters and digits, and the whole body is one position', () => {
  const whole = [undefined, 6, 7];
  const measure = fc.record({
    type: fc.oneof(fc.nat(260), fc.maxSafeInteger()),
    position: fc.oneof(fc.constantFrom(...whole), fc.nat(30), fc.maxSafeInteger()),
  });
  const place = (position: number | undefined) => (whole.includes(position) ? 'whole' : position);
  check(
    fc.property(measure, measure, (one, other) => {
      assert.match(measureKey(one), /^[a-z0-9_-]+$/);
      const same = one.type === other.type && place(one.position) === place(other.position);
      assert.equal(measureKey(one) === measureKey(other), same);
    }),
  );
});

/** Writes `value` × 10^`exponent` by moving the point within the digits. */
function written(value: bigint, exponent: number): string {
  if (exponent >= 0) return String(value * 10n ** BigInt(exponent));
  const digits = String(value < 0n ? -value : value).padStart(1 - exponent, '0');
  return `${value < 0n ? '-' : ''}${digits.slice(0, exponent)}.${digits.slice(exponent)}`;
}

/** Formats a value as JSON, or as an empty text if that is impossible. */
function printed(value: unknown): string {
  try {
    return JSON.stringify(value) ?? '';
  } catch {
    return '';
  }
}
