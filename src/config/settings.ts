import { WEIGHT_UNITS } from '../domain/format.ts';
import { LOG_FORMATS, LOG_LEVELS } from '../domain/log.ts';
import { errorCode } from '../domain/trouble.ts';
import { commandLine } from './command-line.ts';
import {
  address,
  applis,
  brokerUrl,
  callbackUrl,
  duration,
  goals,
  integer,
  oneOf,
  path,
  type Reader,
  redirectUrl,
  SettingError,
  scopes,
  share,
  text,
  topic,
  trustProxy,
  url,
  userNames,
} from './readers.ts';
import { readSmallFile } from './small-file.ts';
import { SECRET_NAMES, type SecretName, type Source } from './sources.ts';

/** The reader of one setting, and a valid example. */
interface Setting<T> {
  readonly read: Reader<T>;
  readonly example: string;
  /** If true, no message may repeat the value. */
  readonly isSecret?: boolean;
  /** If true, messages may show only the host of the URL. */
  readonly showsHost?: boolean;
}

type Table<T> = { readonly [Name in keyof T]: Setting<T[Name]> };

/** Withings allows one poll per person in 10 minutes. */
const LEAST_POLL = '10m';

/** Settings whose example is their default. */
const DEFAULTED = {
  HOST: { read: text, example: '0.0.0.0' },
  PORT: { read: integer(0, 65_535), example: '3000' },
  TRUST_PROXY: { read: trustProxy, example: 'loopback' },
  STATUS_HOST: { read: text, example: '127.0.0.1' },
  STATUS_PORT: { read: integer(0, 65_535), example: '3001' },
  STATUS_LINK: { read: oneOf(['on', 'off']), example: 'on' },
  TOKENS_DIR: { read: text, example: './tokens' },
  DATA_DIR: { read: text, example: './data' },
  WEIGHT_UNIT: { read: oneOf(WEIGHT_UNITS), example: 'kg' },
  RECONCILE_INTERVAL: { read: duration(60_000, LEAST_POLL), example: '6h' },
  POLL_INTERVAL: { read: duration(1_000, LEAST_POLL), example: '10m' },
  ANNOUNCE_MAX_AGE: { read: duration(1_000), example: '1h' },
  HOLD_JUMPS: { read: share, example: '20%' },
  HOOK_HELD: { read: oneOf(['off', 'on']), example: 'off' },
  HOOK_BED: { read: oneOf(['off', 'on']), example: 'off' },
  SCOPES: { read: scopes, example: 'user.info,user.metrics' },
  APPLIS: { read: applis, example: '1' },
  MQTT_PREFIX: { read: topic, example: 'weighbridge' },
  MQTT_DISCOVERY_PREFIX: { read: topic, example: 'homeassistant' },
  LOG_LEVEL: { read: oneOf(LOG_LEVELS), example: 'info' },
  LOG_FORMAT: { read: oneOf(LOG_FORMATS), example: 'text' },
  WITHINGS_API_URL: { read: url, example: 'https://wbsapi.withings.net', isSecret: true },
  WITHINGS_ACCOUNT_URL: { read: url, example: 'https://account.withings.com', isSecret: true },
} satisfies Table<unknown>;

const OPTIONAL = {
  WITHINGS_CLIENT_ID: { read: text, example: '1a2b3c4d5e6f' },
  WITHINGS_CLIENT_SECRET: { read: text, example: '4d5e6f7a8b9c', isSecret: true },
  CALLBACK_URL: {
    read: callbackUrl,
    example: 'https://me.example.org/withingsWebhook/9f2c',
    isSecret: true,
    showsHost: true,
  },
  REDIRECT_URL: { read: redirectUrl, example: 'http://localhost:3000/withingsWebhook' },
  WEBHOOK_PATH: { read: path, example: '/withingsWebhook', isSecret: true },
  USER_NAMES: { read: userNames, example: '1234:Anna,5678:Bo' },
  GOALS: { read: goals, example: '1234:78,5678:65.5' },
  STATUS_PASSWORD: { read: text, example: 'correct-horse-battery-staple', isSecret: true },
  STATUS_INGRESS: { read: address, example: '172.30.32.2' },
  MQTT_URL: { read: brokerUrl, example: 'mqtt://192.168.1.2', isSecret: true, showsHost: true },
  MQTT_USERNAME: { read: text, example: 'weighbridge' },
  MQTT_PASSWORD: { read: text, example: 'another-horse-battery-staple', isSecret: true },
  MQTT_CA_FILE: { read: text, example: '/etc/ssl/my-ca.pem' },
  MQTT_CERT_FILE: { read: text, example: '/etc/ssl/weighbridge.pem' },
  MQTT_KEY_FILE: { read: text, example: '/etc/ssl/weighbridge-key.pem' },
  MQTT_CHANNEL: { read: topic, example: 'home/weight' },
  HOOK_COMMAND: { read: commandLine, example: "append-csv.sh 'my weights.csv'", isSecret: true },
} satisfies Table<unknown>;

