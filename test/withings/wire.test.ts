import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { toReading } from '../../src/domain/reading.ts';
import type { UserId } from '../../src/domain/token.ts';
import {
  parseEnvelope,
  parseMeasurePage,
  parseScales,
  parseTokenSet,
  parseWaitSeconds,
  WireError,
} from '../../src/withings/wire.ts';
import { fixture, fixtures, GROUP } from '../support/fixture.ts';

const userId = '27182818' as UserId;
const TAKEN = new Date('2026-11-03T05:58:20Z');

function readings(answer: string) {
  const { status, body } = parseEnvelope(answer);
  assert.equal(status, 0);
  const page = parseMeasurePage(body);
  assert.deepEqual(page.unreadable, []);
  return page.groups.map((group) => toReading(userId, group));
}

/** An empty page with these fields, decoded. */
function page(fields: Readonly<Record<string, unknown>>) {
  return parseMeasurePage({ updatetime: 1793780000, timezone: 'Europe/Vienna', measuregrps: [], ...fields });
}

/** The only group of a page, with these changes, decoded. */
function group(changes: Readonly<Record<string, unknown>>) {
  const { groups, unreadable } = page({ measuregrps: [{ ...GROUP, ...changes }] });
  assert.deepEqual(unreadable, []);
  return groups[0] ?? assert.fail('the group was dropped');
}

describe('getdevice', () => {
  const SCALE = {
    type: 'Scale',
    model: 'Body+',
    model_id: 5,
    battery: 'medium',
    deviceid: '892359876fd8805ac45bab078c4828692f0276b1',
    hash_deviceid: '892359876fd8805ac45bab078c4828692f0276b1',
    timezone: 'Europe/Vienna',
    first_session_date: 1793780000,
    last_session_date: 1793780000,
  };
  const scales = (...devices: readonly unknown[]) => parseScales({ devices });

  test('returns each scale with its model, battery and last contact', () => {
    const lastContact = new Date(1793780000 * 1000);
    const id = SCALE.deviceid;
    assert.deepEqual(scales(SCALE), [{ id, model: 'Body+', battery: 'medium', lastContact }]);
  });

  test('omits unknown fields of a scale, and a scale without an id for a topic', () => {
    const known = { id: 'x', model: 'model_13', battery: undefined, lastContact: undefined };
    const strange = { deviceid: 'x', battery: 'empty', last_session_date: null, model: null, model_id: 13 };
    assert.deepEqual(scales({ ...SCALE, ...strange }), [known]);
    assert.equal(scales({ ...SCALE, deviceid: null })[0]?.id, SCALE.hash_deviceid);
    for (const deviceid of ['a/b', '#', '+', '', 7, 'x'.repeat(129)])
      assert.deepEqual(scales({ ...SCALE, deviceid }), []);
  });

  test('returns only scales', () => {
    assert.deepEqual(scales({ ...SCALE, type: 'Sleep Monitor' }, { ...SCALE, type: undefined }, null, 'x'), []);
    complains(() => parseScales({}), /body\.devices is not a list/);
  });
});

function complains(parse: () => unknown, about: RegExp): void {
  assert.throws(parse, (error) => {
    assert.ok(error instanceof WireError);
    assert.match(error.message, about);
    return true;
  });
}

