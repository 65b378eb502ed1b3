import { readFileSync } from 'node:fs';
import { WEIGHT_UNITS } from '../domain/format.ts';
import type { People } from '../domain/household.ts';
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from '../domain/log.ts';
import type { Appli } from '../domain/notification.ts';
import { errorCode } from '../domain/trouble.ts';
import { commandLine } from './command-line.ts';
import { nearest } from './nearest.ts';
import {
  applis,
  brokerUrl,
  callbackUrl,
  duration,
  integer,
  isLoopback,
  oneOf,
  path,
  type Setting,
  SettingError,
  scopes,
  text,
  topic,
  trustProxy,
  url,
  userNames,
} from './settings.ts';
import { SECRET_NAMES, type SecretName } from './sources.ts';
import { findTopicClash } from './topic-clash.ts';

export interface Config {
  readonly withings: {
    readonly apiUrl: URL;
    readonly accountUrl: URL;
    readonly scopes: readonly string[];
    readonly applis: readonly Appli[];
    readonly credentials: { readonly clientId: string; readonly clientSecret: string } | undefined;
  };
  readonly callback: {
    /** `CALLBACK_URL`, letter by letter as Withings knows it; without it Withings cannot find this daemon. */
    readonly url: string | undefined;
    readonly path: string;
    readonly query: URLSearchParams;
  };
  readonly listen: { readonly host: string; readonly port: number; readonly trustProxy: boolean | number | string };
  /** The private port; a port of 0 turns it off. */
  /** Without a port it is off; port 0 is any free one, as elsewhere. */
  readonly status: {
    readonly host: string;
    readonly port: number | undefined;
    readonly password: string | undefined;
  };
  readonly directories: { readonly tokens: string; readonly data: string };
  readonly people: People;
  readonly reconcileIntervalMs: number;
  readonly announceMaxAgeMs: number;
  /** Undefined without `MQTT_URL`. */
  readonly mqtt: MqttConfig | undefined;
  /** Undefined without `HOOK_COMMAND`. */
  readonly hook: HookConfig | undefined;
  readonly log: { readonly level: LogLevel; readonly format: LogFormat };
}

export interface MqttConfig {
  readonly url: URL;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** The certificate of a certificate authority of one's own, PEM. */
  readonly caFile: string | undefined;
  /** The plain topic of every fresh weight. */
  readonly channel: string | undefined;
  readonly prefix: string;
  readonly discoveryPrefix: string;
}

export interface HookConfig {
  /** A program and its arguments. */
  readonly command: readonly string[];
  /** What it gets of the environment: what programs need, and no setting. */
  readonly environment: Readonly<Record<string, string>>;
}

/** A setting that is missing or wrong. `got` is masked where the value is secret. */
export interface Problem {
  readonly name: string;
  readonly got: string | undefined;
  readonly message: string;
  readonly example: string;
}

/** A setting that does no harm at once. */
export interface Warning {
  readonly message: string;
  readonly hint: string | undefined;
}

export interface Parsed {
  readonly config: Config | undefined;
  /** What is left where there are problems, with the default in the place of each value that is wrong: to look at, not to run. */
  readonly readable: Config;
  readonly problems: readonly Problem[];
  /** Names that nothing here knows and that look as if something should, and a secret that is none. */
  readonly warnings: readonly Warning[];
}

type Environment = Readonly<Record<string, string | undefined>>;

const ROUTE = '/withingsWebhook';

/** Settings that have a value when nobody sets them: the example. */
const DEFAULTED = {
  HOST: text('0.0.0.0'),
  PORT: integer('3000', 0, 65_535),
  TRUST_PROXY: trustProxy('loopback'),
  STATUS_HOST: text('127.0.0.1'),
  STATUS_PORT: integer('3001', 0, 65_535),
  TOKENS_DIR: text('./tokens'),
  DATA_DIR: text('./data'),
  WEIGHT_UNIT: oneOf('kg', WEIGHT_UNITS),
  RECONCILE_INTERVAL: duration('6h', 60_000),
  ANNOUNCE_MAX_AGE: duration('1h', 1_000),
  SCOPES: scopes('user.info,user.metrics'),
  APPLIS: applis('1'),
  MQTT_PREFIX: topic('weighbridge'),
  MQTT_DISCOVERY_PREFIX: topic('homeassistant'),
  LOG_LEVEL: oneOf('info', LOG_LEVELS),
  LOG_FORMAT: oneOf('text', LOG_FORMATS),
  WITHINGS_API_URL: url('https://wbsapi.withings.net'),
  WITHINGS_ACCOUNT_URL: url('https://account.withings.com'),
} satisfies Record<string, Setting<unknown>>;

