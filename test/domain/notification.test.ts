import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Appli, MEASURE_APPLIS, parseNotification } from '../../src/domain/notification.ts';

function parseForm(body: string) {
  return parseNotification(Object.fromEntries(new URLSearchParams(body)));
}

/** The fields of a notification only. */
function parse(body: string) {
  const result = parseForm(body);
  return 'malformed' in result ? assert.fail(result.malformed) : result;
}

function complaint(fields: Readonly<Record<string, unknown>>): string {
  const result = parseNotification(fields);
  return 'malformed' in result ? result.malformed : assert.fail(`accepted ${JSON.stringify(fields)}`);
}

describe('a notification of Withings', () => {
  test('for a weigh-in names the person and the window', () => {
    assert.deepEqual(parseForm('userid=27182818&appli=1&startdate=1793685500&enddate=1793685501'), {
      userId: '27182818',
      appli: 1,
      window: { start: new Date('2026-11-03T05:58:20Z'), end: new Date('2026-11-03T05:58:21Z') },
      action: undefined,
      at: undefined,
      deviceId: undefined,
    });
  });

  test('for a bed names the time and the bed', () => {
    const { at, deviceId } = parse('userid=27182818&appli=50&date=1793685500&deviceid=DEV-BED%0D%0A');
    assert.deepEqual([at, deviceId], [new Date('2026-11-03T05:58:20Z'), 'DEV-BED']);
    const hash = 'a1b2c3d4'.repeat(5);
    assert.equal(parse(`userid=27182818&appli=50&deviceid=${hash}`).deviceId, hash);
    assert.equal(parse('userid=27182818&appli=50&date=1793685500%0D%0A').at?.getTime(), 1_793_685_500_000);
    for (const date of ['2026-11-03', '1793685500000', '-1', 'now', '1793685500.5'])
      assert.equal(parse(`userid=27182818&appli=50&date=${date}`).at, undefined, date);
  });

  const others: readonly (readonly [what: string, body: string])[] = [
    ['for a day of activity', 'userid=27182818&appli=16&date=2026-11-03'],
    ['for a bed, with seconds for a date', 'userid=27182818&appli=50&date=1793685500&deviceid=DEV-BED'],
    ['without any date', 'userid=27182818&appli=55'],
    ['with the secret of the URL among the fields', 'userid=27182818&appli=1&k=SECRET'],
    ['with unknown fields', 'userid=27182818&appli=1&colour=green&n[]=1'],
    ['of an unknown category', 'userid=27182818&appli=777'],
    ['with a window of one moment', 'userid=27182818&appli=1&startdate=1793685500&enddate=1793685500'],
    ['from the day that every fourth year has', 'userid=27182818&appli=16&date=2028-02-29'],
  ];
  for (const [what, body] of others) {
    test(`${what} is accepted`, () => assert.ok(!('malformed' in parseForm(body)), body));
  }

  test('about a profile names the change', () => {
    const result = parseForm('userid=27182818&appli=46&action=unlink');
    assert.deepEqual(result, {
      userId: '27182818',
      appli: Appli.profile,
      window: undefined,
      action: 'unlink',
      at: undefined,
      deviceId: undefined,
    });
  });
});

