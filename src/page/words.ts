import type { Moment } from '../domain/status.ts';
import { type Html, html } from './html.ts';

/** Of our own: Intl would cost a small machine more than the rest of the page. */
export const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
] as const;
export const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const;

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** `today 07:01`, `yesterday 22:10`, `Thursday 07:01`, `12 November 07:01`, with the year where it is another one. */
export function sayWhen(date: Date, now: Date): string {
  return `${sayDay(date, now)} ${digits(date.getHours())}:${digits(date.getMinutes())}`;
}

/** In the zone of this machine, which is that of the household. */
export function sayDay(date: Date, now: Date): string {
  const days = Math.round((noon(now) - noon(date)) / DAY_MS);
  if (days === 0) return 'today';
  if (days === 1) return 'yesterday';
  if (days > 1 && days < 7) return WEEKDAYS[date.getDay()] ?? '';
  const day = `${date.getDate()} ${MONTHS[date.getMonth()]}`;
  return date.getFullYear() === now.getFullYear() ? day : `${day} ${date.getFullYear()}`;
}

/** `21 Aug`, or `Nov 2025` in another year: where there is little room. */
export function sayDayShortly(date: Date, now: Date): string {
  const month = (MONTHS[date.getMonth()] ?? '').slice(0, 3);
  return date.getFullYear() === now.getFullYear() ? `${date.getDate()} ${month}` : `${month} ${date.getFullYear()}`;
}

/** Days between noons come out right where clocks were changed in between. */
function noon(date: Date): number {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate(), 12).getTime();
}

/** `3 minutes ago`. The script in the browser says the same, so that it ages by itself. */
export function sayAgo(agoMs: number): string {
  if (agoMs < MINUTE_MS) return 'just now';
  if (agoMs < HOUR_MS) return ago(agoMs / MINUTE_MS, 'minute');
  if (agoMs < 2 * DAY_MS) return ago(agoMs / HOUR_MS, 'hour');
  return ago(agoMs / DAY_MS, 'day');
}

function ago(count: number, unit: string): string {
  const whole = Math.floor(count);
  return `${whole} ${unit}${whole === 1 ? '' : 's'} ago`;
}

export function timeWhen(date: Date, now: Date): Html {
  return html`<time datetime="${date.toISOString()}">${sayWhen(date, now)}</time>`;
}

export function timeAgo({ at, agoMs }: Moment): Html {
  return html`<time datetime="${at.toISOString()}" data-ages>${sayAgo(agoMs)}</time>`;
}

/** What begins with a word becomes a sentence; a path or the name of a setting stays as it is. */
export function sentence(text: string): string {
  const closed = /[.!?…]$/.test(text) ? text : `${text}.`;
  return /^[a-z]+ /.test(closed) ? closed.charAt(0).toUpperCase() + closed.slice(1) : closed;
}

export function list(words: readonly string[]): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

function digits(number: number): string {
  return String(number).padStart(2, '0');
}