const OPTIONAL = {
  WITHINGS_CLIENT_ID: text('1a2b3c4d5e6f (from the Withings partner dashboard)'),
  WITHINGS_CLIENT_SECRET: text('4d5e6f7a8b9c (from the Withings partner dashboard)'),
  CALLBACK_URL: callbackUrl('https://me.example.org/withingsWebhook/9f2c'),
  WEBHOOK_PATH: path('/withingsWebhook'),
  USER_NAMES: userNames('1234:Anna,5678:Bo'),
  STATUS_PASSWORD: text('correct-horse-battery-staple'),
  MQTT_URL: brokerUrl('mqtt://192.168.1.2'),
  MQTT_USERNAME: text('weighbridge'),
  MQTT_PASSWORD: text('another-horse-battery-staple'),
  MQTT_CA_FILE: text('/etc/ssl/my-ca.pem'),
  MQTT_CHANNEL: topic('home/weight'),
  HOOK_COMMAND: commandLine("./deploy/hooks/append-csv.sh 'my weights.csv'"),
} satisfies Record<string, Setting<unknown>>;

/** Every setting there is. `.env.example` explains the same ones; a test holds the two together. */
export const SETTINGS: Readonly<Record<string, Setting<unknown>>> = { ...DEFAULTED, ...OPTIONAL };

/** Where a secret is that does not stand in its setting, by the name that says so. */
const SECRET_FILES: Readonly<Record<string, Setting<string>>> = Object.fromEntries(
  SECRET_NAMES.map((name) => [`${name}_FILE`, text(`/run/secrets/${name.toLowerCase()}`)]),
);

/** What must not be repeated, not even to the one who typed it. */
const SECRET: ReadonlySet<string> = new Set([
  'WITHINGS_CLIENT_SECRET',
  'CALLBACK_URL',
  'WEBHOOK_PATH',
  'STATUS_PASSWORD',
  'MQTT_URL',
  'MQTT_PASSWORD',
  'HOOK_COMMAND',
  'WITHINGS_API_URL',
  'WITHINGS_ACCOUNT_URL',
]);

/**
 * Reads the settings from an environment. Pure, but for the files that hold a secret; finds every problem at once. An
 * empty value counts as unset.
 *
 * @param needs `withings` where the command talks to Withings, so that the client id and secret are required
 * @param written names that somebody has written down for this program, so that an unknown one is a mistake
 */
