import { timeDay } from 'd3-time';
import { timeFormat } from 'd3-time-format';
import type { Moment } from '../domain/status.ts';
import { type Html, html } from '../html/html.ts';

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
/** A usual day. Days with a clock change differ by an hour. */
export const DAY_MS = 24 * HOUR_MS;

// d3 has the English names and the time zone of this machine. Intl would cost a small machine more time than the page.
const time = timeFormat('%H:%M');
const weekday = timeFormat('%A');
const day = timeFormat('%-d %B');
const dayAndYear = timeFormat('%-d %B %Y');
const shortDay = timeFormat('%-d %b');
const shortMonth = timeFormat('%b %Y');

/** `today 07:01`, `yesterday 22:10`, `Thursday 07:01`, `12 November 07:01`, with the year if it differs. */
export function sayWhen(date: Date, now: Date): string {
  return `${sayDay(date, now)} ${time(date)}`;
}

export function sayDay(date: Date, now: Date): string {
  // Rounded, because clocks may have changed in between. `timeDay.count` is wrong if a day has no midnight.
  const days = Math.round((Number(timeDay.floor(now)) - Number(timeDay.floor(date))) / DAY_MS);
  if (days === 0) return 'today';
  if (days === 1) return 'yesterday';
  if (days > 1 && days < 7) return weekday(date);
  return isSameYear(date, now) ? day(date) : dayAndYear(date);
}

/** `21 Aug`, or `Nov 2025` in another year, for narrow spaces. */
export function sayDayShortly(date: Date, now: Date): string {
  return isSameYear(date, now) ? shortDay(date) : shortMonth(date);
}

/** `today 05:30` if the day alone does not suffice: between weigh-ins of one day. */
export function saySince(date: Date, now: Date): string {
  const said = sayDay(date, now);
  return said === 'today' ? sayWhen(date, now) : said;
}

function isSameYear(one: Date, other: Date): boolean {
  return one.getFullYear() === other.getFullYear();
}

/** `3 minutes ago`. The script in the browser writes the same, so that the text stays current. */
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

/** Capitalises a text that begins with a word. A path or the name of a setting stays unchanged. */
export function sentence(text: string): string {
  const closed = /[.!?…]$/.test(text) ? text : `${text}.`;
  return /^[a-z]+ /.test(closed) ? closed.charAt(0).toUpperCase() + closed.slice(1) : closed;
}

export function list(words: readonly string[]): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}
