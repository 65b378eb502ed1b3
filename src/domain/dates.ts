/** 2100-01-01. Later seconds are milliseconds, a joke or an attack. */
const LAST_SECOND = 4_102_444_800;

/** Seconds since 1970, a number or its digits; undefined for anything else, and after 2099. */
export function parseSeconds(value: unknown): Date | undefined {
  const seconds = typeof value === 'string' && /^[0-9]{1,12}$/.test(value) ? Number(value) : value;
  const isTime = typeof seconds === 'number' && Number.isInteger(seconds) && seconds >= 0 && seconds <= LAST_SECOND;
  return isTime ? new Date(seconds * 1000) : undefined;
}

/** An ISO 8601 time; undefined for anything else. Without an offset it is local time. */
export function parseTime(value: unknown): Date | undefined {
  const date = new Date(typeof value === 'string' ? value : Number.NaN);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** Whether this is `YYYY-MM-DD` and a real date. `Date` reads 2026-02-30 as 2 March. */
export function isDay(text: string): boolean {
  const midnight = /^\d{4}-\d\d-\d\d$/.test(text) ? parseTime(`${text}T00:00Z`) : undefined;
  return midnight?.toISOString().startsWith(text) === true;
}
