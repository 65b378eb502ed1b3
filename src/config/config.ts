import { scopesOf } from '../domain/scope.ts';
import type { UserId } from '../domain/token.ts';
import { explain } from '../domain/trouble.ts';
import {
  checkBed,
  checkInterval,
  checkMqtt,
  checkPair,
  checkPorts,
  checkRedirect,
  checkScopes,
  checkSecrecy,
  checkTopics,
  LEAST_POLL_MS,
  type Warning,
  warnOfUnknown,
} from './checks.ts';
import { isLoopback } from './readers.ts';
import { hintFor, KNOWN, openSettings, type Problem, type Settings } from './settings.ts';
import type { Source } from './sources.ts';

/** The values of the settings. `readConfig` makes it, and lists everything in it. */
export type Config = Readonly<ReturnType<typeof readConfig>>;
/** Undefined without `MQTT_URL`. */
export type MqttConfig = NonNullable<Config['mqtt']>;
/** Undefined without `HOOK_COMMAND`. */
export type HookConfig = NonNullable<Config['hook']>;

export interface Parsed {
  readonly config: Config | undefined;
  /** The settings with the default instead of each wrong value: for display, not to run. */
  readonly readable: Config;
  readonly problems: readonly Problem[];
  /** Names similar to settings, settings without a partner, guessable secrets, values that Withings does not allow. */
  readonly warnings: readonly Warning[];
}

const ROUTE = '/withingsWebhook';

/**
 * Reads the settings from an environment. Pure, except for files with a secret. Finds every problem at once. An empty
 * value counts as unset.
 *
 * @param needs `withings` if the command calls Withings and needs the client id and secret
 * @param written names from a file for this program, in which an unknown one is an error
 */
export function parseConfig(
  env: Source,
  needs: 'withings' | 'files' = 'withings',
  written: readonly string[] = [],
): Parsed {
  const settings = openSettings(env);
  const { problems, given, isGiven, report } = settings;
  if (needs === 'withings') {
    if (given('WITHINGS_CLIENT_ID') === undefined) report('WITHINGS_CLIENT_ID', undefined, 'required');
    if (!isGiven('WITHINGS_CLIENT_SECRET')) report('WITHINGS_CLIENT_SECRET', undefined, 'required');
  }
  const readable = readConfig(settings, env);
  checkPorts(readable, report);
  return {
    config: problems.length === 0 ? readable : undefined,
    readable,
    problems,
    warnings: findWarnings(env, written, readable),
  };
}

function readConfig(settings: Settings, env: Source) {
  const { optional, defaulted, secret } = settings;
  const clientId = optional('WITHINGS_CLIENT_ID');
  const clientSecret = secret('WITHINGS_CLIENT_SECRET');
  const apiUrl = defaulted('WITHINGS_API_URL');
  const command = optional('HOOK_COMMAND');
  const applis = defaulted('APPLIS');
  return {
    withings: {
      apiUrl,
      accountUrl: defaulted('WITHINGS_ACCOUNT_URL'),
      /** The scopes include those that the categories need. */
      scopes: [...new Set([...defaulted('SCOPES'), ...scopesOf(applis)])],
      applis,
      credentials: clientId !== undefined && clientSecret !== undefined ? { clientId, clientSecret } : undefined,
    },
    callback: readCallback(settings),
    listen: { host: defaulted('HOST'), port: defaulted('PORT'), trustProxy: defaulted('TRUST_PROXY') },
    status: readStatus(settings),
    directories: { tokens: defaulted('TOKENS_DIR'), data: defaulted('DATA_DIR') },
    people: { names: optional('USER_NAMES') ?? new Map<UserId, string>(), unit: defaulted('WEIGHT_UNIT') },
    /** The goals in kilograms. */
    goals: optional('GOALS') ?? new Map<UserId, number>(),
    ...readIntervals(settings, apiUrl),
    announceMaxAgeMs: defaulted('ANNOUNCE_MAX_AGE'),
    hold: { jumpShare: defaulted('HOLD_JUMPS') },
    mqtt: readMqtt(settings),
    hook: command && {
      command,
      environment: inherited(env),
      hearsHeld: defaulted('HOOK_HELD') === 'on',
      hearsBed: defaulted('HOOK_BED') === 'on',
    },
    log: { level: defaulted('LOG_LEVEL'), format: defaulted('LOG_FORMAT') },
  };
}

function readCallback({ given, optional }: Settings) {
  const url = optional('CALLBACK_URL');
  const redirect = optional('REDIRECT_URL');
  /** The URL at which Withings, or a browser on this computer, reaches weighbridge. */
  const own = url ?? (redirect !== undefined && isLoopback(redirect.hostname) ? redirect : undefined);
  return {
    /** The URL exactly as registered. Without it Withings cannot send notifications, and weighbridge polls. */
    url: url && given('CALLBACK_URL'),
    /** The URL to which Withings redirects the browser after the consent, exactly as registered. */
    redirectUrl: url === undefined ? redirect && given('REDIRECT_URL') : given('CALLBACK_URL'),
    /** The browser comes back to weighbridge, not to another page. */
    answersRedirect: own !== undefined,
    path: optional('WEBHOOK_PATH') ?? own?.pathname ?? ROUTE,
    query: own?.searchParams ?? new URLSearchParams(),
  };
}

