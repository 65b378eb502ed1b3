import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'dotenv';
import express from 'express';
import {
  type Config,
  describeProblem,
  formatProblem,
  formatWarning,
  type Parsed,
  parseConfig,
} from '../../src/config/config.ts';
import { SETTINGS } from '../../src/config/settings.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const CREDENTIALS = { WITHINGS_CLIENT_ID: 'my-id', WITHINGS_CLIENT_SECRET: 'my-secret' };
const NAMES = Object.keys(SETTINGS);

function accepted(settings: Record<string, string>): Config {
  const { config, problems } = parseConfig({ ...CREDENTIALS, ...settings });
  assert.deepEqual(problems, []);
  assert.ok(config);
  return config;
}

function refused(settings: Record<string, string>): Parsed {
  const parsed = parseConfig({ ...CREDENTIALS, ...settings });
  assert.equal(parsed.config, undefined);
  return parsed;
}

describe('a callback URL', () => {
  const warnings = (rest: string) =>
    parseConfig({ ...CREDENTIALS, CALLBACK_URL: `https://me.example.org${rest}` })
      .warnings.map(formatWarning)
      .filter((line) => /contains no secret/.test(line));
  for (const rest of [
    '/withingsWebhook',
    '/withingsWebhook/9f2c41d',
    '/weighbridge',
    '/hook?key=9f2c41d',
    '/scale/kitchen',
  ])
    it(`causes a warning if it can be guessed: ${rest}`, () => assert.equal(warnings(rest).length, 1));
  for (const rest of ['/withingsWebhook/9f2c41d0', '/hook?key=9f2c41d0', '/9f2c41d0/hook'])
    it(`causes no warning if its secret has eight characters: ${rest}`, () => assert.deepEqual(warnings(rest), []));
});

describe('the settings', () => {
  it('have the defaults of the contract', () => {
    assert.deepEqual(accepted({}), {
      withings: {
        apiUrl: new URL('https://wbsapi.withings.net'),
        accountUrl: new URL('https://account.withings.com'),
        scopes: ['user.info', 'user.metrics'],
        applis: [1],
        credentials: { clientId: 'my-id', clientSecret: 'my-secret' },
      },
      callback: {
        url: undefined,
        redirectUrl: undefined,
        answersRedirect: false,
        path: '/withingsWebhook',
        query: new URLSearchParams(),
      },
      listen: { host: '0.0.0.0', port: 3000, trustProxy: 'loopback' },
      status: { host: '127.0.0.1', port: 3001, ingress: undefined, password: undefined, offersLink: true },
      directories: { tokens: './tokens', data: './data' },
      people: { names: new Map(), unit: 'kg' },
      goals: new Map(),
      reconcileIntervalMs: 6 * 3_600_000,
      pollIntervalMs: 600_000,
      announceMaxAgeMs: 3_600_000,
      hold: { jumpShare: 0.2 },
      mqtt: undefined,
      hook: undefined,
      log: { level: 'info', format: 'text' },
    });
  });

  it('count as unset when they are empty or blank', () => {
    const empty = Object.fromEntries(NAMES.map((name) => [name, '']));
    const blank = Object.fromEntries(NAMES.map((name) => [name, ' ']));
    for (const settings of [empty, blank]) assert.deepEqual(accepted({ ...settings, ...CREDENTIALS }), accepted({}));
    const { problems } = parseConfig(empty);
    assert.deepEqual(problems.map(({ name }) => name).sort(), Object.keys(CREDENTIALS).sort());
  });

  it('report every problem at once', () => {
    const wrong = {
      CALLBACK_URL: 'nonsense',
      WEBHOOK_PATH: 'nonsense',
      WITHINGS_API_URL: 'nonsense',
      PORT: '80a',
      TRUST_PROXY: 'nonsense',
      USER_NAMES: 'nonsense',
      WEIGHT_UNIT: 'nonsense',
      RECONCILE_INTERVAL: 'nonsense',
      ANNOUNCE_MAX_AGE: 'nonsense',
      HOOK_COMMAND: "non'sense",
      LOG_LEVEL: 'nonsense',
      LOG_FORMAT: 'nonsense',
      SCOPES: 'nonsense',
      APPLIS: 'nonsense',
      STATUS_PORT: 'nonsense',
      WITHINGS_ACCOUNT_URL: 'nonsense',
    };
    const { problems } = parseConfig(wrong);
    const names = [...Object.keys(CREDENTIALS), ...Object.keys(wrong)];
    assert.deepEqual(problems.map(({ name }) => name).sort(), names.sort());
  });

  it('do not require the client id and secret for a command that only reads files', () => {
    const { config, problems } = parseConfig({}, 'files');
    assert.deepEqual(problems, []);
    assert.equal(config?.withings.credentials, undefined);
    assert.ok(config);
  });

  it('require both the client id and the client secret', () => {
    for (const missing of Object.keys(CREDENTIALS)) {
      const [problem, ...others] = refused({ [missing]: '' }).problems;
      assert.deepEqual([problem?.name, problem?.got, others], [missing, undefined, []]);
    }
  });
});

