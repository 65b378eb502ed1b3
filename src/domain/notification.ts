import type { TimeWindow } from './measure.ts';
import { parseUserId, type UserId } from './token.ts';

/** What Withings says when something changed. Unsigned, so a hint at most: the data is always fetched. */
export interface Notification {
  readonly userId: UserId;
  readonly appli: number;
  /** When the measures were taken, where the category says so. */
  readonly window: TimeWindow | undefined;
  /** What happened to a profile: `delete`, `unlink` or `update`. */
  readonly action: string | undefined;
}

export interface Malformed {
  readonly malformed: string;
}

/** The notification categories this program knows what to do about, by Withings' numbers. */
export const Appli = {
  weight: 1,
  temperature: 2,
  bloodPressure: 4,
  profile: 46,
  glucose: 58,
  heartRateVariability: 62,
} as const;
export type Appli = (typeof Appli)[keyof typeof Appli];

/** What people call a category. */
export const APPLI_NAMES: Readonly<Record<number, string>> = {
  [Appli.weight]: 'weight',
  [Appli.temperature]: 'temperature',
  [Appli.bloodPressure]: 'blood pressure',
  [Appli.profile]: 'profile',
  [Appli.glucose]: 'glucose',
  [Appli.heartRateVariability]: 'heart rate variability',
};

/** Those whose data getmeas returns. */
export const MEASURE_APPLIS: ReadonlySet<number> = new Set([
  Appli.weight,
  Appli.temperature,
  Appli.bloodPressure,
  Appli.glucose,
  Appli.heartRateVariability,
]);

/** 2100-01-01. Anything later is a joke or an attempt. */
const LATEST_SECONDS = 4_102_444_800;

/**
 * Reads the fields of a notification POST. Unknown fields are accepted, repeated ones are not: it is not
 * known which one counts.
 *
 * @param fields the decoded form; a repeated field is an array there
 */
export function parseNotification(fields: Readonly<Record<string, unknown>>): Notification | Malformed {
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value !== 'string') return { malformed: `${printable(name)} is given more than once` };
  }
  const userId = parseUserId(fields['userid']);
  if (userId === undefined) return { malformed: 'userid must be a number' };
  const appli = parseInteger(fields['appli']);
  if (appli === undefined) return { malformed: 'appli must be a number' };
  const { startdate, enddate, date, action } = fields;
  const window = parseWindow(startdate, enddate);
  if (window !== undefined && 'malformed' in window) return window;
  if (date !== undefined && parseDate(date) === undefined) {
    return { malformed: 'date must be seconds since 1970 or YYYY-MM-DD' };
  }
  return { userId, appli, window, action: typeof action === 'string' ? printable(action) : undefined };
}

function parseWindow(startdate: unknown, enddate: unknown): TimeWindow | Malformed | undefined {
  if (startdate === undefined && enddate === undefined) return undefined;
  const start = parseSeconds(startdate);
  const end = parseSeconds(enddate);
  if (start === undefined || end === undefined)
    return { malformed: 'startdate and enddate must be seconds since 1970' };
  return end < start ? { malformed: 'enddate is before startdate' } : { start, end };
}

function parseDate(value: unknown): Date | undefined {
  if (typeof value !== 'string' || !/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(value)) return parseSeconds(value);
  const day = new Date(`${value}T00:00:00Z`);
  // February 30th is read as March 1st
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(value) ? day : undefined;
}

function parseSeconds(value: unknown): Date | undefined {
  const seconds = parseInteger(value);
  return seconds === undefined || seconds > LATEST_SECONDS ? undefined : new Date(seconds * 1000);
}

function parseInteger(value: unknown): number | undefined {
  return typeof value === 'string' && /^[0-9]{1,12}$/.test(value) ? Number(value) : undefined;
}

/** A stranger's word, short and on one line, fit for a log. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 32);
}
