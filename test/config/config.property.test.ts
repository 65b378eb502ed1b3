import assert from 'node:assert/strict';
import { test } from 'node:test';
import express from 'express';
import fc from 'fast-check';
import { type Config, formatProblem, formatWarning, parseConfig } from '../../src/config/config.ts';
import { type Problem, SETTINGS } from '../../src/config/settings.ts';
import { check, text } from '../support/property.ts';

const NAMES = Object.keys(SETTINGS);
const CREDENTIALS = { WITHINGS_CLIENT_ID: 'id', WITHINGS_CLIENT_SECRET: 'a client secret' };

/** An address in any valid notation, including its zone. */
const address = fc
  .tuple(
    fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.ipV4().map((dotted) => `::${dotted}`),
    ),
    fc.constantFrom('', '/0', '/8', '/32', '/64', '/128', '/129', '%eth0', '%br-lan'),
  )
  .map((parts) => parts.join(''));
const plausible = fc.oneof(
  fc.constantFrom(...Object.values(SETTINGS).map(({ example }) => example)),
  fc.integer().map(String),
  fc.tuple(fc.nat(100_000), fc.constantFrom('s', 'm', 'h', 'd', 'y', '')).map((parts) => parts.join('')),
  fc.webUrl({ withFragments: true, withQueryParameters: true }),
  fc.array(address, { minLength: 1, maxLength: 3 }).map((list) => list.join(',')),
  fc.array(fc.tuple(fc.nat(20), text), { maxLength: 3 }).map((all) => all.map((pair) => pair.join(':')).join(',')),
  text.map((path) => `/${path}`),
);
const name = fc.oneof(fc.constantFrom(...NAMES), fc.constantFrom('WITHINGS_CLIENT', 'MQTT_URL', '__proto__', ''), text);
const environment = fc
  .dictionary(name, fc.oneof(text, plausible), { maxKeys: 8 })
  .chain((env) => fc.boolean().map((linked) => (linked ? { ...env, ...CREDENTIALS } : env)));
/** One setting under test, with valid values for all others. */
const oneSetting = fc
  .tuple(fc.constantFrom(...NAMES), fc.oneof(text, plausible))
  .map(([key, value]) => ({ ...CREDENTIALS, [key]: value }));

function assertUsable({ callback, listen, reconcileIntervalMs, announceMaxAgeMs, withings }: Config): void {
  assert.match(withings.apiUrl.protocol, /^https?:$/);
  assert.match(callback.path, /^\//);
  assert.ok(Number.isSafeInteger(listen.port) && listen.port >= 0 && listen.port <= 65_535);
  for (const ms of [reconcileIntervalMs, announceMaxAgeMs]) assert.ok(ms >= 1_000 && ms < 2 ** 31);
  assert.doesNotThrow(() => express().set('trust proxy', listen.trustProxy));
}

test('any environment gives valid settings, or a problem for each wrong setting with a correction', () => {
  check(
    fc.property(fc.oneof(environment, oneSetting), (env) => {
      const { config, problems } = parseConfig(env);
      assert.equal(config === undefined, problems.length > 0);
      if (config !== undefined) assertUsable(config);
      for (const problem of problems) {
        assert.ok(NAMES.includes(problem.name));
        assert.ok(problem.message !== '' && problem.example !== '');
      }
      assert.equal(new Set(problems.map((problem) => problem.name)).size, problems.length, 'each once');
    }),
  );
});

test('a problem is two lines and a warning is one, whatever the value of the setting is', () => {
  check(
    fc.property(fc.oneof(environment, oneSetting), (env) => {
      const { problems, warnings } = parseConfig(env);
      const lines = problems.map((problem) => formatProblem(problem).split('\n'));
      assert.ok(lines.every(({ length }) => length === 2));
      for (const line of [...lines.flat(), ...warnings.map(formatWarning)])
        assert.doesNotMatch(line, /[\p{Cc}\u2028\u2029]/u);
    }),
  );
});

test('a proxy that is accepted is one that Express accepts', () => {
  const lists = fc.array(fc.oneof(address, fc.constantFrom('loopback', ' uniquelocal', '')), { minLength: 1 });
  check(
    fc.property(lists, (list) => {
      const { config } = parseConfig({ ...CREDENTIALS, TRUST_PROXY: list.join(',') });
      if (config !== undefined) assertUsable(config);
    }),
  );
});

test('an example is accepted unchanged', () => {
  check(
    fc.property(fc.subarray(NAMES), (some) => {
      const halves = ['MQTT_CERT_FILE', 'MQTT_KEY_FILE'];
      const whole = some.some((key) => halves.includes(key)) ? [...some, ...halves] : some;
      const examples = Object.fromEntries(whole.map((key) => [key, SETTINGS[key]?.example]));
      assert.deepEqual(parseConfig({ ...CREDENTIALS, ...examples }).problems, []);
    }),
  );
});

const secret = fc.string({ unit: fc.constantFrom(...'abcdefxyz0123456789'), minLength: 12 });

test('no problem repeats the client secret, nor the secret of the path or the URL', () => {
  const around = fc.tuple(fc.oneof(text, fc.constantFrom('/', 'https://x/', 'http://x/')), text);
  check(
    fc.property(secret, around, (word, [before, after]) => {
      const value = `${before}${word}${after}`;
      const env = { WITHINGS_CLIENT_SECRET: value, CALLBACK_URL: value, WEBHOOK_PATH: value, PORT: 'none' };
      for (const problem of parseConfig(env).problems) assertSilent(problem, word);
    }),
  );
});

test('no problem repeats the password in a URL', () => {
  const url = fc.constantFrom('WITHINGS_API_URL', 'CALLBACK_URL');
  check(
    fc.property(secret, url, (word, key) => {
      for (const problem of parseConfig({ [key]: `https://me:${word}@example.org/` }).problems) {
        assertSilent(problem, word);
      }
    }),
  );
});

function assertSilent(problem: Problem, word: string): void {
  assert.ok(!`${formatProblem(problem)}${problem.got}`.includes(word), problem.name);
}