describe('a Body Scan weigh-in and a manual entry', () => {
  const [manual, vessels, pulse, nerves, weight] = readings(fixture('body-scan.json'));

  test('has the weight and the composition of the whole body and of each limb', () => {
    assert.deepEqual(weight, {
      userId,
      groupId: 8122000301,
      takenAt: TAKEN,
      modifiedAt: new Date('2026-11-03T05:59:29Z'),
      attribution: 0,
      ambiguous: false,
      deviceId: 'DEV-SCAN',
      model: 'Body Scan',
      timeZone: 'Europe/Lisbon',
      measures: {
        weight: 72.18,
        fat_free_mass: 59.03,
        fat_mass: 13.15,
        muscle_mass: 56.08,
        bone_mass: 2.95,
        extracellular_water: 16.41,
        visceral_fat: 1.9,
        segment_fat_free_mass_12: 30.47,
        segment_fat_free_mass_10: 9.87,
        segment_muscle_mass_2: 3.12,
        basal_metabolic_rate: 1698,
        fat_ratio: 18.218,
      },
    });
  });

  test('has a pulse that was changed hours later', () => {
    assert.deepEqual(pulse?.measures, { heart_rate: 58, afib_ecg: 0 });
    assert.deepEqual(pulse?.takenAt, TAKEN);
    assert.deepEqual(pulse?.modifiedAt, new Date('2026-11-03T10:42:43Z'));
  });

  test('has vessels and nerves at the same moment', () => {
    assert.deepEqual(vessels?.measures, { pulse_wave_velocity: 6.82, vascular_age: 38.5 });
    assert.deepEqual(nerves?.measures, {
      nerve_response_score: 58.125,
      electrodermal_left_foot: 57.8,
      electrodermal_right_foot: 58.45,
    });
    assert.deepEqual([vessels?.takenAt, nerves?.takenAt], [TAKEN, TAKEN]);
    assert.equal(vessels?.attribution, 8);
  });

  test('has a weight entered by hand, with no device', () => {
    const { attribution, measures, deviceId, model, timeZone } = manual ?? assert.fail();
    assert.deepEqual(
      { attribution, measures, deviceId, model, timeZone },
      { attribution: 2, measures: { weight: 72.35 }, deviceId: undefined, model: undefined, timeZone: 'Europe/Vienna' },
    );
  });
});

test('an answer of 2020, without modification, model and zone, is read', () => {
  const [reading] = readings(fixture('shape-of-2020.json'));
  assert.deepEqual(reading, {
    userId,
    groupId: 1830045120,
    takenAt: new Date('2020-07-08T22:00:00Z'),
    modifiedAt: new Date('2020-07-08T22:01:06Z'),
    attribution: 0,
    ambiguous: false,
    deviceId: 'DEV-OLD',
    model: undefined,
    timeZone: 'Europe/Berlin',
    measures: { weight: 80.325, fat_mass: 17.25, fat_ratio: 21.475 },
  });
});

describe('paging', () => {
  const table: readonly (readonly [name: string, nextOffset: number | undefined, groups: number])[] = [
    ['moreAsNumber', 300, 1],
    ['moreAsBoolean', 600, 1],
    ['lastWithKeys', undefined, 0],
    ['lastWithFalse', undefined, 0],
    ['empty', undefined, 0],
  ];
  for (const [name, nextOffset, groups] of table) {
    test(`${name} continues at ${nextOffset ?? 'nothing'}`, () => {
      const answer = parseMeasurePage(parseEnvelope(fixtures('pages.json')[name] ?? '').body);
      assert.equal(answer.nextOffset, nextOffset);
      assert.equal(answer.groups.length, groups);
      assert.deepEqual(answer.unreadable, []);
    });
  }

  test('contains the time of the answer, as a number or as a string', () => {
    assert.deepEqual(page({ updatetime: 1793780000 }).updatedAt, new Date(1793780000_000));
    assert.deepEqual(page({ updatetime: '1793780000' }).updatedAt, new Date(1793780000_000));
    assert.equal(page({ updatetime: undefined }).updatedAt, undefined);
  });

  test('without the next offset is kept, and never counts as complete', () => {
    for (const fields of [{ more: 1 }, { more: true, offset: null }, { more: true, offset: 'next' }]) {
      const { groups, nextOffset, isCutOff } = page({ ...fields, measuregrps: [GROUP] });
      assert.deepEqual([groups.length, nextOffset, isCutOff], [1, undefined, true]);
    }
    assert.equal(page({ more: 0 }).isCutOff, false);
  });

  test('ends if "more" is a text for no', () => {
    for (const more of ['0', 'false', '']) assert.equal(page({ more, offset: 300 }).nextOffset, undefined);
    assert.equal(page({ more: '1', offset: '300' }).nextOffset, 300);
  });
});

