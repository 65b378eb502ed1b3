import { isIP, isIPv4 } from 'node:net';
import { type Appli, MEASURE_APPLIS } from '../domain/notification.ts';
import { parseUserId, type UserId } from '../domain/token.ts';

/** A value that is not what a setting takes; the message says what it takes. */
export class SettingError extends Error {
  override readonly name = 'SettingError';
}

/** How the text of one setting is read, and an example that is accepted. */
export interface Setting<T> {
  readonly parse: (text: string) => T;
  readonly example: string;
}

function setting<T>(example: string, parse: (text: string) => T): Setting<T> {
  return { parse, example };
}

export function text(example: string): Setting<string> {
  return setting(example, (value) => value);
}

export function integer(example: string, from: number, to: number): Setting<number> {
  return setting(example, (value) => {
    const number = /^[0-9]+$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= from && number <= to)) throw new SettingError(`must be a number from ${from} to ${to}`);
    return number;
  });
}

export function oneOf<const T extends string>(example: T, values: readonly T[]): Setting<T> {
  return setting(example, (value) => {
    const found = values.find((each) => each === value);
    if (found === undefined) throw new SettingError(`must be one of ${values.join(', ')}`);
    return found;
  });
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** Timers count to 2^31 ms. */
const LONGEST_MS = 24 * 86_400_000;

/** `30m`, `6h`, `1d`, in milliseconds. */
export function duration(example: string, leastMs: number): Setting<number> {
  return setting(example, (value) => {
    const [, count, unit = ''] = /^([0-9]+) *([smhd])$/.exec(value) ?? [];
    const ms = Number(count) * (UNIT_MS[unit] ?? Number.NaN);
    if (!(ms >= leastMs && ms <= LONGEST_MS)) {
      throw new SettingError(
        `must be a number and s, m, h or d, from ${leastMs / 1000}s to ${LONGEST_MS / 86_400_000}d`,
      );
    }
    return ms;
  });
}

export function url(example: string): Setting<URL> {
  return setting(example, (value) => {
    const parsed = URL.canParse(value) ? new URL(value) : undefined;
    if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) throw new SettingError('must be a whole URL');
    if (parsed.username !== '' || parsed.password !== '' || parsed.hash !== '')
      throw new SettingError('must have neither a user nor a #');
    if (parsed.protocol !== 'https:' && !isLoopback(parsed.hostname)) {
      throw new SettingError('must begin with https:// (plain http is for this machine alone)');
    }
    return parsed;
  });
}

/** What Withings adds to it when a browser comes back from the consent page. */
const TAKEN = ['code', 'state', 'error'];

/** A URL whose own parameters can be told from those of a redirect. */
export function callbackUrl(example: string): Setting<URL> {
  const { parse } = url(example);
  return setting(example, (value) => {
    const parsed = parse(value);
    const taken = TAKEN.find((name) => parsed.searchParams.has(name));
    if (taken !== undefined) throw new SettingError(`must have no parameter named ${taken}, which is Withings'`);
    return parsed;
  });
}

const BROKER_PROTOCOLS: ReadonlySet<string> = new Set(['mqtt:', 'mqtts:', 'ws:', 'wss:']);

/** Where an MQTT broker is: `mqtt://192.168.1.2`, `wss://broker.example.org/mqtt`. */
export function brokerUrl(example: string): Setting<URL> {
  return setting(example, (value) => {
    const parsed = URL.canParse(value) ? new URL(value) : undefined;
    if (parsed === undefined || !BROKER_PROTOCOLS.has(parsed.protocol) || parsed.hostname === '')
      throw new SettingError('must begin with mqtt://, mqtts://, ws:// or wss://, and name a host');
    if (parsed.username !== '' || parsed.password !== '')
      throw new SettingError('must have no user in it; that is what MQTT_USERNAME and MQTT_PASSWORD are for');
    const hasPath = !/^\/?$/.test(parsed.pathname) && !parsed.protocol.startsWith('ws');
    if (hasPath || parsed.search !== '' || parsed.hash !== '')
      throw new SettingError('must end with the host and its port; ws:// and wss:// may have a path');
    return parsed;
  });
}

