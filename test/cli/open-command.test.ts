import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readSettings, secretsIn } from '../../src/cli/open-command.ts';
import { ExitCode } from '../../src/cli/shell.ts';
import { parseConfig } from '../../src/config/config.ts';
import { createMask } from '../../src/domain/secrets.ts';
import { createShell } from '../support/shell.ts';

const SETTINGS = {
  WITHINGS_CLIENT_ID: 'client-id',
  WITHINGS_CLIENT_SECRET: 'cl-5ec',
  STATUS_PASSWORD: 'st-pw1',
  MQTT_URL: 'mqtt://broker.example.org',
  MQTT_USERNAME: 'user',
  MQTT_PASSWORD: 'mq-pw1',
};

/** Returns a log line with the secrets of these settings masked. */
function logged(line: string, settings: Readonly<Record<string, string>> = {}): string {
  const { config, problems } = parseConfig({ ...SETTINGS, ...settings });
  assert.ok(config, JSON.stringify(problems));
  return createMask(secretsIn(config))(line);
}

describe('a line of the log', () => {
  const reading = 'Anna (1234): 81.25 kg (+0.40), measured 2026-11-20T07:01:02+01:00, Body+';
  const hint = 'no person is linked yet. Run "weighbridge login".';
  for (const [path, lines] of [
    ['/weight/9f2c41d07ab3', [reading]],
    ['/weighbridge/9f2c41d07ab3', [hint, 'the topic is weighbridge/1234/weight']],
    ['/measured/linked?key=9f2c41d07ab3', [reading, hint]],
    ['/weight', [reading]],
  ] as const) {
    test(`keeps its words with the callback path ${path.replace(/9f.*/, '…')}`, () => {
      for (const line of lines) assert.equal(logged(line, { CALLBACK_URL: `https://me.example.org${path}` }), line);
    });
  }

  for (const [name, value] of Object.entries(SETTINGS).filter(([key]) => /SECRET|PASSWORD/.test(key))) {
    test(`never contains ${name}, however short it is and without a label`, () => {
      assert.equal(logged(`refused ${value}, so "x${value}x"`), 'refused ***, so "x***x"');
    });
  }

  test('contains no part of the callback URL with which a stranger could send notifications', () => {
    const callback = 'https://me.example.org/weight/9f2c41d07ab3?k=abc';
    for (const [line, left] of [
      [`cannot reach ${callback} now`, 'cannot reach https://me.example.org*** now'],
      ['GET /weight/9f2c41d07ab3?k=abc', 'GET ***'],
      ['GET /weight/9f2c41d07ab3', 'GET /weight/***'],
      [`redirect_uri=${encodeURIComponent(callback)}&x`, 'redirect_uri=https%3A%2F%2Fme.example.org***&x'],
      ['the secret 9f2c41d07ab3', 'the secret ***'],
    ] as const)
      assert.equal(logged(line, { CALLBACK_URL: callback }), left);
  });

  test('does not contain the path behind a proxy either', () => {
    const settings = { CALLBACK_URL: 'https://me.example.org/hook/outer-5ec7e7', WEBHOOK_PATH: '/inner-5ec7e7' };
    assert.equal(logged('GET /inner-5ec7e7 and /hook/outer-5ec7e7', settings), 'GET *** and ***');
  });
});

test('a command without the client names the command that needs it, and ignores other settings', () => {
  const sayOf = (env: Readonly<Record<string, string>>) => {
    const said: string[] = [];
    const read = () => readSettings(createShell({ env, say: (line) => void said.push(line) }), 'withings');
    assert.throws(read, { code: ExitCode.configuration });
    return said.join('\n');
  };
  assert.match(sayOf({}), /Run "weighbridge setup"/);
  const client = { WITHINGS_CLIENT_ID: 'client-id', WITHINGS_CLIENT_SECRET: 'cl-5ec' };
  assert.doesNotMatch(sayOf({ ...client, STATUS_HOST: '0.0.0.0' }), /weighbridge setup/);
});