/** How often weighbridge polls. The sandbox does not have Withings' limits. */
function readIntervals({ given, report, defaulted }: Settings, apiUrl: URL) {
  const pollMs = defaulted('POLL_INTERVAL');
  const reconcileIntervalMs = defaulted('RECONCILE_INTERVAL');
  if (pollMs < LEAST_POLL_MS && !isLoopback(apiUrl.hostname))
    report(
      'POLL_INTERVAL',
      given('POLL_INTERVAL'),
      'expected 10m or more (Withings allows one poll per person in 10 minutes)',
    );
  // Without notifications, weighbridge fetches everything at the shorter of the two intervals.
  return { reconcileIntervalMs, pollIntervalMs: Math.min(pollMs, reconcileIntervalMs) };
}

/** The status port. `STATUS_PORT=0` turns it off: `port` is undefined. In a `Config`, port 0 is any free port. */
function readStatus({ isGiven, report, optional, defaulted, secret }: Settings) {
  const host = defaulted('STATUS_HOST');
  const port = defaulted('STATUS_PORT') || undefined;
  /** The address of Home Assistant, which has its own login. Without a password no other computer gets an answer. */
  const ingress = optional('STATUS_INGRESS');
  if (port !== undefined && ingress === undefined && !isGiven('STATUS_PASSWORD') && !isLoopback(host))
    report('STATUS_PASSWORD', undefined, 'required when STATUS_HOST is reachable from the network');
  return { host, port, ingress, password: secret('STATUS_PASSWORD'), offersLink: defaulted('STATUS_LINK') === 'on' };
}

function readMqtt({ report, optional, defaulted, secret }: Settings) {
  const url = optional('MQTT_URL');
  const mqtt = {
    username: optional('MQTT_USERNAME'),
    password: secret('MQTT_PASSWORD'),
    /** The certificate of the broker's certificate authority, PEM. */
    caFile: optional('MQTT_CA_FILE'),
    /** A certificate of weighbridge and its key, PEM, for a broker that requires one. */
    certFile: optional('MQTT_CERT_FILE'),
    keyFile: optional('MQTT_KEY_FILE'),
    /** The plain topic of every fresh weight. */
    channel: optional('MQTT_CHANNEL'),
    prefix: defaulted('MQTT_PREFIX'),
    discoveryPrefix: defaulted('MQTT_DISCOVERY_PREFIX'),
  };
  if (url !== undefined) {
    checkTopics(mqtt, report);
    checkPair(mqtt, report);
  }
  return url && { url, ...mqtt };
}

function findWarnings(env: Source, written: readonly string[], config: Config): readonly Warning[] {
  const { callback, withings, reconcileIntervalMs } = config;
  const known = Object.keys(KNOWN);
  const isOurs = (name: string) => /^(WITHINGS|WEIGHBRIDGE|MQTT)_/.test(name) || written.includes(name);
  const unknown = Object.keys(env).filter((name) => isOurs(name) && !known.includes(name));
  const idle = checkMqtt(known.filter((name) => env[name]?.trim()));
  return [
    ...unknown.map((name) => warnOfUnknown(name, known)),
    ...(callback.url ? checkSecrecy(new URL(callback.url)) : []),
    ...checkScopes(withings.scopes),
    ...checkInterval(reconcileIntervalMs),
    ...checkRedirect(config),
    ...checkBed(config),
    ...(idle ? [{ message: idle.message, hint: hintFor(idle.missing) }] : []),
  ];
}

/**
 * The part of the environment that a hook gets: for programs, their files, their language, and the sound of the
 * logged-in person. It contains no setting.
 */
const INHERITED =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|XDG_RUNTIME_DIR|DBUS_SESSION_BUS_ADDRESS|PULSE_SERVER)$/;

function inherited(env: Source): Readonly<Record<string, string>> {
  const kept = Object.entries(env).filter(([name]) => INHERITED.test(name));
  return Object.fromEntries(kept.map(([name, value = '']) => [name, value]));
}

/** Whether a setting is missing that every set-up needs. */
export function isForSetup({ name, got }: Problem): boolean {
  return got === undefined && ['WITHINGS_CLIENT_ID', 'WITHINGS_CLIENT_SECRET'].includes(name);
}

/** `PORT: expected a number from 0 to 65535, got "abc"`, and an example that can be copied. */
export function describeProblem({ name, got, message }: Problem): Warning {
  const isExpectation = message.startsWith('expected ') && got !== undefined;
  const instead = isExpectation ? `, got "${got.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, '?')}"` : '';
  return { message: `${name}: ${message}${instead}`, hint: hintFor(name) };
}

/** The problem, and on its own line the example, to be copied. */
export function formatProblem(problem: Problem): string {
  const { message, hint = '' } = describeProblem(problem);
  return `${message}\n       ${hint}`;
}

export function formatWarning(warning: Warning): string {
  return explain(warning);
}
