import { parseSeconds } from './dates.ts';
import type { TimeWindow } from './measure.ts';
import { parseUserId, type UserId } from './token.ts';

/** Withings' notification of a change. It is unsigned, so only a hint to fetch data, except for a bed event. */
export interface Notification {
  readonly userId: UserId;
  readonly appli: number;
  /** When the measures were taken, if the category has that. */
  readonly window: TimeWindow | undefined;
  /** The change of a profile: `delete`, `unlink` or `update`. */
  readonly action: string | undefined;
  /** When it happened, if the category has one moment in seconds. */
  readonly at: Date | undefined;
  readonly deviceId: string | undefined;
}

export interface Malformed {
  readonly malformed: string;
}

/** The notification categories that weighbridge handles, by Withings' numbers. */
export const Appli = {
  weight: 1,
  temperature: 2,
  bloodPressure: 4,
  profile: 46,
  inBed: 50,
  outOfBed: 51,
  glucose: 58,
  heartRateVariability: 62,
} as const;
export type Appli = (typeof Appli)[keyof typeof Appli];

/** The usual name of a category. */
export const APPLI_NAMES: Readonly<Record<number, string>> = {
  [Appli.weight]: 'weight',
  [Appli.temperature]: 'temperature',
  [Appli.bloodPressure]: 'blood pressure',
  [Appli.profile]: 'profile',
  [Appli.inBed]: 'in bed',
  [Appli.outOfBed]: 'out of bed',
  [Appli.glucose]: 'glucose',
  [Appli.heartRateVariability]: 'heart rate variability',
};

/** The categories whose data getmeas returns. */
export const MEASURE_APPLIS: ReadonlySet<number> = new Set([
  Appli.weight,
  Appli.temperature,
  Appli.bloodPressure,
  Appli.glucose,
  Appli.heartRateVariability,
]);

/** Withings' ids are 40 hexadecimal digits. */
const LONGEST_DEVICE_ID = 64;

/**
 * Reads the fields of a notification POST. Person and category are required. Any other odd field costs only the window,
 * because Withings drops a subscription whose notifications are refused for weeks. Unknown fields are accepted.
 * Repeated ones are not, because it is unclear which one counts.
 *
 * @param fields the decoded form; a repeated field is an array
 */
export function parseNotification(fields: Readonly<Record<string, unknown>>): Notification | Malformed {
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value !== 'string') return { malformed: `${printable(name)} is given more than once` };
  }
  const userId = parseUserId(withoutLineEnd(fields['userid']));
  if (userId === undefined) return { malformed: 'userid must be a number' };
  const appli = parseInteger(withoutLineEnd(fields['appli']));
  if (appli === undefined) return { malformed: 'appli must be a number' };
  const { startdate, enddate, date } = fields;
  const window = parseWindow(startdate, enddate);
  const at = parseSeconds(withoutLineEnd(date));
  const [action, deviceId] = [parseWord(fields['action']), parseWord(fields['deviceid'], LONGEST_DEVICE_ID)];
  return { userId, appli, window, action, at, deviceId };
}

/** Undefined unless it has a beginning and an end, in this order. */
function parseWindow(startdate: unknown, enddate: unknown): TimeWindow | undefined {
  const start = parseSeconds(startdate);
  const end = parseSeconds(enddate);
  return start === undefined || end === undefined || end < start ? undefined : { start, end };
}

/** A line end at the end of a form becomes part of the last field. */
function withoutLineEnd(value: unknown): unknown {
  return typeof value === 'string' ? value.replace(/\r?\n$/, '') : value;
}

function parseWord(value: unknown, longest?: number): string | undefined {
  return typeof value === 'string' ? printable(value.trimEnd(), longest) : undefined;
}

function parseInteger(value: unknown): number | undefined {
  return typeof value === 'string' && /^[0-9]{1,12}$/.test(value) ? Number(value) : undefined;
}

/** A stranger's text, short and on one line, safe for a log. */
export function printable(text: string, longest = 32): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, longest);
}