/** All settings. `.env.example` explains the same ones, and a test compares both. */
export const SETTINGS: Readonly<Record<string, Setting<unknown>>> = { ...DEFAULTED, ...OPTIONAL };

/** The settings, and those that name the file of a secret. */
export const KNOWN: Readonly<Record<string, Setting<unknown>>> = {
  ...SETTINGS,
  ...Object.fromEntries(
    SECRET_NAMES.map((name) => [`${name}_FILE`, { read: text, example: `/run/secrets/${name.toLowerCase()}` }]),
  ),
};

/** Word processors and phones replace straight quotes by these. Around a value they would become part of it. */
const TYPOGRAPHIC_QUOTE = /^[“”„‟‘’‚‛«»]|[“”„‟‘’‚‛«»]$/;

export const hintFor = (name: string) => `e.g. ${name}=${KNOWN[name]?.example ?? ''}`;

/** A setting that is missing or wrong. `got` is masked if the value is secret. */
export interface Problem {
  readonly name: string;
  readonly got: string | undefined;
  readonly message: string;
  readonly example: string;
}

/** `https://me.example.org/***`; a value without a host is masked as a whole. */
function masked(value: string, showsHost: boolean): string {
  const [host] = /^([a-z]+:\/\/)?[\w-]+(\.[\w-]+)+(:\d+)?(?=[/?#]|$)/i.exec(value) ?? [];
  if (showsHost && host !== undefined) return host === value ? host : `${host}/***`;
  return `*** (${value.length} character${value.length === 1 ? '' : 's'})`;
}

/** Looks up the settings of an environment, and collects the problems with them. */
export function openSettings(env: Source) {
  const problems: Problem[] = [];
  /** An empty value counts as unset. */
  const given = (name: string) => env[name]?.trim() || undefined;

  const report = (name: string, value: string | undefined, message: string) => {
    const { example = '', isSecret = false, showsHost = false } = KNOWN[name] ?? {};
    const got = isSecret && value !== undefined ? masked(value, showsHost) : value;
    problems.push({ name, got, message, example });
    return undefined;
  };
  const read = <T>(name: string, setting: Setting<T>, value: string | undefined): T | undefined => {
    if (value === undefined) return undefined;
    // The documentation has … in the place of a value to fill in.
    if (value.includes('…')) return report(name, value, 'still has the placeholder "…". Replace it with your value.');
    const [quote] = TYPOGRAPHIC_QUOTE.exec(value) ?? [];
    if (quote !== undefined)
      return report(name, value, `is in the typographic quote ${quote}. Use the straight quote ", or no quotes.`);
    try {
      return setting.read(value);
    } catch (error) {
      if (!(error instanceof SettingError)) throw error;
      return report(name, value, error.message);
    }
  };
  const optionalOf =
    <T>(table: Table<T>) =>
    <Name extends keyof T & string>(name: Name): T[Name] | undefined =>
      read(name, table[name], given(name));
  const defaultedOf =
    <T>(table: Table<T>) =>
    <Name extends keyof T & string>(name: Name): T[Name] =>
      read(name, table[name], given(name)) ?? table[name].read(table[name].example);
  const isGiven = (name: SecretName) => given(name) !== undefined || given(`${name}_FILE`) !== undefined;
  /** The secret from the setting itself, or from the file that another setting names. */
  const secret = (name: SecretName): string | undefined => {
    const file = given(`${name}_FILE`);
    if (file === undefined) return read(name, OPTIONAL[name], given(name));
    if (given(name) !== undefined) return report(`${name}_FILE`, file, `${name} is set as well. Remove one of them.`);
    try {
      const value = readSmallFile(file).trim();
      return value === ''
        ? report(`${name}_FILE`, file, `the file ${file} is empty`)
        : read(name, OPTIONAL[name], value);
    } catch (error) {
      return report(`${name}_FILE`, file, `cannot read ${file} (${errorCode(error) ?? error})`);
    }
  };

  return {
    problems,
    given,
    isGiven,
    report,
    optional: optionalOf(OPTIONAL),
    defaulted: defaultedOf(DEFAULTED),
    secret,
  };
}

export type Settings = ReturnType<typeof openSettings>;