const GOOD: readonly [name: string, value: string, read: (config: Config) => unknown, expected: unknown][] = [
  ['HOST', '127.0.0.1', ({ listen }) => listen.host, '127.0.0.1'],
  ['HOST', '::1', ({ listen }) => listen.host, '::1'],
  ['PORT', '0', ({ listen }) => listen.port, 0],
  ['PORT', ' 8080 ', ({ listen }) => listen.port, 8080],
  ['PORT', '65535', ({ listen }) => listen.port, 65_535],
  ['TRUST_PROXY', 'true', ({ listen }) => listen.trustProxy, true],
  ['TRUST_PROXY', 'false', ({ listen }) => listen.trustProxy, false],
  ['TRUST_PROXY', '2', ({ listen }) => listen.trustProxy, 2],
  ['TRUST_PROXY', 'loopback, 10.0.0.0/8, ::1/128', ({ listen }) => listen.trustProxy, 'loopback, 10.0.0.0/8, ::1/128'],
  ['TOKENS_DIR', '/var/lib/my tokens', ({ directories }) => directories.tokens, '/var/lib/my tokens'],
  ['DATA_DIR', '/var/lib/data', ({ directories }) => directories.data, '/var/lib/data'],
  [
    'USER_NAMES',
    '1234:Anna, 5678: Bo B.,',
    ({ people }) => [...people.names],
    [
      ['1234', 'Anna'],
      ['5678', 'Bo B.'],
    ],
  ],
  ['WEIGHT_UNIT', 'lb', ({ people }) => people.unit, 'lb'],
  ['WEIGHT_UNIT', 'st', ({ people }) => people.unit, 'st'],
  ['RECONCILE_INTERVAL', '30m', (config) => config.reconcileIntervalMs, 1_800_000],
  ['RECONCILE_INTERVAL', '1d', (config) => config.reconcileIntervalMs, 86_400_000],
  ['POLL_INTERVAL', '15m', (config) => config.pollIntervalMs, 900_000],
  ['POLL_INTERVAL', '1d', (config) => config.pollIntervalMs, 6 * 3_600_000],
  ['REDIRECT_URL', 'http://pi.local/done', ({ callback }) => callback.redirectUrl, 'http://pi.local/done'],
  ['REDIRECT_URL', 'http://localhost:3000/back', ({ callback }) => callback.path, '/back'],
  ['REDIRECT_URL', 'https://me.example.org/back', ({ callback }) => callback.path, '/withingsWebhook'],
  ['ANNOUNCE_MAX_AGE', '90s', (config) => config.announceMaxAgeMs, 90_000],
  ['LOG_LEVEL', 'debug', ({ log }) => log.level, 'debug'],
  ['LOG_LEVEL', 'error', ({ log }) => log.level, 'error'],
  ['LOG_FORMAT', 'json', ({ log }) => log.format, 'json'],
  ['WITHINGS_API_URL', 'http://127.0.0.1:4000', ({ withings }) => withings.apiUrl.href, 'http://127.0.0.1:4000/'],
];