describe('a token answer', () => {
  const answers = fixtures('tokens.json');
  const body = { access_token: 'A', refresh_token: 'R', expires_in: 10800, userid: 1 };

  for (const [name, accessToken, refreshToken] of [
    ['codeExchange', 'ACCESS-ONE', 'REFRESH-ONE'],
    ['refresh', 'ACCESS-TWO', 'REFRESH-TWO'],
  ] as const) {
    test(`of a ${name} has both tokens and the user, whatever the type of the id`, () => {
      const { status, body: tokens } = parseEnvelope(answers[name] ?? '');
      assert.equal(status, 0);
      const scope = 'user.info,user.metrics';
      const expected = { userId, accessToken, refreshToken, expiresInMs: 10_800_000, scope };
      assert.deepEqual(parseTokenSet(tokens), expected);
    });
  }

  test('is used even without its user and lifetime', () => {
    const { userId: whose, expiresInMs } = parseTokenSet({ access_token: 'A', refresh_token: 'R' });
    assert.equal(whose, undefined);
    assert.equal(expiresInMs, 10_800_000);
    for (const expires_in of [0, -1, null, 'soon']) {
      assert.equal(parseTokenSet({ ...body, expires_in }).expiresInMs, 10_800_000, String(expires_in));
    }
  });

  test('is valid as long as Withings reports', () => {
    assert.equal(parseTokenSet({ ...body, expires_in: 600 }).expiresInMs, 600_000);
  });

  for (const field of ['access_token', 'refresh_token']) {
    for (const value of [undefined, null, '', 17, 'two words', 'line\nbreak', '"quoted"', 'x'.repeat(5000)]) {
      test(`with ${JSON.stringify(value)?.slice(0, 20)} for ${field} is rejected, and the field is named`, () => {
        complains(() => parseTokenSet({ ...body, [field]: value }), new RegExp(`body\\.${field}`));
      });
    }
  }

  test('is never repeated in an error', () => {
    const broken = { access_token: 'SECRET-ACCESS', refresh_token: 'SECRET REFRESH' };
    assert.throws(
      () => parseTokenSet(broken),
      (error) => error instanceof Error && !/SECRET/.test(`${error.message} ${error.stack}`),
    );
  });
});

describe('the envelope', () => {
  const answers = fixtures('errors.json');
  const table: readonly (readonly [name: string, status: number, error: string, waitSeconds: number | undefined])[] = [
    ['invalidToken', 401, 'XRequestID: Not provided invalid_token: The access token provided is invalid', undefined],
    ['invalidCode', 503, 'Invalid Params: invalid code', undefined],
    ['invalidRefreshToken', 503, 'Invalid Params: invalid refresh_token', undefined],
    ['invalidClient', 503, 'Invalid Params: invalid client id/secret', undefined],
    ['tooManyRequests', 601, 'Too Many Requests', 68],
    ['tooManyRequestsWithoutWait', 601, 'Too Many Requests', undefined],
    ['sameArguments', 601, 'Same arguments in less than 10 seconds', undefined],
    ['callbackUnreachable', 293, 'callback url not reachable', undefined],
  ];
  for (const [name, status, error, waitSeconds] of table) {
    test(`of ${name} contains ${status}, its reason, and the time to wait if there is one`, () => {
      const envelope = parseEnvelope(answers[name] ?? '');
      assert.deepEqual([envelope.status, envelope.error], [status, error]);
      assert.equal(parseWaitSeconds(envelope.body), waitSeconds);
    });
  }

  test('contains a time to wait only as a positive number', () => {
    for (const wait_seconds of [0, -5, null, 'a while', Number.NaN, {}]) {
      assert.equal(parseWaitSeconds({ wait_seconds }), undefined, String(wait_seconds));
    }
    for (const body of [undefined, null, [], 'wait_seconds']) assert.equal(parseWaitSeconds(body), undefined);
  });

  const broken: readonly (readonly [text: string, named: RegExp])[] = [
    ['', /not JSON/],
    ['<html>Bad gateway</html>', /not JSON/],
    ['{"status":0,"body":', /not JSON/],
    ['null', /the answer/],
    ['[]', /the answer/],
    ['0', /the answer/],
    ['{}', /status/],
    ['{"status":null}', /status/],
    ['{"status":"fine"}', /status/],
    ['{"status":false}', /status/],
    ['{"status":0.5}', /status/],
    ['{"errors":[{"message":"invalid_params: see the guide"}]}', /status/],
  ];
  for (const [text, named] of broken) {
    test(`is not ${JSON.stringify(text)}`, () => complains(() => parseEnvelope(text), named));
  }

  test('keeps the error on one line', () => {
    const { error } = parseEnvelope(JSON.stringify({ status: 1, error: 'a\nb\u001b[31m\u2028c' }));
    assert.doesNotMatch(error, /[\p{Cc}\p{Zl}\p{Zp}]/u);
    assert.equal(parseEnvelope('{"status":1,"error":{"text":"no"}}').error, '');
  });
});

