/** What a calendar counts in. Weeks begin on Monday. */
export type CalendarUnit = 'day' | 'week' | 'month' | 'year';

/** A day as it mostly is; those on which clocks are changed are an hour off. */
export const DAY_MS = 86_400_000;

/** Roughly how long one is. */
export const LENGTH_MS: Readonly<Record<CalendarUnit, number>> = {
  day: DAY_MS,
  week: 7 * DAY_MS,
  month: 30.4 * DAY_MS,
  year: 365.2 * DAY_MS,
};

/** When the day, week, month or year of a moment began in the zone of this machine, which is that of the household. */
export function startOf(unit: CalendarUnit, atMs: number): number {
  const date = new Date(atMs);
  const [year, month, day] = [date.getFullYear(), date.getMonth(), date.getDate()];
  switch (unit) {
    case 'day':
      return midnight(year, month, day);
    case 'week':
      return midnight(year, month, day - ((date.getDay() + 6) % 7));
    case 'month':
      return midnight(year, month, 1);
    case 'year':
      return midnight(year, 0, 1);
  }
}

/** The start of the one that comes `count` later, by the calendar: a day may have 23 or 25 hours. */
export function later(unit: CalendarUnit, startMs: number, count = 1): number {
  const date = new Date(startMs);
  const [year, month, day] = [date.getFullYear(), date.getMonth(), date.getDate()];
  switch (unit) {
    case 'day':
      return midnight(year, month, day + count);
    case 'week':
      return midnight(year, month, day + 7 * count);
    case 'month':
      return midnight(year, month + count, 1);
    case 'year':
      return midnight(year + count, 0, 1);
  }
}

/** The same day so many months before, or the last one of that month. */
export function monthsBefore(atMs: number, count: number): number {
  const date = new Date(atMs);
  const [year, month] = [date.getFullYear(), date.getMonth() - count];
  const last = new Date(year, month + 1, 0).getDate();
  return midnight(year, month, Math.min(date.getDate(), last));
}

function midnight(year: number, month: number, day: number): number {
  return new Date(year, month, day).getTime();
}