export function parseConfig(
  env: Environment,
  needs: 'withings' | 'files' = 'withings',
  written: readonly string[] = [],
): Parsed {
  const problems: Problem[] = [];

  const report = (name: string, value: string, message: string) => {
    const got = SECRET.has(name) ? `*** (${value.length} characters)` : value;
    problems.push({ name, got, message, example: (SETTINGS[name] ?? SECRET_FILES[name])?.example ?? '' });
    return undefined;
  };
  const read = <T>(name: string, setting: Setting<T>, value: string): T | undefined => {
    // As the documentation prints what is to be filled in.
    if (value.includes('…')) return report(name, value, 'is not filled in');
    try {
      return setting.parse(value);
    } catch (error) {
      if (!(error instanceof SettingError)) throw error;
      return report(name, value, error.message);
    }
  };
  const given = (name: string) => env[name]?.trim() || undefined;
  const optional = <T>(name: string, setting: Setting<T>): T | undefined => {
    const value = given(name);
    return value === undefined ? undefined : read(name, setting, value);
  };
  const defaulted = <T>(name: string, setting: Setting<T>): T =>
    optional(name, setting) ?? setting.parse(setting.example);

  const required = (name: 'WITHINGS_CLIENT_ID' | 'WITHINGS_CLIENT_SECRET') => {
    const { example } = OPTIONAL[name];
    if (needs === 'withings' && given(name) === undefined && given(`${name}_FILE`) === undefined) {
      problems.push({ name, got: undefined, message: 'is required', example });
    }
  };
  /** In the setting itself, or in the file that another one names. */
  const secret = (name: SecretName): string | undefined => {
    const file = given(`${name}_FILE`);
    if (file === undefined) return optional(name, OPTIONAL[name]);
    if (given(name) !== undefined) return report(`${name}_FILE`, file, `is set, and so is ${name}: leave one of them`);
    try {
      const value = readFileSync(file, 'utf8').trim();
      return value === '' ? report(`${name}_FILE`, file, 'is empty') : read(name, OPTIONAL[name], value);
    } catch (error) {
      const code = errorCode(error) ?? error;
      return report(`${name}_FILE`, file, `cannot be read (${code})`);
    }
  };

  required('WITHINGS_CLIENT_ID');
  const clientId = optional('WITHINGS_CLIENT_ID', OPTIONAL.WITHINGS_CLIENT_ID);
  required('WITHINGS_CLIENT_SECRET');
  const clientSecret = secret('WITHINGS_CLIENT_SECRET');
  const callbackUrl = optional('CALLBACK_URL', OPTIONAL.CALLBACK_URL);
  const D = DEFAULTED;
  const status = {
    host: defaulted('STATUS_HOST', D.STATUS_HOST),
    port: defaulted('STATUS_PORT', D.STATUS_PORT) || undefined,
    password: secret('STATUS_PASSWORD'),
  };
  const hasPassword = status.password !== undefined || given('STATUS_PASSWORD_FILE') !== undefined;
  if (status.port !== undefined && !hasPassword && !isLoopback(status.host)) {
    const { example } = OPTIONAL.STATUS_PASSWORD;
    const message = 'is required where STATUS_HOST is not this machine alone';
    problems.push({ name: 'STATUS_PASSWORD', got: undefined, message, example });
  }
  const readMqtt = (): MqttConfig | undefined => {
    const url = optional('MQTT_URL', OPTIONAL.MQTT_URL);
    const rest = {
      username: optional('MQTT_USERNAME', OPTIONAL.MQTT_USERNAME),
      password: secret('MQTT_PASSWORD'),
      caFile: optional('MQTT_CA_FILE', OPTIONAL.MQTT_CA_FILE),
      channel: optional('MQTT_CHANNEL', OPTIONAL.MQTT_CHANNEL),
      prefix: defaulted('MQTT_PREFIX', D.MQTT_PREFIX),
      discoveryPrefix: defaulted('MQTT_DISCOVERY_PREFIX', D.MQTT_DISCOVERY_PREFIX),
    };
    const clash = url && findTopicClash(rest);
    if (clash !== undefined) report(clash.name, clash.value, clash.message);
    return url && { url, ...rest };
  };
  const command = optional('HOOK_COMMAND', OPTIONAL.HOOK_COMMAND);
  const config: Config = {
    withings: {
      apiUrl: defaulted('WITHINGS_API_URL', D.WITHINGS_API_URL),
      accountUrl: defaulted('WITHINGS_ACCOUNT_URL', D.WITHINGS_ACCOUNT_URL),
      scopes: defaulted('SCOPES', D.SCOPES),
      applis: defaulted('APPLIS', D.APPLIS),
      credentials: clientId !== undefined && clientSecret !== undefined ? { clientId, clientSecret } : undefined,
    },
    callback: {
      url: callbackUrl === undefined ? undefined : given('CALLBACK_URL'),
      path: optional('WEBHOOK_PATH', OPTIONAL.WEBHOOK_PATH) ?? callbackUrl?.pathname ?? ROUTE,
      query: callbackUrl?.searchParams ?? new URLSearchParams(),
    },
    listen: {
      host: defaulted('HOST', D.HOST),
      port: defaulted('PORT', D.PORT),
      trustProxy: defaulted('TRUST_PROXY', D.TRUST_PROXY),
    },
    status,
    directories: { tokens: defaulted('TOKENS_DIR', D.TOKENS_DIR), data: defaulted('DATA_DIR', D.DATA_DIR) },
    people: {
      names: optional('USER_NAMES', OPTIONAL.USER_NAMES) ?? new Map(),
      unit: defaulted('WEIGHT_UNIT', D.WEIGHT_UNIT),
    },
    reconcileIntervalMs: defaulted('RECONCILE_INTERVAL', D.RECONCILE_INTERVAL),
    announceMaxAgeMs: defaulted('ANNOUNCE_MAX_AGE', D.ANNOUNCE_MAX_AGE),
    mqtt: readMqtt(),
    hook: command && { command, environment: inherited(env) },
    log: { level: defaulted('LOG_LEVEL', D.LOG_LEVEL), format: defaulted('LOG_FORMAT', D.LOG_FORMAT) },
  };
  return {
    config: problems.length === 0 ? config : undefined,
    readable: config,
    problems,
    warnings: [...unknownNames(env, written), ...guessable(callbackUrl), ...halfSet(given)],
  };
}