const BAD: Readonly<Record<string, readonly string[]>> = {
  PORT: ['80a', '-1', '65536', '3e3', '0x50', '80.0', '80 81', '٣'],
  TRUST_PROXY: [
    'proxy',
    '10.0.0.1/33',
    '10.0.0.1/8/9',
    '10.0.0.0/0',
    '::/0',
    '::1/129',
    'loopback,',
    '300.1.1.1',
    '-1',
  ],
  USER_NAMES: ['Anna', '1234', '1234:', ':Anna', 'x1:Anna', '1234:Anna,1234:Bo', '../1:Anna'],
  GOALS: [
    '78',
    '1234:',
    '1234:Anna',
    '1234:78,1234:79',
    '1234:9',
    '1234:401',
    '1234:-78',
    '1234:78kg',
    '1234:1e2',
    'x:78',
  ],
  WEIGHT_UNIT: ['pounds', 'toString'],
  RECONCILE_INTERVAL: ['6', 'h', '0h', '-1h', '1.5h', '6 hours', '59s', '25d', '999999999999d'],
  POLL_INTERVAL: ['10', '9m', '599s', '0s'],
  REDIRECT_URL: [
    'me.example.org',
    'ftp://me.example.org/',
    'https://me@example.org/',
    'https://me.example.org/#x',
    'https://me.example.org/?code=1',
  ],
  ANNOUNCE_MAX_AGE: ['1', '0s', '1w'],
  LOG_LEVEL: ['verbose', 'constructor'],
  LOG_FORMAT: ['xml'],
  WITHINGS_API_URL: ['wbsapi.withings.net', 'ftp://wbsapi.withings.net', 'https://'],
  CALLBACK_URL: [
    'me.example.org/hook',
    'http://me.example.org/hook',
    'https://me:pw@example.org/hook',
    'https://:pw@example.org/hook',
    'https://me.example.org/hook#top',
    'javascript:alert(1)',
  ],
  WEBHOOK_PATH: ['hook', 'https://me.example.org/hook', '/hook?key=1', '/hook#top', '/my hook'],
};