describe('an invalid field', () => {
  const body: readonly (readonly [fields: unknown, named: RegExp])[] = [
    [undefined, /^body /],
    [null, /^body /],
    [[], /^body /],
    [{}, /body\.measuregrps/],
    [{ measuregrps: null }, /body\.measuregrps/],
    [{ measuregrps: {} }, /body\.measuregrps/],
    [{ measuregrps: [], updatetime: 'soon' }, /body\.updatetime/],
    [{ measuregrps: [], updatetime: -1 }, /body\.updatetime/],
  ];
  for (const [fields, named] of body) {
    test(`fails the page, as ${JSON.stringify(fields)} does`, () => complains(() => parseMeasurePage(fields), named));
  }

  const inGroup: readonly (readonly [changes: unknown, named: RegExp])[] = [
    [null, /measuregrps\[1\] /],
    ['a group', /measuregrps\[1\] /],
    [{ grpid: undefined }, /measuregrps\[1\]\.grpid/],
    [{ grpid: 'first' }, /measuregrps\[1\]\.grpid/],
    [{ grpid: 1.5 }, /measuregrps\[1\]\.grpid/],
    [{ grpid: 2 ** 60 }, /measuregrps\[1\]\.grpid/],
    [{ attrib: 'device' }, /measuregrps\[1\]\.attrib/],
    [{ date: undefined }, /measuregrps\[1\]\.date/],
    [{ date: null }, /measuregrps\[1\]\.date/],
    [{ date: 0 }, /measuregrps\[1\]\.date/],
    [{ date: '2026-11-03' }, /measuregrps\[1\]\.date/],
    [{ date: 1793685500_000 }, /measuregrps\[1\]\.date/],
    [{ modified: 'never' }, /measuregrps\[1\]\.modified/],
    [{ modified: undefined, created: 'never' }, /measuregrps\[1\]\.created/],
    [{ category: 'real' }, /measuregrps\[1\]\.category/],
    [{ measures: undefined }, /measuregrps\[1\]\.measures/],
    [{ measures: { value: 1 } }, /measuregrps\[1\]\.measures/],
    [{ measures: [null] }, /measuregrps\[1\]\.measures\[0\]/],
  ];
  const good = { type: 1, unit: -3, value: 72180 };
  const inMeasure: readonly (readonly [field: string, value: unknown])[] = [
    ['value', undefined],
    ['value', null],
    ['value', 'heavy'],
    ['unit', undefined],
    ['unit', 0.5],
    ['unit', 400],
    ['type', undefined],
    ['type', 'weight'],
    ['position', 'left'],
  ];
  const table = [
    ...inGroup,
    ...inMeasure.map(([field, value]) => {
      const name = value === 400 ? 'value' : field;
      const changes = { measures: [good, { ...good, [field]: value }] };
      return [changes, new RegExp(`measuregrps\\[1\\]\\.measures\\[1\\]\\.${name} `)] as const;
    }),
  ];
  for (const [changes, named] of table) {
    test(`is named, and the groups next to it are read: ${JSON.stringify(changes)}`, () => {
      const bad = typeof changes === 'object' && changes !== null ? { ...GROUP, ...changes } : changes;
      const { groups, unreadable } = page({ measuregrps: [{ ...GROUP, grpid: 1 }, bad, { ...GROUP, grpid: 3 }] });
      assert.equal(unreadable.length, 1);
      assert.match(unreadable[0]?.what ?? '', named);
      assert.deepEqual(JSON.parse(unreadable[0]?.raw ?? ''), JSON.parse(JSON.stringify(bad)));
      const others = groups.filter(({ groupId }) => groupId !== GROUP.grpid);
      assert.deepEqual(
        others.map(({ groupId }) => groupId),
        [1, 3],
      );
    });
  }

  test('loses that measure only, and the group only without another measure', () => {
    const bad = { ...good, value: null };
    const { groups, unreadable } = page({
      measuregrps: [
        { ...GROUP, grpid: 1, measures: [bad, { type: 6, unit: -1, value: 173 }] },
        { ...GROUP, grpid: 2, measures: [bad] },
      ],
    });
    assert.deepEqual(
      groups.map(({ groupId, measures }) => [groupId, measures.map(({ value }) => value)]),
      [[1, [17.3]]],
    );
    assert.equal(unreadable.length, 2);
  });
});