/** Where programs, their files and their words are found, and the sound of the person who is logged in. */
const INHERITED =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|XDG_RUNTIME_DIR|DBUS_SESSION_BUS_ADDRESS|PULSE_SERVER)$/;

function inherited(env: Environment): Readonly<Record<string, string>> {
  const isKept = (entry: [string, string | undefined]): entry is [string, string] =>
    INHERITED.test(entry[0]) && entry[1] !== undefined;
  return Object.fromEntries(Object.entries(env).filter(isKept));
}

/** What is wrong, and an example of what is not. */
export function describeProblem({ name, got, message, example }: Problem): Warning {
  const instead = got === undefined ? '' : `, not "${got.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, '?')}"`;
  return { message: `${name} ${message}${instead}`, hint: `for example ${name}=${example}` };
}

/** One line a problem, for the person who has to mend it. */
export function formatProblem(problem: Problem): string {
  return formatWarning(describeProblem(problem));
}

export function formatWarning({ message, hint }: Warning): string {
  return hint === undefined ? message : `${message}; ${hint}`;
}

/** Shorter than this, a secret is no secret. */
const SHORTEST_SECRET = 8;

function guessable(callbackUrl: URL | undefined): Warning[] {
  if (callbackUrl === undefined) return [];
  const parts = [
    ...callbackUrl.pathname.split('/').filter((part) => `/${part}` !== ROUTE),
    ...callbackUrl.searchParams.values(),
  ];
  if (parts.some((part) => part.length >= SHORTEST_SECRET)) return [];
  return [
    {
      message: 'CALLBACK_URL holds nothing that a stranger could not guess',
      hint: 'end it with what "openssl rand -hex 16" prints',
    },
  ];
}

/** Settings of MQTT that do nothing without another one. */
function halfSet(given: (name: string) => string | undefined): Warning[] {
  const names = Object.keys({ ...SETTINGS, ...SECRET_FILES });
  const set = names.filter((name) => name.startsWith('MQTT_') && given(name) !== undefined);
  const warn = (message: string, name: 'MQTT_URL' | 'MQTT_USERNAME') => [
    { message, hint: `for example ${name}=${OPTIONAL[name].example}` },
  ];
  if (set.length === 0) return [];
  if (!set.includes('MQTT_URL')) return warn(`${set.join(' and ')} without MQTT_URL: nothing is published`, 'MQTT_URL');
  const hasPassword = set.includes('MQTT_PASSWORD') || set.includes('MQTT_PASSWORD_FILE');
  if (!hasPassword || set.includes('MQTT_USERNAME')) return [];
  return warn('MQTT_PASSWORD without MQTT_USERNAME: most brokers refuse that', 'MQTT_USERNAME');
}

function unknownNames(env: Environment, written: readonly string[]): Warning[] {
  const known = Object.keys({ ...SETTINGS, ...SECRET_FILES });
  const ours = (name: string) => /^(WITHINGS|WEIGHBRIDGE|MQTT)_/.test(name) || written.includes(name);
  return Object.keys(env)
    .filter((name) => ours(name) && !known.includes(name))
    .map((name) => {
      const guess = nearest(name, known);
      const hint = guess === undefined ? undefined : `did you mean ${guess}?`;
      return { message: `${name} is no setting of weighbridge`, hint };
    });
}