describe('the value of a setting', () => {
  for (const [name, value, read, expected] of GOOD) {
    it(`can be ${name}=${value}`, () => assert.deepEqual(read(accepted({ [name]: value })), expected));
  }

  for (const [name, values] of Object.entries(BAD)) {
    for (const value of values) {
      it(`cannot be ${name}=${value}`, () => {
        const { problems } = refused({ [name]: value });
        assert.deepEqual(
          problems.map((problem) => problem.name),
          [name],
        );
      });
    }
  }

  for (const value of ['“my-id”', '‘my-id’', 'my-id”', '„my-id“', '«my-id»', '“my-id"']) {
    it(`is rejected with a typographic quote around it, and the message names the quote: ${value}`, () => {
      for (const name of ['WITHINGS_CLIENT_ID', 'WITHINGS_CLIENT_SECRET', 'USER_NAMES', 'CALLBACK_URL']) {
        const [problem, ...others] = refused({ [name]: value }).problems;
        assert.deepEqual([problem?.name, others], [name, []]);
        assert.match(problem?.message ?? '', /is in the typographic quote [“”‘’„«»]\. Use the straight quote "/);
      }
    });
  }

  it('can be the goals of several people, with decimals', () => {
    const { goals } = accepted({ GOALS: '1234:78, 5678 : 65.5' });
    assert.deepEqual(
      [...goals],
      [
        ['1234', 78],
        ['5678', 65.5],
      ],
    );
  });

  it('can contain a typographic apostrophe from a phone', () => {
    assert.deepEqual([...accepted({ USER_NAMES: '1234:Anna’s mother' }).people.names.values()], ['Anna’s mother']);
  });

  for (const [settings, isRefused] of [
    [{ PORT: '3001' }, true],
    [{ PORT: '8080', STATUS_PORT: '8080' }, true],
    [{ HOST: '127.0.0.1', PORT: '8080', STATUS_PORT: '8080' }, true],
    [{ HOST: '192.168.1.2', PORT: '8080', STATUS_PORT: '8080' }, false],
    [{ PORT: '0', STATUS_PORT: '0' }, false],
    [{ PORT: '8080' }, false],
  ] as const) {
    it(`${isRefused ? 'may not' : 'may'} give two listeners these ports: ${JSON.stringify(settings)}`, () => {
      const { problems } = parseConfig({ ...CREDENTIALS, ...settings });
      const names = problems.map(({ name, message }) => `${name}: ${message}`);
      assert.deepEqual(names, isRefused ? ['STATUS_PORT: expected a different port than PORT'] : []);
    });
  }

  it('is accepted by Express if TRUST_PROXY is valid', () => {
    const values = ['1', '9', 'uniquelocal', '127.0.0.1', '10.0.0.1/8', '10.0.0.1/32', 'fe80::1', '::/1', '0.0.0.0/1'];
    for (const value of values) {
      const { trustProxy } = accepted({ TRUST_PROXY: value }).listen;
      assert.doesNotThrow(() => express().set('trust proxy', trustProxy), `TRUST_PROXY=${value}`);
    }
  });
});

describe('a problem', () => {
  it('names the setting, the received value and a valid example', () => {
    const [problem] = refused({ PORT: '80a' }).problems;
    assert.ok(problem);
    assert.equal(problem.got, '80a');
    assert.equal(accepted({ PORT: problem.example }).listen.port, 3000);
    const line = formatProblem(problem);
    for (const part of ['PORT', '"80a"', `PORT=${problem.example}`]) assert.ok(line.includes(part), line);
    assert.equal(line, 'PORT: expected a number from 0 to 65535, got "80a"\n       e.g. PORT=3000');
  });

  it('masks a secret', () => {
    const settings = { CALLBACK_URL: 'http://me.example.org/hush-hush?key=hush-hush', WEBHOOK_PATH: 'hush-hush' };
    const { problems } = refused(settings);
    assert.equal(problems.length, 2);
    for (const problem of problems) {
      assert.ok(!JSON.stringify(problem).includes('hush'), problem.name);
      assert.ok(!formatProblem(problem).includes('hush'), problem.name);
    }
  });
});

for (const name of [
  'WITHINGS_CLIENT_SECRET',
  'CALLBACK_URL',
  'WEBHOOK_PATH',
  'STATUS_PASSWORD',
  'MQTT_URL',
  'MQTT_PASSWORD',
  'HOOK_COMMAND',
  'WITHINGS_API_URL',
  'WITHINGS_ACCOUNT_URL',
]) {
  it(`masks ${name} whatever is wrong with it`, () => {
    for (const value of ['“hush”', 'hush…']) {
      const problem = parseConfig({ ...CREDENTIALS, [name]: value }).problems.find((each) => each.name === name);
      assert.ok(problem);
      assert.doesNotMatch(JSON.stringify(problem) + formatProblem(problem), /hush/);
    }
  });
}

describe('an unknown setting', () => {
  it('is a warning with the nearest known name, and no problem', () => {
    const { config, problems, warnings } = parseConfig({ ...CREDENTIALS, WITHINGS_CLIENT_SECRT: 'hush-hush' });
    assert.ok(config);
    assert.deepEqual(problems, []);
    assert.equal(warnings.length, 1);
    const [line = ''] = warnings.map(formatWarning);
    assert.match(line, /WITHINGS_CLIENT_SECRT\b.*WITHINGS_CLIENT_SECRET\b/);
    assert.doesNotMatch(line, /hush/);
  });

  it('is a warning without a guess when nothing is near', () => {
    const { warnings } = parseConfig({ ...CREDENTIALS, WEIGHBRIDGE_COLOUR_OF_THE_SCALE: 'red', MQTT_COLOUR: 'red' });
    assert.equal(warnings.length, 2);
    for (const { hint } of warnings) assert.equal(hint, undefined);
  });

  it('is ignored if it may belong to another program', () => {
    assert.deepEqual(parseConfig({ ...CREDENTIALS, PATH: '/bin', PROT: '80', HTTP_PORT: '80' }).warnings, []);
  });
});

describe('CALLBACK_URL', () => {
  it('defines the route and the parameters that every request must contain', () => {
    const given = 'https://me.example.org/hook/9f2c?key=a%20b&key=c&home=1';
    const { callback } = accepted({ CALLBACK_URL: given });
    assert.equal(callback.url, given);
    assert.equal(callback.path, '/hook/9f2c');
    assert.deepEqual(
      [...callback.query],
      [
        ['key', 'a b'],
        ['key', 'c'],
        ['home', '1'],
      ],
    );
  });

  it('leaves the route to WEBHOOK_PATH, and keeps its parameters', () => {
    const { callback } = accepted({ CALLBACK_URL: 'https://me.example.org/hook?key=1', WEBHOOK_PATH: '/behind/proxy' });
    assert.equal(callback.path, '/behind/proxy');
    assert.equal(callback.query.get('key'), '1');
  });

  it('can be plain http on loopback only', () => {
    for (const host of ['localhost:3000', '127.0.0.1', '[::1]:80']) accepted({ CALLBACK_URL: `http://${host}/hook` });
    for (const host of ['127.example.org', 'localhost.example.org', '192.168.1.2']) {
      refused({ CALLBACK_URL: `http://${host}/hook` });
    }
  });
});

describe('MQTT_URL', () => {
  it('enables MQTT with its defaults', () => {
    const url = 'wss://broker.example.org:8443/mqtt';
    const login = { MQTT_USERNAME: 'anna', MQTT_PASSWORD: 'a password', MQTT_CA_FILE: '/etc/ca.pem' };
    assert.deepEqual(accepted({ MQTT_URL: url, ...login, MQTT_CHANNEL: 'home/scale', MQTT_PREFIX: 'a/b' }).mqtt, {
      url: new URL(url),
      username: 'anna',
      password: 'a password',
      caFile: '/etc/ca.pem',
      certFile: undefined,
      keyFile: undefined,
      channel: 'home/scale',
      prefix: 'a/b',
      discoveryPrefix: 'homeassistant',
    });
  });

  for (const url of [
    'mqtt://192.168.1.2',
    'mqtts://broker:8884',
    'ws://broker/mqtt',
    'mqtt://[::1]:1883',
    'mqtt://broker/',
  ])
    it(`can be ${url}`, () => assert.ok(accepted({ MQTT_URL: url }).mqtt));
  for (const url of [
    'broker',
    'broker:1883',
    'http://broker',
    'mqtt:broker',
    'mqtt://',
    'mqtt://broker/topic',
    'mqtt://broker?x=1',
  ])
    it(`cannot be ${url}`, () => void refused({ MQTT_URL: url }));

  it('requires both files of a client certificate, or neither', () => {
    const pair = { MQTT_CERT_FILE: '/etc/our.pem', MQTT_KEY_FILE: '/etc/our-key.pem' };
    const { mqtt } = accepted({ MQTT_URL: 'mqtts://broker', ...pair });
    assert.deepEqual([mqtt?.certFile, mqtt?.keyFile], ['/etc/our.pem', '/etc/our-key.pem']);
    for (const [given, missing] of [
      ['MQTT_CERT_FILE', 'MQTT_KEY_FILE'],
      ['MQTT_KEY_FILE', 'MQTT_CERT_FILE'],
    ] as const) {
      const { problems } = refused({ MQTT_URL: 'mqtts://broker', [given]: '/etc/x.pem' });
      assert.equal(problems.length, 1);
      assert.match(
        formatProblem(problems[0] as (typeof problems)[0]),
        new RegExp(`^${missing}: required with ${given}`),
      );
    }
  });

  it('contains no password, and a password in it is not repeated', () => {
    const { problems } = refused({ MQTT_URL: 'mqtt://anna:hidden@broker' });
    assert.match(problems.map(formatProblem).join(), /MQTT_USERNAME and MQTT_PASSWORD/);
    assert.doesNotMatch(problems.map(formatProblem).join(), /hidden/);
  });

  it('is required if another MQTT setting is set, as is a user name with a password', () => {
    const warn = (settings: Record<string, string>) =>
      parseConfig({ ...CREDENTIALS, ...settings })
        .warnings.map(formatWarning)
        .join();
    assert.match(warn({ MQTT_CHANNEL: 'a', MQTT_PREFIX: 'b' }), /MQTT_PREFIX and MQTT_CHANNEL without MQTT_URL/);
    assert.match(warn({ MQTT_URL: 'mqtt://broker', MQTT_PASSWORD: 'x' }), /MQTT_PASSWORD without MQTT_USERNAME/);
  });
});

describe('a topic', () => {
  for (const name of ['MQTT_PREFIX', 'MQTT_DISCOVERY_PREFIX', 'MQTT_CHANNEL']) {
    it(`cannot be a topic that MQTT reserves: ${name}`, () => {
      for (const wrong of ['a/+', '#', 'a/#/b', '$SYS/x', '/a', 'a/', 'a//b', 'a\u0000b', 'x'.repeat(257)])
        refused({ MQTT_URL: 'mqtt://broker', [name]: wrong });
      for (const right of ['a', 'a/b c', 'zuhause/Küche']) accepted({ MQTT_URL: 'mqtt://broker', [name]: right });
    });
  }
});

describe('topics', () => {
  const problem = (settings: Record<string, string>) =>
    refused({ MQTT_URL: 'mqtt://broker', ...settings })
      .problems.map(formatProblem)
      .join('\n');

  for (const settings of [
    { MQTT_PREFIX: 'homeassistant' },
    { MQTT_PREFIX: 'ha', MQTT_DISCOVERY_PREFIX: 'ha' },
    { MQTT_PREFIX: 'homeassistant', MQTT_DISCOVERY_PREFIX: 'ha' },
    { MQTT_DISCOVERY_PREFIX: 'weighbridge' },
  ]) {
    it(`cannot be the status topics of Home Assistant: ${JSON.stringify(settings)}`, () => {
      assert.match(
        problem(settings),
        /^MQTT_PREFIX: expected another prefix than Home Assistant's .*\S+\/status\), got .*\n +e\.g\. MQTT_PREFIX=/,
      );
    });
  }

  for (const [channel, settings] of [
    ['weighbridge/status', {}],
    ['weighbridge/1234/weight', {}],
    ['home/1234/event', { MQTT_PREFIX: 'home' }],
    ['homeassistant/status', {}],
    ['ha/status', { MQTT_DISCOVERY_PREFIX: 'ha' }],
    ['homeassistant/device/weighbridge_1234/config', {}],
  ] as const) {
    it(`have one meaning each, so MQTT_CHANNEL cannot be ${channel}`, () => {
      assert.match(
        problem({ MQTT_CHANNEL: channel, ...settings }),
        /^MQTT_CHANNEL: expected a topic that nothing else uses/,
      );
    });
  }

  it('can be next to each other, and are ignored without a broker', () => {
    for (const MQTT_CHANNEL of ['weighbridge', 'weighbridge/weight', 'homeassistant/weight', 'status'])
      accepted({ MQTT_URL: 'mqtt://broker', MQTT_CHANNEL });
    accepted({ MQTT_URL: 'mqtt://broker', MQTT_PREFIX: 'homeassistant/weighbridge' });
    accepted({ MQTT_PREFIX: 'homeassistant' });
  });
});

describe('HOOK_COMMAND', () => {
  it('passes the variables that programs need, and no setting', () => {
    const kept = {
      PATH: '/bin',
      HOME: '/home/pi',
      LANG: 'C',
      LC_ALL: 'C',
      TZ: 'UTC',
      XDG_RUNTIME_DIR: '/run/user/1000',
    };
    const others = { MY_PASSWORD: 'x', STATUS_PASSWORD: 'y', NODE_OPTIONS: '--inspect', LD_PRELOAD: 'z.so' };
    const { hook } = accepted({ ...kept, ...others, HOOK_COMMAND: 'say "a word"' });
    assert.deepEqual(hook, { command: ['say', 'a word'], environment: kept, hearsHeld: false, hearsBed: false });
  });

  it('is not repeated in a problem, because it may contain a password', () => {
    const [problem] = refused({ HOOK_COMMAND: "post 'secret" }).problems;
    assert.match(problem?.got ?? '', /^\*\*\* /);
  });
});

describe('a secret in a file of its own', () => {
  const SECRETS = ['WITHINGS_CLIENT_SECRET', 'STATUS_PASSWORD', 'MQTT_PASSWORD'];
  const others = { WITHINGS_CLIENT_ID: 'my-id', MQTT_URL: 'mqtt://broker', MQTT_USERNAME: 'anna' };

  it('is the content of the file without white space around it', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'secret');
    await writeFile(file, ' hush hush\r\n');
    const files = Object.fromEntries(SECRETS.map((name) => [`${name}_FILE`, file]));
    const { config, problems, warnings } = parseConfig({ ...others, ...files, STATUS_HOST: '0.0.0.0' });
    assert.deepEqual([problems, warnings], [[], []]);
    const { withings, status, mqtt } = config ?? assert.fail();
    assert.deepEqual([withings.credentials?.clientSecret, status.password, mqtt?.password], Array(3).fill('hush hush'));
  });

  it('is a problem that names the file if it is unreadable, empty, or set twice', async () => {
    await using directory = await temporaryDirectory();
    const empty = join(directory.path, 'empty');
    await writeFile(empty, '\n');
    for (const name of SECRETS) {
      const given = { ...CREDENTIALS, ...others, STATUS_HOST: '0.0.0.0', STATUS_PASSWORD: 'x', [name]: '' };
      for (const [more, message] of [
        [{ [`${name}_FILE`]: '/nowhere/secret' }, /cannot read \/nowhere\/secret \(ENOENT\)/],
        [{ [`${name}_FILE`]: directory.path }, /\(EISDIR\)/],
        [{ [`${name}_FILE`]: empty }, /is empty/],
        [{ [`${name}_FILE`]: empty, [name]: 'hush' }, /is set as well\. Remove one of them/],
      ] as const) {
        const { problems } = parseConfig({ ...given, ...more });
        assert.deepEqual(
          problems.map((each) => each.name),
          [`${name}_FILE`],
        );
        for (const problem of problems) assert.match(formatProblem(problem), message);
        const hint = `e.g. ${name}_FILE=/run/secrets/${name.toLowerCase()}`;
        for (const problem of problems) assert.equal(describeProblem(problem).hint, hint);
      }
    }
  });

  it('is reported by its own name if it is missing', () => {
    const [problem] = parseConfig({ WITHINGS_CLIENT_ID: 'my-id' }).problems;
    assert.equal(problem?.name, 'WITHINGS_CLIENT_SECRET');
  });
});