describe('undocumented data', () => {
  test('are kept: a type, an attribution, a model, a position, a field', () => {
    const { attribution, model, measures } = group({
      attrib: 42,
      model: 'Body Hologram',
      modelid: 777,
      is_holographic: true,
      measures: [{ value: 15, type: 999, unit: -1, position: 77, algo_params: { deep: [1] } }],
    });
    assert.equal(attribution, 42);
    assert.equal(model, 'Body Hologram');
    assert.deepEqual(measures, [{ type: 999, value: 1.5, position: 77 }]);
  });

  test('include a device without a name by its number, in both spellings', () => {
    assert.equal(group({ model: null, modelid: 777 }).model, 'model_777');
    assert.equal(group({ model: undefined, modelid: undefined, model_id: 778 }).model, 'model_778');
    assert.equal(group({ model: null, modelid: null }).model, undefined);
  });
});

describe('a measure group', () => {
  test('was changed at its creation or measurement, without another time', () => {
    assert.deepEqual(group({}).modifiedAt, new Date(1793685570_000));
    assert.deepEqual(group({ modified: null }).modifiedAt, new Date(1793685569_000));
    assert.deepEqual(group({ modified: undefined, created: undefined }).modifiedAt, new Date(1793685500_000));
  });

  test('is in its own zone, or else in the zone of the account', () => {
    assert.equal(group({}).timeZone, 'Europe/Lisbon');
    assert.equal(group({ timezone: undefined }).timeZone, 'Europe/Vienna');
    assert.equal(group({ timezone: null }).timeZone, 'Europe/Vienna');
  });

  test('is a measure and not a goal', () => {
    assert.deepEqual(page({ measuregrps: [{ ...GROUP, category: 2 }] }).groups, []);
    assert.equal(group({ category: undefined }).groupId, GROUP.grpid);
  });

  test('is read with integers written as strings, as some of them are documented', () => {
    const strings = { grpid: '8122000301', attrib: '0', date: '1793685500', modified: '1793685570', category: '1' };
    const measures = [{ value: 72180, type: '1', unit: '-3' }];
    assert.deepEqual(group({ ...strings, measures }), group({}));
  });

  test('has a weight of any power of ten', () => {
    const weights = [
      { value: 7235, unit: -2 },
      { value: 72350, unit: -3 },
      { value: 723500, unit: -4 },
    ].map((each) => group({ measures: [{ ...each, type: 1 }] }).measures[0]?.value);
    assert.deepEqual(weights, [72.35, 72.35, 72.35]);
  });

  test('can have no measures', () => assert.deepEqual(group({ measures: [] }).measures, []));

  test('has names that fit on one line of a log', () => {
    const { model, deviceId } = group({ model: 'Body\n{"event":"x"}\u001b[2J', deviceid: `D${'x'.repeat(10_000)}` });
    assert.doesNotMatch(model ?? '', /\p{Cc}/u);
    assert.ok((deviceId ?? '').length <= 300);
  });
});
