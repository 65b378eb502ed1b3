import { formatDay } from '../domain/clock.ts';
import { isDay, parseTime } from '../domain/dates.ts';

export const DATE_EXAMPLE = '2026-01-31, 2026-01-31T07:00 or 2026-01-31T07:00:00Z';

/** The last part of the help of a command that takes dates. */
export const DATE_HELP = `
A date is ${DATE_EXAMPLE}.
--until with a day includes that day. --until with a time excludes that time.
Without an offset, dates are in the time zone of this computer.`;

const MOMENT = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)(Z|[+-]\d\d:\d\d)?$/;

/** The first moment in a range: a time, or the beginning of a day. Without an offset it is local time. */
export function parseSince(text: string): Date | undefined {
  if (isDay(text)) return parseTime(`${text}T00:00`);
  const [, day = '', time, offset = ''] = MOMENT.exec(text) ?? [];
  return isDay(day) ? parseTime(`${day}T${time}${offset}`) : undefined;
}

/** The first moment after a range: a time, or the end of a day. */
export function parseUntil(text: string): Date | undefined {
  const date = parseSince(text);
  if (isDay(text)) date?.setDate(date.getDate() + 1);
  return date;
}

/** The values of `--since` and `--until`. */
export interface DateRange {
  readonly since?: Date | undefined;
  readonly until?: Date | undefined;
}

/** Why a range is empty; `until` is the first moment after the range. */
export function describeEmptyRange({ since, until }: DateRange): string {
  const [first, last] = [since, until && new Date(until.getTime() - 1)].map((date) => (date ? formatDay(date) : ''));
  return `--until (${last}) is not after --since (${first})`;
}

/** Whether the range is empty. */
export function isEmptyRange({ since, until }: DateRange): boolean {
  return since !== undefined && until !== undefined && since >= until;
}
