import { Trouble } from './trouble.ts';

/** Time as a port, so that a test can be a day long and take a millisecond. */
export interface Clock {
  /** The wall clock. It may be wrong, and it may jump. */
  now(): Date;
  /** Milliseconds since some start. Never jumps; every wait and every age is measured with it. */
  elapsedMs(): number;
  /** Resolves after `ms`, or at once when the signal aborts. It does not reject: the caller checks the signal. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The result of the work. Undefined if it takes longer than `ms`; the work continues. */
export async function within<T>(work: Promise<T>, ms: number, clock: Pick<Clock, 'sleep'>): Promise<T | undefined> {
  const done = new AbortController();
  const late = clock.sleep(ms, done.signal).then(() => undefined);
  return await Promise.race([work, late]).finally(() => done.abort());
}

/** Whether `everyMs` has passed since then. A date in the future was written while the clock was wrong. */
export function isPeriodOver(lastAt: Date | undefined, everyMs: number, now: Date): boolean {
  const agoMs = now.getTime() - (lastAt?.getTime() ?? 0);
  return agoMs < 0 || agoMs >= everyMs;
}

/**
 * A Raspberry Pi has no battery for its clock and may wake up in 1970. This date is before any copy of this program. A
 * clock before it is wrong, and neither TLS nor a query by date makes sense.
 */
const EARLIEST = Date.UTC(2026, 0, 1);

export function isPlausible(now: Date): boolean {
  return now.getTime() >= EARLIEST;
}

/** How often to check whether the clock was set. */
const CLOCK_RETRY_MS = 30_000;

/**
 * Call it before any work that needs the date.
 *
 * @throws Trouble `clock_wrong`
 */
export function checkClock(clock: Clock): void {
  const now = clock.now();
  if (isPlausible(now)) return;
  throw new Trouble(`the clock shows ${now.toISOString()}, which is wrong`, {
    code: 'clock_wrong',
    recovery: 'retry',
    hint: 'weighbridge waits until the clock is set. Check the network and "timedatectl".',
    waitMs: CLOCK_RETRY_MS,
  });
}

/** The zone of this machine, which needs no table of zones: that saves 10 ms and 3 MB at the first line of a log. */
export const LOCAL_ZONE = 'local';

/** `2026-01-31`, in the time zone of this computer. */
export function formatDay(date: Date): string {
  return formatTime(date, LOCAL_ZONE).slice(0, '2026-01-31'.length);
}

/**
 * An ISO 8601 time to the second, with the offset of `timeZone` (IANA, `+01:00` or `LOCAL_ZONE`). An unknown zone
 * counts as UTC.
 */
export function formatTime(date: Date, timeZone: string | undefined): string {
  const seconds = Math.floor(date.getTime() / 1000) * 1000;
  const offsetMinutes = timeZone === undefined ? 0 : offsetAt(seconds, timeZone);
  const local = new Date(seconds + offsetMinutes * 60_000).toISOString().slice(0, -'.000Z'.length);
  const sign = offsetMinutes < 0 ? '-' : '+';
  const hours = String(Math.floor(Math.abs(offsetMinutes) / 60)).padStart(2, '0');
  const minutes = String(Math.abs(offsetMinutes) % 60).padStart(2, '0');
  return `${local}${sign}${hours}:${minutes}`;
}

const FIXED_OFFSET = /^([+-])([0-9]{2}):([0-9]{2})$/;

/** The offset in minutes. */
function offsetAt(epochMs: number, timeZone: string): number {
  if (timeZone === LOCAL_ZONE) return -new Date(epochMs).getTimezoneOffset();
  // Intl of Node 20 does not support offsets as zones.
  const [, sign, hours, minutes] = FIXED_OFFSET.exec(timeZone) ?? [];
  if (sign !== undefined) return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
  const parts = formatOf(timeZone)?.formatToParts(epochMs);
  if (parts === undefined) return 0;
  const part = (type: string) => Number(parts.find((each) => each.type === type)?.value);
  const local = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
  return Math.round((local - epochMs) / 60_000);
}

/** A formatter takes 70 µs and 17 kB to make, and a household uses one zone or two. */
const MOST_FORMATS = 16;
const formats = new Map<string, Intl.DateTimeFormat | undefined>();

/** Undefined if the zone is unknown. */
function formatOf(timeZone: string): Intl.DateTimeFormat | undefined {
  if (!formats.has(timeZone)) {
    if (formats.size === MOST_FORMATS) formats.clear();
    formats.set(timeZone, makeFormat(timeZone));
  }
  return formats.get(timeZone);
}

function makeFormat(timeZone: string): Intl.DateTimeFormat | undefined {
  const digits = { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' } as const;
  try {
    return new Intl.DateTimeFormat('en-US', { ...digits, second: '2-digit', hourCycle: 'h23', timeZone });
  } catch {
    return undefined;
  }
}
