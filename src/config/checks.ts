import { closest, distance } from 'fastest-levenshtein';
import { BED_KINDS } from '../domain/bed.ts';
import { APPLI_NAMES } from '../domain/notification.ts';
import { secretParts } from '../domain/secrets.ts';
import type { Config } from './config.ts';
import type { Settings } from './settings.ts';

/** Checks that need more than one setting. */

/** A fault that does no harm at once. */
export interface Warning {
  readonly message: string;
  readonly hint: string | undefined;
}

/** The default topic on which Home Assistant publishes whether it runs. */
const HOME_ASSISTANT = 'homeassistant';

/** Reports the setting that would give one topic two meanings. */
export function checkTopics(
  topics: { readonly prefix: string; readonly discoveryPrefix: string; readonly channel: string | undefined },
  report: Settings['report'],
): void {
  const { prefix, discoveryPrefix, channel = '' } = topics;
  const taken = [discoveryPrefix, HOME_ASSISTANT];
  const isStatus = [prefix, ...taken].some((each) => channel === `${each}/status`);
  const isTaken = /^[0-9]+\//.test(below(prefix, channel)) || below(discoveryPrefix, channel).startsWith('device/');
  if (taken.includes(prefix)) {
    const message = `expected another prefix than Home Assistant's (Home Assistant publishes its state on ${prefix}/status)`;
    report('MQTT_PREFIX', prefix, message);
  } else if (isStatus || isTaken) {
    const message = 'expected a topic that nothing else uses: see the table of topics in docs/mqtt.md';
    report('MQTT_CHANNEL', channel, message);
  }
}

/** Reports the half of a client's certificate that is missing. */
export function checkPair(
  { certFile, keyFile }: { readonly certFile: string | undefined; readonly keyFile: string | undefined },
  report: Settings['report'],
): void {
  if (certFile !== undefined && keyFile === undefined)
    report('MQTT_KEY_FILE', undefined, 'required with MQTT_CERT_FILE: set the private key of that certificate');
  if (keyFile !== undefined && certFile === undefined)
    report('MQTT_CERT_FILE', undefined, 'required with MQTT_KEY_FILE: set the certificate of that key');
}

export const EVERY_ADDRESS = ['0.0.0.0', '::'];

/** Reports two listeners on the same port of the same address. */
export function checkPorts(
  {
    listen,
    status,
  }: {
    readonly listen: { readonly host: string; readonly port: number };
    readonly status: { readonly host: string; readonly port: number | undefined };
  },
  report: Settings['report'],
): void {
  const hosts = [listen.host, status.host];
  const meet = listen.host === status.host || hosts.some((host) => EVERY_ADDRESS.includes(host));
  if (listen.port !== 0 && listen.port === status.port && meet)
    report('STATUS_PORT', `${status.port}`, 'expected a different port than PORT');
}

/** The part of a topic below another one. */
function below(parent: string, topic: string): string {
  return topic.startsWith(`${parent}/`) ? topic.slice(parent.length + 1) : '';
}

/** Whether a stranger could guess the callback URL. */
export function checkSecrecy(url: URL): readonly Warning[] {
  if (secretParts(url).length > 0) return [];
  const message = 'CALLBACK_URL contains no secret';
  return [{ message, hint: 'Append the output of "openssl rand -hex 16" to CALLBACK_URL.' }];
}

/**
 * Settings of MQTT that have no effect without another one.
 *
 * @param set the names of the settings that have a value
 */
export function checkMqtt(set: readonly string[]): { readonly message: string; readonly missing: string } | undefined {
  const ours = set.filter((name) => name.startsWith('MQTT_'));
  if (ours.length > 0 && !ours.includes('MQTT_URL'))
    return { message: `${ours.join(' and ')} without MQTT_URL: weighbridge publishes nothing`, missing: 'MQTT_URL' };
  const hasPassword = ours.includes('MQTT_PASSWORD') || ours.includes('MQTT_PASSWORD_FILE');
  if (!hasPassword || ours.includes('MQTT_USERNAME')) return undefined;
  return { message: 'MQTT_PASSWORD without MQTT_USERNAME: most brokers reject that', missing: 'MQTT_USERNAME' };
}