describe('a notification without a valid window requests everything since the cursor', () => {
  const fine = { userid: '27182818', appli: '1', startdate: '1793685500', enddate: '1793685501' };
  const table: readonly Readonly<Record<string, string | undefined>>[] = [
    { startdate: undefined },
    { enddate: undefined },
    { startdate: '', enddate: '' },
    { startdate: 'yesterday' },
    { startdate: '1793685500.5' },
    { startdate: '-1' },
    { enddate: '1793685501\r\n' },
    { enddate: '1793685500000' },
    { enddate: '999999999999' },
    { enddate: '1793685499' },
  ];
  for (const change of table) {
    test(JSON.stringify(change), () => {
      const fields = Object.entries({ ...fine, ...change }).filter(([, value]) => value !== undefined);
      const expected = {
        userId: '27182818',
        appli: 1,
        window: undefined,
        action: undefined,
        at: undefined,
        deviceId: undefined,
      };
      assert.deepEqual(parseNotification(Object.fromEntries(fields)), expected);
    });
  }

  for (const date of ['2026-02-30', '2026-13-01', '03.11.2026', '', 'correct-horse']) {
    test(`whatever its date is: "${date}"`, () => {
      assert.ok(!('malformed' in parseNotification({ userid: '27182818', appli: '16', date })));
    });
  }

  for (const form of ['userid=27182818&appli=46%0D%0A', 'appli=46&userid=27182818\n', 'userid=27182818&appli=46\r\n']) {
    test(`even with a line end: ${JSON.stringify(form)}`, () => {
      const expected = {
        userId: '27182818',
        appli: 46,
        window: undefined,
        action: undefined,
        at: undefined,
        deviceId: undefined,
      };
      assert.deepEqual(parseForm(form), expected);
    });
  }

  test('and a line end does not belong to the change of the profile', () => {
    assert.deepEqual(parseForm('userid=27182818&appli=46&action=update%0D%0A'), {
      userId: '27182818',
      appli: 46,
      window: undefined,
      action: 'update',
      at: undefined,
      deviceId: undefined,
    });
  });
});

describe('a POST of a stranger', () => {
  const fine = { userid: '27182818', appli: '1', startdate: '1793685500', enddate: '1793685501' };
  const table: readonly (readonly [change: Readonly<Record<string, unknown>>, named: RegExp])[] = [
    [{ userid: undefined }, /userid/],
    [{ userid: '' }, /userid/],
    [{ userid: '../../etc/passwd' }, /userid/],
    [{ userid: '27182818\n1' }, /userid/],
    [{ userid: '27182818\n\n' }, /userid/],
    [{ userid: ['27182818', '1'] }, /userid/],
    [{ userid: { $gt: '' } }, /userid/],
    [{ appli: undefined }, /appli/],
    [{ appli: '' }, /appli/],
    [{ appli: '1.5' }, /appli/],
    [{ appli: '-1' }, /appli/],
    [{ appli: '0x1' }, /appli/],
    [{ appli: ' 1' }, /appli/],
    [{ appli: ['1', '4'] }, /appli/],
  ];
  for (const [change, named] of table) {
    test(`is rejected with ${JSON.stringify(change)}, and the reason names the field`, () => {
      const fields = Object.entries({ ...fine, ...change }).filter(([, value]) => value !== undefined);
      assert.match(complaint(Object.fromEntries(fields)), named);
    });
  }

  test('is rejected with a repeated field, even an unused one', () => {
    assert.match(complaint({ ...fine, colour: ['green', 'blue'] }), /colour/);
  });

  test('cannot add a line of its own or a long line to the log', () => {
    const name = `x\n{"event":"stopped"}\u001b[2J\u2028${'y'.repeat(1000)}`;
    const { action } = { action: undefined, ...parseNotification({ ...fine, action: name }) };
    for (const text of [complaint({ ...fine, [name]: ['1', '2'] }), action ?? assert.fail()]) {
      assert.match(text, /^[\x20-\x7e]{1,80}$/);
    }
  });

  test('is never repeated in the reason, because it may contain the secret of the URL', () => {
    const secret = 'correct-horse-battery-staple';
    for (const name of ['userid', 'appli']) {
      assert.ok(!complaint({ ...fine, [name]: secret }).includes(secret), name);
    }
    assert.ok(!complaint({ ...fine, k: [secret, secret] }).includes(secret));
  });
});

test('getmeas returns data of the categories with measures, and of no other', () => {
  const fetched = Array.from({ length: 101 }, (_, appli) => appli).filter((appli) => MEASURE_APPLIS.has(appli));
  assert.deepEqual(fetched, [1, 2, 4, 58, 62]);
});