describe('REDIRECT_URL', () => {
  it('is the return address of the browser without CALLBACK_URL, and ignored with it', () => {
    const REDIRECT_URL = 'http://localhost:3000/back?key=9f2c';
    const { callback } = accepted({ REDIRECT_URL });
    assert.deepEqual(
      [callback.url, callback.redirectUrl, callback.answersRedirect, callback.path, callback.query.get('key')],
      [undefined, REDIRECT_URL, true, '/back', '9f2c'],
    );
    const CALLBACK_URL = 'https://me.example.org/withingsWebhook/9f2c41d0';
    const beside = accepted({ CALLBACK_URL, REDIRECT_URL }).callback;
    assert.deepEqual([beside.redirectUrl, beside.path], [CALLBACK_URL, '/withingsWebhook/9f2c41d0']);
  });

  it('can be a page that weighbridge does not answer', () => {
    assert.equal(accepted({ REDIRECT_URL: 'https://me.example.org/' }).callback.answersRedirect, false);
  });
});

describe('POLL_INTERVAL', () => {
  it('names 10 minutes as the minimum for every invalid value', () => {
    for (const wrong of ['0', '0s', '10', '2s']) {
      const { problems } = parseConfig({ ...CREDENTIALS, POLL_INTERVAL: wrong });
      assert.match(problems[0]?.message ?? '', /10m/, wrong);
    }
    const { problems } = parseConfig({ ...CREDENTIALS, RECONCILE_INTERVAL: '0' });
    assert.match(problems[0]?.message ?? '', /from 10m to 24d/);
  });

  it('can be shorter than Withings allows with a sandbox on this computer', () => {
    const sandbox = { WITHINGS_API_URL: 'http://127.0.0.1:8000' };
    assert.equal(accepted({ ...sandbox, POLL_INTERVAL: '2s' }).pollIntervalMs, 2_000);
    const { problems } = parseConfig({ ...CREDENTIALS, POLL_INTERVAL: '2s' });
    assert.deepEqual(
      problems.map(({ name, got, message }) => [name, got, message]),
      [['POLL_INTERVAL', '2s', 'expected 10m or more (Withings allows one poll per person in 10 minutes)']],
    );
  });
});