/** The scopes of Withings' public API (developer guide, OAuth). */
const KNOWN_SCOPES = ['user.info', 'user.metrics', 'user.activity', 'user.sleepevents'];

/** Scopes that Withings does not have. */
export function checkScopes(scopes: readonly string[]): readonly Warning[] {
  const unknown = scopes.filter((scope) => !KNOWN_SCOPES.includes(scope));
  if (unknown.length === 0) return [];
  const message = `SCOPES contains ${unknown.join(' and ')}. Withings rejects consent links with unknown scopes`;
  return [{ message, hint: `Use ${KNOWN_SCOPES.join(', ')}.` }];
}

/** Withings allows one poll per person in this time (developer guide, "Best practices"). */
export const LEAST_POLL_MS = 600_000;

/** Whether weighbridge polls more often than Withings allows. */
export function checkInterval(reconcileIntervalMs: number): readonly Warning[] {
  if (reconcileIntervalMs >= LEAST_POLL_MS) return [];
  const message = 'RECONCILE_INTERVAL is below 10 minutes, but Withings allows one poll per person in 10 minutes';
  return [{ message, hint: 'Set RECONCILE_INTERVAL=6h, or another time from 10m.' }];
}

/** Whether a `REDIRECT_URL` that names this computer leads to weighbridge. */
export function checkRedirect({ callback, listen }: Pick<Config, 'callback' | 'listen'>): readonly Warning[] {
  const { url, redirectUrl, answersRedirect } = callback;
  if (url !== undefined || redirectUrl === undefined || !answersRedirect) return [];
  const { port, protocol } = new URL(redirectUrl);
  const named = Number(port || (protocol === 'https:' ? 443 : 80));
  if (protocol === 'http:' && (listen.port === 0 || named === listen.port)) return [];
  const message = `REDIRECT_URL uses ${protocol}// and port ${named}, but weighbridge listens on http:// and port ${listen.port}`;
  return [{ message, hint: 'Change REDIRECT_URL here and in the Withings dashboard, or change PORT.' }];
}

/** Whether the callback URL contains a secret that a stranger cannot guess. */
export function hasSecret({ path, query }: Config['callback']): boolean {
  const url = new URL('http://localhost');
  url.pathname = path;
  url.search = query.toString();
  return secretParts(url).length > 0;
}

/** Whether bed events can arrive and count. */
export function checkBed({ callback, withings }: Pick<Config, 'callback' | 'withings'>): readonly Warning[] {
  const applis: readonly number[] = withings.applis;
  const wanted = applis.filter((appli) => BED_KINDS.has(appli));
  const names = (which: readonly number[]) => which.map((appli) => `${APPLI_NAMES[appli]} (${appli})`).join(' and ');
  if (wanted.length === 0) return [];
  const absent = [...BED_KINDS.keys()].filter((appli) => !applis.includes(appli));
  const warnings: Warning[] = absent.map((appli) => ({
    message: `APPLIS contains ${names(wanted)} but not ${names([appli])}, so the state never changes back`,
    hint: `Add ${appli} to APPLIS.`,
  }));
  const message = `APPLIS contains ${names(wanted)}`;
  if (callback.url === undefined) {
    const hint = 'Set CALLBACK_URL.';
    return [...warnings, { message: `${message}, but polling cannot fetch bed events`, hint }];
  }
  if (hasSecret(callback)) return warnings;
  const hint = 'Append the output of "openssl rand -hex 16" to CALLBACK_URL.';
  return [...warnings, { message: `${message}, but bed events need a secret in CALLBACK_URL`, hint }];
}

/** A typing mistake changes a third of a name at most. */
const FARTHEST = 3;

/** An unknown name, with the setting that was probably meant. */
export function warnOfUnknown(name: string, known: readonly string[]): Warning {
  return { message: `${name} is not a weighbridge setting`, hint: suggest(name, known) };
}

/** `Did you mean ntfy.sh?`, unless no known name is like the given one. */
export function suggest(name: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const guess = closest(name, known);
  return distance(name, guess) * FARTHEST <= name.length ? `Did you mean ${guess}?` : undefined;
}
