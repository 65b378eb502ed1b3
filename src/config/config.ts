import type { People } from '../domain/household.ts';
import type { LogFormat, LogLevel } from '../domain/log.ts';
import type { Appli } from '../domain/notification.ts';
import { checkMqtt, checkSecrecy, findTopicClash, type Warning, warnOfUnknown } from './checks.ts';
import { isLoopback } from './readers.ts';
import { hintFor, KNOWN, openSettings, type Problem, type Settings } from './settings.ts';
import type { Source } from './sources.ts';

export interface Config {
  readonly withings: {
    readonly apiUrl: URL;
    readonly accountUrl: URL;
    readonly scopes: readonly string[];
    readonly applis: readonly Appli[];
    readonly credentials: { readonly clientId: string; readonly clientSecret: string } | undefined;
  };
  readonly callback: {
    /** `CALLBACK_URL`, exactly as Withings knows it; without it Withings cannot find this daemon. */
    readonly url: string | undefined;
    readonly path: string;
    readonly query: URLSearchParams;
  };
  readonly listen: { readonly host: string; readonly port: number; readonly trustProxy: boolean | number | string };
  /** The private port. Without a port it is off, as `STATUS_PORT=0` says; port 0 is any free one, for the demo. */
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
  /** The certificate of the broker's certificate authority, PEM. */
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

export interface Parsed {
  readonly config: Config | undefined;
  /** The settings with the default in place of each value that is wrong: to look at, not to run. */
  readonly readable: Config;
  readonly problems: readonly Problem[];
  /** Names that are no setting but look like one, settings without their partner, and a secret that is none. */
  readonly warnings: readonly Warning[];
}

const ROUTE = '/withingsWebhook';

/**
 * Reads the settings from an environment. Pure, but for the files that hold a secret; finds every problem at once. An
 * empty value counts as unset.
 *
 * @param needs `withings` where the command talks to Withings, so that the client id and secret are required
 * @param written names from a file for this program, where an unknown one is a mistake
 */
export function parseConfig(
  env: Source,
  needs: 'withings' | 'files' = 'withings',
  written: readonly string[] = [],
): Parsed {
  const settings = openSettings(env);
  const { problems, given, isGiven, report, optional, defaulted, secret } = settings;
  if (needs === 'withings') {
    if (given('WITHINGS_CLIENT_ID') === undefined) report('WITHINGS_CLIENT_ID', undefined, 'is required');
    if (!isGiven('WITHINGS_CLIENT_SECRET')) report('WITHINGS_CLIENT_SECRET', undefined, 'is required');
  }
  const clientId = optional('WITHINGS_CLIENT_ID');
  const clientSecret = secret('WITHINGS_CLIENT_SECRET');
  const callbackUrl = optional('CALLBACK_URL');
  const command = optional('HOOK_COMMAND');
  const readable: Config = {
    withings: {
      apiUrl: defaulted('WITHINGS_API_URL'),
      accountUrl: defaulted('WITHINGS_ACCOUNT_URL'),
      scopes: defaulted('SCOPES'),
      applis: defaulted('APPLIS'),
      credentials: clientId !== undefined && clientSecret !== undefined ? { clientId, clientSecret } : undefined,
    },
    callback: {
      url: callbackUrl && given('CALLBACK_URL'),
      path: optional('WEBHOOK_PATH') ?? callbackUrl?.pathname ?? ROUTE,
      query: callbackUrl?.searchParams ?? new URLSearchParams(),
    },
    listen: { host: defaulted('HOST'), port: defaulted('PORT'), trustProxy: defaulted('TRUST_PROXY') },
    status: readStatus(settings),
    directories: { tokens: defaulted('TOKENS_DIR'), data: defaulted('DATA_DIR') },
    people: { names: optional('USER_NAMES') ?? new Map(), unit: defaulted('WEIGHT_UNIT') },
    reconcileIntervalMs: defaulted('RECONCILE_INTERVAL'),
    announceMaxAgeMs: defaulted('ANNOUNCE_MAX_AGE'),
    mqtt: readMqtt(settings),
    hook: command && { command, environment: inherited(env) },
    log: { level: defaulted('LOG_LEVEL'), format: defaulted('LOG_FORMAT') },
  };
  return {
    config: problems.length === 0 ? readable : undefined,
    readable,
    problems,
    warnings: findWarnings(env, written, callbackUrl),
  };
}

function readStatus({ isGiven, report, defaulted, secret }: Settings): Config['status'] {
  const host = defaulted('STATUS_HOST');
  const port = defaulted('STATUS_PORT') || undefined;
  if (port !== undefined && !isGiven('STATUS_PASSWORD') && !isLoopback(host))
    report('STATUS_PASSWORD', undefined, 'is required where STATUS_HOST is not this machine alone');
  return { host, port, password: secret('STATUS_PASSWORD') };
}

function readMqtt({ report, optional, defaulted, secret }: Settings): MqttConfig | undefined {
  const url = optional('MQTT_URL');
  const mqtt = {
    username: optional('MQTT_USERNAME'),
    password: secret('MQTT_PASSWORD'),
    caFile: optional('MQTT_CA_FILE'),
    channel: optional('MQTT_CHANNEL'),
    prefix: defaulted('MQTT_PREFIX'),
    discoveryPrefix: defaulted('MQTT_DISCOVERY_PREFIX'),
  };
  const clash = url && findTopicClash(mqtt);
  if (clash !== undefined) report(clash.name, clash.value, clash.message);
  return url && { url, ...mqtt };
}

function findWarnings(env: Source, written: readonly string[], callbackUrl: URL | undefined): readonly Warning[] {
  const known = Object.keys(KNOWN);
  const isOurs = (name: string) => /^(WITHINGS|WEIGHBRIDGE|MQTT)_/.test(name) || written.includes(name);
  const unknown = Object.keys(env).filter((name) => isOurs(name) && !known.includes(name));
  const idle = checkMqtt(known.filter((name) => env[name]?.trim()));
  return [
    ...unknown.map((name) => warnOfUnknown(name, known)),
    ...(callbackUrl ? checkSecrecy(callbackUrl, ROUTE) : []),
    ...(idle ? [{ message: idle.message, hint: hintFor(idle.missing) }] : []),
  ];
}

/** Where programs, their files and their words are found, and the sound of the person who is logged in. */
const INHERITED =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|XDG_RUNTIME_DIR|DBUS_SESSION_BUS_ADDRESS|PULSE_SERVER)$/;

function inherited(env: Source): Readonly<Record<string, string>> {
  const kept = Object.entries(env).filter(([name]) => INHERITED.test(name));
  return Object.fromEntries(kept.map(([name, value = '']) => [name, value]));
}

/** What is wrong, and an example of what is not. */
export function describeProblem({ name, got, message }: Problem): Warning {
  const instead = got === undefined ? '' : `, not "${got.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, '?')}"`;
  return { message: `${name} ${message}${instead}`, hint: hintFor(name) };
}

/** One line a problem, for the person who has to correct it. */
export function formatProblem(problem: Problem): string {
  return formatWarning(describeProblem(problem));
}

export function formatWarning({ message, hint }: Warning): string {
  return hint === undefined ? message : `${message}; ${hint}`;
}
