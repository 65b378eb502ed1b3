import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Recovery, Trouble } from '../../src/domain/trouble.ts';
import { badAnswer, classify, type Endpoint, unreachable } from '../../src/withings/errors.ts';
import { fixture } from '../support/fixture.ts';

function recovery(endpoint: Endpoint, status: number, error = ''): Recovery {
  return classify(endpoint, { status, error, waitSeconds: undefined }).recovery;
}

/** Parses `1-3, 7` into a list of numbers. */
function all(list: string): number[] {
  return list.split(',').flatMap((item) => {
    const [first, last = first] = item.split('-').map(Number);
    if (first === undefined || last === undefined) return [];
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

describe('a status of a data request', () => {
  const table: readonly (readonly [statuses: string, recovery: Recovery, what: string])[] = [
    ['401, 100-102, 200', 'access', 'rotates and replays'],
    ['214, 277, 2553, 2555', 'settings', 'is for the operator'],
    [
      `201-213, 216-218, 220-221, 223, 225, 227-230, 234-236, 238, 240-252, 254, 260-267, 271-272, 275-276, 283-288,
       290, 293-295, 297, 300-304, 321, 323-353, 380-382, 400, 501-511, 523, 532, 3017-3019`,
      'defect',
      'is a wrong request and never repeated',
    ],
    ['2554', 'defect', 'is a wrong action and never repeated'],
    ['601', 'throttled', 'waits'],
    ['522, 524', 'retry', 'passes soon'],
    [
      `215, 219, 222, 224, 226, 231-233, 237, 253, 255-259, 268-270, 273-274, 278-282, 289, 291-292, 296, 298, 305-320,
       322, 370-375, 383, 391, 402, 516-521, 525-531, 533, 602, 700, 1051-1054, 2551-2552, 2556-2559, 3000-3016,
       3020-3024, 5000-5006, 6000, 6010-6011, 9000, 10000`,
      'retry',
      'is temporary',
    ],
    ['1, 99, 666, 12345, -1', 'retry', 'is unknown and tried again'],
  ];
  for (const [statuses, expected, what] of table) {
    test(`${what}: ${statuses.replace(/\s+/g, ' ')}`, () => {
      const wrong = all(statuses).filter((status) => recovery('/measure', status) !== expected);
      assert.deepEqual(wrong, []);
    });
  }

  test('of any number concerns the access token if the text names it', () => {
    const error = 'XRequestID: Not provided invalid_token: The access token provided is invalid';
    assert.equal(recovery('/measure', 401, error), 'access');
    assert.equal(recovery('/measure', 503, error), 'access');
    assert.equal(recovery('/measure', 343, 'Invalid token'), 'access');
  });

  test('never concerns the login: only a rejected refresh token does', () => {
    for (let status = 1; status < 11_000; status += 1) assert.notEqual(recovery('/measure', status), 'login');
  });
});

describe('on the token endpoint', () => {
  const table: readonly (readonly [status: number, error: string, recovery: Recovery, code: string])[] = [
    [503, 'Invalid Params: invalid refresh_token', 'login', 'token_refused'],
    [503, 'Invalid Params: invalid code', 'login', 'code_refused'],
    [503, 'Invalid Params: invalid client id/secret', 'settings', 'wrong_client'],
    [342, '', 'settings', 'wrong_client'],
    [342, 'The signature (using Oauth) is invalid', 'settings', 'wrong_client'],
    [601, 'Same arguments in less than 10 seconds', 'throttled', 'same_arguments'],
    [601, 'Too Many Requests', 'throttled', 'throttled'],
    [401, 'XRequestID: Not provided invalid_token: The access token provided is invalid', 'login', 'token_refused'],
    [100, '', 'login', 'token_refused'],
    [101, '', 'login', 'token_refused'],
    [102, '', 'login', 'token_refused'],
    [200, '', 'login', 'token_refused'],
    [247, 'The userid is either absent or incorrect', 'login', 'token_refused'],
    [250, 'The userid and/or Oauth credentials do not match', 'login', 'token_refused'],
    [283, 'Token is invalid or does not exist', 'login', 'token_refused'],
    [328, 'The user is deactivated', 'login', 'token_refused'],
    [2554, 'Not implemented', 'defect', 'invalid_params'],
    [522, 'Timeout', 'retry', 'withings_error'],
    [2556, 'An error occurred', 'retry', 'withings_error'],
    [12345, '', 'retry', 'withings_error'],
  ];
  for (const [status, error, expected, code] of table) {
    test(`${status} "${error}" means ${code}`, () => {
      const trouble = classify('/v2/oauth2', { status, error, waitSeconds: undefined });
      assert.deepEqual([trouble.recovery, trouble.code], [expected, code]);
    });
  }

  test('503 is invalid input with any text, and not an outage that ends automatically', () => {
    for (const error of ['', 'Invalid Params', 'Invalid Params: invalid grant_type', 'Service unavailable']) {
      assert.notEqual(recovery('/v2/oauth2', 503, error), 'retry', error);
    }
  });

  test('a wrong client is not reported as a lost login, because the logins are fine', () => {
    const error = 'Invalid Params: invalid client id/secret';
    const { message, hint } = classify('/v2/oauth2', { status: 503, error, waitSeconds: undefined });
    assert.match(message, /client/);
    assert.match(hint ?? '', /WITHINGS_CLIENT_ID/);
    assert.doesNotMatch(hint ?? '', /link again|weighbridge login/);
  });

  test('a temporary failure stays temporary although its text names clients', () => {
    assert.equal(recovery('/v2/oauth2', 522, 'Timeout while waiting for the client service'), 'retry');
  });
});

describe('a rejection of the token endpoint is judged by the grant, whatever its words are', () => {
  const codeFor = (grant: string, status: number, error: string) => {
    const { code, recovery } = classify('/v2/oauth2', { status, error, waitSeconds: undefined, grant });
    return `${code}, ${recovery}`;
  };
  const answers: readonly { readonly status: number; readonly error: string }[] = JSON.parse(
    fixture('token-errors.json'),
  );
  const more = [100, 101, 102, 200, 247, 250, 283, 328, 400, 401, 503].map((status) => ({ status, error: '' }));
  for (const { status, error } of [...answers, ...more]) {
    test(`${status} "${error}"`, () => {
      assert.equal(codeFor('refresh_token', status, error), 'token_refused, login');
      assert.equal(codeFor('authorization_code', status, error), 'code_refused, login');
    });
  }

  const others: readonly (readonly [status: number, error: string, expected: string])[] = [
    [503, 'Invalid Params: invalid client id/secret', 'wrong_client, settings'],
    [503, 'Invalid Params: invalid_client', 'wrong_client, settings'],
    [342, '', 'wrong_client, settings'],
    [522, 'Timeout', 'withings_error, retry'],
    [2556, 'An error occurred', 'withings_error, retry'],
    [601, 'Too Many Requests', 'throttled, throttled'],
    [2554, 'Not implemented', 'invalid_params, defect'],
  ];
  for (const [status, error, expected] of others) {
    test(`but ${status} "${error}" does not concern the grant`, () => {
      for (const grant of ['refresh_token', 'authorization_code'])
        assert.equal(codeFor(grant, status, error), expected, grant);
    });
  }

  test('a code can be rejected for its redirect as well, which a refresh does not have', () => {
    const error = 'Invalid Params: redirect_uri mismatch';
    assert.equal(codeFor('authorization_code', 503, error), 'redirect_mismatch, settings');
    assert.equal(codeFor('refresh_token', 503, error), 'token_refused, login');
  });
});

describe('on the notify service', () => {
  for (const [status, code, expected] of [
    [293, 'callback_unreachable', 'retry'],
    [343, 'callback_unreachable', 'retry'],
    [286, 'no_subscription', 'defect'],
    [294, 'no_subscription', 'defect'],
    [401, 'access_refused', 'access'],
    [503, 'invalid_params', 'defect'],
  ] as const) {
    test(`${status} is ${code}, with a hint`, () => {
      const trouble = classify('/notify', { status, error: '', waitSeconds: undefined });
      assert.deepEqual([trouble.code, trouble.recovery], [code, expected]);
      if (expected !== 'access') assert.ok(trouble.hint);
      assert.notEqual(classify('/measure', { status, error: '', waitSeconds: undefined }).code, 'callback_unreachable');
    });
  }
});

test('every rejection of the signature service concerns the client', () => {
  for (const status of [...all('100-102, 200, 401'), 503, 342])
    assert.equal(classify('/v2/signature', { status, error: '', waitSeconds: undefined }).code, 'wrong_client');
});

describe('being throttled', () => {
  const wait = (waitSeconds: number | undefined) =>
    classify('/measure', { status: 601, error: 'Too Many Requests', waitSeconds }).waitMs ?? assert.fail();

  test('waits as long as Withings requires', () => assert.equal(wait(42), 42_000));

  test('waits a minute or a little more without a time from Withings', () => {
    assert.ok(wait(undefined) >= 60_000 && wait(undefined) <= 70_000);
  });

  test('waits at least 12 s, because an immediate retry would be rejected again', () => {
    for (const seconds of [Number.MIN_VALUE, 0.001, 1, 11.9]) assert.equal(wait(seconds), 12_000, String(seconds));
    assert.equal(wait(13), 13_000);
  });

  test('never waits for days', () => {
    for (const seconds of [1e6, Number.MAX_VALUE, Number.POSITIVE_INFINITY]) assert.ok(wait(seconds) <= 86_400_000);
  });

  test('by the same arguments waits at least 12 s, because the guard of Withings covers 10', () => {
    const error = 'Same arguments in less than 10 seconds';
    for (const endpoint of ['/measure', '/v2/oauth2'] as const) {
      const { waitMs = 0 } = classify(endpoint, { status: 601, error, waitSeconds: undefined });
      assert.ok(waitMs >= 12_000);
    }
  });
});

test('a rejection is reported with its number, text and endpoint', () => {
  const { message } = classify('/measure', { status: 2555, error: 'Unknown error', waitSeconds: undefined });
  assert.match(message, /2555.*Unknown error.*\/measure/);
  assert.doesNotMatch(classify('/measure', { status: 2555, error: '', waitSeconds: undefined }).message, /""/);
});

test('a failing front end and a missing network are temporary', () => {
  for (const trouble of [badAnswer('/measure', 'HTTP 502'), unreachable('wbsapi.withings.net', 'ENOTFOUND')]) {
    assert.ok(trouble instanceof Trouble);
    assert.equal(trouble.recovery, 'retry');
  }
  assert.match(unreachable('wbsapi.withings.net', 'ENOTFOUND').message, /wbsapi\.withings\.net.*ENOTFOUND/);
});

test('an unreachable server is reported with a hint', () => {
  const hint = (code: string) => unreachable('wbsapi.withings.net', code).hint ?? '';
  // A command that ends does not try again.
  for (const code of ['CERT_HAS_EXPIRED', 'EAI_AGAIN', 'ECONNREFUSED']) assert.doesNotMatch(hint(code), /again/);
  assert.match(hint('CERT_NOT_YET_VALID'), /clock/);
  assert.match(hint('CERT_HAS_EXPIRED'), /clock/);
  assert.match(hint('EAI_AGAIN'), /DNS/);
  assert.match(hint('ECONNREFUSED'), /network/);
  assert.match(hint('EMFILE'), /^weighbridge reached its limit of open files/);
  assert.match(hint('ENFILE'), /^This computer reached its limit of open files/);
});