describe('.env.example', () => {
  const text = readFileSync(new URL('../../../.env.example', import.meta.url), 'utf8');
  const uncommented = parse(text.replaceAll(/^# (?=[A-Z_]+=)/gm, ''));

  it('sets nothing as shipped', () => assert.deepEqual(parse(text), {}));

  it('shows every setting, and no unknown one', () => {
    assert.deepEqual(Object.keys(uncommented).sort(), NAMES.toSorted());
  });

  it('shows valid values', () => {
    const { problems, warnings } = parseConfig(uncommented);
    assert.deepEqual([problems, warnings], [[], []]);
  });

  it('shows every default', () => {
    const { people, goals: _goals, ...shown } = accepted(uncommented);
    const defaults = accepted({});
    assert.equal(people.unit, defaults.people.unit);
    assert.equal(shown.withings.apiUrl.href, defaults.withings.apiUrl.href);
    const { withings: _credentials, callback: _examples, status: _password, mqtt, hook: _command, ...others } = shown;
    const {
      withings,
      callback,
      people: _names,
      goals: _noGoals,
      status,
      mqtt: _none,
      hook: _neither,
      ...expected
    } = defaults;
    assert.deepEqual(others, expected);
    assert.deepEqual({ ...shown.status, ingress: undefined, password: undefined }, status);
    assert.deepEqual([mqtt?.prefix, mqtt?.discoveryPrefix], ['weighbridge', 'homeassistant']);
    assert.equal(uncommented['WEBHOOK_PATH'], callback.path);
    assert.ok(withings.credentials);
  });

  it('explains each setting in the lines above it', () => {
    for (const block of text.split('\n\n').filter((each) => /^# [A-Z_]+=/m.test(each))) {
      assert.match(block, /^# [^=]+\n/, block);
    }
  });
});

describe('APPLIS', () => {
  it('accepts beds, and the consent link requests the scopes of the categories', () => {
    const scopesOf = (env: Readonly<Record<string, string>>) => accepted(env).withings.scopes;
    assert.deepEqual(scopesOf({}), ['user.info', 'user.metrics']);
    assert.deepEqual(scopesOf({ APPLIS: '1,50,51' }), ['user.info', 'user.metrics', 'user.sleepevents']);
    assert.deepEqual(scopesOf({ APPLIS: '50,51', SCOPES: 'user.info' }), ['user.info', 'user.sleepevents']);
    assert.deepEqual(accepted({ APPLIS: '1,50,51' }).withings.applis, [1, 50, 51]);
  });

  it('names a category that getmeas does not return', () => {
    for (const [appli, name] of [
      ['16', 'activity'],
      ['44', 'sleep'],
      ['54', 'ECG'],
      ['98', 'bed occupied'],
    ])
      assert.match(
        refused({ APPLIS: `1,${appli}` }).problems[0]?.message ?? '',
        new RegExp(`cannot fetch ${appli}, ${name}, from Withings`),
      );
    assert.doesNotMatch(refused({ APPLIS: '7' }).problems[0]?.message ?? '', /cannot fetch/);
  });
});

describe('settings that Withings does not support cause a warning with the reason', () => {
  const warn = (settings: Readonly<Record<string, string>>) => {
    const { config, warnings } = parseConfig({ ...CREDENTIALS, ...settings });
    assert.notEqual(config, undefined);
    return warnings.map(formatWarning);
  };

  it('names each unknown scope and all known ones', () => {
    const [line = '', ...more] = warn({ SCOPES: 'user.info,user.metric,user.weight' });
    assert.match(line, /SCOPES.*user\.metric and user\.weight.*unknown scopes.*user\.metrics.*user\.sleepevents/);
    assert.deepEqual(more, []);
    assert.deepEqual(warn({ SCOPES: 'user.info,user.metrics,user.activity,user.sleepevents' }), []);
  });

  it('names the settings that prevent bed events', () => {
    const CALLBACK_URL = 'https://me.example.org/withingsWebhook/9f2c5d0a7be14f6c';
    assert.deepEqual(warn({ CALLBACK_URL, APPLIS: '1,50,51' }), []);
    assert.match(warn({ CALLBACK_URL, APPLIS: '1,50' })[0] ?? '', /in bed \(50\) but not out of bed \(51\)/);
    assert.match(warn({ APPLIS: '50,51' })[0] ?? '', /polling cannot fetch bed events\. Set CALLBACK_URL/);
    const guessed = { CALLBACK_URL: 'https://me.example.org/withingsWebhook', APPLIS: '50,51' };
    assert.match(warn(guessed).at(-1) ?? '', /bed events need a secret in CALLBACK_URL/);
    // Only parts that a caller must know count as secret.
    assert.match(warn({ CALLBACK_URL, WEBHOOK_PATH: '/hook', APPLIS: '50,51' })[0] ?? '', /bed events need a secret/);
    assert.deepEqual(warn({ CALLBACK_URL: `${guessed.CALLBACK_URL}?key=9f2c5d0a7be1`, APPLIS: '50,51' }), []);
  });

  it('reports a REDIRECT_URL on this computer that does not lead to weighbridge', () => {
    for (const REDIRECT_URL of ['http://localhost/back', 'http://127.0.0.1:8910/back', 'https://localhost:3000/back'])
      assert.match(warn({ REDIRECT_URL })[0] ?? '', /weighbridge listens on http:\/\/ and port 3000/);
    for (const REDIRECT_URL of ['http://localhost:3000/back', 'https://me.example.org/back'])
      assert.deepEqual(warn({ REDIRECT_URL }), []);
  });

  it('reports the limit of Withings of one poll per person in 10 minutes', () => {
    const [line = '', ...more] = warn({ RECONCILE_INTERVAL: '599s' });
    assert.match(line, /RECONCILE_INTERVAL.*one poll per person in 10 minutes/);
    assert.deepEqual(more, []);
    assert.deepEqual(warn({ RECONCILE_INTERVAL: '10m' }), []);
  });
});
