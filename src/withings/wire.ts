import { parseSeconds } from '../domain/dates.ts';
import { decimal, type Measure, type MeasureGroup, type Unreadable } from '../domain/measure.ts';
import { parseBattery, parseScaleId, type Scale } from '../domain/scale.ts';
import type { Subscription } from '../domain/subscription.ts';
import { parseAccessToken, parseRefreshToken, parseUserId, type TokenSet, type UserId } from '../domain/token.ts';

/** A field with a wrong value; the message names it. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** The outer shape of every answer. Only status 0 is success. */
export interface Envelope {
  readonly status: number;
  readonly error: string;
  readonly body: unknown;
}

export interface MeasurePage {
  readonly updatedAt: Date | undefined;
  readonly groups: readonly MeasureGroup[];
  readonly nextOffset: number | undefined;
  /** Withings has another page, but sent no offset for it. */
  readonly isCutOff: boolean;
  /** The groups that cannot be read, or only in part. */
  readonly unreadable: readonly Unreadable[];
}

/** Withings' value is three hours. No other was ever seen. */
const DEFAULT_EXPIRES_S = 10_800;
/** Goals have the category 2. */
const REAL_MEASURES = 1;

export function parseEnvelope(text: string): Envelope {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new WireError('the answer is not JSON');
  }
  const fields = object(answer, 'the answer');
  return {
    status: integer(fields['status'], 'status'),
    error: typeof fields['error'] === 'string' ? oneLine(fields['error']) : '',
    body: fields['body'],
  };
}

/** The pause that a 601 names, if any. */
export function parseWaitSeconds(body: unknown): number | undefined {
  const seconds = isRecord(body) ? body['wait_seconds'] : undefined;
  return typeof seconds === 'number' && seconds > 0 ? seconds : undefined;
}

export function parseTokenSet(body: unknown): TokenSet {
  const fields = object(body, 'body');
  const accessToken = parseAccessToken(fields['access_token']);
  if (accessToken === undefined) throw new WireError('body.access_token is not a token');
  const refreshToken = parseRefreshToken(fields['refresh_token']);
  if (refreshToken === undefined) throw new WireError('body.refresh_token is not a token');
  const expires = fields['expires_in'];
  const expiresInS = typeof expires === 'number' && expires > 0 ? expires : DEFAULT_EXPIRES_S;
  const userId = parseUserId(fields['userid']);
  return { userId, accessToken, refreshToken, expiresInMs: expiresInS * 1000, scope: text(fields['scope']) };
}

/** The answer to a code, which also has the user who consented. */
export function parseGrant(body: unknown): TokenSet & { readonly userId: UserId } {
  const { userId, ...tokens } = parseTokenSet(body);
  if (userId === undefined) throw new WireError('body.userid is not a user id');
  return { userId, ...tokens };
}

export function parseSubscriptions(body: unknown): readonly Subscription[] {
  return array(object(body, 'body')['profiles'], 'body.profiles').map((value, index) => {
    const path = `profiles[${index}]`;
    const fields = object(value, path);
    const callbackUrl = fields['callbackurl'];
    if (typeof callbackUrl !== 'string') throw new WireError(`${path}.callbackurl is not a text`);
    const appli = integer(fields['appli'], `${path}.appli`);
    return { appli, callbackUrl, comment: text(fields['comment']) };
  });
}

export function parseNonce(body: unknown): string {
  const nonce = text(object(body, 'body')['nonce']);
  if (nonce === undefined) throw new WireError('body.nonce is missing');
  return nonce;
}

/** The scales among the devices. Omits unreadable devices, and unreadable fields of a device. */
export function parseScales(body: unknown): readonly Omit<Scale, 'seenAt'>[] {
  return array(object(body, 'body')['devices'], 'body.devices').flatMap((value) => {
    if (!isRecord(value) || value['type'] !== 'Scale') return [];
    const id = parseScaleId(value['deviceid'] ?? value['hash_deviceid']);
    if (id === undefined) return [];
    const lastContact = attempt([], () => time(value['last_session_date'], 'last_session_date'));
    const model = name(value['model']) ?? modelNumber(value['model_id']);
    return [{ id, model, battery: parseBattery(value['battery']), lastContact }];
  });
}