/** MQTT allows 65,535; no broker's own limit is below this. */
const LONGEST_TOPIC_BYTES = 256;

/** A topic to publish on, or the beginning of several: MQTT 5, section 4.7. */
export function topic(example: string): Setting<string> {
  return setting(example, (value) => {
    if (/[+#\p{Cc}\p{Cs}]/u.test(value) || value.startsWith('$') || Buffer.byteLength(value) > LONGEST_TOPIC_BYTES)
      throw new SettingError(
        `must be a topic of at most ${LONGEST_TOPIC_BYTES} bytes with neither + nor #, nor $ in front`,
      );
    if (value.startsWith('/') || value.endsWith('/') || value.includes('//'))
      throw new SettingError('must not begin or end with /, nor have // in it');
    return value;
  });
}

/** Whether nothing that is sent there leaves the machine. */
export function isLoopback(hostname: string): boolean {
  return /^(localhost|\[?::1\]?)$/.test(hostname) || (isIPv4(hostname) && hostname.startsWith('127.'));
}

export function path(example: string): Setting<string> {
  return setting(example, (value) => {
    if (!/^\/[^\s?#]*$/.test(value)) throw new SettingError('must begin with / and have neither ? nor #');
    return value;
  });
}

const PROXY_NAMES = ['loopback', 'linklocal', 'uniquelocal'];

/** Express' `trust proxy`: true, false, a number of hops, or addresses, subnets and their names. */
export function trustProxy(example: string): Setting<boolean | number | string> {
  return setting(example, (value) => {
    if (value === 'true' || value === 'false') return value === 'true';
    if (/^[0-9]$/.test(value)) return Number(value);
    const items = value.split(',').map((each) => each.trim());
    if (!items.every((item) => PROXY_NAMES.includes(item) || isSubnet(item))) {
      throw new SettingError(
        `must be ${PROXY_NAMES.join(', ')}, addresses like 10.0.0.1/8, a number of hops, true or false`,
      );
    }
    return value;
  });
}

function isSubnet(text: string): boolean {
  const [address = '', bits = '1', ...rest] = text.split('/');
  const version = isIP(address);
  return (
    version !== 0 &&
    !/:.*[%.]/.test(address) &&
    rest.length === 0 &&
    /^[1-9][0-9]{0,2}$/.test(bits) &&
    Number(bits) <= (version === 6 ? 128 : 32)
  );
}

/** `1234:Anna,5678:Bo` */
export function userNames(example: string): Setting<ReadonlyMap<UserId, string>> {
  return setting(example, (value) => {
    const names = new Map<UserId, string>();
    for (const item of list(value)) {
      const [, id, name] = /^([0-9]+) *: *(.+)$/.exec(item) ?? [];
      const userId = parseUserId(id);
      if (userId === undefined || name === undefined)
        throw new SettingError('must be user ids with names, comma-separated');
      if (names.has(userId)) throw new SettingError(`names user ${userId} twice`);
      names.set(userId, name);
    }
    return names;
  });
}

/** `user.info,user.metrics` */
export function scopes(example: string): Setting<readonly string[]> {
  return setting(example, (value) => {
    const names = list(value);
    if (!names.every((name) => /^[a-z]+(\.[a-z]+)+$/.test(name)) || names.length === 0)
      throw new SettingError('must be scopes, comma-separated');
    return [...new Set(names)];
  });
}

/** `1,4` */
export function applis(example: string): Setting<readonly Appli[]> {
  return setting(example, (value) => {
    const numbers = list(value).map(Number);
    if (!numbers.every(isMeasureAppli) || numbers.length === 0)
      throw new SettingError(`must be any of ${[...MEASURE_APPLIS].join(', ')}, comma-separated`);
    return [...new Set(numbers)];
  });
}

function isMeasureAppli(number: number): number is Appli {
  return MEASURE_APPLIS.has(number);
}

function list(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
