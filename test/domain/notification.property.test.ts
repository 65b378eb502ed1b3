import assert from 'node:assert/strict';
import { parse as parseForm } from 'node:querystring';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseNotification } from '../../src/domain/notification.ts';
import { altered, anything, check, text } from '../support/property.ts';

const LATEST_SECONDS = 4_102_444_800;
const WEIGH_IN = { userid: '27182818', appli: '1', startdate: '1793685500', enddate: '1793685501' };
const names = fc.oneof(text, fc.constantFrom('userid', 'appli', 'startdate', 'enddate', 'date', 'action', 'deviceid'));

/** Asserts that the result is a reason fit for a log, or a notification in its canonical form. */
function judge(fields: Readonly<Record<string, unknown>>): void {
  const result = parseNotification(fields);
  if ('malformed' in result) {
    assert.match(result.malformed, /^[\x20-\x7e]{1,80}$/);
    return;
  }
  const { userId, appli, window, action, at, deviceId } = result;
  assert.match(userId, /^[0-9]{1,20}$/);
  assert.ok(Number.isSafeInteger(appli) && appli >= 0);
  if (at !== undefined) assert.ok(at.getTime() >= 0 && at.getTime() <= LATEST_SECONDS * 1000);
  if (deviceId !== undefined) assert.match(deviceId, /^[\x20-\x7e]{0,64}$/);
  if (action !== undefined) assert.match(action, /^[\x20-\x7e]{0,32}$/);
  if (window === undefined) return;
  assert.ok(window.start.getTime() >= 0 && window.start <= window.end);
  assert.ok(window.end.getTime() <= LATEST_SECONDS * 1000);
}

test('any fields are rejected in one line or accepted as a whole', () => {
  check(fc.property(fc.dictionary(names, anything), judge));
});

test('a notification with any values in its fields is rejected in one line or accepted', () => {
  check(fc.property(altered(WEIGH_IN), judge));
});

test('any bytes as a form are rejected in one line or accepted as a whole', () => {
  const pair = fc.tuple(names, fc.oneof(text, fc.constantFrom(...Object.values(WEIGH_IN))));
  const wellFormed = fc.array(pair).map((pairs) => new URLSearchParams(pairs).toString());
  check(fc.property(fc.oneof(wellFormed, text), (body) => judge(parseForm(body))));
});

test('the fields of Withings are read exactly, whatever else the form contains', () => {
  const seconds = fc.integer({ min: 0, max: LATEST_SECONDS });
  const notification = fc.record({
    userid: fc.bigInt({ min: 0n, max: 10n ** 20n - 1n }).map(String),
    appli: fc.nat(1000),
    window: fc.option(fc.tuple(seconds, seconds), { nil: undefined }),
    more: fc.dictionary(text, text),
  });
  check(
    fc.property(
      notification,
      ({ userid, appli, window, more: { date: _date, action: _action, deviceid: _device, ...more } }) => {
        const [startdate, enddate] = window?.toSorted((one, other) => one - other) ?? [];
        const when = startdate === undefined ? {} : { startdate: String(startdate), enddate: String(enddate) };
        assert.deepEqual(parseNotification({ ...more, userid, appli: String(appli), ...when }), {
          userId: userid,
          appli,
          window: startdate === undefined ? undefined : { start: at(startdate), end: at(enddate) },
          action: undefined,
          at: undefined,
          deviceId: undefined,
        });
      },
    ),
  );
});

function at(seconds: number | undefined): Date {
  return new Date((seconds ?? Number.NaN) * 1000);
}
