import { parseTime } from '../domain/dates.ts';
import { type Height, isHeight } from '../domain/derived.ts';
import { parseBattery, parseScaleId, type Scale } from '../domain/scale.ts';
import { type Hitch, NOTHING_KNOWN, type PersonState, type PersonStore } from '../domain/status.ts';
import type { UserId } from '../domain/token.ts';
import { type FileSystem, nodeFiles, readText, replaceFile } from './files.ts';
import { type Fields, fieldsOf, isFields, parseFields, textOf } from './json.ts';

/**
 * One file per user, JSON. Its content can be replaced, so an unreadable file counts as missing.
 *
 * @param directory where the files are; it exists
 */
export function createPersonFiles(directory: string, files: FileSystem = nodeFiles): PersonStore {
  const pathOf = (userId: UserId) => `${directory}/${userId}`;
  return {
    load: (userId) =>
      readText(files, pathOf(userId)).then(
        (text) => decode(parseFields(text)),
        () => NOTHING_KNOWN,
      ),
    save: (userId, state) => replaceFile(files, pathOf(userId), `${JSON.stringify(encode(state))}\n`),
  };
}

function encode({ linkedAt, linkedBy, needsLogin, subscription, leaveUnsubscribed, checkedAt, ...rest }: PersonState) {
  const { height, heightAskedAt, scales, scalesAskedAt, scope } = rest;
  const fields = {
    linked_at: linkedAt,
    linked_by: linkedBy,
    needs_login: needsLogin,
    subscription,
    checked_at: checkedAt,
    height: height && { metres: height.metres, taken_at: height.takenAt },
    height_asked_at: heightAskedAt,
    scales: scales.length === 0 ? undefined : scales.map(encodeScale),
    scales_asked_at: scalesAskedAt,
    scope,
  };
  return leaveUnsubscribed ? { ...fields, leave_unsubscribed: true } : fields;
}

function decode(fields: Fields): PersonState {
  const { subscription } = fields;
  return {
    linkedAt: parseTime(fields['linked_at']),
    linkedBy: textOf(fields['linked_by']),
    needsLogin: decodeHitch(fields['needs_login']),
    subscription: isFields(subscription)
      ? { applis: decodeNumbers(subscription['applis']), hitch: decodeSubscriptionHitch(subscription['hitch']) }
      : undefined,
    leaveUnsubscribed: fields['leave_unsubscribed'] === true,
    checkedAt: parseTime(fields['checked_at']),
    height: decodeHeight(fields['height']),
    heightAskedAt: parseTime(fields['height_asked_at']),
    scales: decodeScales(fields['scales']),
    scalesAskedAt: parseTime(fields['scales_asked_at']),
    scope: textOf(fields['scope']),
  };
}

function decodeHeight(value: unknown): Height | undefined {
  const { metres, taken_at } = fieldsOf(value);
  const takenAt = parseTime(taken_at);
  return typeof metres === 'number' && isHeight(metres) && takenAt !== undefined ? { metres, takenAt } : undefined;
}

function encodeScale({ id, model, battery, lastContact, seenAt }: Scale) {
  return { deviceid: id, model, battery, last_contact: lastContact, seen_at: seenAt };
}

function decodeScales(value: unknown): readonly Scale[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((each) => {
    const { deviceid, model, battery, last_contact, seen_at } = fieldsOf(each);
    const [id, seenAt] = [parseScaleId(deviceid), parseTime(seen_at)];
    if (id === undefined || seenAt === undefined) return [];
    const lastContact = parseTime(last_contact);
    return [{ id, model: textOf(model), battery: parseBattery(battery), lastContact, seenAt }];
  });
}

function decodeHitch(value: unknown): Hitch | undefined {
  const { since, reason } = fieldsOf(value);
  const date = parseTime(since);
  return date && { since: date, reason: textOf(reason) ?? '' };
}

function decodeSubscriptionHitch(value: unknown) {
  const hitch = decodeHitch(value);
  const code = textOf(fieldsOf(value)['code']);
  return hitch && code !== undefined ? { ...hitch, code } : hitch;
}

function decodeNumbers(value: unknown): readonly number[] {
  return Array.isArray(value) ? value.filter(Number.isInteger) : [];
}
