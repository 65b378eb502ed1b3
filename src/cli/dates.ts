export const DATE_EXAMPLE = '2026-01-31, 2026-01-31T07:00 or 2026-01-31T07:00:00Z';

/** What the help of a command says that takes dates. */
export const DATE_HELP = `
A date is ${DATE_EXAMPLE}.
A day counts as a whole, with --until as well; a time given with --until does not belong to it any more.
Without an offset, days and times are those of this computer's time zone.`;

const DAY = /^\d{4}-\d\d-\d\d$/;
const TIME = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)(Z|[+-]\d\d:\d\d)?$/;

/** The first moment that belongs to a range: a time, or the beginning of a day. Without an offset it is local time. */
export function parseSince(text: string): Date | undefined {
  return DAY.test(text) ? parseDay(text) : parseTime(text);
}

/** The first moment that does not belong to it any more: a time, or the end of a day. */
export function parseUntil(text: string): Date | undefined {
  if (!DAY.test(text)) return parseTime(text);
  const day = parseDay(text);
  day?.setDate(day.getDate() + 1);
  return day;
}

/** Whether nothing can lie between the two. */
export function isEmptyRange({
  since,
  until,
}: {
  readonly since?: Date | undefined;
  readonly until?: Date | undefined;
}): boolean {
  return since !== undefined && until !== undefined && since >= until;
}

function parseDay(text: string): Date | undefined {
  return isDay(text) ? valid(new Date(`${text}T00:00`)) : undefined;
}

function parseTime(text: string): Date | undefined {
  const [, day = '', time, offset = ''] = TIME.exec(text) ?? [];
  return isDay(day) ? valid(new Date(`${day}T${time}${offset}`)) : undefined;
}

/** `Date` takes 2026-02-30 for 2 March. */
function isDay(text: string): boolean {
  const midnight = valid(new Date(`${text}T00:00Z`));
  return midnight?.toISOString().startsWith(text) === true;
}

function valid(date: Date): Date | undefined {
  return Number.isNaN(date.getTime()) ? undefined : date;
}
