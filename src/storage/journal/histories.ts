import { createSeries, type Histories, type Series, type TimedValue } from '../../domain/history.ts';
import type { GroupWeight } from '../../domain/plausibility.ts';
import type { LatestValues } from '../../domain/publisher.ts';
import type { UserId } from '../../domain/token.ts';
import { createGroupTable, type GroupTable, longer } from './table.ts';

/** One person's data in the journal. */
interface Person {
  readonly groups: GroupTable;
  readonly quantities: Map<string, Values>;
}

/** One quantity by time, in columns. Each entry is a value and the row of its group, 12 bytes. */
interface Values {
  length: number;
  values: Float64Array;
  rows: Int32Array;
}

const NONE: Series = [];

/** The position of a value in a person's history. */
export interface Position {
  readonly groupId: number;
  readonly takenMs: number;
}

export interface HistoryIndex extends Histories, LatestValues {
  people(): Iterable<UserId>;
  /** Undefined if the journal has nothing of the person. */
  groupsOf(userId: UserId): GroupTable | undefined;
  openGroups(userId: UserId): GroupTable;
  /** Adds the measures of a group that has none here. */
  put(userId: UserId, row: number, measures: Readonly<Record<string, number>>): void;
  /** Removes the measures of a group. Call it before its row changes. */
  remove(userId: UserId, row: number): void;
  /** The newest value before the moment that is of another group. */
  before(userId: UserId, quantity: string, position: Position): number | undefined;
  /** The values with `fromMs <= takenMs < toMs`, and the group of each, by time. */
  between(userId: UserId, quantity: string, fromMs: number, toMs: number): readonly GroupWeight[];
  last(userId: UserId, quantity: string): TimedValue | undefined;
  clear(): void;
}

export function createHistories(): HistoryIndex {
  const people = new Map<UserId, Person>();

  const openPerson = (userId: UserId): Person => {
    const known = people.get(userId);
    if (known !== undefined) return known;
    const person = { groups: createGroupTable(), quantities: new Map<string, Values>() };
    people.set(userId, person);
    return person;
  };

  const openValues = ({ quantities }: Person, quantity: string): Values => {
    const known = quantities.get(quantity);
    if (known !== undefined) return known;
    const values = { length: 0, values: new Float64Array(0), rows: new Int32Array(0) };
    quantities.set(quantity, values);
    return values;
  };

  const seriesOf = (userId: UserId, quantity: string): Series => {
    const person = people.get(userId);
    const values = person?.quantities.get(quantity);
    if (person === undefined || values === undefined) return NONE;
    const { groups } = person;
    return createSeries(values.length, (at) => ({
      takenMs: takenMsAt(values, groups, at),
      value: values.values[at] ?? Number.NaN,
    }));
  };

  return {
    people: () => people.keys(),
    groupsOf: (userId) => people.get(userId)?.groups,
    openGroups: (userId) => openPerson(userId).groups,
    put(userId, row, measures) {
      const person = openPerson(userId);
      const takenMs = person.groups.takenMs(row);
      for (const quantity of Object.keys(measures)) {
        const values = openValues(person, quantity);
        insert(values, firstAt(values, person.groups, takenMs, { orLater: false }), row, measures[quantity] ?? 0);
      }
    },
    remove(userId, row) {
      const person = people.get(userId);
      if (person === undefined) return;
      const takenMs = person.groups.takenMs(row);
      for (const values of person.quantities.values()) {
        let at = firstAt(values, person.groups, takenMs, { orLater: true });
        while (at < values.length && values.rows[at] !== row && takenMsAt(values, person.groups, at) === takenMs)
          at += 1;
        if (at < values.length && values.rows[at] === row) remove(values, at);
      }
    },
    before(userId, quantity, { groupId, takenMs }) {
      const person = people.get(userId);
      const values = person?.quantities.get(quantity);
      if (person === undefined || values === undefined) return undefined;
      const row = person.groups.find(groupId);
      let at = firstAt(values, person.groups, takenMs, { orLater: true }) - 1;
      while (at >= 0 && values.rows[at] === row) at -= 1;
      return at < 0 ? undefined : values.values[at];
    },
    between(userId, quantity, fromMs, toMs) {
      const person = people.get(userId);
      const values = person?.quantities.get(quantity);
      if (person === undefined || values === undefined) return [];
      const found: GroupWeight[] = [];
      const end = firstAt(values, person.groups, toMs, { orLater: true });
      for (let at = firstAt(values, person.groups, fromMs, { orLater: true }); at < end; at += 1) {
        const row = values.rows[at] ?? 0;
        const { groups } = person;
        found.push({ groupId: groups.groupId(row), takenMs: groups.takenMs(row), value: values.values[at] ?? 0 });
      }
      return found;
    },
    last: (userId, quantity) => seriesOf(userId, quantity).at(-1),
    quantitiesOf: (userId) =>
      [...(people.get(userId)?.quantities ?? [])].flatMap(([quantity, { length }]) => (length > 0 ? [quantity] : [])),
    valuesOf: seriesOf,
    of(userId) {
      const newest = new Map<string, { readonly value: number; readonly takenAt: Date }>();
      for (const quantity of people.get(userId)?.quantities.keys() ?? []) {
        const found = seriesOf(userId, quantity).at(-1);
        if (found !== undefined) newest.set(quantity, { value: found.value, takenAt: new Date(found.takenMs) });
      }
      return newest;
    },
    clear: () => people.clear(),
  };
}

function insert(values: Values, at: number, row: number, value: number): void {
  const { length } = values;
  if (length === values.rows.length) {
    values.values = longer(values.values);
    values.rows = longer(values.rows);
  }
  if (at < length) {
    values.values.copyWithin(at + 1, at, length);
    values.rows.copyWithin(at + 1, at, length);
  }
  values.values[at] = value;
  values.rows[at] = row;
  values.length += 1;
}

function remove(values: Values, at: number): void {
  values.values.copyWithin(at, at + 1, values.length);
  values.rows.copyWithin(at, at + 1, values.length);
  values.length -= 1;
}

function takenMsAt({ rows }: Values, groups: GroupTable, at: number): number {
  return groups.takenMs(rows[at] ?? 0);
}

/**
 * The position of the first value after a moment. It bisects, because a journal of years has tens of thousands.
 *
 * @param options.orLater also accepts a value of exactly that moment
 */
function firstAt(
  values: Values,
  groups: GroupTable,
  momentMs: number,
  { orLater }: { readonly orLater: boolean },
): number {
  const { length } = values;
  const isBefore = (at: number) => {
    const takenMs = takenMsAt(values, groups, at);
    return orLater ? takenMs < momentMs : takenMs <= momentMs;
  };
  // Most values arrive in the order of time.
  if (length === 0 || isBefore(length - 1)) return length;
  let [from, to] = [0, length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (isBefore(middle)) from = middle + 1;
    else to = middle;
  }
  return from;
}
