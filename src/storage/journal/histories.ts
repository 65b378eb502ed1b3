import type { Histories, TimedValue } from '../../domain/history.ts';
import type { LatestValues } from '../../domain/publisher.ts';
import type { UserId } from '../../domain/token.ts';

/** One quantity of one person by time, in columns: 24 bytes a value, and years of them stay in memory. */
interface Series {
  readonly takenMs: number[];
  readonly values: number[];
  readonly groupIds: number[];
}

const EMPTY: Series = { takenMs: [], values: [], groupIds: [] };

/** Where a value stands in a person's history. */
export interface Position {
  readonly groupId: number;
  readonly takenMs: number;
}

export interface HistoryIndex extends Histories, LatestValues {
  /** Takes in the measures of a group that has none here. */
  put(userId: UserId, position: Position, measures: Readonly<Record<string, number>>): void;
  /** Forgets the measures of a group. */
  remove(userId: UserId, position: Position): void;
  /** The newest value of before the moment, where that is not of the same group. */
  before(userId: UserId, quantity: string, position: Position): number | undefined;
  /** The values with `fromMs <= takenMs < toMs`, and the group of each, by time. */
  between(userId: UserId, quantity: string, fromMs: number, toMs: number): readonly (TimedValue & Position)[];
  last(userId: UserId, quantity: string): TimedValue | undefined;
  clear(): void;
}

export function createHistories(): HistoryIndex {
  const people = new Map<UserId, Map<string, Series>>();

  const seriesOf = (userId: UserId, quantity: string): Series => people.get(userId)?.get(quantity) ?? EMPTY;

  const openSeries = (userId: UserId, quantity: string): Series => {
    const quantities = people.get(userId) ?? new Map<string, Series>();
    people.set(userId, quantities);
    const series = quantities.get(quantity) ?? { takenMs: [], values: [], groupIds: [] };
    quantities.set(quantity, series);
    return series;
  };

  const last = (userId: UserId, quantity: string): TimedValue | undefined => {
    const { takenMs, values } = seriesOf(userId, quantity);
    const [moment, value] = [takenMs.at(-1), values.at(-1)];
    return moment === undefined || value === undefined ? undefined : { takenMs: moment, value };
  };

  return {
    put(userId, { groupId, takenMs }, measures) {
      for (const [quantity, value] of Object.entries(measures)) {
        const series = openSeries(userId, quantity);
        const at = firstAt(series, takenMs, { orLater: false });
        series.takenMs.splice(at, 0, takenMs);
        series.values.splice(at, 0, value);
        series.groupIds.splice(at, 0, groupId);
      }
    },
    remove(userId, { groupId, takenMs }) {
      for (const series of people.get(userId)?.values() ?? []) {
        let at = firstAt(series, takenMs, { orLater: true });
        while (series.takenMs[at] === takenMs && series.groupIds[at] !== groupId) at += 1;
        if (series.takenMs[at] !== takenMs) continue;
        for (const column of Object.values(series)) column.splice(at, 1);
      }
    },
    before(userId, quantity, { groupId, takenMs }) {
      const series = seriesOf(userId, quantity);
      let at = firstAt(series, takenMs, { orLater: true }) - 1;
      while (series.groupIds[at] === groupId) at -= 1;
      return series.values[at];
    },
    between(userId, quantity, fromMs, toMs) {
      const series = seriesOf(userId, quantity);
      const from = firstAt(series, fromMs, { orLater: true });
      const found = series.values.slice(from, firstAt(series, toMs, { orLater: true }));
      return found.map((value, at) => ({
        value,
        takenMs: series.takenMs[from + at] ?? 0,
        groupId: series.groupIds[from + at] ?? 0,
      }));
    },
    last,
    quantitiesOf: (userId) =>
      [...(people.get(userId) ?? [])].flatMap(([quantity, { values }]) => (values.length > 0 ? [quantity] : [])),
    valuesOf(userId, quantity) {
      const series = seriesOf(userId, quantity);
      return series.values.map((value, at) => ({ takenMs: series.takenMs[at] ?? 0, value }));
    },
    of(userId) {
      const newest = new Map<string, { readonly value: number; readonly takenAt: Date }>();
      for (const quantity of people.get(userId)?.keys() ?? []) {
        const found = last(userId, quantity);
        if (found !== undefined) newest.set(quantity, { value: found.value, takenAt: new Date(found.takenMs) });
      }
      return newest;
    },
    clear: () => people.clear(),
  };
}

/**
 * Where the first value behind a moment stands, by bisection: a journal of years has tens of thousands.
 *
 * @param options.orLater also one of that very moment
 */
function firstAt({ takenMs }: Series, momentMs: number, { orLater }: { readonly orLater: boolean }): number {
  let [from, to] = [0, takenMs.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    const at = takenMs[middle] ?? Number.POSITIVE_INFINITY;
    if (orLater ? at < momentMs : at <= momentMs) from = middle + 1;
    else to = middle;
  }
  return from;
}
