import { isIP, isIPv4 } from 'node:net';
import { BED_KINDS } from '../domain/bed.ts';
import { APPLI_NAMES, type Appli, MEASURE_APPLIS } from '../domain/notification.ts';
import { parseUserId, type UserId } from '../domain/token.ts';

/** A value that a setting does not accept. The message names the expected value. */
export class SettingError extends Error {
  override readonly name = 'SettingError';
}

/** Reads the text of a setting; throws a `SettingError`. */
export type Reader<T> = (text: string) => T;

function demand(isMet: boolean, message: string): asserts isMet {
  if (!isMet) throw new SettingError(message);
}

export const text: Reader<string> = (value) => value;

export function integer(from: number, to: number): Reader<number> {
  return (value) => {
    const number = /^[0-9]+$/.test(value) ? Number(value) : Number.NaN;
    demand(number >= from && number <= to, `expected a number from ${from} to ${to}`);
    return number;
  };
}

export function oneOf<const T extends string>(values: readonly T[]): Reader<T> {
  return (value) => {
    const found = values.find((each) => each === value);
    demand(found !== undefined, `expected one of ${values.join(', ')}`);
    return found;
  };
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** Timers count to 2^31 ms. */
const LONGEST_MS = 24 * 86_400_000;

/**
 * `30m`, `6h`, `1d`, in milliseconds.
 *
 * @param least the documented minimum, if a sandbox may have less
 */
export function duration(leastMs: number, least = `${leastMs / 1000}s`): Reader<number> {
  const message = `expected a duration such as 30m, 6h or 1d, from ${least} to ${LONGEST_MS / 86_400_000}d`;
  return (value) => {
    const [, count, unit = ''] = /^([0-9]+) *([smhd])$/.exec(value) ?? [];
    const ms = Number(count) * (UNIT_MS[unit] ?? Number.NaN);
    demand(ms >= leastMs && ms <= LONGEST_MS, message);
    return ms;
  };
}

function parseUrl(value: string, protocols: readonly string[], message: string): URL {
  const parsed = URL.canParse(value) ? new URL(value) : undefined;
  demand(parsed !== undefined && protocols.includes(parsed.protocol) && parsed.hostname !== '', message);
  return parsed;
}

function hasUser({ username, password }: URL): boolean {
  return username !== '' || password !== '';
}

export const url: Reader<URL> = (value) => {
  const parsed = parseUrl(value, ['http:', 'https:'], 'expected a URL that starts with https://');
  demand(!hasUser(parsed) && parsed.hash === '', 'expected a URL without a user name and without #');
  const isPrivate = parsed.protocol === 'https:' || isLoopback(parsed.hostname);
  demand(isPrivate, 'expected https:// (http:// is allowed only for this computer)');
  return parsed;
};

/** The parameters that Withings adds when a browser comes back from the consent page. */
const TAKEN = ['code', 'state', 'error'];

/** A URL whose own parameters differ from those of a redirect. */
export const callbackUrl: Reader<URL> = (value) => withoutTaken(url(value));

function withoutTaken(parsed: URL): URL {
  const taken = TAKEN.find((name) => parsed.searchParams.has(name));
  demand(taken === undefined, `expected a URL without the parameter ${taken}, which Withings adds`);
  return parsed;
}

/** Any page that a browser can open, which Withings redirects to after the consent. */
export const redirectUrl: Reader<URL> = (value) => {
  const parsed = parseUrl(value, ['http:', 'https:'], 'expected a URL that starts with https:// or http://');
  demand(!hasUser(parsed) && parsed.hash === '', 'expected a URL without a user name and without #');
  return withoutTaken(parsed);
};

const BROKER_PROTOCOLS = ['mqtt:', 'mqtts:', 'ws:', 'wss:'];

/** The address of an MQTT broker: `mqtt://192.168.1.2`, `wss://broker.example.org/mqtt`. */
export const brokerUrl: Reader<URL> = (value) => {
  const expected = 'expected mqtt://, mqtts://, ws:// or wss:// and a host name';
  const parsed = parseUrl(value, BROKER_PROTOCOLS, expected);
  demand(!hasUser(parsed), 'contains a user name. Use MQTT_USERNAME and MQTT_PASSWORD instead.');
  const mayHavePath = parsed.protocol.startsWith('ws');
  const endsInTime = (mayHavePath || /^\/?$/.test(parsed.pathname)) && parsed.search === '' && parsed.hash === '';
  demand(endsInTime, 'expected a URL without a path (only ws:// and wss:// may have one)');
  return parsed;
};

/** Whether traffic to this host stays on the machine. */
export function isLoopback(hostname: string): boolean {
  return /^(localhost|\[?::1\]?)$/.test(hostname) || (isIPv4(hostname) && hostname.startsWith('127.'));
}

/** MQTT allows 65,535; no broker's own limit is below this. */
const LONGEST_TOPIC_BYTES = 256;

/** A topic to publish on, or the beginning of several: MQTT 5, section 4.7. */
export const topic: Reader<string> = (value) => {
  const isTopic = !/^\$|[+#\p{Cc}\p{Cs}]/u.test(value) && Buffer.byteLength(value) <= LONGEST_TOPIC_BYTES;
  demand(
    isTopic,
    `expected a topic of at most ${LONGEST_TOPIC_BYTES} bytes, without + and #, and without $ at the start`,
  );
  demand(!/^\/|\/\/|\/$/.test(value), 'expected a topic without / at the start or the end, and without //');
  return value;
};

export const path: Reader<string> = (value) => {
  demand(/^\/[^\s?#]*$/.test(value), 'expected a path that starts with /, without a query and without #');
  return value;
};

export const address: Reader<string> = (value) => {
  demand(isIP(value) !== 0, 'must be an IP address');
  return value;
};

const PROXY_NAMES = ['loopback', 'linklocal', 'uniquelocal'];

/** Express' `trust proxy`: true, false, a number of hops, or addresses, subnets and their names. */
export const trustProxy: Reader<boolean | number | string> = (value) => {
  if (value === 'true' || value === 'false') return value === 'true';
  if (/^[0-9]$/.test(value)) return Number(value);
  const items = value.split(',').map((each) => each.trim());
  const message = `expected ${PROXY_NAMES.join(', ')}, addresses such as 10.0.0.1/8, a number of proxies, true or false`;
  demand(
    items.every((item) => PROXY_NAMES.includes(item) || isSubnet(item)),
    message,
  );
  return value;
};

function isSubnet(text: string): boolean {
  const [, address = '', bits = '1'] = /^([^/]*)(?:\/([1-9][0-9]{0,2}))?$/.exec(text) ?? [];
  const version = isIP(address);
  return version !== 0 && !/:.*[%.]/.test(address) && Number(bits) <= (version === 6 ? 128 : 32);
}

/** `1234:Anna,5678:Bo` */
export const userNames: Reader<ReadonlyMap<UserId, string>> = byPerson(
  'expected id:name pairs with commas between them',
  text,
);

/** `1234:78,5678:65.5`, in kilograms. */
export const goals: Reader<ReadonlyMap<UserId, number>> = byPerson(
  'expected id:kilograms pairs with commas between them',
  kilograms,
);

function kilograms(value: string): number {
  const number = /^[0-9]{1,3}(\.[0-9]{1,3})?$/.test(value) ? Number(value) : Number.NaN;
  demand(
    number >= LEAST_GOAL_KG && number <= MOST_GOAL_KG,
    `expected kilograms from ${LEAST_GOAL_KG} to ${MOST_GOAL_KG}`,
  );
  return number;
}

/** The range of bathroom scales. */
const [LEAST_GOAL_KG, MOST_GOAL_KG] = [10, 400];

/** A user id and a value for each person, comma-separated. */
function byPerson<T>(message: string, read: Reader<T>): Reader<ReadonlyMap<UserId, T>> {
  return (value) => {
    const found = new Map<UserId, T>();
    for (const item of list(value)) {
      const [, id, each = ''] = /^([0-9]+) *: *(.+)$/.exec(item) ?? [];
      const userId = parseUserId(id);
      demand(userId !== undefined, message);
      demand(!found.has(userId), `user ${userId} appears twice`);
      found.set(userId, read(each));
    }
    return found;
  };
}

/** `user.info,user.metrics` */
export const scopes: Reader<readonly string[]> = (value) => {
  const names = list(value);
  const areScopes = names.length > 0 && names.every((name) => /^[a-z]+(\.[a-z]+)+$/.test(name));
  demand(areScopes, 'expected scopes with commas between them');
  return [...new Set(names)];
};

/** The names of the categories that weighbridge does not use. */
const USELESS_APPLIS: Readonly<Record<number, string>> = {
  16: 'activity',
  44: 'sleep',
  46: APPLI_NAMES[46] ?? '',
  52: 'inflation done',
  53: 'unassociated device',
  54: 'ECG',
  55: 'failed ECG',
  60: 'survey',
  61: 'stethoscope',
  63: 'urine',
  98: 'bed occupied',
  99: 'bed empty',
  100: 'bed poll',
};

/** `1,4,50,51` */
export const applis: Reader<readonly Appli[]> = (value) => {
  const numbers = list(value).map(Number);
  const known = [...MEASURE_APPLIS, ...BED_KINDS.keys()].sort((one, other) => one - other);
  const isKnown = (number: number): number is Appli => known.includes(number);
  const useless = numbers.find((number) => USELESS_APPLIS[number] !== undefined);
  const why =
    useless === undefined ? '' : ` (weighbridge cannot fetch ${useless}, ${USELESS_APPLIS[useless]}, from Withings)`;
  demand(
    numbers.length > 0 && numbers.every(isKnown),
    `expected numbers from ${known.join(', ')}, with commas between them${why}`,
  );
  return [...new Set(numbers)];
};

function list(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** `20%` as 0.2; undefined for `off`. */
export const share: Reader<number | undefined> = (value) => {
  if (value === 'off') return undefined;
  const [, digits] = /^([0-9]{1,3}(?:\.[0-9]+)?) ?%$/.exec(value) ?? [];
  const percent = Number(digits);
  demand(percent >= 1 && percent <= 100, 'expected a percentage from 1% to 100%, or off');
  return percent / 100;
};
