import { MONTHS } from '../words.ts';
import { type CalendarUnit, LENGTH_MS, later, startOf } from './calendar.ts';
import type { Tick } from './scale.ts';
import type { Span } from './span.ts';

/** As many labels stand side by side on a phone. */
const MOST = 7;
const STEPS: readonly (readonly [CalendarUnit, number])[] = [
  ['day', 1],
  ['day', 2],
  ['week', 1],
  ['week', 2],
  ['month', 1],
  ['month', 2],
  ['month', 3],
  ['month', 6],
  ['year', 1],
  ['year', 2],
  ['year', 5],
  ['year', 10],
];
const COARSEST = ['year', 25] as const;

/** Where days, weeks, months or years begin, in the zone of this machine. */
export function timeTicks({ fromMs, toMs }: Span): Tick[] {
  const [unit, every] =
    STEPS.find(([each, count]) => (toMs - fromMs) / (LENGTH_MS[each] * count) <= MOST - 0.5) ?? COARSEST;
  const ticks: Tick[] = [];
  let atMs = aligned(unit, every, fromMs);
  while (atMs < fromMs) atMs = later(unit, atMs, every);
  for (; atMs <= toMs; atMs = later(unit, atMs, every)) {
    ticks.push({ position: (atMs - fromMs) / (toMs - fromMs), label: labelOf(unit, atMs) });
  }
  return ticks;
}

/** Every third month is January, April…, every fifth year ends with 0 or 5, whatever the first one shown is. */
function aligned(unit: CalendarUnit, every: number, fromMs: number): number {
  const startMs = startOf(unit, fromMs);
  const date = new Date(startMs);
  if (unit === 'month') return later(unit, startMs, -(date.getMonth() % every));
  if (unit === 'year') return later(unit, startMs, -(date.getFullYear() % every));
  return startMs;
}

function labelOf(unit: CalendarUnit, atMs: number): string {
  const date = new Date(atMs);
  const month = (MONTHS[date.getMonth()] ?? '').slice(0, 3);
  if (unit === 'day' || unit === 'week') return `${date.getDate()} ${month}`;
  return unit === 'year' || date.getMonth() === 0 ? String(date.getFullYear()) : month;
}