export function parseMeasurePage(body: unknown): MeasurePage {
  const fields = object(body, 'body');
  const zone = text(fields['timezone']);
  const groups: MeasureGroup[] = [];
  const unreadable: Unreadable[] = [];
  for (const [index, group] of array(fields['measuregrps'], 'body.measuregrps').entries()) {
    const problems: string[] = [];
    const parsed = attempt(problems, () => parseGroup(group, `measuregrps[${index}]`, zone, problems));
    if (parsed !== undefined) groups.push(parsed);
    const [what] = problems;
    if (what !== undefined) unreadable.push({ raw: JSON.stringify(group), what });
  }
  const updatedAt = fields['updatetime'] === undefined ? undefined : time(fields['updatetime'], 'body.updatetime');
  const hasMore = isTruthy(fields['more']);
  const nextOffset = hasMore ? attempt([], () => integer(fields['offset'], 'body.offset')) : undefined;
  return { updatedAt, groups, nextOffset, isCutOff: hasMore && nextOffset === undefined, unreadable };
}

/** 0 and 1 here, true and false on sister services; absent if there is one page. A text was seen as well. */
function isTruthy(more: unknown): boolean {
  return more === 'false' || more === '0' ? false : Boolean(more);
}

/** Undefined if a field cannot be read; `problems` then names it. */
function attempt<T>(problems: string[], parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    problems.push(error.message);
    return undefined;
  }
}

/** @param problems collects the problems of unreadable measures; the others are kept */
function parseGroup(
  value: unknown,
  path: string,
  accountZone: string | undefined,
  problems: string[],
): MeasureGroup | undefined {
  const fields = object(value, path);
  if (integer(fields['category'] ?? REAL_MEASURES, `${path}.category`) !== REAL_MEASURES) return undefined;
  const takenAt = time(fields['date'], `${path}.date`);
  const changed = ['modified', 'created'].find((name) => (fields[name] ?? null) !== null);
  const group = {
    groupId: integer(fields['grpid'], `${path}.grpid`),
    attribution: integer(fields['attrib'] ?? 0, `${path}.attrib`),
    takenAt,
    modifiedAt: changed === undefined ? takenAt : time(fields[changed], `${path}.${changed}`),
    deviceId: name(fields['deviceid']),
    model: name(fields['model']) ?? modelNumber(fields['modelid'] ?? fields['model_id']),
    timeZone: text(fields['timezone']) ?? accountZone,
  };
  const measures = array(fields['measures'], `${path}.measures`).flatMap((measure, index) => {
    const parsed = attempt(problems, () => parseMeasure(measure, `${path}.measures[${index}]`));
    return parsed === undefined ? [] : [parsed];
  });
  if (problems.length === 0) return { ...group, measures };
  // A group without any measure would look as if Withings emptied it.
  return measures.length === 0 ? undefined : { ...group, measures, isPartial: true };
}

function parseMeasure(value: unknown, path: string): Measure {
  const fields = object(value, path);
  const exponent = integer(fields['unit'], `${path}.unit`);
  const real = decimal(finite(fields['value'], `${path}.value`), exponent);
  const position = fields['position'] ?? undefined;
  return {
    type: integer(fields['type'], `${path}.type`),
    value: finite(real, `${path}.value`),
    position: position === undefined ? undefined : integer(position, `${path}.position`),
  };
}

/** The model number of a device without a name. */
function modelNumber(id: unknown): string | undefined {
  return typeof id === 'number' ? `model_${id}` : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function object(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (!isRecord(value)) throw new WireError(`${path} is not an object`);
  return value;
}

function array(value: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new WireError(`${path} is not a list`);
  return value;
}

/** A number, or its decimal digits as a text. */
function finite(value: unknown, path: string): number {
  const number = typeof value === 'string' && /^-?[0-9]{1,20}(\.[0-9]{1,20})?$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number)) throw new WireError(`${path} is not a number`);
  return number;
}

/** Some integers are documented as strings, so it reads both. */
function integer(value: unknown, path: string): number {
  const number = typeof value === 'string' && /^-?[0-9]+$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isSafeInteger(number)) throw new WireError(`${path} is not an integer`);
  return number;
}

function time(value: unknown, path: string): Date {
  const date = parseSeconds(value);
  if (date === undefined || date.getTime() === 0) throw new WireError(`${path} is not a time`);
  return date;
}

/** A text, or a number as a text. */
function name(value: unknown): string | undefined {
  return text(typeof value === 'number' && Number.isFinite(value) ? String(value) : value);
}

/** Foreign text, on one line and short enough for a log. */
function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? oneLine(value).slice(0, 200) : undefined;
}

function oneLine(value: string): string {
  return value.replace(/[\p{C}\p{Z}]/gu, ' ').trim();
}
